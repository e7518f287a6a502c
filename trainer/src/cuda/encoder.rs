//! The encoder on a device: its weights stay there, sequences and labels go in, logits and gradients come out.

use super::adapter::Job;
use super::arena::Arena;
use super::backend::{At, Backend, bytes_of, bytes_of_ints};
use super::block::{Batch, Block, Kept, Norm, Pass, Sizes};
use super::kernels::THREADS;
use super::linear::{Columns, Linear, Table};
use crate::encoder::{Encoder, Gate, Pooling};
use crate::layer::{Layer, Weight};
use crate::loss::cross_entropy;
use crate::model::{Group, Model};
use crate::text::Tokens;
use anyhow::{Context, Result, bail};
use lowrank::faer::Mat;
use std::sync::{Mutex, PoisonError};

/// An encoder whose weights are on a device.
pub(crate) struct Resident<B: Backend> {
    device: B,
    /// The encoder with its trained numbers as they are.
    host: Encoder<f32>,
    sizes: Sizes,
    first_position: usize,
    mean: bool,
    tables: [Embeddings<B>; 3],
    norm: Norm<B>,
    blocks: Vec<Block<B>>,
    dense: Option<Linear<B>>,
    output: Linear<B>,
    classes: usize,
    /// The trained numbers, and their gradients after a pass.
    numbers: B::Memory,
    gradients: B::Memory,
    /// The counts of the groups of trained numbers.
    counts: Vec<usize>,
    jobs: Jobs<B>,
    pulls: Jobs<B>,
    arena: Mutex<Arena<B::Memory>>,
}

/// A table of embeddings (d, entries): its own memory, or its place among the trained numbers.
struct Embeddings<B: Backend> {
    memory: Option<B::Memory>,
    first: usize,
    entries: usize,
}

/// A table of jobs, and the most threads that one of them needs.
struct Jobs<B: Backend> {
    table: B::Memory,
    count: usize,
    threads: usize,
}

/// The first block that must run backward, and what the forward pass left.
struct Run {
    batch: Batch,
    embedded: (At, At), // the sum of the tables' columns, and its statistics
    kept: Vec<Kept>,
    pooled: At,
    dense: At,
    logits: At,
}

impl<B: Backend> Resident<B> {
    /// Uploads an encoder.
    ///
    /// # Errors
    /// For an adapter that is neither LoRA nor LSR; where memory is short.
    pub fn new(device: B, encoder: &Encoder<f32>) -> Result<Self> {
        let (config, parts) = (encoder.config(), encoder.parts());
        let gate = match config.gate {
            Gate::Gelu => 0,
            Gate::GeluTanh => 1,
            Gate::Relu => 2,
        };
        let (width, heads, inner) = (config.width, config.heads, config.inner);
        let sizes = Sizes { width, heads, inner, epsilon: config.epsilon as f32, gate };
        let (embeddings, rest) = parts.split_at(4);
        let (blocks, head) = rest.split_at(8 * config.layers);
        let mut table = Table::default();
        let mut upload = |k: usize| -> Result<Embeddings<B>> {
            let layer: &Layer<f32> = embeddings[k].1;
            let (first, entries) = (table.count, layer.weight.shape().1);
            if matches!(layer.weight, Weight::Full(_)) {
                table.count += width * entries;
                return Ok(Embeddings { memory: None, first, entries });
            }
            let whole: Mat<f32> = layer.weight.merged();
            let numbers: Vec<f32> = (0..entries).flat_map(|j| whole.col_as_slice(j)).copied().collect();
            Ok(Embeddings { memory: Some(device.store(&bytes_of(&numbers))?), first, entries })
        };
        let tables = [upload(0)?, upload(1)?, upload(2)?];
        let norm = Norm::new(&device, embeddings[3].1, &mut table)?;
        let blocks = blocks.chunks(8).map(|parts| Block::new(&device, parts, &mut table));
        let blocks = blocks.collect::<Result<_>>()?;
        let (output, dense) = head.split_last().context("an encoder without a head")?;
        let dense = match dense {
            [] => None,
            layers => Some(Linear::new(&device, layers, true, &mut table)?),
        };
        let output = Linear::new(&device, std::slice::from_ref(output), true, &mut table)?;
        let groups = encoder.groups();
        let counts: Vec<usize> = groups.iter().map(|group| group.values.len()).collect();
        if counts.iter().sum::<usize>() != table.count {
            bail!(
                "{} numbers are trained, but the device has places for {}",
                counts.iter().sum::<usize>(),
                table.count
            );
        }
        let [numbers, gradients] = [0; 2].map(|_| device.allocate(4 * table.count.max(1)));
        let pulls = Jobs::new(&device, &table.pulls, Job::largest(&table.pulls).1)?;
        let jobs = Jobs::new(&device, &table.jobs, Job::largest(&table.jobs).0)?;
        let out = Self {
            sizes,
            first_position: config.first_position(),
            mean: encoder.pooling() == Pooling::Mean,
            tables,
            norm,
            blocks,
            dense,
            output,
            classes: encoder.classes(),
            numbers: numbers?,
            gradients: gradients?,
            counts,
            jobs,
            pulls,
            arena: Mutex::new(Arena::new()),
            host: encoder.clone(),
            device,
        };
        out.upload_numbers(&groups)?;
        Ok(out)
    }

