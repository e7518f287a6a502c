//! Matrices of ndarray and nalgebra, in every layout, give what faer's give: read in place, with the
//! same results and the same errors.

use lowrank::entrywise::{self, approximate, lower_bound};
use lowrank::faer::{Mat, MatRef};
use lowrank::generated::*;
use lowrank::layers::{self, Activation, Linear, Network, Refit};
use lowrank::matmul::{self, *};
use lowrank::matrix::*;
use lowrank::nalgebra::{DMatrix, DVector, SMatrix};
use lowrank::ndarray::{Array2, ShapeBuilder, s};
use lowrank::operator::{Csr, Product, Sum};
use lowrank::random::with_spectrum;
use lowrank::svd::{self, *};
use lowrank::{Entries, Error, LowRank, Operator, Result, Scalar};

const M: usize = 14;
const N: usize = 10;

/// The numbers of a result, to be compared.
trait Numbers {
    fn numbers(self) -> Vec<f64>;
}

impl Numbers for f64 {
    fn numbers(self) -> Vec<f64> {
        vec![self]
    }
}
impl Numbers for Vec<f64> {
    fn numbers(self) -> Vec<f64> {
        self
    }
}
impl Numbers for Mat<f64> {
    fn numbers(self) -> Vec<f64> {
        (0..self.ncols()).flat_map(|j| self.col_as_slice(j).to_vec()).collect()
    }
}
impl Numbers for LowRank<f64> {
    fn numbers(self) -> Vec<f64> {
        (self.u, self.v).numbers()
    }
}
impl Numbers for Svd<f64> {
    fn numbers(self) -> Vec<f64> {
        (self.s, (self.u, self.v)).numbers()
    }
}
impl<A: Numbers, B: Numbers> Numbers for (A, B) {
    fn numbers(self) -> Vec<f64> {
        [self.0.numbers(), self.1.numbers()].concat()
    }
}
impl<A: Numbers> Numbers for Result<A> {
    fn numbers(self) -> Vec<f64> {
        self.unwrap().numbers()
    }
}

/// One matrix, stored in every way.
struct Layouts<T: Scalar> {
    faer: Mat<T>,
    rows: Array2<T>,
    columns: Array2<T>,
    /// Every second row and third column, both from the end: read by `..;-2, ..;-3`.
    sparse: Array2<T>,
    nalgebra: DMatrix<T>,
    /// Every second row and third column.
    steps: DMatrix<T>,
}

impl<T: Scalar> Layouts<T> {
    fn of(a: &Mat<T>) -> Self {
        let (m, n) = a.shape();
        Self {
            faer: a.clone(),
            rows: Array2::from_shape_fn((m, n), |at| a[at]),
            columns: Array2::from_shape_fn((m, n).f(), |at| a[at]),
            sparse: Array2::from_shape_fn((2 * m, 3 * n), |(i, j)| a[(m - 1 - i / 2, n - 1 - j / 3)]),
            nalgebra: DMatrix::from_fn(m, n, |i, j| a[(i, j)]),
            steps: DMatrix::from_fn(2 * m, 3 * n, |i, j| a[(i / 2, j / 3)]),
        }
    }
}

fn compare(what: &str, layout: &str, expected: &[f64], found: Vec<f64>, tolerance: f64) {
    assert_eq!(expected.len(), found.len(), "{what}, {layout}");
    let scale = expected.iter().fold(0.0, |l: f64, x| l.max(x.abs()));
    for (k, (x, y)) in expected.iter().zip(&found).enumerate() {
        assert!((x - y).abs() <= tolerance * scale, "{what}, {layout}, number {k}: {y:e} instead of {x:e}");
    }
}

/// Evaluates an expression in two matrices for every way to store them: bitwise the same where the
/// columns are contiguous, to a tolerance elsewhere.
macro_rules! agree {
    ($x:expr, $y:expr, $tolerance:expr, |$a:ident, $b:ident| $call:expr) => {{
        let (x, y) = ($x, $y);
        let (what, exact, close) = (stringify!($call), 0.0, $tolerance);
        let expected = {
            let ($a, $b) = (&x.faer.as_ref(), &y.faer.as_ref());
            ($call).numbers()
        };
        assert!(!expected.is_empty() && expected.iter().all(|x| x.is_finite()), "{what}");
        let ($a, $b) = (&x.faer, &y.faer);
        compare(what, "faer", &expected, ($call).numbers(), exact);
        let ($a, $b) = (&x.columns, &y.columns);
        compare(what, "ndarray by columns", &expected, ($call).numbers(), exact);
        let ($a, $b) = (&x.nalgebra, &y.nalgebra);
        compare(what, "nalgebra", &expected, ($call).numbers(), exact);
        let ($a, $b) = (&x.rows, &y.rows);
        compare(what, "ndarray by rows", &expected, ($call).numbers(), close);
        let ($a, $b) = (&x.sparse.slice(s![..;-2, ..;-3]), &y.sparse.slice(s![..;-2, ..;-3]));
        compare(what, "ndarray reversed", &expected, ($call).numbers(), close);
        let ($a, $b) = (
            &x.steps.view_with_steps((0, 0), x.faer.shape(), (1, 2)),
            &y.steps.view_with_steps((0, 0), y.faer.shape(), (1, 2)),
        );
        compare(what, "nalgebra with steps", &expected, ($call).numbers(), close);
    }};
}

