//! Our side of the check with Hugging Face's PEFT; `benches/peers/peft_check.py` runs it.
//!
//! `BASE OUT`: reads the BERT in the folder BASE, puts each adapter that is of low rank beside its queries and
//! values, with numbers as after a training, and writes into `OUT/METHOD` a folder of PEFT with the native
//! factors and `layers.safetensors`: inputs `PATH.x` (samples, n) of each adapted layer, its outputs `PATH.y`
//! (samples, m), the same of the merged weight, `PATH.merged`, and, for SVD-LoRA, the truncated weight
//! beside which the adapter stands, `PATH.base`. Without arguments nothing is done.

use lowrank::Scalar;
use lowrank::faer::Mat;
use lowrank::io::{AdapterFile, AdapterLayer, Safetensors, write_safetensors};
use lowrank::layers::adapter::{Adapted, Method};
use lowrank::matrix::array_of;
use lowrank::ndarray::ArrayD;
use lowrank::random::gaussian;
use std::path::Path;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const SAMPLES: usize = 32;
const SCALING: f64 = 1.7;
const METHODS: [(&str, Method); 6] = [
    ("lora", Method::Lora { rank: 8 }),
    ("dora", Method::Dora { rank: 4 }),
    ("lsr", Method::Lsr { terms: 3, ranks: (2, 2), shapes: None }),
    // One term: LoRA's factors are Kronecker products.
    ("krona-in-factors", Method::Lsr { terms: 1, ranks: (2, 2), shapes: None }),
    ("svd-lora", Method::SvdLora { rank: 6, inner_rank: 3, with_values: false }),
    ("svd-lora-with-values", Method::SvdLora { rank: 6, inner_rank: 3, with_values: true }),
];

fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let [base, out] = &words[..] else { return Ok(()) };
    let weights = Safetensors::open(Path::new(base).join("model.safetensors"))?;
    for (name, method) in METHODS {
        export(&weights, &method, &Path::new(out).join(name))?;
    }
    Ok(())
}

fn export(weights: &Safetensors, method: &Method, folder: &Path) -> Outcome<()> {
    let mut file = AdapterFile::<f32>::new("base");
    file.task = Some("SEQ_CLS".into());
    let mut arrays: Vec<(String, ArrayD<f32>)> = Vec::new();
    let chosen = |name: &&String| name.ends_with("self.query.weight") || name.ends_with("self.value.weight");
    for (k, name) in weights.tensors().keys().filter(chosen).enumerate() {
        let path = name.trim_end_matches(".weight");
        let layer = trained(method.adapt(weights.matrix::<f32>(name)?, SCALING, k as u64)?, k as u64)?;
        let x = gaussian::<f32>(layer.base().ncols(), SAMPLES, k as u64, "inputs");
        let y = layer.step().forward(x.as_ref())?;
        let mut put = |what: &str, matrix: Mat<f32>| {
            arrays.push((format!("{path}.{what}"), array_of(matrix.as_ref()).into_dyn()));
        };
        put("merged", (layer.merged() * &x).transpose().to_owned());
        put("x", x.transpose().to_owned());
        put("y", y.transpose().to_owned());
        if matches!(method, Method::SvdLora { .. }) {
            put("base", layer.base().to_owned());
        }
        file.layers.insert(path.into(), AdapterLayer::of(&layer));
    }
    for part in ["classifier.weight", "classifier.bias"] {
        file.heads.insert(part.into(), weights.array::<f32>(part)?.mapv(|x| x + 0.25));
    }
    file.write_peft(folder)?;
    let views: Vec<_> = arrays.iter().map(|(name, array)| (name.as_str(), array.view())).collect();
    Ok(write_safetensors(folder.join("layers.safetensors"), &views, &[])?)
}

/// A layer whose update has about a fifth of the norm of its weight, and whose magnitudes have moved.
fn trained(mut layer: Adapted<f32>, seed: u64) -> Outcome<Adapted<f32>> {
    let parts = layer.adapter().parts().values().len();
    let noise = gaussian::<f32>(parts, 1, seed, "training");
    let mut values = layer.values();
    values[..parts].iter_mut().zip(noise.col_as_slice(0)).for_each(|(x, y)| *x = 0.3 * *y);
    values[parts..].iter_mut().for_each(|x| *x *= 1.1);
    layer.set_values(&values)?;
    // dW is of some degree d in the numbers: a few steps of scaling bring its norm there.
    let wanted = 0.2 * lowrank::matrix::frobenius(layer.base());
    for _ in 0..40 {
        let norm = SCALING * lowrank::matrix::frobenius(layer.adapter().delta().to_dense().as_ref());
        let factor = f32::of((wanted / norm).powf(0.25));
        values[..parts].iter_mut().for_each(|x| *x *= factor);
        layer.set_values(&values)?;
    }
    Ok(layer)
}
