//! What the factors of a fit obey.

use crate::matrix::{check_finite, exponent, max_norm, scale_by_power_of_two, slice_norm};
use crate::separated::{Rule, Rules, SeparationRank};
use crate::{Error, Result, Scalar};
use faer::Mat;

/// What a factor obeys.
#[derive(Debug, Clone, Default)]
pub enum Constraint<T: Scalar> {
    /// Nothing (the default).
    #[default]
    Free,
    /// No negative entry. Where all modes are nonnegative gamma is at most 1, so that no bound is felt;
    /// with other modes free an update that would pass the bound is not made.
    Nonnegative,
    /// Its columns are multiples of those of this factor (n_i, R), which has no column of zeros. Needs a
    /// fixed rank. Terms are returned by falling weights: their order is not that of the columns.
    Fixed(Mat<T>),
}

/// What a tensor of this shape is fitted under, once that is known to make sense.
pub(super) fn rules<T: Scalar>(
    constraints: &[Constraint<T>],
    bound: f64,
    ridge: f64,
    shape: &[usize],
    rank: SeparationRank,
) -> Result<Rules<T>> {
    let fail = |name, value: String, remedy| Err(Error::Parameter { name, value, remedy });
    let d = shape.len();
    if !(ridge >= 0.0 && ridge.is_finite()) {
        return fail("ridge", ridge.to_string(), "give a finite number of at least 0");
    }
    let mut rules = Rules { ridge, ..Rules::free(d, bound) };
    if !constraints.is_empty() && constraints.len() != d {
        let expected = format!("one constraint for each of the {d} modes, or none at all, is needed");
        return Err(Error::Shape { argument: "constraints", expected, found: vec![constraints.len()] });
    }
    for (i, constraint) in constraints.iter().enumerate() {
        rules.modes[i] = match (constraint, rank) {
            (Constraint::Free, _) => Rule::Free,
            (Constraint::Nonnegative, _) => Rule::Nonnegative,
            (Constraint::Fixed(factor), SeparationRank::Fixed(terms)) => fixed(i, factor, (shape[i], terms))?,
            (Constraint::Fixed(_), rank) => {
                return fail("rank", rank.to_string(), "a fixed factor needs a fixed number of terms");
            }
        };
    }
    if rules.modes.iter().all(|rule| matches!(rule, Rule::Fixed(_))) {
        return fail("constraints", "Fixed in every mode".into(), "leave one mode at least to be fitted");
    }
    Ok(rules)
}

/// The rule for a factor given for mode i.
fn fixed<T: Scalar>(i: usize, factor: &Mat<T>, shape: (usize, usize)) -> Result<Rule<T>> {
    if factor.shape() != shape {
        let expected = format!("the fixed factor of mode {i} needs shape {shape:?}");
        let found = vec![factor.nrows(), factor.ncols()];
        return Err(Error::Shape { argument: "constraints", expected, found });
    }
    check_finite("constraints", factor).map_err(|e| e.within(i))?;
    let mut unit = factor.clone();
    for k in 0..shape.1 {
        let e = exponent(max_norm(factor.subcols(k, 1)));
        let column = unit.col_as_slice_mut(k);
        column.iter_mut().for_each(|x| *x = scale_by_power_of_two(*x, -e));
        let norm = slice_norm(column);
        if norm == 0.0 {
            let value = format!("column {k} of mode {i} is zero");
            return Err(Error::Parameter { name: "constraints", value, remedy: "ask for a term less" });
        }
        column.iter_mut().for_each(|x| *x = T::of(x.as_f64() / norm));
    }
    Ok(Rule::Fixed(unit))
}
