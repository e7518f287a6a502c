//! The weight matrices of a network's file: where the file is, and what each matrix does.

use anyhow::{Result, bail};
use lowrank::io::{Safetensors, TensorInfo};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A matrix with fewer rows or columns is not analysed: embeddings of two types of tokens, say.
pub const SMALLEST: usize = 16;

/// What a weight matrix does in a transformer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Queries of the attention.
    Query,
    /// Its keys.
    Key,
    /// Its values.
    Value,
    /// What mixes the heads.
    AttentionOutput,
    /// The first matrices of the feed-forward part.
    Up,
    /// Its last matrix.
    Down,
    /// Embeddings, poolers, heads and whatever has another name.
    Other,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 7] =
        [Kind::Query, Kind::Key, Kind::Value, Kind::AttentionOutput, Kind::Up, Kind::Down, Kind::Other];

    /// Its name in figures.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Query => "query",
            Kind::Key => "key",
            Kind::Value => "value",
            Kind::AttentionOutput => "attention output",
            Kind::Up => "feed-forward, first",
            Kind::Down => "feed-forward, last",
            Kind::Other => "embeddings and others",
        }
    }

    /// The kind of a name, from its parts between dots, as BERT, GPT, LLaMA and their kin name them.
    pub fn of(name: &str) -> Kind {
        let any = |words: &[&str]| name.split('.').any(|part| words.contains(&part));
        if any(&["query", "q_proj", "q_lin", "to_q", "wq", "q"]) {
            Kind::Query
        } else if any(&["key", "k_proj", "k_lin", "to_k", "wk", "k"]) {
            Kind::Key
        } else if any(&["value", "v_proj", "v_lin", "to_v", "wv", "v"]) {
            Kind::Value
        } else if any(&["o_proj", "out_proj", "out_lin", "to_out", "wo"])
            || any(&["attention", "attn", "self_attn"]) && any(&["output", "c_proj", "dense", "o"])
        {
            Kind::AttentionOutput
        } else if any(&["intermediate", "up_proj", "gate_proj", "c_fc", "fc1", "lin1", "dense_h_to_4h"]) {
            Kind::Up
        } else if any(&["output", "down_proj", "c_proj", "fc2", "lin2", "dense_4h_to_h"]) {
            Kind::Down
        } else {
            Kind::Other
        }
    }
}

/// The number of the layer in a name: its first part that is a number.
pub fn layer(name: &str) -> Option<usize> {
    name.split('.').find_map(|part| part.parse().ok())
}

/// A name that lives as long as the program; the same one for the same text.
pub fn lasting(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    match names.get(name) {
        Some(known) => known,
        None => {
            let new: &'static str = Box::leak(name.into());
            names.insert(new);
            new
        }
    }
}

/// A file given by a path from here or, where there is none, from the root of the sources.
pub fn open(input: &str) -> Result<Safetensors> {
    let from_root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(input);
    let path = if Path::new(input).exists() { PathBuf::from(input) } else { from_root };
    if !path.exists() && input.starts_with("data/minilm/") {
        bail!("{input} is not there: run scripts/fetch_weights.sh, which fetches it (90.9 MB)");
    }
    if !path.exists() {
        bail!("{input}: there is no such file, neither here nor from the root of the sources");
    }
    Ok(Safetensors::open(path)?)
}

/// The matrices of a file worth analysing: their names and shapes, layer by layer.
pub fn matrices(file: &Safetensors) -> Vec<(&'static str, usize, usize)> {
    let mut found = Vec::new();
    for (name, tensor) in file.tensors() {
        if let ([m, n], None) = (tensor.shape(), objection(tensor)) {
            found.push((lasting(name), *m, *n));
        }
    }
    found.sort_by_key(|(name, ..)| (layer(name), Kind::of(name), *name));
    found
}

/// Why a tensor is not analysed.
fn objection(tensor: &TensorInfo) -> Option<String> {
    match *tensor.shape() {
        _ if !matches!(tensor.dtype(), "F64" | "F32" | "F16" | "BF16") => {
            Some(format!("of {}", tensor.dtype()))
        }
        [m, n] if m.min(n) < SMALLEST => Some(format!("with fewer than {SMALLEST} rows or columns")),
        [_, _] => None,
        ref shape => Some(format!("of order {}", shape.len())),
    }
}

