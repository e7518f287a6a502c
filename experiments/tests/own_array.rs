//! The program for the user's own array: its files, and its errors.

use lowrank::io::{load, write_npy};
use lowrank::ndarray::{ArrayD, Dimension, IxDyn};
use lowrank::{LowRank, TensorTrain};
use lowrank_experiments::own::{Options, Search, execute};
use std::fs;
use std::path::Path;

fn options(folder: &Path, input: &str, rank: usize) -> Options {
    Options {
        input: folder.join(input),
        rank,
        method: Search::Descent,
        seconds: None,
        out: folder.join("out"),
        seed: 0,
        f32: false,
    }
}

fn save(path: &Path, shape: &[usize]) {
    let array = ArrayD::from_shape_fn(IxDyn(shape), |at| {
        let t: f64 = at.slice().iter().enumerate().map(|(k, &i)| (k as f64 + 0.7) * i as f64).sum();
        1.0 / (1.0 + t) + 0.1 * f64::sin(3.0 * t * t)
    });
    write_npy(path, array.view()).unwrap();
}

#[test]
fn matrices_and_tensors() {
    let folder = tempfile::tempdir().unwrap();
    save(&folder.path().join("a.npy"), &[30, 20]);
    for method in [Search::Descent, Search::Ap] {
        execute(&Options { method, ..options(folder.path(), "a.npy", 4) }).unwrap();
        execute(&Options { method, f32: true, ..options(folder.path(), "a.npy", 4) }).unwrap();
    }
    let out = folder.path().join("out");
    assert_eq!(load::<LowRank<f64>>(out.join("a_rank4_factors.npz")).unwrap().shape(), (30, 20));
    let history = fs::read_to_string(out.join("a_rank4.csv")).unwrap();
    assert!(history.starts_with("iteration,seconds,error\n") && history.lines().count() > 2);
    let svg = fs::read_to_string(out.join("a_rank4.svg")).unwrap();
    for label in ["a: 30 × 20, rank 4", "truncated SVD", "lower bound", "seconds"] {
        assert!(svg.contains(label), "{label}");
    }
    assert!(fs::read(out.join("a_rank4.png")).unwrap().starts_with(b"\x89PNG"));
    save(&folder.path().join("b.npy"), &[8, 7, 6, 5]);
    execute(&options(folder.path(), "b.npy", 3)).unwrap();
    let train = load::<TensorTrain<f64>>(out.join("b_rank3_factors.npz")).unwrap();
    assert_eq!((train.shape(), train.ranks()), (vec![8, 7, 6, 5], vec![3, 3, 3]));
    write_npy(folder.path().join("zero.npy"), ArrayD::<f64>::zeros(IxDyn(&[6, 5])).view()).unwrap();
    execute(&options(folder.path(), "zero.npy", 2)).unwrap();
}

#[test]
fn wrong_input_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let error =
        |input: &str, rank| format!("{:#}", execute(&options(folder.path(), input, rank)).unwrap_err());
    assert!(error("none.npy", 2).contains("none.npy"));
    fs::write(folder.path().join("text.npy"), "not an array").unwrap();
    assert!(error("text.npy", 2).contains("text.npy"));
    save(&folder.path().join("v.npy"), &[9]);
    assert!(error("v.npy", 2).contains("2 to 4 are needed"));
    save(&folder.path().join("a.npy"), &[9, 5]);
    assert!(error("a.npy", 6).contains("at most 5"));
    assert!(error("a.npy", 0).contains("at least 1"));
    save(&folder.path().join("t.npy"), &[3, 4, 5]);
    assert!(error("t.npy", 6).contains("at most 5"));
    let mut nan = ArrayD::<f64>::zeros(IxDyn(&[4, 4]));
    nan[[1, 2]] = f64::NAN;
    write_npy(folder.path().join("nan.npy"), nan.view()).unwrap();
    assert!(error("nan.npy", 2).contains("[1, 2]"));
}
