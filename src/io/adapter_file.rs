//! Adapters in their own numbers, whatever the method: one safetensors file, and beside it, where the
//! updates are of low rank, a folder of PEFT.
//!
//! A layer is stored under its path in the model: the parts of its adapter as `PATH.a1` (s, m1, r1), ... (see
//! [`crate::layers::adapter::Parts::array`]), what is fixed of SVD-LoRA as `PATH.u`, `PATH.s`, `PATH.v`, trained magnitudes as
//! `PATH.magnitude`; and a text `path:PATH`: `lsr, scaling 4`. Heads stand under their own names, with the text
//! `head`. What is written is what is read, bit by bit; a tensor that is missing, has another shape, or that
//! no text speaks of, is an error. Files of version 1, whose texts are named `PATH` alone, are read too.
//!
//! | method | in PEFT |
//! | --- | --- |
//! | LoRA, DoRA | as they are |
//! | LSR | LoRA of rank r1 r2 |
//! | SVD-LoRA | LoRA of rank r', or r with singular values, beside the truncated weight |
//! | KAdaptation | LoRA of rank t^2 r |
//! | KronA, LoKr | not: Kronecker products, whose rank may be that of the weight |

use super::{PeftFolder, PeftLayer, Safetensors, write_safetensors};
use crate::layers::adapter::{Adapted, Adapter, Delta, restore};
use crate::matrix::{AsMatrix, array_of, check_finite, check_finite_array, check_finite_slice};
use crate::{Error, Result, Scalar};
use ndarray::{Array1, ArrayD};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const VERSION: (&str, &str) = ("lowrank adapters", "2");
/// Before a path in the name of its text, so that no path is one of the names above and below; nothing in version 1.
const PREFIX: &str = "path:";
const BASE: &str = "base model";
const TASK: &str = "task";
const HEAD: &str = "head";

/// The adapter of one layer, without the frozen weight.
#[derive(Debug, Clone)]
pub struct AdapterLayer<T: Scalar> {
    /// The adapter.
    pub adapter: Box<dyn Adapter<T>>,
    /// c: the layer computes W x + c dW x.
    pub scaling: f64,
    /// The magnitudes of the rows, where they are trained (DoRA).
    pub magnitude: Option<Vec<T>>,
}

/// The adapters of a model.
///
/// ```
/// use lowrank::io::{AdapterFile, AdapterLayer, PeftFolder};
/// use lowrank::layers::adapter::Method;
/// use lowrank::random::gaussian;
/// # let folder = std::env::temp_dir().join(format!("lowrank_doc_adapters_{}", std::process::id()));
/// let w = gaussian::<f32>(48, 32, 0, "a weight");
/// let layer = Method::Lsr { terms: 4, ranks: (2, 2), shapes: None }.adapt(w.as_ref(), 4.0, 0)?;
///
/// let mut file = AdapterFile::new("bert-base-uncased");
/// file.layers.insert("bert.encoder.layer.0.attention.self.query".into(), AdapterLayer::of(&layer));
/// file.write_peft(&folder)?; // PEFT's two files, and native.safetensors
///
/// let again = AdapterFile::<f32>::read(folder.join(AdapterFile::<f32>::NATIVE))?;
/// let again = again.layers["bert.encoder.layer.0.attention.self.query"].beside(w.as_ref())?;
/// assert_eq!(again.values(), layer.values());
/// assert_eq!(PeftFolder::<f32>::read(&folder)?.layers.values().next().map(|l| l.factors.rank()), Some(4));
/// # std::fs::remove_dir_all(&folder).ok();
/// # lowrank::Result::Ok(())
/// ```
#[derive(Debug, Clone)]
pub struct AdapterFile<T: Scalar> {
    /// The name or path of the model that the adapters are for.
    pub base_model: String,
    /// PEFT's name of the task, such as `SEQ_CLS`.
    pub task: Option<String>,
    /// The adapted layers, by their paths in the model.
    pub layers: BTreeMap<String, AdapterLayer<T>>,
    /// Weights trained in full, by their paths, such as `classifier.weight`.
    pub heads: BTreeMap<String, ArrayD<T>>,
}

impl<T: Scalar> AdapterLayer<T> {
    /// The adapter of a layer, copied.
    pub fn of(layer: &Adapted<T>) -> Self {
        let magnitude = layer.magnitude().map(<[T]>::to_vec);
        Self { adapter: layer.adapter().boxed(), scaling: layer.scaling(), magnitude }
    }

