//! Block Lanczos bidiagonalization: the bases that [`lanczos`](super::lanczos()) works with.

use super::Svd;
use super::blocks::{extension, extension_with_coefficients};
use super::orthonormal_basis;
use super::source::Source;
use crate::matrix::{canonical_signs, slice_norm};
use crate::operator::stored_product;
use crate::random::gaussian_columns;
use crate::{Operator, Result, Scalar};
use faer::Mat;

/// Purpose of the random streams.
const PURPOSE: &str = "lanczos svd";

/// Which basis: Q or P.
#[derive(Clone, Copy)]
enum Side {
    Short,
    Long,
}

/// Bases with A Q = P B and A'P = Q B' + W F; where A is wide its transpose takes its place, so
/// that Q (`short`) is in the smaller space.
pub(super) struct Search<'s, 'a, T: Scalar, K, O: Operator<T, K> + ?Sized> {
    pub(super) source: &'s Source<'a, T, K, O>,
    wide: bool,
    block: usize,
    seed: u64,
    /// Columns known of Q, P and B.
    pub(super) known: usize,
    short: Mat<T>,
    long: Mat<T>,
    pub(super) b: Mat<T>,
    /// W, the next columns of Q.
    next: Mat<T>,
    /// Largest norm of a product with a unit vector so far.
    scale: f64,
    /// Random columns drawn.
    drawn: usize,
}

impl<'s, 'a, T: Scalar, K, O: Operator<T, K> + ?Sized> Search<'s, 'a, T, K, O> {
    pub(super) fn new(
        source: &'s mut Source<'a, T, K, O>,
        limit: usize,
        block: usize,
        seed: u64,
    ) -> Result<Self> {
        let (m, n) = source.shape();
        let wide = m < n;
        let omega = orthonormal_basis(gaussian_columns(n, 0..block, seed, PURPOSE).as_ref())?;
        let mut y = source.first_product(omega.as_ref())?; // (m, block)
        if !wide {
            y = source.transposed_product(orthonormal_basis(y.as_ref())?.as_ref())?; // (n, block)
        }
        let (small, large) = (m.min(n), m.max(n));
        let mut search = Self {
            source,
            wide,
            block,
            seed,
            known: 0,
            short: Mat::zeros(small, limit),
            long: Mat::zeros(large, limit),
            b: Mat::zeros(limit, limit),
            next: Mat::zeros(small, 0),
            scale: 0.0,
            drawn: block,
        };
        search.next = search.extended(Side::Short, y)?.0;
        Ok(search)
    }

    /// Takes W into Q, A W into P and B; finds the next W. Gives the last columns of F, (block,
    /// block); the others are zero.
    pub(super) fn step(&mut self) -> Result<Mat<T>> {
        let (known, block) = (self.known, self.block);
        self.short.as_mut().subcols_mut(known, block).copy_from(&self.next);
        let y = match self.wide {
            false => self.source.product(self.next.as_ref()),
            true => self.source.transposed_product(self.next.as_ref()),
        }?;
        let (new, inside, across) = self.extended(Side::Long, y)?;
        self.long.as_mut().subcols_mut(known, block).copy_from(&new);
        self.b.as_mut().submatrix_mut(0, known, known, block).copy_from(&inside);
        self.b.as_mut().submatrix_mut(known, known, block, block).copy_from(&across);
        self.known += block;
        let y = match self.wide {
            false => self.source.transposed_product(new.as_ref()),
            true => self.source.product(new.as_ref()),
        }?;
        let (next, _, coupling) = self.extended(Side::Short, y)?;
        self.next = next;
        Ok(coupling)
    }

    /// The columns that `y` adds to a basis, and its coefficients.
    fn extended(&mut self, side: Side, y: Mat<T>) -> Result<(Mat<T>, Mat<T>, Mat<T>)> {
        let basis = match side {
            Side::Short => &self.short,
            Side::Long => &self.long,
        };
        let (rows, first) = (basis.nrows(), self.drawn);
        self.scale = (0..y.ncols()).fold(self.scale, |scale, j| scale.max(slice_norm(y.col_as_slice(j))));
        let floor = (self.long.nrows() as f64).sqrt() * T::EPS * self.scale;
        let random = || {
            self.drawn += self.block;
            gaussian_columns(rows, first..self.drawn, self.seed, PURPOSE)
        };
        extension_with_coefficients(basis.subcols(0, self.known), y.as_ref(), floor, random)
    }

    /// Keeps the first `keep` triplets alone, and W.
    pub(super) fn restart(&mut self, small: &Svd<T>, keep: usize) {
        for (basis, rotation) in [(&mut self.long, &small.u), (&mut self.short, &small.v)] {
            let kept = stored_product(basis.subcols(0, self.known), rotation.subcols(0, keep), false);
            basis.as_mut().subcols_mut(0, keep).copy_from(&kept);
        }
        self.b.fill(T::of(0.0));
        (0..keep).for_each(|j| self.b[(j, j)] = small.s[j]);
        self.known = keep;
    }

    /// Replaces W by random directions: the triplets kept are locked.
    pub(super) fn forget_next(&mut self) -> Result<()> {
        let columns = self.drawn..self.drawn + self.block;
        self.drawn = columns.end;
        let random = gaussian_columns(self.short.nrows(), columns, self.seed, PURPOSE);
        self.next = extension(self.short.subcols(0, self.known), random.as_ref())?;
        Ok(())
    }

    /// The first `rank` triplets of A.
    pub(super) fn triplets(&self, small: &Svd<T>, rank: usize) -> Result<Svd<T>> {
        let turned = |basis: &Mat<T>, rotation: &Mat<T>| {
            stored_product(basis.subcols(0, self.known), rotation.subcols(0, rank), false)
        };
        let (long, short) = (turned(&self.long, &small.u), turned(&self.short, &small.v));
        let (mut u, mut v) = if self.wide { (short, long) } else { (long, short) };
        canonical_signs(&mut u, &mut v);
        let mut s = small.s[..rank].to_vec();
        self.source.scale_back(&mut s)?;
        Ok(Svd { u, s, v })
    }
}
