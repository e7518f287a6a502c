//! Memory for what lives as long as one pass: taken one after the other, given back all at once.

use super::backend::{At, Backend};
use anyhow::Result;

/// One piece of memory, as large as the passes so far have needed; what does not fit into it is had singly.
pub(crate) struct Arena<M> {
    memory: Option<M>,
    size: usize,
    used: usize,
    most: usize,
    beside: Vec<M>,
}

/// A multiple of this many floats lies between two that were taken: 256 bytes.
const GRAIN: usize = 64;

impl<M> Arena<M> {
    pub fn new() -> Self {
        Self { memory: None, size: 0, used: 0, most: 0, beside: Vec::new() }
    }

    /// Everything that was taken is free again.
    pub fn reset<B: Backend<Memory = M>>(&mut self, device: &B) {
        self.used = 0;
        if self.most > self.size {
            (self.memory, self.size) = (None, 0); // first, so that both need not fit
            self.beside.clear();
            let most = std::mem::take(&mut self.most); // a batch that did not fit is not asked for again
            let found =
                [most + most / 8, most].into_iter().find_map(|n| Some((device.allocate(4 * n).ok()?, n)));
            if let Some((memory, size)) = found {
                (self.memory, self.size, self.most) = (Some(memory), size, most);
            } // else each piece is had singly, and `take` says what does not fit
        }
    }

    /// Floats with anything in them.
    pub fn take<B: Backend<Memory = M>>(&mut self, device: &B, count: usize) -> Result<At> {
        let (from, to) = (self.used, self.used + count.max(1).next_multiple_of(GRAIN));
        self.used = to;
        self.most = self.most.max(to);
        match &self.memory {
            Some(memory) if to <= self.size => Ok(B::at(memory).floats(from)),
            _ => {
                self.beside.push(device.allocate(4 * (to - from))?);
                Ok(self.beside.last().map_or(At::NULL, B::at))
            }
        }
    }

    /// How much is taken; [`Arena::rewind`] frees what was taken since.
    pub fn mark(&self) -> (usize, usize) {
        (self.used, self.beside.len())
    }
    pub fn rewind(&mut self, (used, beside): (usize, usize)) {
        self.used = used;
        self.beside.truncate(beside);
    }
}