    /// The layer again, beside the network's weight W (m, n); SVD-LoRA brings its own truncated one along.
    ///
    /// # Errors
    /// Those of [`Adapted::new`] and [`Adapted::with_magnitude`]; [`Error::Shape`] for another number of
    /// magnitudes.
    pub fn beside(&self, w: impl AsMatrix<T>) -> Result<Adapted<T>> {
        let w = w.as_matrix();
        check_finite("w", w)?;
        if w.shape() != self.adapter.shape() {
            let expected = format!("the adapter is for a weight {:?}", self.adapter.shape());
            return Err(Error::Shape { argument: "w", expected, found: vec![w.nrows(), w.ncols()] });
        }
        let layer = Adapted::new(self.adapter.base(w), self.adapter.clone(), self.scaling)?;
        let Some(magnitude) = &self.magnitude else { return Ok(layer) };
        let mut layer = layer.with_magnitude()?;
        layer.set_values(&[self.adapter.parts().values(), magnitude].concat())?;
        Ok(layer)
    }

    /// The update as PEFT has it: exact, beside [`Adapted::base`], which is W but for SVD-LoRA.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a Kronecker product, which has no such form.
    pub fn to_peft(&self) -> Result<PeftLayer<T>> {
        let Delta::LowRank(factors) = self.adapter.delta() else {
            let remedy = "a Kronecker product is no update of low rank: `AdapterFile::write` keeps it as \
                          it is";
            return Err(Error::Parameter { name: "adapter", value: self.adapter.name().into(), remedy });
        };
        Ok(PeftLayer { factors, scaling: self.scaling, magnitude: self.magnitude.clone() })
    }

    /// The arrays of the layer at `path`, and the text about them.
    fn arrays(&self, path: &str, out: &mut Vec<(String, ArrayD<T>)>) -> Result<String> {
        let parts = self.adapter.parts();
        check_finite_slice("layers", parts.values())?;
        for part in parts.iter() {
            out.push((format!("{path}.{}", part.name), parts.array(part.name)?));
        }
        for (name, matrix) in self.adapter.fixed() {
            out.push((format!("{path}.{name}"), array_of(matrix).into_dyn()));
        }
        if !self.scaling.is_finite() || self.scaling == 0.0 {
            let (value, remedy) =
                (format!("{path}: {}", self.scaling), "a finite number other than 0 is needed");
            return Err(Error::Parameter { name: "scaling", value, remedy });
        }
        if let Some(magnitude) = &self.magnitude {
            check_finite_slice("magnitude", magnitude)?;
            out.push((format!("{path}.magnitude"), Array1::from(magnitude.clone()).into_dyn()));
        }
        let magnitude = if self.magnitude.is_some() { ", magnitude" } else { "" };
        // The shortest digits that give the number back.
        Ok(format!("{}, scaling {:?}{magnitude}", self.adapter.name(), self.scaling))
    }

    /// The inverse, from the text and the arrays by their names behind the path.
    fn of_arrays(text: &str, mut arrays: BTreeMap<String, ArrayD<T>>) -> std::result::Result<Self, String> {
        let words: Vec<&str> = text.split(", ").collect();
        let (method, scaling, trained) = match words[..] {
            [method, scaling] => (method, scaling, false),
            [method, scaling, "magnitude"] => (method, scaling, true),
            _ => return Err(format!("{text:?} is no method with its scaling")),
        };
        let scaling = scaling.strip_prefix("scaling ").and_then(|c| c.parse().ok());
        let scaling =
            scaling.filter(|c: &f64| c.is_finite() && *c != 0.0).ok_or(format!("{text:?}: no scaling"))?;
        let magnitude = match arrays.remove("magnitude") {
            Some(array) if trained => Some(array),
            None if !trained => None,
            _ => return Err(format!("{text:?} and the magnitudes in the file contradict each other")),
        };
        let adapter = restore(method, arrays).map_err(|error| error.to_string())?;
        if let Some(array) = &magnitude {
            check_finite_array("magnitude", array.view()).map_err(|error| error.to_string())?;
            if array.shape() != [adapter.shape().0] {
                return Err(format!("{:?} magnitudes for a weight {:?}", array.shape(), adapter.shape()));
            }
        }
        Ok(Self { adapter, scaling, magnitude: magnitude.map(|array| array.into_iter().collect()) })
    }
}

impl<T: Scalar> AdapterFile<T> {
    /// The name of the file in a folder of PEFT.
    pub const NATIVE: &'static str = "native.safetensors";

