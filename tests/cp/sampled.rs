//! Fits from samples of fibres.

use super::*;
use lowrank::ndarray::{Axis, Slice};
use lowrank::tensor::cp::{Sampled, SampledFit, cp_sampled, cp_sampled_entries};
use lowrank::{Entries, Status, TensorEntries};

fn with_rank(rank: usize, seed: u64) -> Sampled {
    Sampled { rank, seed, samples: 600, check: 3000, ..Default::default() }
}

fn noisy(shape: &[usize], rank: usize, noise: f64) -> ArrayD<f64> {
    let a = dense(&vec![1.0; rank], &factors::<f64>(shape, rank, 5));
    let e = gaussian::<f64>(a.len(), 1, 9, "noise");
    let size = noise * norm(&a) / (a.len() as f64).sqrt();
    let mut a = a;
    a.iter_mut().zip(e.col_as_slice(0)).for_each(|(x, e)| *x += size * e);
    a
}

/// Checks what is reported.
fn checked(a: &ArrayD<f64>, fit: &SampledFit<f64>) {
    let found = distance(&fit.cp.to_dense().unwrap(), a);
    let largest = fit.cp.weights().first().copied().unwrap_or(0.0);
    assert!((fit.report.error - found).abs() <= 50.0 * f64::EPSILON * norm(a).max(largest));
    assert!((fit.norm - norm(a)).abs() <= 1e-13 * norm(a));
    assert_eq!(fit.report.history.last().unwrap().error, fit.report.error);
}

#[test]
fn exact_ranks_come_back() {
    let mut failed = 0;
    for seed in 0..20 {
        let a = dense(&[1.0; 3], &factors::<f64>(&[40, 30, 50], 3, seed));
        let fit = cp_sampled(a.view(), &with_rank(3, seed)).unwrap();
        checked(&a, &fit);
        failed += usize::from(fit.relative_error() > 1e-12);
    }
    assert!(failed <= 1, "{failed} of 20");
    let a = dense(&[1.0; 2], &factors::<f32>(&[20, 12, 9, 7], 2, 1));
    assert!(cp_sampled(a.view(), &with_rank(2, 0)).unwrap().relative_error() < 1e-5);
    for shape in [&[30][..], &[20, 30], &[5, 1, 20, 9]] {
        let a = dense(&[1.0], &factors::<f64>(shape, 1, 1));
        let fit = cp_sampled(a.view(), &with_rank(1, 0)).unwrap();
        assert!(fit.relative_error() < 1e-12, "{shape:?} {}", fit.report);
    }
}

#[test]
fn noise_is_met_and_its_size_estimated() {
    let a = noisy(&[40, 30, 50], 3, 0.1);
    let fit = cp_sampled(a.view(), &Sampled { samples: 3000, ..with_rank(3, 1) }).unwrap();
    checked(&a, &fit);
    assert!((0.09..0.105).contains(&fit.relative_error()), "{}", fit.relative_error());
    assert!((fit.estimate.error - fit.report.error).abs() < 5.0 * fit.estimate.standard_error);
    assert!(fit.estimate.standard_error < 0.05 * fit.report.error);
    let estimated =
        cp_sampled(a.view(), &Sampled { samples: 3000, exact: false, ..with_rank(3, 1) }).unwrap();
    assert_eq!((&estimated.cp, estimated.report.error), (&fit.cp, fit.estimate.error));
    assert!((estimated.norm / fit.norm - 1.0).abs() < 0.2);
    let limited = cp_sampled(a.view(), &Sampled { max_iterations: 2, ..with_rank(3, 1) }).unwrap();
    assert_eq!((limited.report.status, limited.report.iterations), (Status::IterationLimit, 2));
}

#[test]
fn any_strides_and_computed_entries_are_the_same_tensor() {
    let a = noisy(&[12, 14, 10], 2, 0.01);
    let fit = cp_sampled(a.view(), &with_rank(2, 3)).unwrap();
    // Every other entry, backwards, of a larger tensor with its axes in another order.
    let mut large = ArrayD::<f64>::zeros(IxDyn(&[10, 28, 12]));
    {
        let mut view = large.view_mut();
        view.slice_axis_inplace(Axis(1), Slice::new(0, None, -2));
        view.permuted_axes(IxDyn(&[2, 1, 0])).assign(&a);
    }
    let mut view = large.view();
    view.slice_axis_inplace(Axis(1), Slice::new(0, None, -2));
    let strided = cp_sampled(view.permuted_axes(IxDyn(&[2, 1, 0])), &with_rank(2, 3)).unwrap();
    assert_eq!((&strided.cp, strided.report.error), (&fit.cp, fit.report.error));
    let computed = cp_sampled_entries(&a, &with_rank(2, 3)).unwrap();
    assert_eq!((&computed.cp, computed.report.error), (&fit.cp, fit.report.error));
}

