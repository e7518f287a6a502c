//! What decompositions of tensors allocate, measured: not much more than their results.

use crate::allocation::{alone, peak, two_threads};
use lowrank::faer::{Mat, MatRef};
use lowrank::ndarray::{ArrayD, IxDyn};
use lowrank::random::gaussian;
use lowrank::tensor::cp::{CpAls, CpStart, Masked, Sampled, cp_als, cp_masked, cp_sampled};
use lowrank::tensor::train::{Truncation, tt_svd};
use lowrank::tensor::tucker::{Basis, Hooi, Hosvd, Ranks, hooi, hosvd};
use lowrank::tensor::{mode_product, mttkrp, unfold};

fn tensor(shape: &[usize]) -> ArrayD<f64> {
    let entries = gaussian::<f64>(shape.iter().product(), 1, 0, "tensor");
    ArrayD::from_shape_vec(IxDyn(shape), entries.col_as_slice(0).to_vec()).unwrap()
}

#[test]
fn no_more_than_the_result_and_a_quarter_of_the_input() {
    let _alone = alone();
    // What a thread needs is counted for each.
    let pool = two_threads();
    let shape = [200, 240, 220];
    let a = tensor(&shape);
    let quarter = a.len() * 8 / 4;
    let within = |what: &str, bytes: usize, result: usize| {
        println!("{what}: {:.1} % of the input", 100.0 * bytes as f64 / (a.len() * 8) as f64);
        assert!(bytes <= result + quarter, "{what}: {bytes} bytes for {result} and {quarter}");
    };
    let factors: Vec<Mat<f64>> = shape.iter().map(|&n| gaussian(n, 32, 1, "factor")).collect();
    let views: Vec<MatRef<'_, f64>> = factors.iter().map(|f| f.as_ref()).collect();
    for mode in 0..3 {
        let (m, bytes) = pool.install(|| peak(|| mttkrp(a.view(), &views, mode).unwrap()));
        within("mttkrp", bytes, m.nrows() * m.ncols() * 8);
        let narrow = factors[mode].transpose();
        let (b, bytes) = pool.install(|| peak(|| mode_product(a.view(), narrow, mode).unwrap()));
        within("mode product", bytes, b.len() * 8);
    }
    let (_, bytes) = peak(|| unfold(a.view(), 2).unwrap().is_view());
    within("unfold", bytes, 0);
    // Trains, the second of a tensor whose first bonds keep everything.
    let (x, bytes) = pool.install(|| peak(|| tt_svd(a.view(), Truncation::rank(20)).unwrap()));
    within("tt_svd", bytes, x.train.parameters() * 8);
    let halved = a.view().into_shape_with_order(IxDyn(&[2, 5, 2, 10, 10, 24, 220])).unwrap();
    let (x, bytes) = pool.install(|| peak(|| tt_svd(halved, Truncation::rank(20)).unwrap()));
    assert_eq!(x.train.ranks()[..3], [2, 10, 20]);
    within("tt_svd of seven modes", bytes, x.train.parameters() * 8);
    let ranks = Ranks::Fixed(vec![20, 24, 22]);
    let randomized = Basis::Randomized { oversampling: 5, power_iterations: 1, seed: 0 };
    for sequential in [true, false] {
        for basis in [Basis::Orthogonal, Basis::Gram, randomized] {
            let parameters = Hosvd { sequential, basis, modes: None };
            let (x, bytes) = pool.install(|| peak(|| hosvd(a.view(), &ranks, &parameters).unwrap()));
            within(&format!("{parameters:?}"), bytes, x.tucker.parameters() * 8);
        }
    }
    let short = Hooi { max_iterations: 2, ..Default::default() };
    let (x, bytes) = pool.install(|| peak(|| hooi(a.view(), &ranks, &short).unwrap()));
    within("hooi", bytes, x.tucker.parameters() * 8);
    for start in [CpStart::Leading, CpStart::Compressed] {
        let parameters = CpAls { start, max_iterations: 3, ..Default::default() };
        let (x, bytes) = pool.install(|| peak(|| cp_als(a.view(), 20, &parameters).unwrap()));
        within("cp_als", bytes, x.cp.parameters() * 8);
    }
    let mask = a.mapv(|x| x > -0.5);
    let masked = Masked { rank: 5, max_iterations: 3, ..Default::default() };
    let (x, bytes) = pool.install(|| peak(|| cp_masked(a.view(), mask.view(), &masked).unwrap()));
    within("cp_masked", bytes, x.cp.parameters() * 8);
    let sampled = Sampled { rank: 10, max_iterations: 3, ..Default::default() };
    let (x, bytes) = pool.install(|| peak(|| cp_sampled(a.view(), &sampled).unwrap()));
    within("cp_sampled", bytes, x.cp.parameters() * 8);
    let x = hosvd(a.view(), &ranks, &Hosvd::default()).unwrap();
    let (y, bytes) = pool.install(|| peak(|| x.tucker.to_dense().unwrap()));
    within("to_dense", bytes, y.len() * 8);
    let (_, bytes) = pool.install(|| peak(|| x.tucker.error(a.view()).unwrap()));
    within("error", bytes, 0);

    // The channels of a convolution kernel.
    let kernel = tensor(&[512, 3, 3, 512]);
    let channels = Hosvd { modes: Some(vec![0, 3]), ..Default::default() };
    let ranks = Ranks::Fixed(vec![100, 100]);
    let (x, bytes) = pool.install(|| peak(|| hosvd(kernel.view(), &ranks, &channels).unwrap()));
    println!("kernel: {:.1} MB", bytes as f64 / 1e6);
    assert!(bytes < 200_000_000, "kernel: {bytes} bytes");
    assert_eq!(x.tucker.ranks(), [100, 3, 3, 100]);
}
