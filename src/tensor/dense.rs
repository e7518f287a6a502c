//! What every algorithm for dense tensors does first and last: checks, room for the result, scale.

use crate::matrix::{largest_finite_array, scale_by_power_of_two};
use crate::{Error, Result, Scalar};
use ndarray::{ArrayD, ArrayViewD, IxDyn};

/// Checks that there is a mode at all.
pub(super) fn check_order<T: Scalar>(a: &ArrayViewD<'_, T>) -> Result<()> {
    if a.ndim() > 0 {
        return Ok(());
    }
    let expected = "order 1 at least is needed".into();
    Err(Error::Shape { argument: "a", expected, found: Vec::new() })
}

/// Checks that `mode` counts one of the modes.
pub(super) fn check_mode(mode: usize, order: usize) -> Result<()> {
    if mode < order {
        return Ok(());
    }
    let remedy = "modes are counted from 0, each below the order of the tensor";
    Err(Error::Parameter { name: "mode", value: mode.to_string(), remedy })
}

/// The number of entries of a tensor, or the too-large error where they cannot be allocated.
pub(super) fn size<T: Scalar>(shape: &[usize], what: &'static str) -> Result<usize> {
    if shape.contains(&0) {
        return Ok(0);
    }
    let bytes = shape.iter().fold(size_of::<T>() as f64, |bytes, &n| bytes * n as f64);
    let too_large = || Error::TooLarge { what, bytes, remedy: "ask for fewer or smaller modes" };
    let length = shape.iter().try_fold(1usize, |length, &n| length.checked_mul(n)).ok_or_else(too_large)?;
    // Asks for the memory and gives it back; the pages of the zeros that follow come when touched.
    Vec::<T>::new().try_reserve_exact(length).map_err(|_| too_large())?;
    Ok(length)
}

/// Zeros, or the too-large error before anything is allocated.
pub(super) fn zeros<T: Scalar>(shape: &[usize], what: &'static str) -> Result<ArrayD<T>> {
    let entries = vec![T::of(0.0); size::<T>(shape, what)?];
    let found = shape.to_vec();
    let expected = "a shape whose nonzero sizes can be multiplied is needed".to_string();
    ArrayD::from_shape_vec(IxDyn(shape), entries).map_err(|_| Error::Shape {
        argument: "shape",
        expected,
        found,
    })
}

/// Exponents of numbers that are multiplied, up to whose sum in magnitude nothing is scaled.
pub(super) fn limit<T: Scalar>() -> i32 {
    if T::NAME == "f32" { 30 } else { 300 }
}

/// The largest power of two that a matrix near 1 is multiplied by: enough to bring any tensor to a
/// moderate size, while the digits that are lost to gradual underflow are below eps of the rest.
pub(super) fn most<T: Scalar>() -> i32 {
    if T::NAME == "f32" { 100 } else { 1000 }
}

/// Replaces `a` by `2^e a`.
///
/// # Errors
/// [`Error::Parameter`] where an entry exceeds the largest number of the type.
pub(super) fn scale_up<T: Scalar>(a: &mut ArrayD<T>, e: i32, what: &'static str) -> Result<()> {
    if e == 0 {
        return Ok(());
    }
    a.iter_mut().for_each(|x| *x = scale_by_power_of_two(*x, e));
    let Err(Error::NonFinite { index, .. }) = largest_finite_array(what, a.view()) else { return Ok(()) };
    Err(overflow(what, &index))
}

/// The error for a result of finite numbers with entries that are not.
pub(super) fn overflow(name: &'static str, index: &[usize]) -> Error {
    let remedy = "an entry exceeds the largest number of the type: scale the tensor or the factors down";
    Error::Parameter { name, value: format!("overflow at {index:?}"), remedy }
}
