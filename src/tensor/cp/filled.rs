//! The entries of a stored tensor under a mask, as what the sweeps of [`super::masked`] fit.
//!
//! The modes are cut into two halves, A is a matrix (p, q), W the mask as one of zeros and ones. The
//! modes of a half need two products with the Khatri-Rao product K of the other half: the residual
//! W * (A - X) times K, whose contractions are the right-hand sides of a step; and W times the
//! R (R + 1) / 2 products of each two columns of K, whose contractions are the normal matrices. Zeros, ones
//! and residuals are written tile by tile, in the cache; A and W are read where they are.
//!
//! The second product, the larger one, depends on the unit columns of the other half alone. It is kept
//! while these hardly move: a step from a residual of now and normal matrices of a little earlier ends at
//! the same solution, and next to as fast (Newton's method with a fixed matrix). Columns that moved by m
//! may add R m^2 in a direction where an old matrix is small: so much is added to it, and m is not to be
//! more than [`MOVED`] times the root of the least pivot of any row's matrix. Where a row is hardly
//! determined, or a term is about to grow in a gap, all normal matrices are therefore those of now.

use super::observed::{Equations, Observed, packed};
use super::tiles::{Grid, pairs};
use crate::Scalar;
use crate::matrix::frobenius;
use crate::separated::target::{Target, Terms};
use crate::separated::{Halves, contract, khatri_rao};
use faer::{Mat, MatMut};
use rayon::prelude::*;
use std::ops::Range;

/// How far unit columns may move until normal matrices are computed anew, over the root of the least pivot.
const MOVED: f64 = 0.03;

/// A tensor and its mask, both stored, with what is kept from step to step.
pub(super) struct Filled<'a, T: Scalar> {
    halves: Halves,
    grid: Grid<'a, T>,
    norm: f64,
    /// Those of the first and of the second half.
    normals: [Normals<T>; 2],
    /// The residual, or A at the start, times the Khatri-Rao product of the half that is not at work:
    /// (numbers of the half at work, s).
    partial: Mat<T>,
    /// The columns of the mode asked last, with weights.
    last: Mat<f64>,
}

impl<'a, T: Scalar> Filled<'a, T> {
    /// Entries of moderate size (anything where they are not observed) and whether they are observed,
    /// first index fastest; not empty.
    pub fn new(sizes: &[usize], entries: &'a [T], mask: &'a [bool]) -> Self {
        let halves = Halves::new(sizes.to_vec());
        let grid = Grid { entries, mask, shape: halves.shape() };
        let norm = grid.norm(None);
        let normals = [Normals::new(), Normals::new()];
        Self { halves, grid, norm, normals, partial: Mat::new(), last: Mat::new() }
    }

    /// The Khatri-Rao products of both halves: (p, s) and (q, s).
    fn tables(&self, x: &Terms<T>) -> [Mat<T>; 2] {
        let cut = self.halves.around(0).0.end;
        [khatri_rao(&x.modes[..cut], x.len()), khatri_rao(&x.modes[cut..], x.len())]
    }
}

/// The columns times lambda.
fn weighted<T: Scalar>(mut columns: Mat<T>, lambda: &[f64]) -> Mat<T> {
    for (k, &lambda) in lambda.iter().enumerate() {
        columns.col_as_slice_mut(k).iter_mut().for_each(|x| *x = T::of(x.as_f64() * lambda));
    }
    columns
}

/// The normal matrices of the places of a half.
struct Normals<T: Scalar> {
    /// (numbers of the half, s (s + 1) / 2), packed by [`packed`].
    matrices: Mat<T>,
    /// The modes of the other half that they were computed for.
    of: Vec<Mat<T>>,
    /// How far a column of these has moved since.
    moved: f64,
    /// The least pivot of a row's normal matrix since then, at most 1.
    least: f64,
}

impl<T: Scalar> Normals<T> {
    fn new() -> Self {
        Self { matrices: Mat::new(), of: Vec::new(), moved: 0.0, least: 1.0 }
    }

    /// The largest distance of a column to what it was; infinite where there was none.
    fn distance(&self, modes: &[Mat<T>]) -> f64 {
        if self.of.len() != modes.len() || self.of.iter().zip(modes).any(|(x, y)| x.ncols() != y.ncols()) {
            return f64::INFINITY;
        }
        let distance = |(x, y): (&Mat<T>, &Mat<T>)| {
            let step = x - y;
            (0..step.ncols()).map(|k| frobenius(step.col(k).as_mat())).fold(0.0, f64::max)
        };
        self.of.iter().zip(modes).map(distance).fold(0.0, f64::max)
    }

