//! Adapters as folders of Hugging Face's PEFT: `adapter_config.json` and `adapter_model.safetensors`.
//!
//! Any update of low rank is a LoRA adapter there: weights `lora_A` (r, n) and `lora_B` (m, r), and
//! alpha = scaling r. Layers may differ in rank and scaling (`rank_pattern`, `alpha_pattern`), DoRA's
//! magnitudes and trained heads come along. What is written is what is read, bit by bit (a scaling, which
//! is divided there, to its last digit); a key that is missing, or one that nobody asked for, is an error.

use super::{Safetensors, atomic_write, write_safetensors};
use crate::matrix::{array_of, check_finite_array};
use crate::{Error, LowRank, Result, Scalar};
use ndarray::{Array1, ArrayD, ArrayView2};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

const CONFIG: &str = "adapter_config.json";
const MODEL: &str = "adapter_model.safetensors";
const PREFIX: &str = "base_model.model.";
/// What PEFT trains in full, and as a whole, in models that classify, whether or not it is asked to.
const CLASSIFIERS: [&str; 2] = ["classifier", "score"];
/// A configuration is shorter than that.
const LONGEST: u64 = 1 << 24;

/// The update c U V' of one weight.
#[derive(Debug, Clone)]
pub struct PeftLayer<T: Scalar> {
    /// U = B (m, r) and V = A' (n, r).
    pub factors: LowRank<T>,
    /// c = alpha / r.
    pub scaling: f64,
    /// DoRA's magnitudes, one a row of the weight.
    pub magnitude: Option<Vec<T>>,
}

/// What a folder holds.
#[derive(Debug, Clone)]
pub struct PeftFolder<T: Scalar> {
    /// The name or path of the model that the adapter is for.
    pub base_model: String,
    /// PEFT's name of the task, such as `SEQ_CLS`.
    pub task: Option<String>,
    /// The adapted layers, by their paths in the model, such as
    /// `bert.encoder.layer.0.attention.self.query`.
    pub layers: BTreeMap<String, PeftLayer<T>>,
    /// Weights trained in full, by their paths, such as `classifier.weight`.
    pub heads: BTreeMap<String, ArrayD<T>>,
}

impl<T: Scalar> PeftFolder<T> {
    /// Writes the folder, which is made where it is missing. The weights come first, the configuration
    /// last; either file is whole or as it was.
    ///
    /// # Errors
    /// [`Error::Parameter`] for no layer, a rank of 0, a scaling that is not finite, magnitudes on some
    /// layers only, or a head of an adapted module; [`Error::Shape`] where a layer's parts do not fit; [`Error::NonFinite`];
    /// [`Error::Io`].
    pub fn write(&self, folder: impl AsRef<Path>) -> Result<()> {
        let folder = folder.as_ref();
        let config = self.config()?;
        let mut arrays: Vec<(String, ArrayD<T>)> = Vec::new();
        for (path, layer) in &self.layers {
            layer.check()?;
            let matrix = |a: ArrayView2<'_, T>| a.to_owned().into_dyn();
            let (u, v) = (array_of(layer.factors.u.as_ref()), array_of(layer.factors.v.as_ref()));
            arrays.push((format!("{PREFIX}{path}.lora_A.weight"), matrix(v.t())));
            arrays.push((format!("{PREFIX}{path}.lora_B.weight"), matrix(u.view())));
            if let Some(magnitude) = &layer.magnitude {
                let key = format!("{PREFIX}{path}.lora_magnitude_vector");
                arrays.push((key, Array1::from(magnitude.clone()).into_dyn()));
            }
        }
        for (path, head) in &self.heads {
            check_finite_array("heads", head.view())?;
            arrays.push((format!("{PREFIX}{path}"), head.clone()));
        }
        std::fs::create_dir_all(folder).map_err(|source| Error::Io { path: folder.to_owned(), source })?;
        let views: Vec<_> = arrays.iter().map(|(name, a)| (name.as_str(), a.view())).collect();
        write_safetensors(folder.join(MODEL), &views, &[("format", "pt")])?;
        let text = serde_json::to_string_pretty(&config).unwrap_or_default();
        atomic_write(folder.join(CONFIG), |out| out.write_all(text.as_bytes()))
    }