    /// The encoder with its trained numbers as they are.
    pub fn host(&self) -> &Encoder<f32> {
        &self.host
    }

    /// Uploads the trained numbers and materialises what is made of them.
    fn upload_numbers(&self, groups: &[Group<f32>]) -> Result<()> {
        let values: Vec<f32> = groups.iter().flat_map(|group| group.values.iter().copied()).collect();
        self.device.upload(B::at(&self.numbers), &bytes_of(&values))?;
        self.jobs.launch(&self.device, "materialise", &[B::at(&self.numbers)])
    }

    /// The device.
    pub fn device(&self) -> &B {
        &self.device
    }
}

impl<B: Backend> Model<f32> for Resident<B> {
    type Input = Tokens;

    fn groups(&self) -> Vec<Group<f32>> {
        self.host.groups()
    }

    fn set(&mut self, groups: &[Group<f32>]) -> Result<()> {
        self.host.set(groups)?;
        self.upload_numbers(groups)
    }

    fn frozen(&self) -> u64 {
        self.host.frozen()
    }

    fn length(input: &Tokens) -> usize {
        Encoder::<f32>::length(input)
    }

    fn logits(&self, inputs: &[&Tokens]) -> Result<Mat<f32>> {
        self.host.check(inputs)?;
        let mut arena = self.arena.lock().unwrap_or_else(PoisonError::into_inner);
        arena.reset(&self.device);
        let run = self.forward(&mut arena, inputs, self.blocks.len(), false)?;
        let (logits, _) = self.read(&mut arena, &run, inputs)?;
        Ok(logits)
    }

    fn gradient(&self, inputs: &[&Tokens], labels: &[usize]) -> Result<(f64, Vec<Vec<f32>>)> {
        if inputs.len() != labels.len() {
            bail!("{} labels for {} sequences: give one for each", labels.len(), inputs.len());
        }
        self.host.check(inputs)?;
        let mut arena = self.arena.lock().unwrap_or_else(PoisonError::into_inner);
        arena.reset(&self.device);
        let embedded = self.tables.iter().any(|table| table.memory.is_none()) || self.norm.trained();
        let first = self.blocks.iter().position(Block::trained).unwrap_or(self.blocks.len());
        let first = if embedded { 0 } else { first };
        let run = self.forward(&mut arena, inputs, first, false)?;
        let (logits, mut whole) = self.read(&mut arena, &run, inputs)?;
        let (loss, dlogits) = cross_entropy(logits.as_ref(), labels)?;
        // In place of the logits; rows of an adapter beneath stay as they are.
        for (j, column) in whole.chunks_exact_mut(self.output.ld).enumerate() {
            column[..self.classes].copy_from_slice(dlogits.col_as_slice(j));
        }
        self.device.upload(run.logits, &bytes_of(&whole))?;
        let dtables = self.backward(&mut arena, &run, first, embedded)?;
        self.pulls.launch(&self.device, "pull_back", &[B::at(&self.numbers), B::at(&self.gradients)])?;
        let mut flat = vec![0.0; self.counts.iter().sum()];
        self.device.download(B::at(&self.gradients), &mut flat)?;
        if embedded {
            self.scatter(inputs, &dtables, &mut flat);
        }
        let mut rest = &flat[..];
        let mut out = Vec::new();
        for (k, count) in self.counts.iter().enumerate() {
            let (values, others) = rest.split_at(*count);
            if values.iter().any(|g| !g.is_finite()) {
                bail!("{}: its gradient is not finite", self.host.groups()[k].name);
            }
            out.push(values.to_vec());
            rest = others;
        }
        Ok((loss, out))
    }
}

