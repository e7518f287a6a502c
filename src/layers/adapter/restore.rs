//! An adapter from its arrays, as files have them.

use super::{Adapter, KAdaptation, KronA, LoKr, Lora, Lsr, Parts, SvdLora};
use crate::matrix::{check_finite, view_of_array};
use crate::{Error, Result, Scalar};
use faer::Mat;
use ndarray::{ArrayD, Ix2};
use std::collections::BTreeMap;

/// The adapter of this [`Adapter::name`] whose arrays are these: those of [`Parts::array`] and of
/// [`Adapter::fixed`], all of them and no others. Their shapes tell the method's.
///
/// ```
/// use lowrank::layers::adapter::{Adapter, KronA, restore};
/// let krona = KronA::<f64>::new((2, 3), (4, 5), 0)?;
/// let arrays = ["a", "b"].map(|name| Ok((name.to_string(), krona.parts().array(name)?)));
/// let again = restore(krona.name(), arrays.into_iter().collect::<lowrank::Result<_>>()?)?;
/// assert_eq!(again.parts(), krona.parts());
/// # lowrank::Result::Ok(())
/// ```
///
/// # Errors
/// [`Error::Parameter`] for a name or an array that no method has; [`Error::Shape`] for an array that is
/// missing or does not fit the others; [`Error::Rank`]; [`Error::NonFinite`].
pub fn restore<T: Scalar>(
    name: &str,
    mut arrays: BTreeMap<String, ArrayD<T>>,
) -> Result<Box<dyn Adapter<T>>> {
    let mut take = |names: &[&'static str]| Parts::take(names, &mut arrays);
    let adapter: Box<dyn Adapter<T>> = match name {
        "lora" => Box::new(Lora::from_parts(take(&["b", "a"])?)?),
        "lsr" => Box::new(Lsr::from_parts(take(&["a1", "a2", "b1", "b2"])?)?),
        "kron-a" => Box::new(KronA::from_parts(take(&["a", "b"])?)?),
        "lo-kr" => Box::new(LoKr::from_parts(take(&["c", "d", "e"])?)?),
        "k-adaptation" => Box::new(KAdaptation::from_parts(take(&["a", "u", "v"])?)?),
        "svd-lora" | "svd-lora-with-values" => {
            let fixed = [matrix("u", &mut arrays)?, matrix("s", &mut arrays)?, matrix("v", &mut arrays)?];
            let names: &[_] = if name == "svd-lora" { &["x", "y"] } else { &["x", "y", "d"] };
            Box::new(SvdLora::from_parts(Parts::take(names, &mut arrays)?, fixed)?)
        }
        _ => {
            let remedy =
                "the methods are lora, lsr, kron-a, lo-kr, k-adaptation, svd-lora and svd-lora-with-values";
            return Err(Error::Parameter { name: "name", value: name.into(), remedy });
        }
    };
    match arrays.into_keys().next() {
        None => Ok(adapter),
        Some(extra) => {
            let remedy = "leave out what is no part of the method";
            Err(Error::Parameter { name: "arrays", value: format!("{extra:?} beside {name}"), remedy })
        }
    }
}

fn matrix<T: Scalar>(name: &'static str, arrays: &mut BTreeMap<String, ArrayD<T>>) -> Result<Mat<T>> {
    let array = arrays.remove(name);
    let found = array.as_ref().map_or(Vec::new(), |array| array.shape().to_vec());
    let Some(Ok(array)) = array.map(ArrayD::into_dimensionality::<Ix2>) else {
        return Err(Error::Shape {
            argument: "arrays",
            expected: format!("a matrix `{name}` is needed"),
            found,
        });
    };
    let matrix = view_of_array(array.view()).to_owned();
    check_finite("arrays", matrix.as_ref())?;
    Ok(matrix)
}
