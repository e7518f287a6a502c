//! The check for NaN and infinities that stands at the entry of every public function.

use super::{AsMatrix, visit_lanes};
use crate::{Error, Result, Scalar};
use faer::MatRef;
use ndarray::ArrayViewD;
use rayon::prelude::*;

/// Entries looked at by one task of [`check_rows`].
const PIECE: usize = 1 << 18;

/// Checks that every entry of the matrix `a` is finite.
///
/// # Errors
/// [`Error::NonFinite`] with `argument` and the (row, column) of the first such entry, counted
/// column by column. One pass over the entries, O(m n).
///
/// ```
/// use lowrank::{faer::mat, matrix::check_finite};
/// assert!(check_finite("a", mat![[1.0, 2.0]].as_ref()).is_ok());
/// assert!(check_finite("a", mat![[1.0, f64::NAN]].as_ref()).is_err());
/// ```
pub fn check_finite<T: Scalar>(argument: &'static str, a: impl AsMatrix<T>) -> Result<()> {
    largest_of(argument, a.as_matrix()).map(|_| ())
}

/// The largest magnitude of the entries of `a` (0 when empty), once they are known to be finite.
///
/// # Errors
/// Those of [`check_finite`]; both share the one pass.
pub fn largest_finite<T: Scalar>(argument: &'static str, a: impl AsMatrix<T>) -> Result<T> {
    largest_of(argument, a.as_matrix())
}

fn largest_of<T: Scalar>(argument: &'static str, a: MatRef<'_, T>) -> Result<T> {
    let (mut fine, mut largest) = (true, T::of(0.0));
    visit_lanes(a, |_, values| {
        let (f, l) = scan(values);
        fine &= f;
        largest = if l > largest { l } else { largest };
    });
    if fine {
        return Ok(largest);
    }
    for j in 0..a.ncols() {
        for i in 0..a.nrows() {
            if !num_traits::Float::is_finite(a[(i, j)]) {
                return Err(Error::NonFinite { argument, index: vec![i, j] });
            }
        }
    }
    Ok(largest)
}

/// The check of [`check_finite`] in parallel, for rows of a larger matrix whose first is `first`: the
/// position is that in the larger one.
pub(crate) fn check_rows<T: Scalar>(argument: &'static str, a: MatRef<'_, T>, first: usize) -> Result<()> {
    let height = (PIECE / a.ncols().max(1)).max(1);
    let check = |piece: usize| {
        let start = piece * height;
        check_finite(argument, a.subrows(start, height.min(a.nrows() - start))).map_err(|error| match error {
            Error::NonFinite { argument, index } => {
                Error::NonFinite { argument, index: vec![first + start + index[0], index[1]] }
            }
            other => other,
        })
    };
    let found: Vec<Result<()>> = (0..a.nrows().div_ceil(height)).into_par_iter().map(check).collect();
    found.into_iter().collect()
}

/// [`largest_finite`] in parallel.
pub(crate) fn largest_in_parallel<T: Scalar>(argument: &'static str, a: MatRef<'_, T>) -> Result<T> {
    let (m, n) = a.shape();
    let height = (PIECE / 8 / n.max(1)).clamp(1, m.max(1));
    let of =
        |piece: usize| largest_finite(argument, a.subrows(piece * height, height.min(m - piece * height)));
    let larger = |x, y| if x > y { x } else { y };
    let found: Result<T> =
        (0..m.div_ceil(height)).into_par_iter().map(of).try_reduce(T::default, |x, y| Ok(larger(x, y)));
    // The first position is that of the whole.
    found.or_else(|_| largest_finite(argument, a))
}

/// Checks that every number of a slice is finite.
///
/// # Errors
/// [`Error::NonFinite`] with `argument` and the position of the first such number.
pub fn check_finite_slice<T: Scalar>(argument: &'static str, values: &[T]) -> Result<()> {
    if scan(values).0 {
        return Ok(());
    }
    let index = values.iter().position(|x| !num_traits::Float::is_finite(*x)).into_iter().collect();
    Err(Error::NonFinite { argument, index })
}

