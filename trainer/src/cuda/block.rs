//! One block of the encoder on a device: attention, and a feed-forward part of two layers, each added to its input
//! and normalized. The mathematics and the order of the parts are those of the encoder on the CPU.
//!
//! **Method.** Query, key and value are one product. Heads are copied to matrices of one size, (size, longest), with
//! zeros after a sequence's end, so that the products of attention are two strided batches each way. The
//! gradient of a matrix takes its place where nothing else needs it.

use super::arena::Arena;
use super::backend::{At, Backend, Number, Operand, Product, bytes_of};
use super::kernels::{GROUPS, THREADS};
use super::linear::{Columns, Linear, Table};
use crate::layer::{Layer, Weight};
use anyhow::Result;

/// Sizes that all blocks share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub width: usize,
    pub heads: usize,
    pub inner: usize,
    pub epsilon: f32,
    /// The number of the function in activation.cu.
    pub gate: i32,
}

/// The sequences of a pass, in the device's memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Batch {
    pub tokens: usize,
    pub sequences: usize,
    pub longest: usize,
    /// The first token and the length of each sequence.
    pub first: At,
    pub lengths: At,
}

/// Scale and shift of a normalization.
pub(crate) struct Norm<B: Backend> {
    scale: B::Memory,
    shift: B::Memory,
    trained: Option<(usize, usize)>,
}

impl<B: Backend> Norm<B> {
    pub fn new(device: &B, layer: &Layer<f32>, table: &mut Table) -> Result<Self> {
        let scale: Vec<f32> = layer.weight.merged().col_as_slice(0).to_vec();
        let d = scale.len();
        let (scale, shift) = (device.store(&bytes_of(&scale))?, device.store(&bytes_of(&layer.bias))?);
        let full = matches!(layer.weight, Weight::Full(_));
        let mut copy = |memory| table.copy((d, 1), B::at(memory), d, false);
        let trained = if full { Some((copy(&scale)?, copy(&shift)?)) } else { None };
        Ok(Self { scale, shift, trained })
    }

    pub fn trained(&self) -> bool {
        self.trained.is_some()
    }

    /// out = norm(y + bias + residual), y the sum then; gives the statistics.
    pub fn forward(&self, pass: &mut Pass<'_, B>, y: Columns, bias: At, residual: At, out: At) -> Result<At> {
        let (d, tokens) = (pass.sizes.width, pass.batch.tokens);
        let statistics = pass.take(2 * tokens)?;
        let (scale, shift) = (B::at(&self.scale), B::at(&self.shift));
        let places = [out, y.at, bias, residual, scale, shift, statistics];
        let numbers = [d.into(), y.ld.into(), Number::Float(pass.sizes.epsilon)];
        pass.device.launch("add_norm", (tokens, 1), &places, &numbers)?;
        Ok(statistics)
    }

    /// The gradient of the sum in its place, and copied to `copy`, from that of out.
    pub fn backward(
        &self,
        pass: &mut Pass<'_, B>,
        sum: Columns,
        statistics: At,
        dy: At,
        copy: At,
        gradients: At,
    ) -> Result<()> {
        let (d, tokens) = (pass.sizes.width, pass.batch.tokens);
        if let Some((scale, shift)) = self.trained {
            let places = [gradients.floats(scale), gradients.floats(shift), sum.at, dy, statistics];
            let numbers = [d, sum.ld, tokens].map(Number::from);
            pass.device.launch("norm_parameters", (d.div_ceil(THREADS), 1), &places, &numbers)?;
        }
        let places = [sum.at, copy, dy, B::at(&self.scale), statistics];
        pass.device.launch("norm_backward", (tokens, 1), &places, &[d.into(), sum.ld.into()])
    }
}

/// What a pass over the blocks takes along.
pub(crate) struct Pass<'a, B: Backend> {
    pub device: &'a B,
    pub arena: &'a mut Arena<B::Memory>,
    pub sizes: Sizes,
    pub batch: Batch,
}