/// A (14, 10) and B (10, 14), with well separated singular values.
fn pair() -> (Layouts<f64>, Layouts<f64>) {
    let spectrum: Vec<f64> = (0..N).map(|i| 0.6_f64.powi(i as i32)).collect();
    let (a, b) = (with_spectrum(M, N, &spectrum, 3), with_spectrum(N, M, &spectrum, 4));
    (Layouts::of(&a), Layouts::of(&b))
}

const CLOSE: f64 = 1e-11;

#[test]
fn norms_checks_and_operators() {
    let (x, y) = &pair();
    agree!(x, y, CLOSE, |a, b| (frobenius(a), spectral(b)));
    agree!(x, y, CLOSE, |a, b| (max_norm(a), two_to_infinity(b)));
    agree!(x, y, CLOSE, |a, b| (scaled(a, 3), largest_finite("b", b)));
    agree!(x, y, CLOSE, |a, b| (array_of(a).into_raw_vec_and_offset().0, nalgebra_of(b).as_slice().to_vec()));
    agree!(x, y, CLOSE, |a, b| (Csr::from_dense(a).unwrap().to_dense(), b.to_dense()));
    agree!(x, y, CLOSE, |a, b| Product::new(a, b).unwrap().to_dense());
    agree!(x, y, CLOSE, |a, b| (Sum::new(a, a).unwrap().to_dense(), Operator::apply(b, a.as_matrix())));
    agree!(x, y, CLOSE, |a, b| Operator::apply_transpose(a, Operator::to_dense(b).unwrap().transpose()));
    let x3 = svd::dense(&x.faer).unwrap().truncate(3).into_low_rank();
    agree!(x, y, CLOSE, |a, b| (x3.apply(b), x3.apply_transpose(a)));
    agree!(x, y, CLOSE, |a, b| {
        let mut tile = vec![0.0; 12];
        Entries::tile(a, 2..5, 1..5, &mut tile);
        (tile, [Entries::nrows(b) as f64, Entries::ncols(b) as f64].to_vec())
    });
}

#[test]
fn decompositions() {
    let (x, y) = &pair();
    agree!(x, y, CLOSE, |a, b| (svd::dense(a), singular_values(b)));
    agree!(x, y, CLOSE, |a, b| (full(a).unwrap().s, svd::truncated(b, Rank::Fixed(4))));
    agree!(x, y, CLOSE, |a, b| (qr(a).unwrap().r, qr(b).unwrap().q));
    agree!(x, y, CLOSE, |a, b| (orthonormal_basis(a), svd::dense(b).unwrap().error(b).map(|e| e + 1.0)));
    agree!(x, y, CLOSE, |a, b| (randomized(a, 3, &Randomized::default()), randomized(b, 2, &start(a).get())));
    agree!(x, y, CLOSE, |a, b| (
        krylov(a, 2, &Krylov::default()),
        residuals(b, &svd::dense(b).unwrap()).map(size)
    ));
    agree!(x, y, CLOSE, |a, b| (
        lanczos(a, 2, &Lanczos::default()).unwrap().svd,
        lanczos(b, 3, &Lanczos::default()).unwrap().svd
    ));
    let tolerance = Adaptive { tolerance: 0.1, ..Default::default() };
    agree!(x, y, CLOSE, |a, b| (adaptive(a, &tolerance).unwrap().svd, adaptive(b, &tolerance).unwrap().svd));
}

/// Not zero, whatever the rounding errors.
fn size(x: Vec<f64>) -> f64 {
    1.0 + x.iter().sum::<f64>()
}

/// Parameters with a warm start kept in them.
struct Start(Mat<f64>);

fn start(a: impl AsMatrix<f64>) -> Start {
    Start(a.as_matrix().subcols(0, 2).to_owned())
}

impl Start {
    fn get(&self) -> Randomized<'_, f64> {
        Randomized { start: Some(self.0.as_matrix()), ..Default::default() }
    }
}