/// Checks that every entry of a tensor is finite.
///
/// # Errors
/// [`Error::NonFinite`] with `argument` and the multi-index of the first such entry, in
/// row-major order.
pub fn check_finite_array<T: Scalar>(argument: &'static str, a: ArrayViewD<'_, T>) -> Result<()> {
    largest_finite_array(argument, a).map(|_| ())
}

/// The largest magnitude of the entries of a tensor (0 when empty), once they are known to be finite.
///
/// # Errors
/// Those of [`check_finite_array`]; both share the one pass, which runs in parallel where the entries
/// lie one beside the other.
pub fn largest_finite_array<T: Scalar>(argument: &'static str, a: ArrayViewD<'_, T>) -> Result<T> {
    let merge = |x: (bool, T), y: (bool, T)| (x.0 & y.0, if y.1 > x.1 { y.1 } else { x.1 });
    let nothing = || (true, T::of(0.0));
    let (fine, largest) = match a.as_slice_memory_order() {
        Some(values) => values.par_chunks(PIECE).map(scan).reduce(nothing, merge),
        None => a.rows().into_iter().fold(nothing(), |found, row| match row.as_slice() {
            Some(values) => merge(found, scan(values)),
            None => row.iter().fold(found, |found, x| merge(found, scan(&[*x]))),
        }),
    };
    if fine {
        return Ok(largest);
    }
    let index = a
        .indexed_iter()
        .find(|(_, x)| !num_traits::Float::is_finite(**x))
        .map(|(index, _)| ndarray::Dimension::slice(&index).to_vec())
        .unwrap_or_default();
    Err(Error::NonFinite { argument, index })
}

/// Whether all values are finite, and their largest magnitude (not counting NaN).
///
/// Sixteen independent lanes, so that the compiler can use vector instructions.
fn scan<T: Scalar>(values: &[T]) -> (bool, T) {
    const LANES: usize = 16;
    let zero = T::of(0.0);
    let mut largest = [zero; LANES];
    // x * 0 is zero for a finite x and NaN otherwise; a NaN then stays in the sum.
    let mut poison = [zero; LANES];
    let mut step = |lane: usize, x: T| {
        let x = num_traits::Float::abs(x);
        poison[lane] += x * zero;
        largest[lane] = if x > largest[lane] { x } else { largest[lane] };
    };
    let chunks = values.chunks_exact(LANES);
    chunks.remainder().iter().enumerate().for_each(|(lane, x)| step(lane, *x));
    for chunk in chunks {
        (0..LANES).for_each(|lane| step(lane, chunk[lane]));
    }
    let fine = poison.iter().all(|p| *p == zero);
    (fine, largest.iter().fold(zero, |m, x| if *x > m { *x } else { m }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use faer::Mat;

    #[test]
    fn finds_the_position_in_every_layout() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for (i, j) in [(0, 0), (20, 3), (36, 10)] {
                let mut a = Mat::<f64>::from_fn(37, 11, |i, j| (i + 100 * j) as f64);
                assert!(check_finite("a", a.as_ref()).is_ok());
                a[(i, j)] = bad;
                let expect = |r: Result<()>, index: Vec<usize>| match r {
                    Err(Error::NonFinite { argument: "a", index: found }) => assert_eq!(found, index),
                    other => panic!("{other:?}"),
                };
                expect(check_finite("a", a.as_ref()), vec![i, j]);
                expect(check_finite("a", a.transpose()), vec![j, i]);
                expect(check_finite("a", a.as_ref().reverse_rows()), vec![36 - i, j]);
                let wide = Mat::from_fn(74, 11, |r, c| if r % 2 == 0 { a[(r / 2, c)] } else { 0.0 });
                expect(
                    check_finite(
                        "a",
                        super::super::view_of_array(
                            super::super::array_view(wide.as_ref()).slice(ndarray::s![..;2, ..]),
                        ),
                    ),
                    vec![i, j],
                );
                let t = super::super::array_of(a.as_ref()).into_dyn();
                expect(check_finite_array("a", t.view()), vec![i, j]);
                expect(
                    check_finite_array("a", t.slice_each_axis(|_| ndarray::Slice::from(..)).view()),
                    vec![i, j],
                );
            }
        }
        assert!(check_finite_slice("a", &[1.0f32; 40]).is_ok());
        assert!(check_finite_slice("a", &[f32::NAN]).is_err());
    }
}
