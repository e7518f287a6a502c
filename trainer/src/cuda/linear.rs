//! Affine layers of one input on a device, as one product.
//!
//! **Problem.** y_k = (W_k + c_k U_k V_k') x + b_k for the layers k of one input x (n, tokens), such as query, key and
//! value; and the gradients.
//!
//! **Method.** The weights and the V_k' stand above each other in one matrix, so that one product gives all W_k x and
//! V_k' x; another product gives dx from the dy_k and the c_k U_k' dy_k, which take the place of the V_k' x.
//! The rows of a V_k' are filled up to a multiple of 8 with zeros, for the tensor cores.
//!
//! **Cost.** 2 flops a row, column and token each way, and 2 r m, 2 r (2 m + n) more for an update of rank r.

use super::adapter::Job;
use super::arena::Arena;
use super::backend::{At, Backend, Number, Operand, Precision, Product, bytes_of, int};
use super::kernels::THREADS;
use crate::layer::{Layer, Weight};
use anyhow::{Context, Result, bail};
use lowrank::faer::Mat;

/// The trained numbers of a model in the order of its groups, and what is made of them.
#[derive(Default)]
pub(crate) struct Table {
    /// Matrices to be made of the numbers.
    pub jobs: Vec<Job>,
    /// Those of them whose gradients are to be pulled back: the adapters' factors.
    pub pulls: Vec<Job>,
    /// How many numbers there are.
    pub count: usize,
}

impl Table {
    /// Numbers that are used as they are, copied to `to`; their place among all.
    ///
    /// # Errors
    /// Those of [`Job::whole`].
    pub fn copy(&mut self, shape: (usize, usize), to: At, ld: usize, narrow: bool) -> Result<usize> {
        let first = self.count;
        let (ld, narrow) = (int(ld)?, i32::from(narrow));
        self.jobs.push(Job { sum: to.0, ld, narrow, ..Job::whole(shape, first)? });
        self.count += shape.0 * shape.1;
        Ok(first)
    }
}

/// The layers.
pub(crate) struct Linear<B: Backend> {
    weight: B::Memory,
    bias: B::Memory,
    updates: Vec<B::Memory>,
    blocks: Vec<Rows>,
    /// n.
    inputs: usize,
    /// Rows of the matrix.
    pub ld: usize,
    narrow: bool,
}

/// The rows of one layer.
struct Rows {
    first: usize,
    count: usize,
    trained: Trained,
}

enum Trained {
    No,
    /// The places of weight and bias among the trained numbers.
    Full(usize, usize),
    /// An update of low rank; its V' has the rows from `first` on. U, dU and dV'.
    Update {
        first: usize,
        rank: usize,
        scaling: f32,
        u: At,
        du: At,
        dv: At,
    },
}

/// So many columns of floats, `ld` apart.
#[derive(Clone, Copy)]
pub(crate) struct Columns {
    pub at: At,
    pub ld: usize,
    pub count: usize,
}

