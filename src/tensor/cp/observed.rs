//! The observed entries of a tensor as something that sweeps can fit, and a list of samples as such; a
//! tensor with a mask is in [`super::filled`].

use crate::Scalar;
use crate::matrix::scale_by_power_of_two;
use crate::separated::target::{Target, Terms};
use faer::Mat;
use rayon::prelude::*;

/// Entries of a tensor (p_1, ..., p_d), some of which are observed: what [`Target`] sums over all of
/// them is here summed over the observed ones.
pub(super) trait Observed<T: Scalar>: Target<T> {
    /// How many entries are observed in each slice, of each mode.
    fn counts(&self) -> Vec<Vec<usize>>;
    /// The least-squares problems of the rows of a mode, for a step from `x`, which has a term at
    /// least. Asked for modes 0, 1, ..., d - 1 in turn, with nothing but the mode before changed since.
    fn equations(&mut self, mode: usize, x: &Terms<T>, fresh: bool) -> Equations<T>;
    /// Told the least pivot that the normal matrices of a mode had.
    fn solved(&mut self, _mode: usize, _pivot: f64) {}
}

/// Rows z of products of the other modes' unit columns, one an observed entry of the slice, and what
/// these entries are more than X.
pub(super) struct Equations<T: Scalar> {
    /// (p, s (s + 1) / 2): the sums of z z', packed by [`packed`]; those of an earlier x unless they were
    /// asked for `fresh`.
    pub normal: Mat<T>,
    /// (p, s): the sums of z times the difference, those of x.
    pub slope: Mat<T>,
    /// How much more a direction may weigh than `normal` says.
    pub doubt: f64,
}

/// The place of row k, column l <= k of a packed symmetric matrix.
#[inline(always)]
pub(super) fn packed(k: usize, l: usize) -> usize {
    k * (k + 1) / 2 + l
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

    /// For each row of `mode` the sum over its samples of what `add` makes of the row, the value there and
    /// the product of the rows of the other modes: (p_mode, `width`).
    fn sum(
        &self,
        mode: usize,
        modes: &[Mat<T>],
        width: usize,
        add: impl Fn(&mut [f64], usize, f64, &[f64]) + Sync,
    ) -> Mat<T> {
        let (d, s) = (self.sizes.len(), modes[mode].ncols());
        let tables: Vec<Vec<f64>> = modes.iter().map(rows).collect();
        let (order, starts) = &self.members[mode];
        let sums = |row: usize| {
            let (mut out, mut z) = (vec![0.0; width], vec![0.0; s]);
            for &sample in &order[starts[row]..starts[row + 1]] {
                product(&mut z, &self.points[sample * d..][..d], &tables, mode);
                add(&mut out, row, self.values[sample], &z);
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
        self.sum(mode, modes, modes[mode].ncols(), |out, _, value, z| {
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
    fn counts(&self) -> Vec<Vec<usize>> {
        let count = |starts: &[usize]| starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
        self.members.iter().map(|(_, starts)| count(starts)).collect()
    }
    fn equations(&mut self, mode: usize, x: &Terms<T>, _: bool) -> Equations<T> {
        let (s, width) = (x.len(), packed(x.len(), 0));
        let mut own = rows(&x.modes[mode]);
        own.chunks_mut(s).for_each(|row| row.iter_mut().zip(&x.lambda).for_each(|(x, lambda)| *x *= lambda));
        let sums = self.sum(mode, &x.modes, width + s, |out, row, value, z| {
            let more = value - z.iter().zip(&own[row * s..]).map(|(z, x)| z * x).sum::<f64>();
            for (k, x) in z.iter().enumerate() {
                let out = &mut out[packed(k, 0)..=packed(k, k)];
                out.iter_mut().zip(z).for_each(|(out, y)| *out += x * y);
            }
            out[width..].iter_mut().zip(z).for_each(|(out, z)| *out += more * z);
        });
        let (normal, slope) = (sums.subcols(0, width).to_owned(), sums.subcols(width, s).to_owned());
        Equations { normal, slope, doubt: 0.0 }
    }
}