/// What of a file [`matrices`] leaves out and why, by name where few have the same reason: `63 of order
/// 1; 1 of I64 (position_ids)`; nothing where nothing is left out.
pub fn left_out(file: &Safetensors) -> String {
    let mut reasons: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, tensor) in file.tensors() {
        if let Some(reason) = objection(tensor) {
            reasons.entry(reason).or_default().push(name);
        }
    }
    let one = |(reason, names): (&String, &Vec<&str>)| match names.len() {
        count @ 1..=3 => format!("{count} {reason} ({})", names.join(", ")),
        count => format!("{count} {reason}"),
    };
    reasons.iter().map(one).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_kind_and_layer() {
        for (name, kind, number) in [
            ("encoder.layer.0.attention.self.query.weight", Kind::Query, Some(0)),
            ("encoder.layer.11.attention.self.key.weight", Kind::Key, Some(11)),
            ("encoder.layer.3.attention.self.value.weight", Kind::Value, Some(3)),
            ("encoder.layer.3.attention.output.dense.weight", Kind::AttentionOutput, Some(3)),
            ("encoder.layer.3.intermediate.dense.weight", Kind::Up, Some(3)),
            ("encoder.layer.3.output.dense.weight", Kind::Down, Some(3)),
            ("embeddings.word_embeddings.weight", Kind::Other, None),
            ("pooler.dense.weight", Kind::Other, None),
            ("model.layers.31.self_attn.o_proj.weight", Kind::AttentionOutput, Some(31)),
            ("model.layers.31.mlp.gate_proj.weight", Kind::Up, Some(31)),
            ("model.layers.31.mlp.down_proj.weight", Kind::Down, Some(31)),
            ("transformer.h.5.attn.c_proj.weight", Kind::AttentionOutput, Some(5)),
            ("transformer.h.5.mlp.c_proj.weight", Kind::Down, Some(5)),
            ("transformer.h.5.attn.c_attn.weight", Kind::Other, Some(5)),
            ("monkey", Kind::Other, None),
        ] {
            assert_eq!((Kind::of(name), layer(name)), (kind, number), "{name}");
        }
    }

    #[test]
    fn what_is_left_out_is_told() {
        let entries = [
            ("a", "F32", "[16,17]"),
            ("b", "F32", "[15,40]"),
            ("c", "I32", "[20,20]"),
            ("d", "F16", "[2]"),
            ("e", "F32", "[3]"),
            ("f", "F32", "[1]"),
            ("g", "F32", "[1]"),
            ("h", "F32", "[1,1,1]"),
        ];
        let (mut header, mut at) = (Vec::new(), 0);
        for (name, kind, shape) in entries {
            let sides = shape.trim_matches(['[', ']']).split(',').map(|n| n.parse::<usize>().unwrap());
            let end = at + sides.product::<usize>() * if kind == "F16" { 2 } else { 4 };
            header.push(format!(
                r#""{name}":{{"dtype":"{kind}","shape":{shape},"data_offsets":[{at},{end}]}}"#
            ));
            at = end;
        }
        let header = format!("{{{}}}", header.join(","));
        let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; at]].concat();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        std::fs::write(&path, bytes).unwrap();
        let file = open(path.to_str().unwrap()).unwrap();
        assert_eq!(matrices(&file), [("a", 16, 17)]);
        assert_eq!(
            left_out(&file),
            "1 of I32 (c); 4 of order 1; 1 of order 3 (h); 1 with fewer than 16 rows or columns (b)"
        );
        assert_eq!(left_out(&open("experiments/data/minilm_query.safetensors").unwrap()), "");
    }

    #[test]
    fn names_last_and_are_one() {
        let name = String::from("a.b");
        assert!(std::ptr::eq(lasting(&name), lasting("a.b")));
    }

    #[test]
    fn the_shipped_matrix_is_found_and_a_missing_file_is_explained() {
        let file = open("experiments/data/minilm_query.safetensors").unwrap();
        assert_eq!(matrices(&file), [("encoder.layer.0.attention.self.query.weight", 384, 384)]);
        assert!(open("data/minilm/missing.safetensors").unwrap_err().to_string().contains("fetch_weights"));
        assert!(open("none.safetensors").unwrap_err().to_string().contains("no such file"));
    }
}
