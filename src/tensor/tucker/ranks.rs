//! Which ranks a Tucker decomposition has.

use crate::{Error, Result};

/// Which ranks are wanted.
///
/// Ranks are at least one wherever the tensor has entries.
#[derive(Debug, Clone, PartialEq)]
pub enum Ranks {
    /// These, one for each mode that is compressed, in the order of [`Hosvd::modes`](super::Hosvd).
    /// A rank above the product of the other sizes is lowered to it, at no loss.
    Fixed(Vec<usize>),
    /// The smallest ones found with |A - X|_F <= t |A|_F; t in [0, 1].
    Tolerance(f64),
    /// The smallest ones found with |X|_F^2 at least this fraction of |A|_F^2, which lies in [0, 1]:
    /// `Tolerance(sqrt(1 - fraction))`.
    Energy(f64),
}

impl Ranks {
    /// The tolerance, or `None` for fixed ranks; for a tensor of this shape with these modes.
    pub(super) fn checked(&self, shape: &[usize], modes: &[usize]) -> Result<Option<f64>> {
        let within = |name: &'static str, x: f64| match (0.0..=1.0).contains(&x) {
            true => Ok(x),
            false => {
                Err(Error::Parameter { name, value: x.to_string(), remedy: "pass a number between 0 and 1" })
            }
        };
        match self {
            Ranks::Tolerance(t) => Ok(Some(within("tolerance", *t)?)),
            Ranks::Energy(fraction) => Ok(Some((1.0 - within("energy", *fraction)?).sqrt())),
            Ranks::Fixed(ranks) => {
                if ranks.len() != modes.len() {
                    let expected = format!("one rank a compressed mode, {} in all, is needed", modes.len());
                    return Err(Error::Shape { argument: "ranks", expected, found: ranks.clone() });
                }
                for (&rank, &mode) in ranks.iter().zip(modes) {
                    if rank == 0 {
                        let remedy = "ask for ranks of at least 1";
                        return Err(Error::Parameter { name: "ranks", value: format!("{ranks:?}"), remedy });
                    }
                    if rank > shape[mode] && !shape.contains(&0) {
                        return Err(Error::Rank { rank, largest: shape[mode] });
                    }
                }
                Ok(None)
            }
        }
    }
}