#[test]
fn products() {
    let (x, y) = &pair();
    agree!(x, y, CLOSE, |a, b| matmul::dense(a, b));
    agree!(x, y, CLOSE, |a, b| {
        let mut out = Mat::zeros(N, N);
        dense_into(out.as_mut(), b, a).map(|()| out)
    });
    agree!(x, y, CLOSE, |a, b| chain_dense(&[Operand::Dense(a.as_matrix()), Operand::Dense(b.as_matrix())]));
    let sampling = Sampling { samples: 6, ..Default::default() };
    agree!(x, y, CLOSE, |a, b| (
        sampled(a, b, &sampling).unwrap().product,
        expected_error(a, b, &sampling).unwrap().absolute
    ));
    let leverage = Leverage { rank: 3, exact: true, norm_share: 0.1 };
    agree!(x, y, CLOSE, |a, b| (leverage_scores(a, &leverage, 0), leverage_scores(b, &leverage, 0)));
    let rank = Factorization { rank: Rank::Fixed(3), method: Method::Exact };
    agree!(x, y, CLOSE, |a, b| {
        let (f, g) = (matmul::factorize(a, &rank).unwrap(), matmul::factorize(b, &rank).unwrap());
        let mut out = Mat::zeros(M, M);
        let bound = automatic_into(out.as_mut(), (a, &f), (b, &g), &Machine::default()).unwrap().1;
        let error = measure(a, b, &two_sided(&f, &g).unwrap().product).unwrap();
        (out, (bound, error.relative))
    });
}

#[test]
fn layers_and_generated() {
    let (x, y) = &pair();
    agree!(x, y, CLOSE, |a, b| layers::factorize(a, None, Rank::Fixed(3)).unwrap().layer.forward(b));
    let layer = |a: &Mat<f64>| Linear::dense(a.clone(), None).unwrap();
    let network = Network::new(vec![layer(&x.faer), layer(&y.faer)], Activation::Relu).unwrap();
    let small = network.factorized(Rank::Fixed(2)).unwrap();
    agree!(x, y, CLOSE, |_a, b| (network.forward(b), network.moved(&small, b).unwrap().measured));
    let start = svd::dense(&x.faer).unwrap().truncate(2).into_low_rank();
    let wished = Layouts::of(&(&x.faer * &y.faer));
    agree!(&wished, y, 1e-8, |w, b| layers::refit(&start, b, w, &Refit::default())
        .unwrap()
        .factors
        .to_dense());
    agree!(&wished, y, 1e-8, |w, b| layers::reduced_rank_regression(b, w, 2).unwrap().factors.to_dense());
    let moved = Layouts::of(&(&x.faer * 2.0));
    agree!(x, &moved, CLOSE, |w, target| {
        let update = layers::optimal_update(w, target, Rank::Fixed(2)).unwrap();
        (update.merge(w), update.error)
    });

    let points = Layouts::of(&y.faer.transpose().to_owned());
    agree!(x, &points, CLOSE, |a, b| GeneratedMatrix::independent(Function::Gaussian, a, b)
        .unwrap()
        .to_dense());
    agree!(x, y, CLOSE, |a, b| (
        GeneratedMatrix::symmetric(Function::Cauchy, a).unwrap().to_dense(),
        GeneratedMatrix::symmetric(Function::Cauchy, b).unwrap().to_dense()
    ));
    agree!(x, &points, CLOSE, |a, b| {
        let tensor = GeneratedTensor::new(Function::Sinh, &[a.as_matrix(), b.as_matrix()]).unwrap();
        tensor.to_dense().unwrap().into_raw_vec_and_offset().0
    });
    agree!(x, &points, CLOSE, |a, b| fourier_features(&Function::Gaussian, a, b, 5, 0));
    let rank = EmbeddingParameters { rank: 4, ..Default::default() };
    agree!(x, &points, CLOSE, |a, b| random_embedding(a, b, &rank).unwrap().factors);
    agree!(x, y, CLOSE, |a, _b| tensor_embedding(&[a, a, a], &rank)
        .unwrap()
        .factors
        .to_dense()
        .unwrap()
        .into_raw_vec_and_offset()
        .0);
}

#[test]
fn the_max_norm() {
    let (x, y) = &pair();
    agree!(x, y, CLOSE, |a, b| (lower_bound(a, 3), lower_bound(b, 3)));
    let first = || entrywise::Parameters { max_iterations: 5, ..Default::default() };
    agree!(x, y, 1e-6, |a, b| (
        approximate(a, 3, first()).unwrap().report.error,
        approximate(b, 3, first()).unwrap().report.error
    ));
}