    fn config(&self) -> Result<Value> {
        let wrong = |name, value: String, remedy| Err(Error::Parameter { name, value, remedy });
        let Some(first) = self.layers.values().next() else {
            return wrong("layers", "(none)".into(), "give at least one adapted layer");
        };
        let dora = first.magnitude.is_some();
        let (rank, alpha) = (first.factors.rank(), first.alpha());
        let (mut ranks, mut alphas) = (Map::new(), Map::new());
        for (path, layer) in &self.layers {
            if layer.magnitude.is_some() != dora {
                return wrong("magnitude", path.clone(), "PEFT has magnitudes on all layers or on none");
            }
            let own = layer.factors.rank();
            if own == 0 || !layer.alpha().is_finite() {
                let value = format!("{path}: {} at rank {own}", layer.scaling);
                return wrong("scaling", value, "a rank of at least 1 and a finite scaling are needed");
            }
            if own != rank {
                ranks.insert(path.clone(), json!(own));
            }
            if layer.alpha() != alpha {
                alphas.insert(path.clone(), json!(layer.alpha()));
            }
        }
        let heads: BTreeSet<&str> = self.heads.keys().map(|path| self.module(path)).collect();
        if let Some(both) = self.layers.keys().find(|path| heads.iter().any(|head| within(path, head))) {
            return wrong("heads", both.clone(), "a module is either adapted or trained in full");
        }
        Ok(json!({
            "peft_type": "LORA",
            "task_type": self.task,
            "base_model_name_or_path": self.base_model,
            "r": rank,
            "lora_alpha": alpha,
            "rank_pattern": ranks,
            "alpha_pattern": alphas,
            "target_modules": self.layers.keys().collect::<Vec<_>>(),
            "modules_to_save": if heads.is_empty() { Value::Null } else { json!(heads) },
            "lora_dropout": 0.0,
            "bias": "none",
            "fan_in_fan_out": false,
            "use_rslora": false,
            "use_dora": dora,
            "inference_mode": true,
        }))
    }

    /// The module of a head's weight: of a classifier all of it, since PEFT does not take a part of it by its name.
    fn module<'a>(&self, path: &'a str) -> &'a str {
        let own = path.rsplit_once('.').map_or(path, |(module, _)| module);
        let classifies = matches!(self.task.as_deref(), Some("SEQ_CLS" | "TOKEN_CLS"));
        let classifier = |module: &&str| CLASSIFIERS.iter().any(|name| matches(module, name));
        modules(path).find(|module| classifies && classifier(module)).unwrap_or(own)
    }

    /// Reads a folder.
    ///
    /// # Errors
    /// [`Error::Format`] for what is no LoRA adapter as [`PeftFolder::write`] leaves it: another kind, a
    /// trained bias, transposed weights, a missing or an unexpected key, a shape or a rank that does not
    /// fit the configuration; [`Error::NonFinite`]; [`Error::Io`].
    pub fn read(folder: impl AsRef<Path>) -> Result<Self> {
        let config = Config::read(&folder.as_ref().join(CONFIG))?;
        let path = folder.as_ref().join(MODEL);
        let file = Safetensors::open(&path)?;
        let bad = |reason: String| Error::Format { path: path.clone(), offset: 0, reason };
        let mut out = Self {
            base_model: config.base.clone(),
            task: config.task.clone(),
            layers: BTreeMap::new(),
            heads: BTreeMap::new(),
        };
        let keys: BTreeSet<&str> = file.tensors().keys().map(String::as_str).collect();
        let mut seen = 0;
        for key in &keys {
            let Some(name) = key.strip_prefix(PREFIX) else {
                return Err(bad(format!("unexpected key {key:?}: all start with {PREFIX:?}")));
            };
            if let Some(layer) = name.strip_suffix(".lora_A.weight") {
                let pair = format!("{PREFIX}{layer}.lora_B.weight");
                let magnitude = format!("{PREFIX}{layer}.lora_magnitude_vector");
                for (wanted, there) in [(&pair, true), (&magnitude, config.dora)] {
                    if keys.contains(wanted.as_str()) != there {
                        let what = if there { "missing" } else { "unexpected" };
                        return Err(bad(format!("{what} key {wanted:?}")));
                    }
                }
                let (a, b) = (file.matrix::<T>(key)?, file.matrix::<T>(&pair)?);
                let (rank, scaling) = config.of(layer);
                if a.nrows() != rank || b.ncols() != rank {
                    let found = format!("{:?} and {:?}", a.shape(), b.shape());
                    return Err(bad(format!("{layer:?}: rank {rank} is configured, found {found}")));
                }
                let factors = LowRank { u: b, v: a.transpose().to_owned() };
                let mut found = PeftLayer { factors, scaling, magnitude: None };
                if config.dora {
                    let array = file.array::<T>(&magnitude)?;
                    found.magnitude = Some(array.iter().copied().collect());
                    seen += 1;
                }
                found.check()?;
                seen += 2;
                out.layers.insert(layer.into(), found);
            } else if config.saves(name) {
                let head = file.array::<T>(key)?;
                check_finite_array("heads", head.view())?;
                seen += 1;
                out.heads.insert(name.into(), head);
            }
        }
        let known = |key: &&&str| {
            let name = key.strip_prefix(PREFIX).unwrap_or(key);
            let layer = [".lora_A.weight", ".lora_B.weight", ".lora_magnitude_vector"];
            let layer = layer.iter().find_map(|suffix| name.strip_suffix(suffix));
            layer.is_some_and(|layer| out.layers.contains_key(layer)) || out.heads.contains_key(name)
        };
        if seen != keys.len() {
            let stranger = keys.iter().find(|key| !known(key)).copied().unwrap_or_default();
            return Err(bad(format!("unexpected key {stranger:?}")));
        }
        config.check_targets(&out.layers).map_err(bad)?;
        Ok(out)
    }
}