    /// `out -=` the matrices times the rows of `change`.
    fn subtract(&self, change: &Mat<T>, out: &mut Mat<T>) {
        let column = |(k, out): (usize, MatMut<'_, T>)| {
            let Some(out) = out.col_mut(0).try_as_col_major_mut() else { return };
            let out = out.as_slice_mut();
            for l in 0..change.ncols() {
                let matrix = self.matrices.col_as_slice(packed(k.max(l), k.min(l)));
                let both = matrix.iter().zip(change.col_as_slice(l));
                out.iter_mut().zip(both).for_each(|(out, (g, x))| *out -= *g * *x);
            }
        };
        if change.nrows() > 1 << 14 {
            out.as_mut().par_col_chunks_mut(1).enumerate().for_each(column);
        } else {
            (0..change.ncols()).for_each(|k| column((k, out.as_mut().subcols_mut(k, 1))));
        }
    }
}

impl<T: Scalar> Target<T> for Filled<'_, T> {
    fn sizes(&self) -> &[usize] {
        self.halves.sizes()
    }
    fn norm(&self) -> f64 {
        self.norm
    }
    fn mttkrp(&mut self, mode: usize, modes: &[Mat<T>]) -> Mat<T> {
        let (own, others) = self.halves.around(mode);
        if mode == own.start {
            let right = khatri_rao(&modes[others], modes[mode].ncols());
            let fill = |rows, cols, tile: &mut [T]| self.grid.residual(None, rows, cols, tile);
            self.partial = self.grid.product(mode > 0, &right, false, fill);
        }
        contract(&self.partial, &modes[own.start..mode], modes[mode].nrows(), &modes[mode + 1..own.end])
    }
    fn error(&self, x: &Terms<T>) -> f64 {
        let [left, right] = self.tables(x);
        let left = weighted(left, &x.lambda);
        self.grid.norm((x.len() > 0).then_some((&left, &right)))
    }
}

impl<T: Scalar> Observed<T> for Filled<'_, T> {
    fn counts(&self) -> Vec<Vec<usize>> {
        let mut counts: Vec<Vec<usize>> = self.sizes().iter().map(|&p| vec![0; p]).collect();
        let (p, _) = self.grid.shape;
        let mut rows = vec![0; p];
        let mut add = |modes: Range<usize>, mut place: usize, seen: usize| {
            for mode in modes {
                let size = counts[mode].len();
                counts[mode][place % size] += seen;
                place /= size;
            }
        };
        let (first, second) = self.halves.around(0);
        for (column, mask) in self.grid.mask.chunks_exact(p).enumerate() {
            rows.iter_mut().zip(mask).for_each(|(row, seen)| *row += usize::from(*seen));
            add(second.clone(), column, mask.iter().map(|seen| usize::from(*seen)).sum());
        }
        rows.into_iter().enumerate().for_each(|(row, seen)| add(first.clone(), row, seen));
        counts
    }

    fn equations(&mut self, mode: usize, x: &Terms<T>, fresh: bool) -> Equations<T> {
        let (own, others) = self.halves.around(mode);
        let (half, p) = (usize::from(own.start > 0), x.modes[mode].nrows());
        if mode == own.start {
            self.partial = Mat::new(); // the old one makes room
            let tables = self.tables(x);
            let other = &tables[1 - half];
            let known = &mut self.normals[half];
            known.moved = known.distance(&x.modes[others.clone()]);
            if known.matrices.ncols() == 0
                || known.moved > if fresh { 0.0 } else { MOVED * known.least.sqrt() }
            {
                known.matrices = Mat::new();
                let fill = |rows, cols, tile: &mut [T]| self.grid.tile(rows, cols, tile, |_, _| T::of(1.0));
                let matrices = self.grid.product(half > 0, other, true, fill);
                *known = Normals { matrices, of: x.modes[others].to_vec(), moved: 0.0, least: 1.0 };
            }
            let left = weighted(tables[0].clone(), &x.lambda);
            let fit = Some((&left, &tables[1]));
            let fill = |rows, cols, tile: &mut [T]| self.grid.residual(fit, rows, cols, tile);
            self.partial = self.grid.product(half > 0, other, false, fill);
        } else {
            // What the step of the mode before has changed.
            let before = &x.modes[mode - 1];
            let step = |i, k| T::of(before[(i, k)].as_f64() * x.lambda[k] - self.last[(i, k)]);
            let step = Mat::from_fn(before.nrows(), x.len(), step);
            let mut modes = x.modes[own.clone()].to_vec();
            modes[mode - 1 - own.start] = step;
            self.normals[half].subtract(&khatri_rao(&modes, x.len()), &mut self.partial);
        }
        self.last = Mat::from_fn(p, x.len(), |i, k| x.modes[mode][(i, k)].as_f64() * x.lambda[k]);
        let (before, after) = (own.start..mode, mode + 1..own.end);
        let both =
            |modes: Range<usize>| x.modes[modes].iter().map(|mode| pairs(mode.as_ref())).collect::<Vec<_>>();
        let known = &self.normals[half];
        let normal = contract(&known.matrices, &both(before.clone()), p, &both(after.clone()));
        let slope = contract(&self.partial, &x.modes[before], p, &x.modes[after]);
        Equations { normal, slope, doubt: x.len() as f64 * known.moved * known.moved }
    }

    fn solved(&mut self, mode: usize, pivot: f64) {
        let known = &mut self.normals[usize::from(self.halves.around(mode).0.start > 0)];
        known.least = known.least.min(pivot);
    }
}