#[test]
fn nothing_is_copied() {
    let x = &pair().0;
    assert_eq!(x.rows.as_matrix().as_ptr(), x.rows.as_ptr());
    assert_eq!(x.columns.as_matrix().as_ptr(), x.columns.as_ptr());
    assert_eq!(x.nalgebra.as_matrix().as_ptr(), x.nalgebra.as_ptr());
    assert_eq!((&&x.faer).as_matrix().as_ptr(), x.faer.as_ptr());
    let reversed = x.sparse.slice(s![..;-2, ..;-3]);
    assert_eq!(reversed.as_matrix().as_ptr(), &reversed[[0, 0]] as *const f64);
    let steps = x.steps.view_with_steps((1, 2), (5, 4), (1, 2));
    assert_eq!(steps.as_matrix().as_ptr(), &x.steps[(1, 2)] as *const f64);
    assert_eq!(steps.as_matrix()[(2, 1)], x.steps[(5, 5)]);
    // What an algorithm is given is read in place too, and comes back in place.
    fn stored<T: Scalar>(a: &dyn Entries<T>) -> MatRef<'_, T> {
        a.stored().unwrap()
    }
    assert_eq!(stored(&x.rows).as_ptr(), x.rows.as_ptr());
    assert_eq!(stored(&reversed).as_ptr(), reversed.as_ptr());
    assert_eq!(stored(&x.nalgebra).as_ptr(), x.nalgebra.as_ptr());
    assert_eq!(array_view(x.rows.as_matrix()).as_ptr(), x.rows.as_ptr());
    assert_eq!(nalgebra_view(x.rows.as_matrix()).unwrap().as_ptr(), x.rows.as_ptr());
    assert_eq!(array_of(&x.nalgebra), x.rows);
    assert_eq!(nalgebra_of(&x.rows), x.nalgebra);
}

#[test]
fn by_value_of_fixed_size_in_single_precision_broadcast_and_empty() {
    let x = &pair().0;
    let (s, rows) = (singular_values(&x.faer).unwrap(), x.rows.clone());
    assert_eq!(singular_values(x.columns.view()).unwrap(), s);
    compare("values", "owned", &s, singular_values(rows).unwrap(), CLOSE);
    compare("values", "transposed", &s, singular_values(x.rows.t()).unwrap(), CLOSE);
    let fixed = SMatrix::<f32, 2, 3>::new(3.0, 0.0, 0.0, 0.0, 4.0, 0.0);
    assert_eq!(svd::dense(fixed).unwrap().s, [4.0, 3.0]);
    let vector = DVector::from_vec(vec![3.0_f32, 4.0]);
    assert_eq!((frobenius(&vector), frobenius(vector.transpose())), (5.0, 5.0));
    let row = Array2::from_elem((1, 5), 2.0_f64);
    let broadcast = row.broadcast((3, 5)).unwrap();
    assert_eq!(matmul::dense(broadcast, row.t()).unwrap(), Mat::full(3, 1, 20.0));
    assert!(
        (randomized(&broadcast, 1, &Randomized::default()).unwrap().s[0] - 60.0_f64.sqrt()).abs() < 1e-13
    );
    for (m, n) in [(0, 3), (3, 0), (0, 0)] {
        assert_eq!(svd::dense(Array2::<f64>::zeros((m, n))).unwrap().shape(), (m, n));
        assert_eq!(svd::dense(DMatrix::<f32>::zeros(m, n)).unwrap().shape(), (m, n));
    }
}

#[test]
fn what_is_not_finite_is_named_with_its_place() {
    let named = |what: &str, error: Option<Error>| match error {
        Some(Error::NonFinite { index, .. }) => assert_eq!(index, [3, 1], "{what}"),
        other => panic!("{what}: {other:?}"),
    };
    for bad in [f64::NAN, f64::INFINITY] {
        let (mut a, b) = (pair().0.faer, pair().1);
        a[(3, 1)] = bad;
        let x = Layouts::of(&a);
        macro_rules! every {
            ($($a:expr),*) => {$(
                named("dense", svd::dense($a).err());
                named("qr", qr($a).err());
                named("randomized", randomized($a, 2, &Randomized::default()).err());
                named("krylov", krylov($a, 2, &Krylov::default()).err());
                named("product", matmul::dense($a, &b.rows).err());
                named("layer", layers::factorize($a, None, Rank::Fixed(2)).err());
                named("points", GeneratedMatrix::symmetric(Function::Gaussian, $a).err());
                named("max norm", approximate($a, 2, entrywise::Parameters::default()).err());
            )*};
        }
        every!(
            &x.rows,
            &x.columns,
            &x.sparse.slice(s![..;-2, ..;-3]),
            &x.nalgebra,
            &x.steps.view_with_steps((0, 0), (M, N), (1, 2))
        );
    }
}
