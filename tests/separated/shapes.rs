//! The search for the best shapes of two factors.

use lowrank::faer::Mat;
use lowrank::matrix::frobenius;
use lowrank::random::gaussian;
use lowrank::separated::{Nearest, SeparationRank, best_shapes, nearest, splits};
use lowrank::svd::dense;
use lowrank::{Error, Separated};

/// A sum of three products of the shapes (6, 2), (4, 10), and a little noise.
fn planted() -> Mat<f64> {
    let term = |seed| vec![gaussian::<f64>(6, 2, seed, "x"), gaussian::<f64>(4, 10, seed, "y")];
    let sum = Separated::from_terms(vec![term(1), term(2), term(3)]).unwrap();
    let noise = gaussian::<f64>(24, 20, 4, "noise");
    Mat::from_fn(24, 20, |i, j| sum.entry(&[i / 4, i % 4], &[j / 10, j % 10]).unwrap() + 1e-3 * noise[(i, j)])
}

#[test]
fn planted_shapes_are_found_at_equal_storage_and_by_tolerance() {
    let a = planted();
    let all = splits(24, 20);
    assert_eq!(all.len(), 8 * 6 - 2);
    for rank in [SeparationRank::Parameters(3 * 53), SeparationRank::Tolerance(0.01)] {
        for method in [Nearest::Dense, Nearest::default()] {
            let mut told = Vec::new();
            let found = best_shapes(&a, &all, rank, method, |done, of| {
                told.push((done, of));
                true
            });
            let found = found.unwrap();
            assert_eq!(told, (1..=46).map(|k| (k, 46)).collect::<Vec<_>>());
            assert_eq!((found.table[0].shapes, found.table[0].terms), ([(6, 2), (4, 10)], 3));
            assert_eq!(found.best.separated.shapes(), [(6, 2), (4, 10)]);
            assert_eq!((found.best.error, found.table.len()), (found.table[0].error, 46));
            for row in &found.table {
                let one = nearest(&a, row.shapes, rank, method).unwrap();
                assert_eq!((row.error, row.parameters), (one.error, one.separated.parameters()));
                match rank {
                    SeparationRank::Tolerance(t) => assert!(row.error <= t * frobenius(&a)),
                    _ => assert!(row.parameters <= 159),
                }
            }
            let sorted = match rank {
                SeparationRank::Tolerance(_) => found.table.is_sorted_by_key(|row| row.parameters),
                _ => found.table.is_sorted_by(|x, y| x.error <= y.error),
            };
            assert!(sorted);
        }
    }
}

/// Columns times rows are the truncated SVD; a fixed rank above that of some shapes is lowered there.
#[test]
fn the_truncated_svd_is_among_the_shapes() {
    let a = gaussian::<f64>(12, 9, 1, "a");
    let found =
        best_shapes(&a, &splits(12, 9), SeparationRank::Fixed(7), Nearest::Dense, |_, _| true).unwrap();
    let row = found.table.iter().find(|row| row.shapes == [(12, 1), (1, 9)]).unwrap();
    let truncated = dense(&a).unwrap().truncate(7).error(&a).unwrap();
    assert!((row.error - truncated).abs() < 1e-13);
    assert_eq!((row.terms, row.parameters), (7, 7 * 22));
    let small = found.table.iter().find(|row| row.shapes == [(2, 1), (6, 9)]).unwrap();
    assert_eq!(small.terms, 2);
}

#[test]
fn searches_end_early_and_without_shapes() {
    let a = gaussian::<f64>(12, 9, 1, "a");
    let rank = SeparationRank::Fixed(1);
    let some = best_shapes(&a, &splits(12, 9), rank, Nearest::default(), |done, _| done < 4).unwrap();
    assert_eq!(some.table.len(), 4);
    let none = best_shapes(&a, &[], rank, Nearest::default(), |_, _| true);
    assert!(matches!(none, Err(Error::Shape { argument: "shapes", .. })));
    assert!(splits(0, 5).is_empty() && splits(1, 1).is_empty() && splits(1, 2).is_empty());
    assert_eq!(splits(1, 4), [[(1, 2), (1, 2)]]);
}
