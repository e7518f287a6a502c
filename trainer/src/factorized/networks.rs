//! The networks: trained, factorized, trained on.

use super::{Row, Trial, WHOLE, WIDTHS};
use crate::digits::{self, Task};
use crate::loss::cross_entropy;
use crate::model::{Set, Split};
use crate::network::{Network, Weight};
use crate::optimizer::AdamW;
use crate::study::{Shelf, kept};
use crate::training::{Settings, Trainer, confusion};
use anyhow::{Result, bail};
use lowrank::faer::{Mat, MatRef};
use lowrank::layers::adapter::{Adapted, Lora};
use lowrank::layers::{self, Activation};
use lowrank::svd::{Rank, singular_values};
use std::sync::{Arc, OnceLock};

/// Upright digits, read once.
pub fn data() -> Result<Arc<Split<Vec<f64>>>> {
    static DATA: Shelf<(), Split<Vec<f64>>> = OnceLock::new();
    kept(&DATA, (), || digits::load(digits::FILE, Task::Upright))
}

/// The network of a seed, trained once.
pub fn base(trial: &Trial) -> Result<Arc<Network<f64>>> {
    static ALL: Shelf<(u32, u64, u64), Network<f64>> = OnceLock::new();
    let Trial { rates: (rate, _), epochs, seed, .. } = *trial;
    kept(&ALL, (rate, epochs, seed), || {
        let data = data()?;
        let mut trainer = trainer(Network::new(&WIDTHS, Activation::Gelu, seed), rate, epochs, seed)?;
        trainer.fit(&data.train, &data.dev, None, |_| Ok(()))?;
        Ok(trainer.model)
    })
}

fn trainer(network: Network<f64>, rate: u32, epochs: u64, seed: u64) -> Result<Trainer<f64, Network<f64>>> {
    let optimizer = AdamW { rate: f64::from(rate) / 1e4, ..Default::default() };
    Trainer::new(network, Settings { optimizer, epochs, seed, ..Default::default() })
}

/// The network with factors that keep this share of |W|_F^2 for all weights but the head's, and their ranks. The
/// factors are the adapter beside a weight of zeros; the hidden biases stay as they are.
pub fn factorized(network: &Network<f64>, energy: u32) -> Result<(Network<f64>, Vec<usize>)> {
    let (mut out, mut ranks) = (network.clone(), Vec::new());
    if energy == WHOLE {
        return Ok((out, ranks));
    }
    let hidden = out.layers.len() - 1;
    for layer in &mut out.layers[..hidden] {
        let w = layer.weight.merged();
        let cut = layers::factorize(w.as_ref(), None, Rank::Energy(f64::from(energy) / f64::from(WHOLE)))?;
        let layers::Weight::Factored(factors) = &cut.layer.weight else {
            bail!("a factorized layer has factors")
        };
        let adapter = Box::new(Lora::from_factors(factors)?);
        layer.weight = Weight::Adapted(Adapted::new(Mat::zeros(w.nrows(), w.ncols()), adapter, 1.0)?);
        ranks.push(cut.rank);
    }
    Ok((out, ranks))
}

/// Stored numbers: factors in place of the weights that have them.
pub fn stored(network: &Network<f64>) -> usize {
    let weight = |weight: &Weight<f64>| match weight {
        Weight::Adapted(adapted) => adapted.parameters(),
        stored => stored.shape().0 * stored.shape().1,
    };
    network.layers.iter().map(|layer| weight(&layer.weight) + layer.bias.len()).sum()
}

/// The samples as columns.
pub fn columns(set: &Set<Vec<f64>>) -> Mat<f64> {
    Mat::from_fn(set.inputs[0].len(), set.inputs.len(), |i, j| set.inputs[j][i])
}

fn loss(network: &Network<f64>, x: MatRef<'_, f64>, labels: &[usize]) -> Result<f64> {
    Ok(cross_entropy(network.forward(x)?.as_ref(), labels)?.0)
}

/// The row of a network that is factorized, completed by training it on.
pub fn tune(
    base: &Network<f64>,
    network: Network<f64>,
    trial: &Trial,
    data: &Split<Vec<f64>>,
    row: Row,
) -> Result<Row> {
    let (x, labels) = (columns(&data.train), &data.train.labels);
    let mut losses = vec![loss(base, x.as_ref(), labels)?, loss(&network, x.as_ref(), labels)?];
    let mut trainer = trainer(network, trial.rates.1, trial.epochs, trial.seed)?;
    let (mut best, mut tuned) = (f64::NEG_INFINITY, trainer.model.clone());
    for _ in 0..trial.epochs {
        trainer.epoch(&data.train, |_| Ok(()))?;
        losses.push(loss(&trainer.model, x.as_ref(), labels)?);
        let dev = confusion(&trainer.model, &data.dev)?.accuracy();
        if dev > best {
            (best, tuned) = (dev, trainer.model.clone());
        }
    }
    let spectra = |network: &Network<f64>, k: usize| -> Result<Vec<f64>> {
        let values = singular_values(network.layers[k].weight.merged().as_ref())?;
        Ok(values.iter().map(|s| rounded(*s)).collect())
    };
    Ok(Row {
        test_tuned: Some(confusion(&tuned, &data.test)?.accuracy()),
        losses: losses.into_iter().map(rounded).collect(),
        spectrum_1_before: spectra(base, 0)?,
        spectrum_1_after: spectra(&tuned, 0)?,
        spectrum_2_before: spectra(base, 1)?,
        spectrum_2_after: spectra(&tuned, 1)?,
        ..row
    })
}

/// To six digits: what the table holds.
fn rounded(x: f64) -> f64 {
    format!("{x:.5e}").parse().unwrap_or(x)
}
