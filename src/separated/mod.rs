//! Separated representations: matrices and vectors of many modes kept as sums of Kronecker
//! products.
//!
//! `M ~ sum_k lambda_k M_k^(1) (x) ... (x) M_k^(d)`, k = 1, ..., s, with factors of Frobenius norm 1
//! and lambda_1 >= ... >= lambda_s > 0 (Beylkin, Mohlenkamp, Algorithms for numerical analysis in
//! high dimensions, SIAM J. Sci. Comput. 26, 2005). s is the separation rank; the condition number
//! gamma = sqrt(sum lambda_k^2) / |M|_F tells how much the terms cancel: a representation whose
//! numbers are rounded to precision mu has an error of about gamma mu |M|_F.
//!
//! | what you want | function |
//! | --- | --- |
//! | the nearest sum of products of two factors | [`nearest`] |
//! | the best shapes of the two factors | [`best_shapes`] |
//! | a sum of products of any number of factors, the condition number held | [`als()`] |
//! | fewer terms for a sum, to a tolerance | [`reduce()`] |
//! | the precision that a sum may be stored in | [`Separated::smallest_precision`] |
//! | a function of many variables, from samples | [`from_function`] |
//! | sums, products, inner products, distances | [`Separated`] |
//! | products with dense blocks; as an operator | [`Separated::apply`], [`Separated::operator`] |
//! | the Laplacian in many dimensions, and its inverse | [`laplacian()`], [`inverse_of_kronecker_sum`] |
//! | linear systems | [`conjugate_gradients`] |

mod algebra;
mod als;
mod apply;
mod descent;
mod exponential_sum;
mod function;
mod gram;
mod laplacian;
mod nearest;
mod points;
mod precision;
mod prune;
mod rank;
mod record;
mod reduce;
mod representation;
mod shapes;
mod solve;
pub(crate) mod start;
mod stored;
mod sweep;
mod system;
pub(crate) mod target;
mod train_target;

pub use als::{Als, FitStart, Fitted, als};
pub use apply::SeparatedMatrix;
pub use exponential_sum::ExponentialSum;
pub use function::{FittedFunction, FromFunction, from_function};
pub use laplacian::{ApproximateInverse, inverse_of_kronecker_sum, laplacian, second_difference};
pub use nearest::{Nearest, NearestSum, nearest};
pub use precision::Precision;
pub use rank::SeparationRank;
pub use reduce::reduce;
pub use representation::Separated;
pub use shapes::{BestShapes, ShapeRow, best_shapes, splits};
pub use solve::{ConjugateGradients, Solution, conjugate_gradients};

pub(crate) use descent::fit;
pub(crate) use stored::{Halves, Stored};
pub(crate) use sweep::{Rule, Rules};
