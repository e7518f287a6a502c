//! The observed entries of a tensor as something that sweeps can fit: with a weight of 0 or 1 for every
//! entry, or as a list.

use super::residual::Slowest;
use crate::Scalar;
use crate::matrix::scale_by_power_of_two;
use crate::separated::target::{Target, Terms};
use crate::separated::{Halves, Stored};
use faer::{Mat, MatMut, MatRef};
use pulp::Arch;
use rayon::prelude::*;

/// Entries of a tensor (p_1, ..., p_d), some of which are observed: what [`Target`] sums over all of
/// them is here summed over the observed ones.
pub(super) trait Observed<T: Scalar>: Target<T> {
    /// (p_mode, s (s + 1) / 2): for each row the normal matrix of its least-squares problem, packed by
    /// [`packed`], with `modes` (p_i, s). Asked for modes 0, 1, ..., d - 1 in turn.
    fn normal(&mut self, mode: usize, modes: &[Mat<T>]) -> Mat<T>;
}

/// How many entries are observed in each slice, of each mode.
pub(super) fn counts<T: Scalar>(target: &mut dyn Observed<T>) -> Vec<Vec<f64>> {
    let ones: Vec<Mat<T>> = target.sizes().iter().map(|&p| Mat::from_fn(p, 1, |_, _| T::of(1.0))).collect();
    let count = |mode| target.normal(mode, &ones).col_as_slice(0).iter().map(|x| x.as_f64()).collect();
    (0..ones.len()).map(count).collect()
}

/// The place of row k, column l <= k of a packed symmetric matrix.
#[inline(always)]
pub(super) fn packed(k: usize, l: usize) -> usize {
    k * (k + 1) / 2 + l
}

/// Weighted entries and the mask, both stored. With the weights 0 and 1 and the columns' products
/// z_k z_l as columns the normal matrices are again the tensor times a Khatri-Rao product, that of W.
pub(super) struct Filled<'a, T: Scalar> {
    entries: &'a [T],
    mask: &'a [bool],
    values: Stored<'a, T>,
    weights: Halves<T>,
    /// The products of each two columns, of each mode: (p_i, s (s + 1) / 2).
    pairs: Vec<Mat<T>>,
}

impl<'a, T: Scalar> Filled<'a, T> {
    /// `entries` of moderate size (zero where they are not observed) and whether they are, first index
    /// fastest.
    pub fn new(sizes: &[usize], entries: &'a [T], mask: &'a [bool]) -> Self {
        let pairs = sizes.iter().map(|_| Mat::new()).collect();
        let values = Stored::new(sizes.to_vec(), entries);
        Self { entries, mask, values, weights: Halves::new(sizes.to_vec()), pairs }
    }
}

/// Numbers of a tile of weights.
const TILE: usize = 1 << 15;

/// `out = W right`, or `W' right`, for the weights W (rows, .), by columns, of a mask. They are written
/// out tile by tile, which stays in the cache.
fn weighted<T: Scalar>(
    mut out: MatMut<'_, T>,
    (mask, rows): (&[bool], usize),
    transposed: bool,
    right: MatRef<'_, T>,
) {
    let height = out.nrows().div_ceil(8).clamp(16, 128).next_multiple_of(16);
    let strip = |place: usize, mut out: MatMut<'_, T>| {
        let (from, height) = (place * height, out.nrows());
        let depth = TILE / height;
        let mut tile = vec![T::of(0.0); height * depth.min(right.nrows())];
        for start in (0..right.nrows()).step_by(depth) {
            let depth = depth.min(right.nrows() - start);
            // The columns of W in the tile, and the rows of each.
            let (columns, lines) = if transposed {
                (from..from + height, start..start + depth)
            } else {
                (start..start + depth, from..from + height)
            };
            let tile = &mut tile[..height * depth];
            Arch::new().dispatch(|| {
                for (tile, column) in tile.chunks_exact_mut(lines.len()).zip(columns.clone()) {
                    let seen = &mask[column * rows..][lines.clone()];
                    tile.iter_mut().zip(seen).for_each(|(x, seen)| *x = T::of(f64::from(u8::from(*seen))));
                }
            });
            let tile = MatRef::from_column_major_slice(tile, lines.len(), columns.len());
            let tile = if transposed { tile.transpose() } else { tile };
            T::product(out.as_mut(), start > 0, tile, right.subrows(start, depth));
        }
    };
    out.as_mut().par_row_chunks_mut(height).enumerate().for_each(|(place, out)| strip(place, out));
}

