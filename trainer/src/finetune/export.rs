//! The trained encoder in files that others read.
//!
//! | trained | files |
//! | --- | --- |
//! | LoRA, DoRA, LSR, KAdaptation, SVD-LoRA | a folder of PEFT, with the head, and native.safetensors |
//! | KronA, LoKr | native.safetensors: PEFT has no such update |
//! | the head, all weights | head.safetensors, model.safetensors, under Hugging Face's names |

use crate::encoder::{Encoder, Family, Pooling};
use crate::network::{Layer, Weight};
use anyhow::Result;
use lowrank::Scalar;
use lowrank::io::{AdapterFile, AdapterLayer, write_safetensors};
use ndarray::{ArrayD, IxDyn};
use std::path::Path;

/// Writes what was trained of an encoder into a folder; says what was written.
///
/// # Errors
/// Where a file cannot be written.
pub fn write<T: Scalar>(encoder: &Encoder<T>, base: &str, folder: &Path) -> Result<String> {
    std::fs::create_dir_all(folder)?;
    let mut file = AdapterFile::new(base);
    file.task = Some("SEQ_CLS".to_string());
    let (mut arrays, mut whole) = (Vec::new(), true);
    for (name, layer) in encoder.parts() {
        let path = path(encoder, &name);
        match &layer.weight {
            Weight::Adapted(adapted) => {
                file.layers.insert(path, AdapterLayer::of(adapted));
            }
            Weight::Full(_) => arrays.extend(tensors(&path, layer)?),
            _ => whole = false,
        }
    }
    if file.layers.is_empty() {
        let name = if whole { "model.safetensors" } else { "head.safetensors" };
        let views: Vec<_> = arrays.iter().map(|(name, a)| (name.as_str(), a.view())).collect();
        write_safetensors(folder.join(name), &views, &[("format", "pt")])?;
        return Ok(folder.join(name).display().to_string());
    }
    file.heads = arrays.into_iter().collect();
    if file.to_peft().is_err() {
        let path = folder.join(AdapterFile::<T>::NATIVE);
        file.write(&path)?;
        return Ok(format!("{} (PEFT has no such update)", path.display()));
    }
    file.write_peft(folder)?;
    let mut out = folder.display().to_string();
    if file.layers.values().any(|layer| layer.adapter.name() == "svd-lora") {
        out += " (PEFT's two files are for the truncated weights, which native.safetensors holds)";
    }
    if encoder.pooling() == Pooling::Mean {
        out += " (the head takes the mean of the tokens: transformers' classifiers do not)";
    }
    Ok(out)
}

/// The path of a layer of the encoder in Hugging Face's classifiers.
pub fn path<T: Scalar>(encoder: &Encoder<T>, name: &str) -> String {
    match encoder.config().family {
        _ if name.starts_with("classifier") => name.to_string(),
        Family::Bert => format!("bert.{name}"),
        Family::Roberta => format!("roberta.{name}"),
    }
}

/// Weight and bias as Hugging Face stores them: (m, n) by rows, a table of embeddings (entries, d), those of a
/// normalization (d).
fn tensors<T: Scalar>(path: &str, layer: &Layer<T>) -> Result<Vec<(String, ArrayD<T>)>> {
    let w = layer.weight.merged();
    let (m, n) = w.shape();
    let table = layer.bias.is_empty();
    let shape = if table {
        vec![n, m]
    } else if n == 1 {
        vec![m]
    } else {
        vec![m, n]
    };
    let by_rows = (0..m * n).map(|k| if table { w[(k % m, k / m)] } else { w[(k / n, k % n)] });
    let weight = ArrayD::from_shape_vec(IxDyn(&shape), by_rows.collect())?;
    let mut out = vec![(format!("{path}.weight"), weight)];
    if !table {
        out.push((format!("{path}.bias"), ArrayD::from_shape_vec(IxDyn(&[m]), layer.bias.clone())?));
    }
    Ok(out)
}