impl<B: Backend> Resident<B> {
    /// Runs all blocks; what the backward pass needs is kept from block `first` on. `watched`: stops with an error at
    /// the first block whose output is not finite.
    fn forward(
        &self,
        arena: &mut Arena<B::Memory>,
        inputs: &[&Tokens],
        first: usize,
        watched: bool,
    ) -> Result<Run> {
        let (batch, places) = self.upload(arena, inputs)?;
        let (d, device) = (self.sizes.width, &self.device);
        let mut pass = Pass { device, arena, sizes: self.sizes, batch };
        let size = d * batch.tokens;
        let (sum, mut x) = (pass.take(size)?, pass.take(size)?);
        let tables = self.tables.each_ref().map(|table| match &table.memory {
            Some(memory) => B::at(memory),
            None => B::at(&self.numbers).floats(table.first),
        });
        let all = [&[sum][..], &tables, &places].concat();
        device.launch("embed", (batch.tokens, 1), &all, &[d.into()])?;
        let statistics = self.norm.forward(
            &mut pass,
            Columns { at: sum, ld: d, count: batch.tokens },
            At::NULL,
            At::NULL,
            x,
        )?;
        let mut kept = Vec::new();
        let mut other = if first > 0 { pass.take(size)? } else { At::NULL };
        for (k, block) in self.blocks.iter().enumerate() {
            if k < first {
                let mark = pass.arena.mark();
                block.forward(&mut pass, x, other)?;
                pass.arena.rewind(mark);
                (x, other) = (other, x);
            } else {
                let out = pass.take(size)?;
                kept.push(block.forward(&mut pass, x, out)?);
                x = out;
            }
            if watched {
                let mut values = vec![0.0; size];
                device.download(x, &mut values)?;
                if values.iter().any(|x| !x.is_finite()) {
                    bail!("encoder.layer.{k}: its output is not finite");
                }
            }
        }
        let n = batch.sequences;
        let pooled = pass.take(d * n)?;
        let places = [pooled, x, batch.first, batch.lengths];
        device.launch("pool", (n, 1), &places, &[d.into(), usize::from(self.mean).into()])?;
        let (mut a, mut dense) = (Columns { at: pooled, ld: d, count: n }, At::NULL);
        if let Some(layer) = &self.dense {
            dense = layer.forward(device, pass.arena, a)?;
            a = Columns { at: dense, ld: layer.ld, count: n };
            device.launch("bias_tanh", (n, 1), &[dense, layer.bias()], &[d.into(), layer.ld.into()])?;
        }
        let logits = self.output.forward(device, pass.arena, a)?;
        let sizes = [self.classes.into(), self.output.ld.into()];
        device.launch("add_bias", (n, 1), &[logits, self.output.bias()], &sizes)?;
        Ok(Run { batch, embedded: (sum, statistics), kept, pooled, dense, logits })
    }

    /// The logits, and with them the rows beneath.
    fn read(
        &self,
        arena: &mut Arena<B::Memory>,
        run: &Run,
        inputs: &[&Tokens],
    ) -> Result<(Mat<f32>, Vec<f32>)> {
        let (ld, n) = (self.output.ld, run.batch.sequences);
        let mut whole = vec![0.0; ld * n];
        self.device.download(run.logits, &mut whole)?;
        let logits = Mat::from_fn(self.classes, n, |i, j| whole[j * ld + i]);
        if (0..n).any(|j| logits.col_as_slice(j).iter().any(|x: &f32| !x.is_finite())) {
            // Once more, looking at each block.
            arena.reset(&self.device);
            self.forward(arena, inputs, self.blocks.len(), true)?;
            bail!("the head: its output is not finite");
        }
        Ok((logits, whole))
    }

