//! A training run in a file, from which it goes on bit by bit as if it had not stopped.
//!
//! The file is a safetensors file: for each group `values.K`, `first.K`, `second.K` (the moments) and
//! `best.K`; as texts the settings, the epoch, the steps, the best epoch and its accuracy, and a checksum of
//! the frozen numbers, which are not stored. The order of the samples is a function of seed and epoch.

use crate::network::{Group, Network, Weight};
use crate::training::Trainer;
use anyhow::{Context, Result, bail};
use lowrank::Scalar;
use lowrank::io::{Safetensors, write_safetensors};
use ndarray::{ArrayD, IxDyn};
use std::path::Path;

/// Writes a run, whole or not at all.
///
/// # Errors
/// Where the file cannot be written; an old one stays as it was.
pub fn save<T: Scalar>(trainer: &Trainer<T>, path: &Path) -> Result<()> {
    let mut arrays: Vec<(String, ArrayD<T>)> = Vec::new();
    let mut put = |name: &str, k: usize, values: &[T]| -> Result<()> {
        arrays
            .push((format!("{name}.{k}"), ArrayD::from_shape_vec(IxDyn(&[values.len()]), values.to_vec())?));
        Ok(())
    };
    for (k, (group, [first, second])) in
        trainer.network.groups().iter().zip(&trainer.state.moments).enumerate()
    {
        put("values", k, &group.values)?;
        put("first", k, first)?;
        put("second", k, second)?;
    }
    let mut texts = vec![
        ("settings", format!("{:?}", trainer.settings)),
        ("frozen", frozen(&trainer.network)),
        ("epoch", trainer.epoch.to_string()),
        ("steps", trainer.state.steps.to_string()),
    ];
    if let Some((epoch, accuracy, groups)) = &trainer.best {
        groups.iter().enumerate().try_for_each(|(k, group)| put("best", k, &group.values))?;
        texts.push(("best epoch", epoch.to_string()));
        texts.push(("best accuracy", accuracy.to_string())); // the shortest text that gives it back
    }
    let arrays: Vec<_> = arrays.iter().map(|(name, a)| (name.as_str(), a.view())).collect();
    let texts: Vec<_> = texts.iter().map(|(name, text)| (*name, text.as_str())).collect();
    Ok(write_safetensors(path, &arrays, &texts)?)
}

/// Puts a run of the same network and settings back to where the file was written.
///
/// # Errors
/// Where the file cannot be read, or is of other settings, frozen numbers or trained numbers; the run is
/// unchanged then.
pub fn load<T: Scalar>(trainer: &mut Trainer<T>, path: &Path) -> Result<()> {
    let file = Safetensors::open(path)?;
    let mut out = trainer.clone();
    restore(&mut out, &file).with_context(|| format!("the checkpoint {}", path.display()))?;
    *trainer = out;
    Ok(())
}

fn restore<T: Scalar>(trainer: &mut Trainer<T>, file: &Safetensors) -> Result<()> {
    let text = |name: &str| file.metadata().get(name).with_context(|| format!("`{name}` is missing"));
    for (name, mine) in
        [("settings", format!("{:?}", trainer.settings)), ("frozen", frozen(&trainer.network))]
    {
        let found = text(name)?;
        if *found != mine {
            bail!(
                "`{name}` is {found} there and {mine} here: go on with the network and settings it was written with"
            );
        }
    }
    let values = |name: &str, k: usize, count: usize| -> Result<Vec<T>> {
        let values = file.array::<T>(&format!("{name}.{k}"))?.into_raw_vec_and_offset().0;
        match values.len() == count && values.iter().all(|x| x.as_f64().is_finite()) {
            true => Ok(values),
            false => bail!("{name}.{k}: {count} finite numbers are needed"),
        }
    };
    let groups = trainer.network.groups();
    let stored = |name: &str| -> Result<Vec<Group<T>>> {
        let group =
            |(k, g): (usize, &Group<T>)| Ok(Group { values: values(name, k, g.values.len())?, ..g.clone() });
        groups.iter().enumerate().map(group).collect()
    };
    trainer.network.set(&stored("values")?)?;
    let (first, second) = (stored("first")?, stored("second")?);
    trainer.state.moments = first.into_iter().zip(second).map(|(m, v)| [m.values, v.values]).collect();
    trainer.state.steps = text("steps")?.parse()?;
    trainer.epoch = text("epoch")?.parse()?;
    trainer.best = match file.metadata().get("best epoch") {
        Some(epoch) => Some((epoch.parse()?, text("best accuracy")?.parse()?, stored("best")?)),
        None => None,
    };
    Ok(())
}

/// A checksum of the numbers that are not trained.
fn frozen<T: Scalar>(network: &Network<T>) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64; // FNV-1a
    let mut add = |x: T| {
        for byte in x.as_f64().to_bits().to_le_bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for layer in &network.layers {
        let merged;
        let base = match &layer.weight {
            Weight::Full(_) => continue,
            Weight::Rounded(_) => {
                merged = layer.weight.merged();
                merged.as_ref()
            }
            Weight::Frozen(w) => w.as_ref(),
            Weight::Adapted(adapted) => adapted.base(),
        };
        base.col_iter().for_each(|column| column.iter().for_each(|x| add(*x)));
        layer.bias.iter().for_each(|x| add(*x));
    }
    format!("{hash:016x}")
}
