//! One affine layer: its weight in the forms it can have, and the numbers of it that are trained.

use crate::brain::Brain;
use crate::model::{Checksum, Group, NotFinite};
use anyhow::{Result, bail};
use lowrank::Scalar;
use lowrank::faer::{Mat, MatRef};
use lowrank::layers::adapter::{Adapted, Part};
use lowrank::matrix::check_finite_slice;

/// How the weight (m, n) of a layer is stored and trained.
#[derive(Debug, Clone)]
pub enum Weight<T: Scalar> {
    /// Not trained, and neither is the bias.
    Frozen(Mat<T>),
    /// The same, stored as bf16.
    Rounded(Brain),
    /// Trained, with the bias.
    Full(Mat<T>),
    /// Not trained, and neither is the bias, but the adapter beside it is.
    Adapted(Adapted<T>),
}

/// y = W x + b.
#[derive(Debug, Clone)]
pub struct Layer<T: Scalar> {
    /// W, (m, n).
    pub weight: Weight<T>,
    /// b, m numbers; none for a table of embeddings.
    pub bias: Vec<T>,
}

impl<T: Scalar> Weight<T> {
    /// (m, n).
    pub fn shape(&self) -> (usize, usize) {
        match self {
            Weight::Frozen(w) | Weight::Full(w) => w.shape(),
            Weight::Rounded(w) => w.shape(),
            Weight::Adapted(adapted) => adapted.base().shape(),
        }
    }

    /// The matrix that is applied, (m, n).
    pub fn merged(&self) -> Mat<T> {
        match self {
            Weight::Frozen(w) | Weight::Full(w) => w.clone(),
            Weight::Rounded(w) => w.to_mat(),
            Weight::Adapted(adapted) => adapted.merged(),
        }
    }
}

impl<T: Scalar> Layer<T> {
    /// Whether some of its numbers are trained.
    pub fn trained(&self) -> bool {
        !matches!(self.weight, Weight::Frozen(_) | Weight::Rounded(_))
    }

    /// Column j of the frozen or trained weight; `space` for m numbers is used where it must be converted.
    pub(crate) fn column<'a>(&'a self, j: usize, space: &'a mut [T]) -> &'a [T] {
        match &self.weight {
            Weight::Frozen(w) | Weight::Full(w) => w.col_as_slice(j),
            Weight::Adapted(adapted) => column_of(adapted.base(), j),
            Weight::Rounded(w) => {
                w.copy_column(j, space);
                space
            }
        }
    }

    /// The trained numbers, copied; `start` stands before their names.
    pub fn groups(&self, start: &str, head: bool, decay: bool) -> Vec<Group<T>> {
        let group = |what, decay, values| Group {
            name: format!("{start}{what}"),
            form: String::new(),
            decay,
            head,
            values,
        };
        match &self.weight {
            Weight::Frozen(_) | Weight::Rounded(_) => Vec::new(),
            Weight::Full(w) => {
                let bias = (!self.bias.is_empty()).then(|| group("bias", false, self.bias.clone()));
                [group("weight", decay, entries(w.as_ref()))].into_iter().chain(bias).collect()
            }
            Weight::Adapted(adapted) => {
                vec![Group { form: form(adapted), ..group("adapter", decay, adapted.values()) }]
            }
        }
    }

    /// Adds the frozen numbers.
    pub fn checksum(&self, sum: &mut Checksum) {
        match &self.weight {
            Weight::Full(_) => return,
            Weight::Rounded(w) => sum.add(&entries(w.to_mat::<T>().as_ref())),
            Weight::Frozen(w) => sum.add(&entries(w.as_ref())),
            Weight::Adapted(adapted) => {
                sum.add(&entries(adapted.base()));
                adapted.adapter().fixed().iter().for_each(|(_, matrix)| sum.add(&entries(*matrix)));
            }
        }
        sum.add(&self.bias);
    }
}

/// Replaces the trained numbers of layers, given in the order of their [`Layer::groups`].
///
/// # Errors
/// Where counts differ or a number is not finite.
pub fn set_layers<'a, T: Scalar>(
    layers: impl Iterator<Item = &'a mut Layer<T>>,
    groups: &[Group<T>],
) -> Result<()> {
    let mut given = groups.iter();
    let mut next = |count: usize| match given.next() {
        Some(group) if group.values.len() != count => {
            bail!("{}: {} numbers, but {count} are trained", group.name, group.values.len())
        }
        Some(group) if check_finite_slice("values", &group.values).is_err() => {
            bail!(NotFinite(format!("{}: a number is not finite", group.name)))
        }
        Some(group) => Ok(&group.values),
        None => bail!("too few groups of trained numbers"),
    };
    for Layer { weight, bias } in layers {
        match weight {
            Weight::Frozen(_) | Weight::Rounded(_) => {}
            Weight::Full(w) => {
                let (m, n) = w.shape();
                let values = next(m * n)?;
                (0..n).for_each(|j| w.col_as_slice_mut(j).copy_from_slice(&values[j * m..(j + 1) * m]));
                if !bias.is_empty() {
                    bias.copy_from_slice(next(m)?);
                }
            }
            Weight::Adapted(adapted) => adapted.set_values(next(adapted.parameters())?)?,
        }
    }
    match given.next() {
        Some(group) => bail!("{}: nothing of that name is trained", group.name),
        None => Ok(()),
    }
}

/// All that tells an adapter from others with as many numbers.
fn form<T: Scalar>(adapted: &Adapted<T>) -> String {
    let mut out = adapted.adapter().name().to_string();
    for Part { name, terms, rows, cols } in adapted.adapter().parts().iter() {
        let terms = if *terms == 1 { String::new() } else { format!("{terms}x") };
        out += &format!(", {name} {terms}{rows}x{cols}");
    }
    let magnitude = if adapted.magnitude().is_some() { ", magnitude" } else { "" };
    format!("{out}{magnitude}, scaling {}", adapted.scaling())
}

/// Column j of a matrix that is stored by columns.
fn column_of<T: Scalar>(a: MatRef<'_, T>, j: usize) -> &[T] {
    a.col(j).try_as_col_major().map_or(&[], |column| column.as_slice())
}

/// The entries by columns.
pub(crate) fn entries<T: Scalar>(a: MatRef<'_, T>) -> Vec<T> {
    a.col_iter().flat_map(|column| column.iter().copied().collect::<Vec<_>>()).collect()
}
