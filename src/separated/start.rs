//! Where alternating least squares begin: factors without weights, and the next guess from two steps.

use super::target::{Target, Terms};
use crate::matrix::frobenius;
use crate::random::gaussian;
use crate::svd::{Qr, qr};
use crate::{Result, Scalar};
use faer::Mat;

/// `count` terms of unit factors without weights, random ones or from the span of the unfoldings; the
/// `block`-th of a run.
pub(crate) fn start<T: Scalar>(
    target: &mut dyn Target<T>,
    count: usize,
    random: bool,
    seed: u64,
    block: usize,
) -> Result<Terms<T>> {
    let sizes = target.sizes().to_vec();
    let gaussian_mode = |(i, &p): (usize, &usize)| {
        let purpose = format!("start of mode {i}, block {block}");
        let mut mode = gaussian::<T>(p, count, seed, &purpose);
        for k in 0..count {
            let norm = frobenius(mode.col(k).as_mat());
            mode.col_as_slice_mut(k).iter_mut().for_each(|x| *x = T::of(x.as_f64() / norm));
        }
        mode
    };
    let mut modes: Vec<Mat<T>> = sizes.iter().enumerate().map(gaussian_mode).collect();
    if !random {
        for i in 0..modes.len() {
            let sample = target.mttkrp(i, &modes); // (p, count)
            let Qr { q, r } = qr(&sample)?; // (p, <= count)
            // Beyond the rank of the unfolding a basis would leave its range: the sample does not.
            let top = (0..r.nrows()).fold(0.0, |top: f64, k| top.max(r[(k, k)].as_f64()));
            let rank = (0..r.nrows()).take_while(|&k| r[(k, k)].as_f64() > 1e4 * T::EPS * top).count();
            for k in 0..count {
                let column = if k < rank { q.col(k) } else { sample.col(k) };
                let norm = frobenius(column.as_mat());
                if norm > 0.0 {
                    let out = modes[i].col_as_slice_mut(k).iter_mut();
                    out.zip(column.iter()).for_each(|(out, x)| *out = T::of(x.as_f64() / norm));
                }
            }
        }
    }
    Ok(Terms { lambda: vec![0.0; count], modes })
}

/// Unit factors further along the way from `old` to `new`.
pub(crate) fn extrapolated<T: Scalar>(old: &Terms<T>, new: &Terms<T>, weight: f64) -> Terms<T> {
    let mut out = new.clone();
    for (mode, old) in out.modes.iter_mut().zip(&old.modes) {
        for k in 0..mode.ncols() {
            let column = mode.col_as_slice_mut(k);
            for (x, old) in column.iter_mut().zip(old.col_as_slice(k)) {
                *x = T::of(x.as_f64() + weight * (x.as_f64() - old.as_f64()));
            }
            let norm = frobenius(mode.col(k).as_mat());
            if norm > 0.0 {
                mode.col_as_slice_mut(k).iter_mut().for_each(|x| *x = T::of(x.as_f64() / norm));
            }
        }
    }
    out
}