#[cfg(test)]
mod tests {
    use super::super::observed::Listed;
    use super::*;
    use crate::random::gaussian;

    fn assert_close(x: &Mat<f64>, y: &Mat<f64>) {
        assert_eq!(x.shape(), y.shape());
        let off = frobenius(x - y);
        assert!(off <= 1e-12 * frobenius(y), "{off:e} of {:e}", frobenius(y));
    }

    /// Some columns, of length 1.
    fn unit(p: usize, s: usize, seed: u64) -> Mat<f64> {
        let mut mode = gaussian::<f64>(p, s, seed, "mode");
        for k in 0..s {
            let norm = frobenius(mode.col(k).as_mat());
            mode.col_as_slice_mut(k).iter_mut().for_each(|x| *x /= norm);
        }
        mode
    }

    /// The equations are those of the list of the entries, whatever changes on the way; with normal
    /// matrices of before the slopes of the first mode of each half are.
    #[test]
    fn a_mask_and_a_list_have_the_same_equations() {
        for (sizes, s) in [
            (&[9, 8, 7][..], 4), // 8 x 7 rows in the second half
            (&[12, 5], 3),
            (&[4, 3, 5, 6], 3),
            (&[3, 4, 2, 3, 4, 2], 2),
            (&[3, 700, 2], 2),   // sums in pieces
            (&[1, 130, 140], 2), // several tiles
            (&[11], 2),
        ] {
            let n = sizes.iter().product();
            let random = gaussian::<f64>(n, 2, 7, "entries");
            // Of the last mode slice 0 is empty, slice 1 full.
            let seen = |at: usize| match at / (n / sizes[sizes.len() - 1]) {
                0 => false,
                1 => true,
                _ => random[(at, 1)] > -0.3,
            };
            let mask: Vec<bool> = (0..n).map(seen).collect();
            let value = |at: usize| if mask[at] { random[(at, 0)] } else { f64::NAN };
            let entries: Vec<f64> = (0..n).map(value).collect();
            let places = (0..n).filter(|&at| mask[at]);
            let index = |mut at: usize| {
                let digit = move |p: &usize| (at % p, at /= p).0;
                sizes.iter().map(digit).collect::<Vec<usize>>()
            };
            let points = places.clone().flat_map(index).collect();
            let values = places.map(|at| entries[at]).collect();
            let mut filled = Filled::new(sizes, &entries, &mask);
            let mut listed = Listed::new(sizes, points, values, 0);
            assert_eq!(filled.counts(), listed.counts());
            assert!((filled.norm() - listed.norm()).abs() < 1e-13 * listed.norm());
            let modes = sizes.iter().zip(0..).map(|(&p, seed)| unit(p, s, seed)).collect();
            let mut x = Terms { lambda: (0..s).map(|k| 2.0 + k as f64).collect(), modes };
            // Between the rounds the modes change by much, then by little.
            let rounds = [(false, 1.0), (true, 0.5), (true, 0.01), (true, 0.0), (false, 0.01), (false, 0.0)];
            for (fresh, part) in rounds {
                assert!((filled.error(&x) - listed.error(&x)).abs() < 1e-13 * listed.error(&x));
                for mode in 0..sizes.len() {
                    let (ours, theirs) =
                        (filled.equations(mode, &x, fresh), listed.equations(mode, &x, fresh));
                    let first = mode == filled.halves.around(mode).0.start;
                    if ours.doubt == 0.0 {
                        assert_close(&ours.normal, &theirs.normal);
                    } else {
                        assert!(!fresh && ours.doubt <= s as f64 * MOVED * MOVED);
                        assert!(frobenius(&ours.normal - &theirs.normal) < 0.2 * frobenius(&theirs.normal));
                    }
                    if first || ours.doubt == 0.0 {
                        assert_close(&ours.slope, &theirs.slope);
                    }
                    x.modes[mode] =
                        unit(sizes[mode], s, mode as u64) + unit(sizes[mode], s, 99) * faer::Scale(part);
                    x.lambda.iter_mut().for_each(|x| *x *= 1.25);
                }
            }
        }
    }
}