    /// For a model, without layers yet.
    pub fn new(base_model: &str) -> Self {
        Self { base_model: base_model.into(), task: None, layers: BTreeMap::new(), heads: BTreeMap::new() }
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Parameter`] for no layer, a scaling that is 0 or not finite, or a head named as a layer or a
    /// part of one; [`Error::NonFinite`]; [`Error::Io`].
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        self.contents()?.write(path)
    }

    fn contents(&self) -> Result<Contents<T>> {
        if self.layers.is_empty() {
            let remedy = "give at least one adapted layer";
            return Err(Error::Parameter { name: "layers", value: "(none)".into(), remedy });
        }
        let mut arrays = Vec::new();
        let mut texts = vec![(VERSION.0.into(), VERSION.1.into()), (BASE.into(), self.base_model.clone())];
        texts.extend(self.task.clone().map(|task| (TASK.into(), task)));
        for (path, layer) in &self.layers {
            texts.push((format!("{PREFIX}{path}"), layer.arrays(path, &mut arrays)?));
        }
        for (path, head) in &self.heads {
            check_finite_array("heads", head.view())?;
            texts.push((format!("{PREFIX}{path}"), HEAD.into()));
            arrays.push((path.clone(), head.clone()));
        }
        Ok(Contents { arrays, texts })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Format`] for what is no such file: another version, a text that names no method, a tensor that is
    /// missing, unexpected, not finite, or that does not fit the others; [`Error::Io`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = Safetensors::open(path)?;
        let bad = |reason: String| Error::Format { path: path.to_owned(), offset: 0, reason };
        let text = |name: &str| file.metadata().get(name).cloned();
        let prefix = match text(VERSION.0).as_deref() {
            Some("1") => "",
            Some(version) if version == VERSION.1 => PREFIX,
            found => {
                return Err(bad(format!("no file of adapters of version 1 or {}: {found:?}", VERSION.1)));
            }
        };
        let mut out = Self::new(&text(BASE).unwrap_or_default());
        out.task = text(TASK);
        let mut left: BTreeSet<&str> = file.tensors().keys().map(String::as_str).collect();
        let mut texts = Vec::new();
        for (name, text) in file.metadata() {
            match name.strip_prefix(prefix) {
                _ if [VERSION.0, BASE, TASK].contains(&name.as_str()) => {}
                Some(path) => texts.push((path, text)),
                None => return Err(bad(format!("unexpected text {name:?}"))),
            }
        }
        let (heads, layers): (Vec<_>, Vec<_>) = texts.into_iter().partition(|(_, text)| *text == HEAD);
        for (name, _) in heads {
            if !left.remove(name) {
                return Err(bad(format!("missing key {name:?}")));
            }
            let head = file.array::<T>(name)?;
            check_finite_array("heads", head.view()).map_err(|error| bad(format!("{name:?}: {error}")))?;
            out.heads.insert(name.into(), head);
        }
        for (name, text) in layers {
            let mut arrays = BTreeMap::new();
            let prefix = format!("{name}.");
            let own: Vec<&str> = left.iter().copied().filter(|key| part_of(key, &prefix).is_some()).collect();
            for key in own {
                left.remove(key);
                arrays.insert(key[prefix.len()..].to_string(), file.array::<T>(key)?);
            }
            let layer =
                AdapterLayer::of_arrays(text, arrays).map_err(|e| bad(format!("layer {name:?}: {e}")))?;
            out.layers.insert(name.into(), layer);
        }
        match left.first() {
            Some(key) => Err(bad(format!("unexpected key {key:?}"))),
            None if out.layers.is_empty() => Err(bad("no adapted layer".into())),
            None => Ok(out),
        }
    }

    /// The adapters as PEFT has them, exactly.
    ///
    /// # Errors
    /// [`Error::Parameter`] where a layer's update is a Kronecker product, which goes into
    /// [`AdapterFile::write`] alone.
    pub fn to_peft(&self) -> Result<PeftFolder<T>> {
        let layer = |(path, layer): (&String, &AdapterLayer<T>)| {
            let found = layer.to_peft().map_err(|error| match error {
                Error::Parameter { name, value, remedy } => {
                    Error::Parameter { name, value: format!("{value} at {path}"), remedy }
                }
                other => other,
            });
            Ok((path.clone(), found?))
        };
        Ok(PeftFolder {
            base_model: self.base_model.clone(),
            task: self.task.clone(),
            layers: self.layers.iter().map(layer).collect::<Result<_>>()?,
            heads: self.heads.clone(),
        })
    }

    /// Writes a folder of PEFT and, in it, [`AdapterFile::NATIVE`].
    ///
    /// # Errors
    /// Those of [`AdapterFile::to_peft`], [`PeftFolder::write`] and [`AdapterFile::write`]; what is refused
    /// leaves no file behind.
    pub fn write_peft(&self, folder: impl AsRef<Path>) -> Result<()> {
        let contents = self.contents()?;
        self.to_peft()?.write(&folder)?;
        contents.write(folder.as_ref().join(Self::NATIVE))
    }
}

/// What goes into a file, checked.
struct Contents<T> {
    arrays: Vec<(String, ArrayD<T>)>,
    texts: Vec<(String, String)>,
}

impl<T: Scalar> Contents<T> {
    fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let arrays: Vec<_> = self.arrays.iter().map(|(name, array)| (name.as_str(), array.view())).collect();
        let texts: Vec<_> = self.texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        write_safetensors(path, &arrays, &texts)
    }
}

/// The name of the part, where a key is a layer's prefix and one.
fn part_of<'a>(key: &'a str, prefix: &str) -> Option<&'a str> {
    key.strip_prefix(prefix).filter(|part| !part.contains('.'))
}