impl<B: Backend> Pass<'_, B> {
    pub fn take(&mut self, floats: usize) -> Result<At> {
        self.arena.take(self.device, floats)
    }

    /// Floats of one matrix of all heads.
    fn head_floats(&self) -> usize {
        self.sizes.width * self.batch.longest * self.batch.sequences
    }
    /// Floats of all scores.
    fn score_floats(&self) -> usize {
        self.batch.longest * self.queries()
    }
    fn queries(&self) -> usize {
        self.batch.longest * self.sizes.heads * self.batch.sequences
    }

    /// The kernels `split_heads` and `join_heads`, for the matrices at these rows.
    fn heads(&self, kernel: &'static str, places: &[At], rows: &[usize], ld: usize) -> Result<()> {
        let (Sizes { heads, width, .. }, batch) = (self.sizes, &self.batch);
        let row = |k: usize| rows.get(k).copied().unwrap_or(0);
        let sizes = [row(0), row(1), row(2), heads, width / heads, batch.longest, ld, batch.sequences];
        let (places, grid) =
            ([places, &[batch.first, batch.lengths]].concat(), batch.longest * batch.sequences);
        self.device.launch(kernel, (grid, rows.len()), &places, &sizes.map(Number::from))
    }

    /// `softmax` or `softmax_backward`.
    fn soft(&self, kernel: &'static str, places: &[At]) -> Result<()> {
        let Sizes { heads, width, .. } = self.sizes;
        let scale = 1.0 / ((width / heads) as f32).sqrt();
        let queries = self.queries();
        let numbers = [heads.into(), self.batch.longest.into(), queries.into(), Number::Float(scale)];
        let places = [places, &[self.batch.lengths]].concat();
        self.device.launch(kernel, (queries.div_ceil(GROUPS), 1), &places, &numbers)
    }

    /// A product for every head of every sequence, of matrices that begin at these places.
    fn every_head(&self, kind: Heads, a: At, b: At, c: At) -> Result<()> {
        let (size, longest) = (self.sizes.width / self.sizes.heads, self.batch.longest);
        let head = |at| Operand::new(at, size).every(size * longest); // (size, longest)
        let scores = |at| Operand::new(at, longest).every(longest * longest);
        let product = match kind {
            Heads::Scores => Product::new((longest, longest, size), head(a).t(), head(b), scores(c)),
            Heads::Mixed => Product::new((size, longest, longest), head(a), scores(b), head(c)),
            Heads::MixedBack => Product::new((size, longest, longest), head(a), scores(b).t(), head(c)),
        };
        self.device.multiply(&Product { count: self.sizes.heads * self.batch.sequences, ..product })
    }
}

/// Products of heads (size, longest) and scores (keys, queries).
enum Heads {
    /// Scores = A' B.
    Scores,
    /// Heads = A scores.
    Mixed,
    /// Heads = A scores'.
    MixedBack,
}

/// The block.
pub(crate) struct Block<B: Backend> {
    projections: Linear<B>,
    joined: Linear<B>,
    first: Norm<B>,
    inner: Linear<B>,
    outer: Linear<B>,
    second: Norm<B>,
}

/// What the backward pass needs.
pub(crate) struct Kept {
    x: At,
    projected: At,
    heads: At,
    weights: At,
    context: At,
    joined: At,
    first: At,
    h: At,
    z: At,
    activated: At,
    outer: At,
    second: At,
}

impl<B: Backend> Block<B> {
    /// Uploads the eight layers of a block.
    ///
    /// # Errors
    /// Those of [`Linear::new`].
    pub fn new(device: &B, parts: &[(String, &Layer<f32>)], table: &mut Table) -> Result<Self> {
        let linear = |range: std::ops::Range<usize>, table: &mut Table| {
            Linear::new(device, &parts[range], false, table)
        };
        let projections = linear(0..3, table)?;
        let joined = linear(3..4, table)?;
        let first = Norm::new(device, parts[4].1, table)?;
        let inner = linear(5..6, table)?;
        let outer = linear(6..7, table)?;
        let second = Norm::new(device, parts[7].1, table)?;
        Ok(Self { projections, joined, first, inner, outer, second })
    }

    /// Whether some numbers are trained.
    pub fn trained(&self) -> bool {
        let layers = [&self.projections, &self.joined, &self.inner, &self.outer];
        layers.iter().any(|layer| layer.trained()) || self.first.trained() || self.second.trained()
    }

