//! Tokens to vectors on a device: the sum of three tables' columns, normalized, and the way back. The gradients of the
//! tables themselves, which are trained only where all is, are summed on the host.

use super::arena::Arena;
use super::backend::{At, Backend, bytes_of, bytes_of_ints, int};
use super::block::{Batch, Norm, Pass};
use super::linear::{Columns, Table};
use crate::layer::{Layer, Weight};
use crate::text::Tokens;
use anyhow::{Context, Result, bail};

/// The tables of words, positions and types, and the normalization of their sum.
pub(super) struct Embedding<B: Backend> {
    tables: [Entries<B>; 3],
    norm: Norm<B>,
    first_position: usize,
}

/// A table (d, entries): its own memory, or its place among the trained numbers.
struct Entries<B: Backend> {
    memory: Option<B::Memory>,
    first: usize,
    shape: (usize, usize),
}

/// What the backward pass needs: the sum of the tables' columns, and its statistics.
#[derive(Clone, Copy)]
pub(super) struct Kept(At, At);

impl<B: Backend> Embedding<B> {
    /// Uploads the three tables and the normalization, which are the layers.
    ///
    /// # Errors
    /// Where memory is short, or a table has 2^31 entries or more.
    pub fn new(
        device: &B,
        layers: &[(String, &Layer<f32>)],
        first_position: usize,
        table: &mut Table,
    ) -> Result<Self> {
        let mut upload = |k: usize| -> Result<Entries<B>> {
            let weight: &Weight<f32> = &layers[k].1.weight;
            let (first, shape) = (table.count, weight.shape());
            int(shape.1).context("the entries of a table of embeddings")?;
            if matches!(weight, Weight::Full(_)) {
                table.count += shape.0 * shape.1;
                return Ok(Entries { memory: None, first, shape });
            }
            let whole = weight.merged();
            let numbers: Vec<f32> = (0..shape.1).flat_map(|j| whole.col_as_slice(j)).copied().collect();
            Ok(Entries { memory: Some(device.store(&bytes_of(&numbers))?), first, shape })
        };
        let tables = [upload(0)?, upload(1)?, upload(2)?];
        Ok(Self { tables, norm: Norm::new(device, layers[3].1, table)?, first_position })
    }

    /// Whether some of it is trained.
    pub fn trained(&self) -> bool {
        self.tables.iter().any(|table| table.memory.is_none()) || self.norm.trained()
    }

    /// The columns of the three tables that each token takes; they are counted in `int`s, as [`Embedding::new`] checked.
    fn places(&self, inputs: &[&Tokens]) -> [Vec<i32>; 3] {
        let words = inputs.iter().flat_map(|x| x.ids.iter().map(|id| *id as i32)).collect();
        let position = |at: usize| (self.first_position + at) as i32;
        let positions = inputs.iter().flat_map(|x| (0..x.ids.len()).map(position)).collect();
        let kinds = inputs.iter().flat_map(|x| x.types.iter().map(|kind| *kind as i32)).collect();
        [words, positions, kinds]
    }

    /// Uploads the tokens; with them the places of words, positions and types.
    ///
    /// # Errors
    /// Where they are too many for `heads` matrices of scores a sequence, or memory is short.
    pub fn upload(
        &self,
        device: &B,
        arena: &mut Arena<B::Memory>,
        heads: usize,
        inputs: &[&Tokens],
    ) -> Result<(Batch, [At; 3])> {
        let longest = inputs.iter().map(|x| x.ids.len()).max().unwrap_or(0);
        let scores = (longest * longest).checked_mul(heads * inputs.len());
        if scores.is_none_or(|scores| scores >= 1 << 31) {
            bail!(
                "{} sequences of up to {longest} tokens are too many for the device: pass fewer at once",
                inputs.len()
            );
        }
        let (mut first, mut lengths, mut tokens) = (Vec::new(), Vec::new(), 0);
        for input in inputs {
            first.push(int(tokens)?);
            lengths.push(int(input.ids.len())?);
            tokens += input.ids.len();
        }
        let [words, positions, kinds] = self.places(inputs);
        let all = [&words[..], &positions, &kinds, &first, &lengths].concat();
        let at = arena.take(device, all.len())?;
        device.upload(at, &bytes_of_ints(&all))?;
        let starts = [0, tokens, 2 * tokens].map(|start| at.floats(start));
        let (first, lengths) = (at.floats(3 * tokens), at.floats(3 * tokens + inputs.len()));
        Ok((Batch { tokens, sequences: inputs.len(), longest, first, lengths }, starts))
    }

    /// The vectors (d, tokens) of the tokens at these places, and what the backward pass needs. `numbers`: the
    /// trained ones.
    pub fn forward(&self, pass: &mut Pass<'_, B>, places: [At; 3], numbers: At) -> Result<(At, Kept)> {
        let (d, tokens) = (pass.sizes.width, pass.batch.tokens);
        let (sum, x) = (pass.take(d * tokens)?, pass.take(d * tokens)?);
        let tables = self.tables.each_ref().map(|table| match &table.memory {
            Some(memory) => B::at(memory),
            None => numbers.floats(table.first),
        });
        let all = [&[sum][..], &tables, &places].concat();
        pass.device.launch("embed", (tokens, 1), &all, &[d.into()])?;
        let columns = Columns { at: sum, ld: d, count: tokens };
        let statistics = self.norm.forward(pass, columns, At::NULL, At::NULL, x)?;
        Ok((x, Kept(sum, statistics)))
    }

    /// The gradients of the trained numbers of the normalization, from dy (d, tokens); on the host those of the sum
    /// of the tables' columns, which take the place of `dx`.
    pub fn backward(
        &self,
        pass: &mut Pass<'_, B>,
        Kept(sum, statistics): Kept,
        dy: At,
        dx: At,
        gradients: At,
    ) -> Result<Vec<f32>> {
        let (d, tokens) = (pass.sizes.width, pass.batch.tokens);
        let columns = Columns { at: sum, ld: d, count: tokens };
        self.norm.backward(pass, columns, statistics, dy, dx, gradients)?;
        let mut out = vec![0.0; d * tokens];
        pass.device.download(dx, &mut out)?;
        Ok(out)
    }

    /// The gradients of the tables that are trained, to their places among all, from [`Embedding::backward`]'s.
    pub fn scatter(&self, inputs: &[&Tokens], dtokens: &[f32], flat: &mut [f32]) {
        for (table, places) in self.tables.iter().zip(self.places(inputs)) {
            if table.memory.is_some() {
                continue;
            }
            let (d, entries) = table.shape;
            let out = &mut flat[table.first..][..d * entries];
            out.fill(0.0);
            for (place, column) in places.iter().zip(dtokens.chunks_exact(d)) {
                let to = &mut out[*place as usize * d..][..d];
                to.iter_mut().zip(column).for_each(|(sum, x)| *sum += x);
            }
        }
    }
}