    /// The gradients of the trained numbers, adapters' as those of their factors; those of the embedded tokens.
    fn backward(
        &self,
        arena: &mut Arena<B::Memory>,
        run: &Run,
        first: usize,
        embedded: bool,
    ) -> Result<Vec<f32>> {
        let (d, device, batch, n) = (self.sizes.width, &self.device, run.batch, run.batch.sequences);
        let gradients = B::at(&self.gradients);
        let da = arena.take(device, d * n)?;
        let (mut dpooled, mut a) = (da, Columns { at: run.pooled, ld: d, count: n });
        if let Some(dense) = &self.dense {
            dpooled = arena.take(device, d * n)?;
            a = Columns { at: run.dense, ld: dense.ld, count: n };
        }
        self.output.backward(device, arena, a, run.logits, Some((da, 0.0)), gradients)?;
        if let Some(dense) = &self.dense {
            device.launch("tanh_backward", (n, 1), &[run.dense, da], &[d.into(), dense.ld.into()])?;
            let input = Columns { at: run.pooled, ld: d, count: n };
            dense.backward(device, arena, input, run.dense, Some((dpooled, 0.0)), gradients)?;
        }
        if first == self.blocks.len() && !embedded {
            return Ok(Vec::new());
        }
        let size = d * batch.tokens;
        let (mut dy, mut dx) = (arena.take(device, size)?, arena.take(device, size)?);
        let places = [dy, dpooled, batch.first, batch.lengths];
        device.launch("pool_backward", (n, 1), &places, &[d.into(), usize::from(self.mean).into()])?;
        let mut pass = Pass { device, arena, sizes: self.sizes, batch };
        for (k, kept) in run.kept.iter().enumerate().rev() {
            let mark = pass.arena.mark();
            self.blocks[first + k].backward(&mut pass, kept, dy, dx, k > 0 || embedded, gradients)?;
            pass.arena.rewind(mark);
            (dy, dx) = (dx, dy);
        }
        if !embedded {
            return Ok(Vec::new());
        }
        let (sum, statistics) = run.embedded;
        self.norm.backward(
            &mut pass,
            Columns { at: sum, ld: d, count: batch.tokens },
            statistics,
            dy,
            dx,
            gradients,
        )?;
        let mut out = vec![0.0; size];
        device.download(dx, &mut out)?;
        Ok(out)
    }

    /// The gradients of the tables of embeddings that are trained, from those of the embedded tokens.
    fn scatter(&self, inputs: &[&Tokens], dtokens: &[f32], flat: &mut [f32]) {
        let d = self.sizes.width;
        let tables = self.tables.iter().enumerate().filter(|(_, table)| table.memory.is_none());
        for (k, Embeddings { first, entries, .. }) in tables {
            let out = &mut flat[*first..first + d * entries];
            out.fill(0.0);
            for (place, column) in self.places(inputs)[k].iter().zip(dtokens.chunks_exact(d)) {
                let to = &mut out[*place as usize * d..][..d];
                to.iter_mut().zip(column).for_each(|(sum, x)| *sum += x);
            }
        }
    }

    /// The columns of the three tables that each token takes.
    fn places(&self, inputs: &[&Tokens]) -> [Vec<i32>; 3] {
        let words = inputs.iter().flat_map(|x| x.ids.iter().map(|id| *id as i32)).collect();
        let position = |at: usize| (self.first_position + at) as i32;
        let positions = inputs.iter().flat_map(|x| (0..x.ids.len()).map(position)).collect();
        let kinds = inputs.iter().flat_map(|x| x.types.iter().map(|kind| *kind as i32)).collect();
        [words, positions, kinds]
    }

    /// Uploads the tokens; with them the places of words, positions and types.
    fn upload(&self, arena: &mut Arena<B::Memory>, inputs: &[&Tokens]) -> Result<(Batch, [At; 3])> {
        let lengths: Vec<i32> = inputs.iter().map(|x| x.ids.len() as i32).collect();
        let ends = lengths.iter().scan(0, |sum, length| {
            *sum += length;
            Some(*sum)
        });
        let first: Vec<i32> = ends.zip(&lengths).map(|(end, length)| end - length).collect();
        let longest = lengths.iter().max().map_or(0, |x| *x as usize);
        let tokens = lengths.iter().map(|x| *x as usize).sum();
        let scores = (longest * longest).checked_mul(self.sizes.heads * inputs.len());
        if scores.is_none_or(|scores| scores >= 1 << 31) {
            bail!(
                "{} sequences of up to {longest} tokens are too many for the device: pass fewer at once",
                inputs.len()
            );
        }
        let places = self.places(inputs);
        let all = [&places[0][..], &places[1], &places[2], &first, &lengths].concat();
        let at = arena.take(&self.device, all.len())?;
        self.device.upload(at, &bytes_of_ints(&all))?;
        let starts = [0, tokens, 2 * tokens].map(|start| at.floats(start));
        let (first, lengths) = (at.floats(3 * tokens), at.floats(3 * tokens + inputs.len()));
        Ok((Batch { tokens, sequences: inputs.len(), longest, first, lengths }, starts))
    }
}

impl<B: Backend> Jobs<B> {
    fn new(device: &B, jobs: &[Job], threads: usize) -> Result<Self> {
        Ok(Self { table: device.store(&Job::bytes(jobs))?, count: jobs.len(), threads })
    }

    fn launch(&self, device: &B, kernel: &'static str, places: &[At]) -> Result<()> {
        let places = [&[B::at(&self.table)], places].concat();
        device.launch(kernel, (self.threads.div_ceil(THREADS), self.count), &places, &[])
    }
}