impl<T: Scalar> PeftLayer<T> {
    fn alpha(&self) -> f64 {
        self.scaling * self.factors.rank() as f64
    }

    fn check(&self) -> Result<()> {
        crate::matrix::check_finite("lora_B", self.factors.u.as_ref())?;
        crate::matrix::check_finite("lora_A", self.factors.v.as_ref())?;
        crate::matrix::check_finite_slice("lora_magnitude_vector", self.magnitude.as_deref().unwrap_or(&[]))?;
        let (m, r) = self.factors.u.shape();
        let length = self.magnitude.as_ref().map_or(m, Vec::len);
        if self.factors.v.ncols() != r || length != m {
            let expected = "U and V need as many columns, magnitudes one number a row of U".into();
            let found = vec![m, r, self.factors.v.nrows(), self.factors.v.ncols(), length];
            return Err(Error::Shape { argument: "layers", expected, found });
        }
        Ok(())
    }
}

/// What is used of a configuration.
struct Config {
    base: String,
    task: Option<String>,
    rank: usize,
    alpha: f64,
    ranks: Map<String, Value>,
    alphas: Map<String, Value>,
    /// `None` where they are given by a regular expression.
    targets: Option<Vec<String>>,
    heads: Vec<String>,
    dora: bool,
    root: bool,
}

impl Config {
    fn read(path: &Path) -> Result<Self> {
        let io = |source| Error::Io { path: path.to_owned(), source };
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(io)?;
        file.take(LONGEST).read_to_string(&mut text).map_err(io)?;
        let bad = |offset, reason: String| Error::Format { path: path.to_owned(), offset, reason };
        let value: Value = serde_json::from_str(&text).map_err(|e| bad(e.column() as u64, e.to_string()))?;
        Self::of_json(&value).map_err(|reason| bad(0, reason))
    }