/// Products of the columns of a mode, each two of them.
fn pairs<T: Scalar>(mode: &Mat<T>) -> Mat<T> {
    let s = mode.ncols();
    let mut out = Mat::zeros(mode.nrows(), packed(s, 0));
    for k in 0..s {
        for l in 0..=k {
            let both = mode.col_as_slice(k).iter().zip(mode.col_as_slice(l));
            out.col_as_slice_mut(packed(k, l)).iter_mut().zip(both).for_each(|(out, (x, y))| *out = *x * *y);
        }
    }
    out
}

impl<T: Scalar> Target<T> for Filled<'_, T> {
    fn sizes(&self) -> &[usize] {
        self.values.sizes()
    }
    fn norm(&self) -> f64 {
        self.values.norm()
    }
    fn mttkrp(&mut self, mode: usize, modes: &[Mat<T>]) -> Mat<T> {
        self.values.mttkrp(mode, modes)
    }
    fn error(&self, x: &Terms<T>) -> f64 {
        let modes = x.modes.iter().rev().collect();
        let x = Slowest { lambda: x.lambda.iter().map(|x| T::of(*x)).collect(), modes };
        x.distance(self.entries, Some(self.mask), 0).unwrap_or(f64::NAN)
    }
}

impl<T: Scalar> Observed<T> for Filled<'_, T> {
    fn normal(&mut self, mode: usize, modes: &[Mat<T>]) -> Mat<T> {
        if mode == 0 {
            self.pairs = modes.iter().map(pairs).collect();
        } else {
            self.pairs[mode - 1] = pairs(&modes[mode - 1]);
        }
        let (mask, rows) = (self.mask, self.weights.shape().0);
        self.weights.mttkrp(mode, &self.pairs, |out, transposed, right| {
            weighted(out, (mask, rows), transposed, right);
        })
    }
}

/// Scattered samples.
pub(super) struct Listed<T: Scalar> {
    sizes: Vec<usize>,
    /// d indices a sample.
    points: Vec<usize>,
    values: Vec<f64>,
    norm: f64,
    /// For each mode the samples by their index there, and where those of each index begin.
    members: Vec<(Vec<usize>, Vec<usize>)>,
    scalar: std::marker::PhantomData<T>,
}

/// Samples whose errors are added up at once.
const BLOCK: usize = 1 << 12;

impl<T: Scalar> Listed<T> {
    /// d indices a sample in `points`, each below its size, and `values` times 2^-e.
    pub fn new(sizes: &[usize], points: Vec<usize>, values: Vec<T>, e: i32) -> Self {
        let d = sizes.len();
        let sorted = |(i, &p): (usize, &usize)| {
            let mut starts = vec![0; p + 1];
            points.chunks_exact(d).for_each(|point| starts[point[i] + 1] += 1);
            (0..p).for_each(|row| starts[row + 1] += starts[row]);
            let (mut next, mut order) = (starts.clone(), vec![0; values.len()]);
            for (sample, point) in points.chunks_exact(d).enumerate() {
                order[next[point[i]]] = sample;
                next[point[i]] += 1;
            }
            (order, starts)
        };
        let members = sizes.iter().enumerate().map(sorted).collect();
        let values: Vec<f64> = values.iter().map(|x| scale_by_power_of_two(x.as_f64(), -e)).collect();
        let norm = values.iter().map(|x| x * x).sum::<f64>().sqrt();
        Self { sizes: sizes.to_vec(), points, values, norm, members, scalar: Default::default() }
    }

