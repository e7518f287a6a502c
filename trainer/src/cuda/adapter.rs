//! The table by which one launch materialises the factors of all adapters.

use super::backend::int;
use anyhow::{Context, Result, bail};
use lowrank::layers::adapter::{Adapter, Part};

/// One matrix to be made of trained numbers: `Job` of adapter.cu.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct Job {
    /// Where the matrix goes.
    pub sum: u64,
    /// Where its gradient is.
    pub gradient: u64,
    /// The first of the numbers of P, and of Q; negative where Q = 1.
    pub first: i32,
    pub second: i32,
    pub terms: i32,
    pub m1: i32,
    pub r1: i32,
    pub m2: i32,
    pub r2: i32,
    /// From one column to the next.
    pub ld: i32,
    pub gradient_ld: i32,
    /// 1 for bf16.
    pub narrow: i32,
}

impl Job {
    /// A matrix (m, n) that is trained entry by entry, its numbers from `first` on.
    ///
    /// # Errors
    /// Where these numbers end at 2^31 or later.
    pub fn whole((m, n): (usize, usize), first: usize) -> Result<Self> {
        int(first + m * n).context("the trained numbers")?;
        let (first, m1, r1) = (int(first)?, int(m)?, int(n)?);
        let (sum, gradient, ld, gradient_ld, narrow) = (0, 0, 0, 0, 0); // nowhere yet
        Ok(Self { sum, gradient, first, second: -1, terms: 1, m1, r1, m2: 1, r2: 1, ld, gradient_ld, narrow })
    }

    /// The factors U (m, r) and V' (r, n) of an adapter's update, its numbers from `first` on; where they go is to be
    /// filled in.
    ///
    /// # Errors
    /// For an adapter that is neither LoRA nor LSR; where its numbers end, or a factor has entries, from 2^31 on.
    pub fn pair(adapter: &dyn Adapter<f32>, first: usize) -> Result<[Self; 2]> {
        let parts: Vec<Part> = adapter.parts().iter().copied().collect();
        let names: Vec<&str> = parts.iter().map(|part| part.name).collect();
        let offset = |i: usize| first + parts[..i].iter().map(Part::len).sum::<usize>();
        let factor = |i: usize| -> Result<Self> {
            let (p, q) = (parts[i], parts[i + 1]);
            int(offset(i + 2)).context("the trained numbers")?;
            int(p.rows * q.rows * p.cols * q.cols).context("the factor of an adapter")?;
            let (second, terms, m2, r2) = (int(offset(i + 1))?, int(p.terms)?, int(q.rows)?, int(q.cols)?);
            Ok(Self { second, terms, m2, r2, ..Self::whole((p.rows, p.cols), offset(i))? })
        };
        match names[..] {
            ["b", "a"] => {
                let whole = |i: usize| Self::whole((parts[i].rows, parts[i].cols), offset(i));
                Ok([whole(0)?, whole(1)?])
            }
            ["a1", "a2", "b1", "b2"] => Ok([factor(0)?, factor(2)?]),
            _ => bail!(
                "an adapter of the parts {}: LoRA and LSR are trained with the device cuda, the others with the \
                 device cpu",
                names.join(", ")
            ),
        }
    }

    /// The shape of the matrix.
    pub fn shape(&self) -> (usize, usize) {
        ((self.m1 * self.m2) as usize, (self.r1 * self.r2) as usize)
    }

    /// The most entries of a matrix of the jobs, and the most trained numbers.
    pub fn largest(jobs: &[Self]) -> (usize, usize) {
        let entries = |job: &Self| job.shape().0 * job.shape().1;
        let values = |job: &Self| {
            let [terms, m1, r1, m2, r2] = [job.terms, job.m1, job.r1, job.m2, job.r2].map(|x| x as usize);
            terms * (m1 * r1 + m2 * r2)
        };
        (jobs.iter().map(entries).max().unwrap_or(0), jobs.iter().map(values).max().unwrap_or(0))
    }

    /// The table as a device stores it.
    pub fn bytes(jobs: &[Self]) -> Vec<u8> {
        let of = |job: &Self| {
            let Self { sum, gradient, first, second, terms, m1, r1, m2, r2, ld, gradient_ld, narrow } = *job;
            let numbers = [first, second, terms, m1, r1, m2, r2, ld, gradient_ld, narrow];
            let places = [sum, gradient].into_iter().flat_map(|x| x.to_ne_bytes());
            places.chain(numbers.iter().flat_map(|x| x.to_ne_bytes())).collect::<Vec<u8>>()
        };
        jobs.iter().flat_map(of).collect()
    }
}