    /// Tokens x (d, tokens) to `out`.
    pub fn forward(&self, pass: &mut Pass<'_, B>, x: At, out: At) -> Result<Kept> {
        let (d, tokens) = (pass.sizes.width, pass.batch.tokens);
        let apply = |pass: &mut Pass<'_, B>, layer: &Linear<B>, at, ld| {
            layer.forward(pass.device, pass.arena, Columns { at, ld, count: tokens })
        };
        let projected = apply(pass, &self.projections, x, d)?;
        let (size, ld) = (pass.head_floats(), self.projections.ld);
        let heads = pass.take(3 * size)?;
        pass.heads("split_heads", &[heads, projected, self.projections.bias()], &[0, d, 2 * d], ld)?;
        let (query, key, value) = (heads, heads.floats(size), heads.floats(2 * size));
        let weights = pass.take(pass.score_floats())?;
        pass.every_head(Heads::Scores, key, query, weights)?;
        pass.soft("softmax", &[weights])?;
        let (mixed, context) = (pass.take(size)?, pass.take(d * tokens)?);
        pass.every_head(Heads::Mixed, value, weights, mixed)?;
        pass.heads("join_heads", &[context, mixed], &[0], d)?;
        let joined = apply(pass, &self.joined, context, d)?;
        let h = pass.take(d * tokens)?;
        let sum = Columns { at: joined, ld: self.joined.ld, count: tokens };
        let first = self.first.forward(pass, sum, self.joined.bias(), x, h)?;
        let z = apply(pass, &self.inner, h, d)?;
        let activated = pass.take(pass.sizes.inner * tokens)?;
        self.gate(pass, "gate", [activated, z])?;
        let outer = apply(pass, &self.outer, activated, pass.sizes.inner)?;
        let sum = Columns { at: outer, ld: self.outer.ld, count: tokens };
        let second = self.second.forward(pass, sum, self.outer.bias(), h, out)?;
        Ok(Kept { x, projected, heads, weights, context, joined, first, h, z, activated, outer, second })
    }

    fn gate(&self, pass: &Pass<'_, B>, kernel: &'static str, places: [At; 2]) -> Result<()> {
        let places = [places[0], places[1], self.inner.bias()];
        let numbers = [pass.sizes.inner.into(), self.inner.ld.into(), Number::Int(pass.sizes.gate)];
        pass.device.launch(kernel, (pass.batch.tokens, 1), &places, &numbers)
    }

    /// The gradients of the trained numbers from dy (d, tokens); that of x to `dx`, all of it where `below`:
    /// something is trained there.
    pub fn backward(
        &self,
        pass: &mut Pass<'_, B>,
        kept: &Kept,
        dy: At,
        dx: At,
        below: bool,
        gradients: At,
    ) -> Result<()> {
        let (d, inner, tokens) = (pass.sizes.width, pass.sizes.inner, pass.batch.tokens);
        let pull = |pass: &mut Pass<'_, B>, layer: &Linear<B>, at, ld, dy, dx| {
            layer.backward(pass.device, pass.arena, Columns { at, ld, count: tokens }, dy, dx, gradients)
        };
        let dh = pass.take(d * tokens)?;
        let sum = Columns { at: kept.outer, ld: self.outer.ld, count: tokens };
        self.second.backward(pass, sum, kept.second, dy, dh, gradients)?;
        let da = pass.take(inner * tokens)?;
        pull(pass, &self.outer, kept.activated, inner, kept.outer, Some((da, 0.0)))?;
        self.gate(pass, "gate_backward", [kept.z, da])?;
        pull(pass, &self.inner, kept.h, d, kept.z, Some((dh, 1.0)))?;
        let sum = Columns { at: kept.joined, ld: self.joined.ld, count: tokens };
        self.first.backward(pass, sum, kept.first, dh, dx, gradients)?;
        let dcontext = pass.take(d * tokens)?;
        pull(pass, &self.joined, kept.context, d, kept.joined, Some((dcontext, 0.0)))?;
        let size = pass.head_floats();
        let (dmixed, dheads) = (pass.take(size)?, pass.take(3 * size)?);
        pass.heads("split_heads", &[dmixed, dcontext, At::NULL], &[0], d)?;
        let [query, key, value] = [0, 1, 2].map(|k| kept.heads.floats(k * size));
        let [dquery, dkey, dvalue] = [0, 1, 2].map(|k| dheads.floats(k * size));
        let dscores = pass.take(pass.score_floats())?;
        pass.every_head(Heads::MixedBack, dmixed, kept.weights, dvalue)?;
        pass.every_head(Heads::Scores, value, dmixed, dscores)?;
        pass.soft("softmax_backward", &[dscores, kept.weights])?;
        pass.every_head(Heads::Mixed, key, dscores, dquery)?;
        pass.every_head(Heads::MixedBack, query, dscores, dkey)?;
        pass.heads("join_heads", &[kept.projected, dheads], &[0, d, 2 * d], self.projections.ld)?;
        pull(pass, &self.projections, kept.x, d, kept.projected, below.then_some((dx, 1.0)))
    }
}
