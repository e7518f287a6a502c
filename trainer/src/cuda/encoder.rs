//! The encoder on a device: its weights stay there, sequences and labels go in, logits and gradients come out.

use super::adapter::Job;
use super::arena::Arena;
use super::backend::{At, Backend, bytes_of};
use super::block::{Batch, Block, Kept, Pass, Sizes};
use super::embedding::{self, Embedding};
use super::head::{self, Head};
use super::kernels::THREADS;
use super::linear::Table;
use crate::encoder::{Encoder, Gate};
use crate::loss::cross_entropy;
use crate::model::{Group, Model, NotFinite};
use crate::text::Tokens;
use anyhow::{Result, bail};
use lowrank::faer::Mat;
use std::sync::{Mutex, PoisonError};

/// An encoder whose weights are on a device.
pub(crate) struct Resident<B: Backend> {
    device: B,
    /// The encoder with its trained numbers as they are.
    host: Encoder<f32>,
    sizes: Sizes,
    embedding: Embedding<B>,
    blocks: Vec<Block<B>>,
    head: Head<B>,
    /// The trained numbers, and their gradients after a pass.
    numbers: B::Memory,
    gradients: B::Memory,
    /// The counts of the groups of trained numbers.
    counts: Vec<usize>,
    jobs: Jobs<B>,
    pulls: Jobs<B>,
    arena: Mutex<Arena<B::Memory>>,
}

/// A table of jobs, and the most threads that one of them needs.
struct Jobs<B: Backend> {
    table: B::Memory,
    count: usize,
    threads: usize,
}

/// What the forward pass left.
struct Run {
    batch: Batch,
    embedded: embedding::Kept,
    /// Of the blocks from the first on that must run backward.
    kept: Vec<Kept>,
    head: head::Kept,
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
        let embedding = Embedding::new(&device, embeddings, config.first_position(), &mut table)?;
        let blocks = blocks.chunks(8).map(|parts| Block::new(&device, parts, &mut table));
        let blocks = blocks.collect::<Result<_>>()?;
        let head = Head::new(&device, head, encoder.pooling(), &mut table)?;
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
            embedding,
            blocks,
            head,
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
        let embedded = self.embedding.trained();
        let first = self.blocks.iter().position(Block::trained).unwrap_or(self.blocks.len());
        let first = if embedded { 0 } else { first };
        let run = self.forward(&mut arena, inputs, first, false)?;
        let (logits, whole) = self.read(&mut arena, &run, inputs)?;
        let (loss, dlogits) = cross_entropy(logits.as_ref(), labels)?;
        self.head.write(&self.device, &run.head, dlogits.as_ref(), whole)?;
        let dtokens = self.backward(&mut arena, &run, first, embedded)?;
        self.pulls.launch(&self.device, "pull_back", &[B::at(&self.numbers), B::at(&self.gradients)])?;
        let mut flat = vec![0.0; self.counts.iter().sum()];
        self.device.download(B::at(&self.gradients), &mut flat)?;
        if embedded {
            self.embedding.scatter(inputs, &dtokens, &mut flat);
        }
        let mut rest = &flat[..];
        let mut out = Vec::new();
        for (k, count) in self.counts.iter().enumerate() {
            let (values, others) = rest.split_at(*count);
            if values.iter().any(|g| !g.is_finite()) {
                bail!(NotFinite::of(&self.host.groups()[k].name, "gradient"));
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
        let device = &self.device;
        let (batch, places) = self.embedding.upload(device, arena, self.sizes.heads, inputs)?;
        let mut pass = Pass { device, arena, sizes: self.sizes, batch };
        let size = self.sizes.width * batch.tokens;
        let (mut x, embedded) = self.embedding.forward(&mut pass, places, B::at(&self.numbers))?;
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
                    bail!(NotFinite::of(&format!("encoder.layer.{k}"), "output"));
                }
            }
        }
        let head = self.head.forward(&mut pass, x)?;
        Ok(Run { batch, embedded, kept, head })
    }

    /// The logits, and all that stands in their place.
    fn read(
        &self,
        arena: &mut Arena<B::Memory>,
        run: &Run,
        inputs: &[&Tokens],
    ) -> Result<(Mat<f32>, Vec<f32>)> {
        let (logits, whole) = self.head.read(&self.device, &run.head, run.batch.sequences)?;
        if logits.col_iter().any(|column| column.iter().any(|x| !x.is_finite())) {
            // Once more, looking at each block.
            arena.reset(&self.device);
            self.forward(arena, inputs, self.blocks.len(), true)?;
            bail!(NotFinite::of("the head", "output"));
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
        let gradients = B::at(&self.gradients);
        let mut pass = Pass { device: &self.device, arena, sizes: self.sizes, batch: run.batch };
        if first == self.blocks.len() && !embedded {
            self.head.backward(&mut pass, &run.head, None, gradients)?;
            return Ok(Vec::new());
        }
        let size = self.sizes.width * run.batch.tokens;
        let (mut dy, mut dx) = (pass.take(size)?, pass.take(size)?);
        self.head.backward(&mut pass, &run.head, Some(dy), gradients)?;
        for (k, kept) in run.kept.iter().enumerate().rev() {
            let mark = pass.arena.mark();
            self.blocks[first + k].backward(&mut pass, kept, dy, dx, k > 0 || embedded, gradients)?;
            pass.arena.rewind(mark);
            (dy, dx) = (dx, dy);
        }
        if !embedded {
            return Ok(Vec::new());
        }
        self.embedding.backward(&mut pass, run.embedded, dy, dx, gradients)
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
