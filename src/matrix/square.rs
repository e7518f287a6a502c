//! faer's factorizations of square matrices: symmetric eigenvalues, and elimination.
//!
//! As in the rest of [`super::Kernel`], the matrices are finite, of largest magnitude near 1 and
//! stored by columns, and everything runs on one thread.

use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{
    ComputeEigenvectors, SelfAdjointEvdParams, self_adjoint_evd, self_adjoint_evd_scratch,
};
use faer::linalg::lu::partial_pivoting::factor::{PartialPivLuParams, lu_in_place, lu_in_place_scratch};
use faer::linalg::triangular_solve::{solve_unit_lower_triangular_in_place, solve_upper_triangular_in_place};
use faer::traits::RealField;
use faer::{Auto, Mat, MatMut, MatRef, Par, Spec};

/// Nondecreasing eigenvalues and eigenvectors of a symmetric matrix whose lower triangle is read, by
/// divide and conquer or, where `iterate`, by QR iterations alone.
pub(super) fn symmetric_eigen<T: RealField + Copy>(
    a: MatRef<'_, T>,
    iterate: bool,
) -> Option<(Vec<T>, Mat<T>)> {
    let n = a.nrows();
    let (mut s, mut u) = (Diag::<T>::zeros(n), Mat::zeros(n, n));
    if n == 0 {
        return Some((Vec::new(), u));
    }
    let mut params = <SelfAdjointEvdParams as Auto<T>>::auto();
    if iterate {
        params.recursion_threshold = usize::MAX;
    }
    let params: Spec<_, T> = params.into();
    let scratch = self_adjoint_evd_scratch::<T>(n, ComputeEigenvectors::Yes, Par::Seq, params);
    let mut memory = MemBuffer::new(scratch);
    self_adjoint_evd(a, s.as_mut(), Some(u.as_mut()), Par::Seq, MemStack::new(&mut memory), params).ok()?;
    Some((s.column_vector().iter().copied().collect(), u))
}

/// L below the diagonal and U on and above it, the row of A at each place, and how many rows were
/// exchanged.
pub(super) fn lu<T: RealField + Copy>(a: MatRef<'_, T>) -> (Mat<T>, Vec<usize>, usize) {
    let n = a.nrows();
    let mut packed = a.to_owned();
    let (mut rows, mut places) = (vec![0_usize; n], vec![0_usize; n]);
    let params: Spec<_, T> = <PartialPivLuParams as Auto<T>>::auto().into();
    let mut memory = MemBuffer::new(lu_in_place_scratch::<usize, T>(n, n, Par::Seq, params));
    let stack = MemStack::new(&mut memory);
    let exchanges = lu_in_place(packed.as_mut(), &mut rows, &mut places, Par::Seq, stack, params).0;
    (packed, rows, exchanges.transposition_count)
}

/// `x <- U^-1 L^-1 x`.
pub(super) fn lu_solve<T: RealField + Copy>(packed: MatRef<'_, T>, mut x: MatMut<'_, T>) {
    solve_unit_lower_triangular_in_place(packed, x.as_mut(), Par::Seq);
    solve_upper_triangular_in_place(packed, x, Par::Seq);
}