    fn of_json(value: &Value) -> std::result::Result<Self, String> {
        let names = |key: &str| match &value[key] {
            Value::Null => Ok(Vec::new()),
            Value::String(name) => Ok(vec![name.clone()]),
            Value::Array(names) => {
                let name = |name: &Value| name.as_str().map(str::to_owned);
                names
                    .iter()
                    .map(name)
                    .collect::<Option<Vec<_>>>()
                    .ok_or(format!("{key:?} is no list of names"))
            }
            _ => Err(format!("{key:?} is no list of names")),
        };
        let pattern = |key: &str| match &value[key] {
            Value::Null => Ok(Map::new()),
            Value::Object(map) => Ok(map.clone()),
            other => Err(format!("{key:?} is {other}")),
        };
        let flag = |key: &str| match &value[key] {
            Value::Null => Ok(false),
            Value::Bool(flag) => Ok(*flag),
            other => Err(format!("{key:?} is {other}")),
        };
        if value["peft_type"] != "LORA" {
            return Err(format!("peft_type is {}: only \"LORA\" is read", value["peft_type"]));
        }
        if flag("fan_in_fan_out")?
            || flag("lora_bias")?
            || !matches!(value["bias"].as_str(), None | Some("none"))
        {
            return Err("fan_in_fan_out, lora_bias and a trained bias are not read".into());
        }
        let rank = value["r"].as_u64().filter(|r| *r > 0).ok_or("\"r\" is no positive whole number")?;
        let alpha = value["lora_alpha"].as_f64().ok_or("\"lora_alpha\" is no number")?;
        Ok(Self {
            base: value["base_model_name_or_path"].as_str().unwrap_or_default().into(),
            task: value["task_type"].as_str().map(str::to_owned),
            rank: rank as usize,
            alpha,
            ranks: pattern("rank_pattern")?,
            alphas: pattern("alpha_pattern")?,
            targets: match &value["target_modules"] {
                Value::String(_) => None,
                _ => Some(names("target_modules")?),
            },
            heads: names("modules_to_save")?,
            dora: flag("use_dora")?,
            root: flag("use_rslora")?,
        })
    }

    /// Rank and scaling of a layer.
    fn of(&self, layer: &str) -> (usize, f64) {
        let find = |map: &Map<String, Value>| {
            map.iter().find(|(key, _)| matches(layer, key)).map(|(_, v)| v.clone())
        };
        let rank = find(&self.ranks).and_then(|r| r.as_u64()).map_or(self.rank, |r| r as usize);
        let alpha = find(&self.alphas).and_then(|a| a.as_f64()).unwrap_or(self.alpha);
        let below = if self.root { (rank as f64).sqrt() } else { rank as f64 };
        (rank, alpha / below)
    }

    /// Whether a weight belongs to a module that is trained in full, or to one within it.
    fn saves(&self, name: &str) -> bool {
        modules(name).any(|module| self.heads.iter().any(|head| matches(module, head)))
    }

    /// Every target has a layer and every layer a target.
    fn check_targets<T: Scalar>(
        &self,
        layers: &BTreeMap<String, PeftLayer<T>>,
    ) -> std::result::Result<(), String> {
        for (what, map) in [("rank_pattern", &self.ranks), ("alpha_pattern", &self.alphas)] {
            for (key, value) in map {
                if !layers.keys().any(|path| matches(path, key)) {
                    return Err(format!("{what}: {key:?} names no layer (regular expressions are not read)"));
                }
                let rank = what == "rank_pattern";
                if !if rank { value.as_u64().is_some_and(|r| r > 0) } else { value.is_number() } {
                    return Err(format!("{what}: {key:?} is {value}"));
                }
            }
            let count = |path: &&String| map.keys().filter(|key| matches(path, key)).count();
            if let Some(path) = layers.keys().find(|path| count(path) > 1) {
                return Err(format!("{what}: more than one key names {path:?}"));
            }
        }
        let Some(targets) = &self.targets else { return Ok(()) };
        if let Some(lost) = targets.iter().find(|target| !layers.keys().any(|path| matches(path, target))) {
            return Err(format!("missing keys: no weights for the target module {lost:?}"));
        }
        if let Some(extra) = layers.keys().find(|path| !targets.iter().any(|target| matches(path, target))) {
            return Err(format!("unexpected keys: {extra:?} is no target module"));
        }
        Ok(())
    }
}

/// The modules that hold a weight, the outermost first.
fn modules(weight: &str) -> impl Iterator<Item = &str> {
    weight.match_indices('.').map(|(end, _)| &weight[..end])
}

/// Whether a path is that of a module or of one within it.
fn within(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Whether a path is the name, or ends with it after a dot, as PEFT compares them.
fn matches(path: &str, name: &str) -> bool {
    path.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
