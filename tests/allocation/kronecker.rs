//! Rearrangements are read in place: the nearest sum, and unfoldings of many factors, copy no matrix.

use crate::allocation::{alone, peak, two_threads};
use lowrank::Operator;
use lowrank::kronecker::Rearranged;
use lowrank::random::gaussian;
use lowrank::separated::{Nearest, SeparationRank, nearest};
use lowrank::svd::{Randomized, randomized};

#[test]
fn rearrangements_copy_no_matrix() {
    let _alone = alone();
    let pool = two_threads();
    let a = gaussian::<f64>(2304, 2304, 1, "a");
    let whole = 2304 * 2304 * 8;
    let shapes = [(48, 48), (48, 48)];
    for a in [a.as_ref(), a.transpose()] {
        let found = || nearest(&a, shapes, SeparationRank::Fixed(4), Nearest::default()).unwrap();
        let (found, most) = pool.install(|| peak(found));
        assert_eq!(found.separated.separation_rank(), 4);
        assert!(most < whole / 4, "{most} of {whole} bytes");
        let unfolding = || {
            let r = Rearranged::new(&a, &[(6, 6), (8, 8), (48, 48)]).unwrap().unfolding(2).unwrap();
            (r.shape(), randomized(&r, 4, &Randomized::default()).unwrap().rank())
        };
        let (found, most) = pool.install(|| peak(unfolding));
        assert_eq!(found, ((2304, 2304), 4));
        assert!(most < whole / 4, "{most} of {whole} bytes");
    }
}
