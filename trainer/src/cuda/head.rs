//! From the tokens of each sequence to its logits on a device. The mathematics are those of the head on the CPU.

use super::backend::{At, Backend, Number, bytes_of};
use super::block::Pass;
use super::linear::{Columns, Linear, Table};
use crate::encoder::Pooling;
use crate::layer::Layer;
use anyhow::{Context, Result};
use lowrank::faer::{Mat, MatRef};

/// The head.
pub(super) struct Head<B: Backend> {
    mean: bool,
    dense: Option<Linear<B>>,
    output: Linear<B>,
    classes: usize,
}

/// The vectors of the sequences, those after the dense layer, and the logits, each with what its layer left beneath.
pub(super) struct Kept {
    pooled: At,
    dense: At,
    logits: At,
}

impl<B: Backend> Head<B> {
    /// Uploads the layers: the output, and a dense one before it.
    ///
    /// # Errors
    /// Where there is none, or memory is short.
    pub fn new(
        device: &B,
        layers: &[(String, &Layer<f32>)],
        pooling: Pooling,
        table: &mut Table,
    ) -> Result<Self> {
        let (output, dense) = layers.split_last().context("an encoder without a head")?;
        let dense = match dense {
            [] => None,
            layers => Some(Linear::new(device, layers, true, table)?),
        };
        let classes = output.1.weight.shape().0;
        let output = Linear::new(device, std::slice::from_ref(output), true, table)?;
        Ok(Self { mean: pooling == Pooling::Mean, dense, output, classes })
    }

    fn pool(&self, pass: &Pass<'_, B>, kernel: &'static str, to: At, from: At) -> Result<()> {
        let places = [to, from, pass.batch.first, pass.batch.lengths];
        let numbers: [Number; 2] = [pass.sizes.width.into(), usize::from(self.mean).into()];
        pass.device.launch(kernel, (pass.batch.sequences, 1), &places, &numbers)
    }

    /// The input of the output layer.
    fn inner(&self, pass: &Pass<'_, B>, kept: &Kept) -> Columns {
        let count = pass.batch.sequences;
        match &self.dense {
            Some(dense) => Columns { at: kept.dense, ld: dense.ld, count },
            None => Columns { at: kept.pooled, ld: pass.sizes.width, count },
        }
    }

    /// From the tokens x (d, tokens).
    pub fn forward(&self, pass: &mut Pass<'_, B>, x: At) -> Result<Kept> {
        let (d, n) = (pass.sizes.width, pass.batch.sequences);
        let pooled = pass.take(d * n)?;
        self.pool(pass, "pool", pooled, x)?;
        let mut kept = Kept { pooled, dense: At::NULL, logits: At::NULL };
        if let Some(layer) = &self.dense {
            kept.dense = layer.forward(pass.device, pass.arena, Columns { at: pooled, ld: d, count: n })?;
            let places = [kept.dense, layer.bias()];
            pass.device.launch("bias_tanh", (n, 1), &places, &[d.into(), layer.ld.into()])?;
        }
        kept.logits = self.output.forward(pass.device, pass.arena, self.inner(pass, &kept))?;
        let sizes = [self.classes.into(), self.output.ld.into()];
        pass.device.launch("add_bias", (n, 1), &[kept.logits, self.output.bias()], &sizes)?;
        Ok(kept)
    }

    /// The logits (classes, sequences), and all that stands in their place on the device.
    pub fn read(&self, device: &B, kept: &Kept, sequences: usize) -> Result<(Mat<f32>, Vec<f32>)> {
        let ld = self.output.ld;
        let mut whole = vec![0.0; ld * sequences];
        device.download(kept.logits, &mut whole)?;
        Ok((Mat::from_fn(self.classes, sequences, |i, j| whole[j * ld + i]), whole))
    }

    /// Puts the gradient of the logits in their place; what an adapter left beneath stays, from [`Head::read`].
    pub fn write(
        &self,
        device: &B,
        kept: &Kept,
        dlogits: MatRef<'_, f32>,
        mut whole: Vec<f32>,
    ) -> Result<()> {
        for (j, column) in whole.chunks_exact_mut(self.output.ld).enumerate() {
            (0..self.classes).for_each(|i| column[i] = dlogits[(i, j)]);
        }
        device.upload(kept.logits, &bytes_of(&whole))
    }

    /// The gradients of the trained numbers, the gradient of the logits being in their place; that of the tokens to
    /// `dx` (d, tokens), where it is given.
    pub fn backward(&self, pass: &mut Pass<'_, B>, kept: &Kept, dx: Option<At>, gradients: At) -> Result<()> {
        let (d, n) = (pass.sizes.width, pass.batch.sequences);
        let mut pooled = pass.take(d * n)?;
        let inner = self.inner(pass, kept);
        self.output.backward(pass.device, pass.arena, inner, kept.logits, Some((pooled, 0.0)), gradients)?;
        if let Some(dense) = &self.dense {
            let sizes = [d.into(), dense.ld.into()];
            pass.device.launch("tanh_backward", (n, 1), &[kept.dense, pooled], &sizes)?;
            let input = Columns { at: kept.pooled, ld: d, count: n };
            pooled = pass.take(d * n)?;
            dense.backward(pass.device, pass.arena, input, kept.dense, Some((pooled, 0.0)), gradients)?;
        }
        dx.map_or(Ok(()), |dx| self.pool(pass, "pool_backward", dx, pooled))
    }
}