/// 1 / (1 + the sum of the indices / 10) of a million million entries.
struct Sum([usize; 4]);
struct Unfolded(usize, usize, [usize; 4]);

impl TensorEntries<f64> for Sum {
    fn shape(&self) -> &[usize] {
        &self.0
    }
    fn unfolding(&self, split: usize) -> lowrank::Result<Box<dyn Entries<f64> + '_>> {
        let size = |part: &[usize]| part.iter().product();
        Ok(Box::new(Unfolded(size(&self.0[..split]), size(&self.0[split..]), self.0)))
    }
}

impl Entries<f64> for Unfolded {
    fn nrows(&self) -> usize {
        self.0
    }
    fn ncols(&self) -> usize {
        self.1
    }
    fn tile(&self, rows: std::ops::Range<usize>, cols: std::ops::Range<usize>, out: &mut [f64]) {
        for (j, col) in cols.enumerate() {
            for (i, row) in rows.clone().enumerate() {
                let (mut at, mut sum) = (row * self.1 + col, 0);
                for n in self.2.iter().rev() {
                    (sum, at) = (sum + at % n, at / n);
                }
                out[i + j * rows.len()] = 1.0 / (1.0 + sum as f64 / 1000.0);
            }
        }
    }
}

#[test]
fn a_tensor_that_no_memory_holds() {
    let f = Sum([1000; 4]);
    let fit = cp_sampled_entries(&f, &Sampled { exact: false, ..with_rank(4, 0) }).unwrap();
    assert!(fit.relative_error() < 1e-2, "{}", fit.report);
}

#[test]
fn zeros_ones_scales_and_threads() {
    let shape = IxDyn(&[6, 5, 4]);
    let zero = cp_sampled(ArrayD::<f64>::zeros(shape.clone()).view(), &with_rank(3, 0)).unwrap();
    assert_eq!((zero.cp.rank(), zero.relative_error(), zero.report.status), (0, 0.0, Status::Converged));
    for rank in [0, 1, 3, 20] {
        let ones = ArrayD::from_elem(shape.clone(), 1.0);
        let fit = cp_sampled(ones.view(), &with_rank(rank, 0)).unwrap();
        checked(&ones, &fit);
        assert!(rank == 0 || fit.relative_error() < 1e-10, "{rank} {}", fit.report);
    }
    let a = noisy(&[12, 14, 10], 2, 0.01);
    let fit = cp_sampled(a.view(), &with_rank(2, 3)).unwrap();
    for power in [-900, -600, 600, 900] {
        let c = 2f64.powi(power);
        let scaled = cp_sampled(a.mapv(|x| x * c).view(), &with_rank(2, 3)).unwrap();
        assert!((scaled.relative_error() / fit.relative_error() - 1.0).abs() < 1e-6);
    }
    for threads in [1, 2, 3, 8] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let other = pool.install(|| cp_sampled(a.view(), &with_rank(2, 3)).unwrap());
        assert_eq!((&other.cp, other.report.error), (&fit.cp, fit.report.error));
    }
    assert_ne!(cp_sampled(a.view(), &with_rank(2, 4)).unwrap().cp, fit.cp);
}

#[test]
fn refuses_what_does_not_fit() {
    let a = noisy(&[4, 5, 3], 1, 0.0);
    let fails = |parameters: Sampled| cp_sampled(a.view(), &parameters).unwrap_err();
    assert!(matches!(fails(with_rank(13, 0)), Error::Rank { rank: 13, largest: 12 }));
    let bad = f64::NAN;
    for parameters in [
        Sampled { samples: 0, ..with_rank(1, 0) },
        Sampled { check: 0, ..with_rank(1, 0) },
        Sampled { tolerance: bad, ..with_rank(1, 0) },
        Sampled { progress: bad, ..with_rank(1, 0) },
        Sampled { max_seconds: bad, ..with_rank(1, 0) },
    ] {
        assert!(matches!(fails(parameters), Error::Parameter { .. }));
    }
    for at in [[0, 0, 0], [2, 3, 1], [3, 4, 2]] {
        let mut spoiled = a.clone();
        spoiled[at] = f64::INFINITY;
        let error = cp_sampled(spoiled.view(), &with_rank(1, 0)).unwrap_err();
        assert!(matches!(error, Error::NonFinite { index, .. } if index == at));
        assert!(matches!(cp_sampled_entries(&spoiled, &with_rank(1, 0)), Err(Error::NonFinite { .. })));
    }
    let line = ArrayD::<f64>::zeros(IxDyn(&[5]));
    assert!(matches!(cp_sampled_entries(&line, &with_rank(1, 0)), Err(Error::Shape { .. })));
    let empty = cp_sampled(ArrayD::<f64>::zeros(IxDyn(&[0, 3])).view(), &with_rank(0, 0)).unwrap();
    assert_eq!(empty.cp.shape(), [0, 3]);
}