    /// For each row of `mode` the sum over its samples of what `add` makes of the value there and
    /// the product of the rows of the other modes: (p_mode, `width`).
    fn sum(
        &self,
        mode: usize,
        modes: &[Mat<T>],
        width: usize,
        add: impl Fn(&mut [f64], f64, &[f64]) + Sync,
    ) -> Mat<T> {
        let (d, s) = (self.sizes.len(), modes[mode].ncols());
        let tables: Vec<Vec<f64>> = modes.iter().map(rows).collect();
        let (order, starts) = &self.members[mode];
        let sums = |row: usize| {
            let (mut out, mut z) = (vec![0.0; width], vec![0.0; s]);
            for &sample in &order[starts[row]..starts[row + 1]] {
                product(&mut z, &self.points[sample * d..][..d], &tables, mode);
                add(&mut out, self.values[sample], &z);
            }
            out
        };
        let sums: Vec<Vec<f64>> = (0..self.sizes[mode]).into_par_iter().map(sums).collect();
        Mat::from_fn(sums.len(), width, |row, k| T::of(sums[row][k]))
    }
}

/// A mode row by row.
fn rows<T: Scalar>(mode: &Mat<T>) -> Vec<f64> {
    let (p, s) = mode.shape();
    (0..p).flat_map(|row| (0..s).map(move |k| mode[(row, k)].as_f64())).collect()
}

/// The product of the rows of all modes but `mode` at a point.
fn product(z: &mut [f64], point: &[usize], tables: &[Vec<f64>], mode: usize) {
    z.fill(1.0);
    let s = z.len();
    for (_, (&i, table)) in point.iter().zip(tables).enumerate().filter(|(j, _)| *j != mode) {
        z.iter_mut().zip(&table[i * s..][..s]).for_each(|(z, x)| *z *= x);
    }
}

impl<T: Scalar> Target<T> for Listed<T> {
    fn sizes(&self) -> &[usize] {
        &self.sizes
    }
    fn norm(&self) -> f64 {
        self.norm
    }
    fn mttkrp(&mut self, mode: usize, modes: &[Mat<T>]) -> Mat<T> {
        self.sum(mode, modes, modes[mode].ncols(), |out, value, z| {
            out.iter_mut().zip(z).for_each(|(out, z)| *out += value * z);
        })
    }
    fn error(&self, x: &Terms<T>) -> f64 {
        let (d, tables) = (self.sizes.len(), x.modes.iter().map(rows).collect::<Vec<_>>());
        let block = |(points, values): (&[usize], &[f64])| {
            let mut z = vec![0.0; x.len()];
            let square = |(point, value): (&[usize], &f64)| {
                product(&mut z, point, &tables, d);
                (value - z.iter().zip(&x.lambda).map(|(z, lambda)| z * lambda).sum::<f64>()).powi(2)
            };
            points.chunks_exact(d).zip(values).map(square).sum::<f64>()
        };
        let sums: Vec<f64> =
            self.points.par_chunks(BLOCK * d).zip(self.values.par_chunks(BLOCK)).map(block).collect();
        sums.iter().sum::<f64>().sqrt()
    }
}

impl<T: Scalar> Observed<T> for Listed<T> {
    fn normal(&mut self, mode: usize, modes: &[Mat<T>]) -> Mat<T> {
        let s = modes[mode].ncols();
        self.sum(mode, modes, packed(s, 0), |out, _, z| {
            for (k, x) in z.iter().enumerate() {
                let out = &mut out[packed(k, 0)..=packed(k, k)];
                out.iter_mut().zip(z).for_each(|(out, y)| *out += x * y);
            }
        })
    }
}