impl<B: Backend> Linear<B> {
    /// Uploads layers of one input. `head`: stored in f32 in any case.
    ///
    /// # Errors
    /// For an adapter that is neither LoRA nor LSR; where memory is short.
    pub fn new(device: &B, layers: &[(String, &Layer<f32>)], head: bool, table: &mut Table) -> Result<Self> {
        let narrow = device.precision() == Precision::Bf16 && !head;
        let inputs = layers[0].1.weight.shape().1;
        let rank = |layer: &Layer<f32>| -> Result<usize> {
            match &layer.weight {
                Weight::Adapted(adapted) if adapted.magnitude().is_some() => {
                    bail!("magnitudes (DoRA) are trained with the device cpu")
                }
                Weight::Adapted(adapted) => Ok(Job::pair(adapted.adapter(), 0)?[0].shape().1),
                _ => Ok(0),
            }
        };
        let mut ld = 0;
        let mut firsts = Vec::new(); // of the weight's rows, and of V's
        for (_, layer) in layers {
            firsts.push(ld);
            ld += layer.weight.shape().0;
        }
        for (name, layer) in layers {
            firsts.push(ld);
            ld += rank(layer).with_context(|| name.clone())?.next_multiple_of(8);
        }
        let whole = matrix(layers, inputs, ld);
        let mut weight = device.store(&bytes_of(&whole))?;
        if narrow {
            let wide = std::mem::replace(&mut weight, device.allocate(2 * whole.len())?);
            let (places, numbers) = ([B::at(&weight), B::at(&wide)], [ld.into(), ld.into()]);
            device.launch("narrow", (inputs, 1), &places, &numbers)?;
        }
        let bias: Vec<f32> = layers.iter().flat_map(|(_, layer)| layer.bias.clone()).collect();
        let bias = device.store(&bytes_of(&bias))?;
        let mut out = Self { weight, bias, updates: Vec::new(), blocks: Vec::new(), inputs, ld, narrow };
        for (k, (_, layer)) in layers.iter().enumerate() {
            let (first, below) = (firsts[k], firsts[layers.len() + k]);
            let trained = out.train(device, layer, first, below, table)?;
            out.blocks.push(Rows { first, count: layer.weight.shape().0, trained });
        }
        Ok(out)
    }

    fn train(
        &mut self,
        device: &B,
        layer: &Layer<f32>,
        first: usize,
        below: usize,
        table: &mut Table,
    ) -> Result<Trained> {
        let (m, n) = layer.weight.shape();
        let row = |row: usize| At(B::at(&self.weight).0 + (if self.narrow { 2 } else { 4 }) * row as u64);
        match &layer.weight {
            Weight::Full(_) => {
                let weight = table.copy((m, n), row(first), self.ld, self.narrow)?;
                let bias = table.copy((m, 1), B::at(&self.bias).floats(first), m, false)?;
                Ok(Trained::Full(weight, bias))
            }
            Weight::Adapted(adapted) => {
                let [u, v] = Job::pair(adapted.adapter(), table.count)?;
                let rank = u.shape().1;
                let sizes = [m * rank.next_multiple_of(8), m * rank, rank * n];
                let memories = sizes.map(|size| device.store(&vec![0; 4 * size]));
                let [u_at, du, dv] = {
                    let [a, b, c] = memories;
                    self.updates.extend([a?, b?, c?]);
                    let last = self.updates.len();
                    [3, 2, 1].map(|k| B::at(&self.updates[last - k]))
                };
                let (rows, narrow) = (int(m)?, i32::from(self.narrow));
                let jobs = [
                    Job { sum: u_at.0, ld: rows, gradient: du.0, gradient_ld: rows, ..u },
                    Job {
                        sum: row(below).0,
                        ld: int(self.ld)?,
                        gradient: dv.0,
                        gradient_ld: int(rank)?,
                        narrow,
                        ..v
                    },
                ];
                table.jobs.extend(jobs);
                table.pulls.extend(jobs);
                table.count += adapted.parameters();
                let scaling = adapted.scaling() as f32;
                Ok(Trained::Update { first: below, rank, scaling, u: u_at, du, dv })
            }
            _ => Ok(Trained::No),
        }
    }

    /// b, of all layers one after the other.
    pub fn bias(&self) -> At {
        B::at(&self.bias)
    }
    /// Whether some numbers are trained.
    pub fn trained(&self) -> bool {
        self.blocks.iter().any(|block| !matches!(block.trained, Trained::No))
    }

    /// All y without the biases, and beneath them what the backward pass needs: (ld, tokens).
    pub fn forward(&self, device: &B, arena: &mut Arena<B::Memory>, x: Columns) -> Result<At> {
        let tokens = x.count;
        let y = arena.take(device, self.ld * tokens)?;
        let mark = arena.mark();
        let (weight, x) = (self.weight(), self.operand(device, arena, x, self.inputs)?);
        device.multiply(&Product::new(
            (self.ld, tokens, self.inputs),
            weight,
            x,
            Operand::new(y, self.ld),
        ))?;
        arena.rewind(mark);
        for block in &self.blocks {
            if let Trained::Update { first, rank, scaling, u, .. } = block.trained {
                let inner = Operand::new(y.floats(first), self.ld);
                let out = Operand::new(y.floats(block.first), self.ld);
                let product =
                    Product::new((block.count, tokens, rank), Operand::new(u, block.count), inner, out);
                device.multiply(&Product { alpha: scaling, beta: 1.0, ..product })?;
            }
        }
        Ok(y)
    }

