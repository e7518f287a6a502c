//! A training run in a file, from which it goes on bit by bit as if it had not stopped.
//!
//! The file is a safetensors file: for each group `values.K`, `first.K`, `second.K` (the moments) and
//! `best.K`; as texts the settings, what the groups are (`group.K`) and how many there are (`groups`), a checksum
//! of what is not trained (`frozen`), the epoch, the steps, the best epoch and its score. The order of the samples
//! is a function of seed and epoch.

use crate::model::{Group, Model};
use crate::optimizer::State;
use crate::training::{Best, Trainer};
use anyhow::{Context, Result, bail};
use lowrank::Scalar;
use lowrank::io::{Safetensors, write_safetensors};
use ndarray::{ArrayD, IxDyn};
use std::path::Path;

/// Writes a run, whole or not at all.
///
/// # Errors
/// Where the file cannot be written; an old one stays as it was.
pub fn save<T: Scalar, M: Model<T>>(trainer: &Trainer<T, M>, path: &Path) -> Result<()> {
    let mut arrays: Vec<(String, ArrayD<T>)> = Vec::new();
    let mut put = |name: &str, k: usize, values: &[T]| -> Result<()> {
        arrays
            .push((format!("{name}.{k}"), ArrayD::from_shape_vec(IxDyn(&[values.len()]), values.to_vec())?));
        Ok(())
    };
    for (k, (group, [first, second])) in trainer.model.groups().iter().zip(&trainer.state.moments).enumerate()
    {
        put("values", k, &group.values)?;
        put("first", k, first)?;
        put("second", k, second)?;
    }
    let mut texts = identity(trainer);
    let mut tell = |name: &str, text: String| texts.push((name.to_string(), text));
    tell("epoch", trainer.epoch.to_string());
    tell("steps", trainer.state.steps.to_string());
    if let Some(Best { epoch, score, groups }) = &trainer.best {
        groups.iter().enumerate().try_for_each(|(k, group)| put("best", k, &group.values))?;
        tell("best epoch", epoch.to_string());
        tell("best score", score.to_string()); // the shortest text that gives it back
    }
    let arrays: Vec<_> = arrays.iter().map(|(name, a)| (name.as_str(), a.view())).collect();
    let texts: Vec<_> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    Ok(write_safetensors(path, &arrays, &texts)?)
}

/// What a run shares with its checkpoints, as texts.
fn identity<T: Scalar, M: Model<T>>(trainer: &Trainer<T, M>) -> Vec<(String, String)> {
    let groups = trainer.model.groups();
    let mut out = vec![("settings".to_string(), format!("{:?}", trainer.settings))];
    for (k, Group { name, form, .. }) in groups.iter().enumerate() {
        let form = if form.is_empty() { String::new() } else { format!(" ({form})") };
        out.push((format!("group.{k}"), format!("{name}{form}")));
    }
    out.push(("groups".to_string(), groups.len().to_string()));
    out.push(("frozen".to_string(), format!("{:016x}", trainer.model.frozen())));
    out
}

/// Puts a run of the same model and settings back to where the file was written.
///
/// # Errors
/// Where the file cannot be read, or is of other settings, trained numbers (naming the first group that is another)
/// or frozen numbers; the run is unchanged then.
pub fn load<T: Scalar, M: Model<T>>(trainer: &mut Trainer<T, M>, path: &Path) -> Result<()> {
    let file = Safetensors::open(path)?;
    restore(trainer, &file).with_context(|| format!("the checkpoint {}", path.display()))
}

fn restore<T: Scalar, M: Model<T>>(trainer: &mut Trainer<T, M>, file: &Safetensors) -> Result<()> {
    let text = |name: &str| file.metadata().get(name).with_context(|| format!("`{name}` is missing"));
    for (name, mine) in identity(trainer) {
        let found = file.metadata().get(&name).map_or("missing", String::as_str);
        if found != mine {
            bail!(
                "`{name}` is {found} there and {mine} here: go on with the model and settings it was written with"
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
    let groups = trainer.model.groups();
    let stored = |name: &str| -> Result<Vec<Group<T>>> {
        let group =
            |(k, g): (usize, &Group<T>)| Ok(Group { values: values(name, k, g.values.len())?, ..g.clone() });
        groups.iter().enumerate().map(group).collect()
    };
    let (first, second) = (stored("first")?, stored("second")?);
    let moments = first.into_iter().zip(second).map(|(m, v)| [m.values, v.values]).collect();
    let (steps, epoch) = (text("steps")?.parse()?, text("epoch")?.parse()?);
    let best = match file.metadata().get("best epoch") {
        Some(epoch) => {
            let (epoch, score) = (epoch.parse()?, text("best score")?.parse()?);
            Some(Best { epoch, score, groups: stored("best")? })
        }
        None => None,
    };
    trainer.model.set(&stored("values")?)?;
    (trainer.state, trainer.epoch, trainer.best) = (State { moments, steps }, epoch, best);
    Ok(())
}