    /// From the input x and the gradients dy, which stand in place of what [`Linear::forward`] gave: the gradients of
    /// trained numbers; and W' dy + beta dx into dx (n, tokens) where it is given.
    pub fn backward(
        &self,
        device: &B,
        arena: &mut Arena<B::Memory>,
        x: Columns,
        dy: At,
        dx: Option<(At, f32)>,
        gradients: At,
    ) -> Result<()> {
        let (n, ld, tokens) = (self.inputs, self.ld, x.count);
        let input = Operand::new(x.at, x.ld);
        for block in &self.blocks {
            let (m, own) = (block.count, Operand::new(dy.floats(block.first), ld));
            match block.trained {
                Trained::No => {}
                Trained::Full(weight, bias) => {
                    let out = Operand::new(gradients.floats(weight), m);
                    device.multiply(&Product::new((m, n, tokens), own, input.t(), out))?;
                    let (places, numbers) =
                        ([gradients.floats(bias), own.at], [m, ld, tokens].map(Number::from));
                    device.launch("row_sums", (m.div_ceil(THREADS), 1), &places, &numbers)?;
                }
                Trained::Update { first, rank, scaling, u, du, dv } => {
                    let inner = Operand::new(dy.floats(first), ld); // V' x, then c U' dy
                    let product = Product::new((m, rank, tokens), own, inner.t(), Operand::new(du, m));
                    device.multiply(&Product { alpha: scaling, ..product })?;
                    // With the columns of zeros, so that the rows of zeros in the weight meet zeros.
                    let filled = rank.next_multiple_of(8);
                    let product = Product::new((filled, tokens, m), Operand::new(u, m).t(), own, inner);
                    device.multiply(&Product { alpha: scaling, ..product })?;
                    device.multiply(&Product::new(
                        (rank, n, tokens),
                        inner,
                        input.t(),
                        Operand::new(dv, rank),
                    ))?;
                }
            }
        }
        if let Some((dx, beta)) = dx {
            let mark = arena.mark();
            let dy = self.operand(device, arena, Columns { at: dy, ld, count: tokens }, ld)?;
            let product = Product::new((n, tokens, ld), self.weight().t(), dy, Operand::new(dx, n));
            device.multiply(&Product { beta, ..product })?;
            arena.rewind(mark);
        }
        Ok(())
    }

    fn weight(&self) -> Operand {
        Operand::new(B::at(&self.weight), self.ld).narrow(self.narrow)
    }

    /// Columns as the product with the weight takes them: in bf16 where it is.
    fn operand(&self, device: &B, arena: &mut Arena<B::Memory>, x: Columns, rows: usize) -> Result<Operand> {
        if !self.narrow {
            return Ok(Operand::new(x.at, x.ld));
        }
        let out = arena.take(device, (x.ld * x.count).div_ceil(2))?;
        device.launch("narrow", (x.count, 1), &[out, x.at], &[rows.into(), x.ld.into()])?;
        Ok(Operand::new(out, x.ld).narrow(true))
    }
}

/// The weights above each other with zeros beneath, (ld, n) by columns.
fn matrix(layers: &[(String, &Layer<f32>)], inputs: usize, ld: usize) -> Vec<f32> {
    let mut out = vec![0.0; ld * inputs];
    let mut first = 0;
    for (_, layer) in layers {
        let weight: Mat<f32> = match &layer.weight {
            Weight::Adapted(adapted) => adapted.base().to_owned(),
            weight => weight.merged(),
        };
        for (j, column) in out.chunks_exact_mut(ld).enumerate() {
            column[first..first + weight.nrows()].copy_from_slice(weight.col_as_slice(j));
        }
        first += weight.nrows();
    }
    out
}
