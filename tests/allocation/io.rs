//! What reading a file allocates, measured: no more than the file and 1 MiB, whatever it claims.

use crate::allocation::{alone, peak};
use crate::spoil::spoiled;
use lowrank::faer::Mat;
use lowrank::io::{
    MappedNpy, load, read_npy, read_npy_as, read_npz, read_npz_as, save, write_npy, write_npz,
};
use lowrank::ndarray::{ArrayD, IxDyn};
use lowrank::tensor::train::TrainOperator;
use lowrank::{LowRank, Separated, TensorTrain, Tucker};
use std::path::{Path, PathBuf};

const MIB: usize = 1 << 20;

/// Reads a file in every way; asserts the bar, with `growth` bytes for one of the file; says in how
/// many ways it could be read.
fn readable(path: &Path, growth: usize, what: &str) -> usize {
    let bar = growth * std::fs::metadata(path).unwrap().len() as usize + MIB;
    let ways: [fn(&Path) -> bool; 12] = [
        |path| read_npy(path).is_ok(),
        |path| read_npy_as::<f32>(path).is_ok(),
        |path| read_npy_as::<f64>(path).is_ok(),
        |path| read_npz(path).is_ok(),
        |path| read_npz_as::<f32>(path).is_ok(),
        |path| read_npz_as::<f64>(path).is_ok(),
        |path| MappedNpy::<f32>::open(path).is_ok(),
        |path| MappedNpy::<f64>::open(path).is_ok(),
        |path| load::<Separated<f64>>(path).is_ok(),
        |path| load::<Tucker<f64>>(path).is_ok(),
        |path| load::<TensorTrain<f64>>(path).is_ok(),
        |path| load::<TrainOperator<f32>>(path).is_ok(),
    ];
    let read = |(way, read): (usize, &fn(&Path) -> bool)| {
        let (done, bytes) = peak(|| read(path));
        assert!(bytes <= bar, "{what}, way {way}: {bytes} bytes of {bar}");
        usize::from(done)
    };
    ways.iter().enumerate().map(read).sum()
}

/// An npy file of version 1.0, or 2.0 with a length of the header to claim.
fn npy(descr: &str, shape: &str, claimed: Option<u32>, data: &[u8]) -> Vec<u8> {
    let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY".to_vec();
    match claimed {
        None => bytes.extend([1, 0].into_iter().chain((text.len() as u16).to_le_bytes())),
        Some(length) => bytes.extend([2, 0].into_iter().chain(length.to_le_bytes())),
    }
    bytes.extend_from_slice(text.as_bytes());
    bytes.extend_from_slice(data);
    bytes
}

#[test]
fn reading_allocates_no_more_than_the_file_and_a_mebibyte() {
    let _alone = alone();
    let folder = std::env::temp_dir().join(format!("lowrank_io_allocation_{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let with = |bytes: &[u8]| -> PathBuf {
        let path = folder.join("a");
        std::fs::write(&path, bytes).unwrap();
        path
    };
    // The count counts.
    let (kept, bytes) = peak(|| vec![0_u8; 3 * MIB]);
    assert_eq!((kept.len(), bytes), (3 * MIB, 3 * MIB));

    // Files as they should be, of 8 MiB; from f32 to f64 the numbers themselves are twice as long, from
    // one-byte integers eight times.
    let path = folder.join("a");
    let large = ArrayD::<f64>::zeros(IxDyn(&[1024, 1024]));
    write_npy(&path, large.view()).unwrap();
    assert_eq!(readable(&path, 1, "f64"), 4);
    write_npz(&path, &[("a", large.view()), ("b", large.view())]).unwrap();
    assert_eq!(readable(&path, 1, "npz of f64"), 3);
    let single = ArrayD::<f32>::zeros(IxDyn(&[1024, 2048]));
    write_npy(&path, single.view()).unwrap();
    assert_eq!(readable(&path, 2, "f32"), 4);
    for (descr, size) in [("|i1", 1), ("<u2", 2), ("<f2", 2), ("<i4", 4), (">f8", 8)] {
        let shape = format!("({}, 4096)", 2048 / size);
        assert_eq!(readable(&with(&npy(descr, &shape, None, &vec![0; 8 * MIB])), 8 / size, descr), 3);
        let bytes = peak(|| read_npy(&path)).1;
        let numbers = 8 * MIB / size * if descr == "<f2" { 4 } else { 8 };
        assert!((numbers..numbers + MIB / 4).contains(&bytes), "{descr}: {bytes} bytes for {numbers}");
    }

    // A decomposition takes its largest array once more.
    save(&path, &LowRank { u: Mat::<f64>::zeros(2048, 256), v: Mat::zeros(1024, 256) }).unwrap();
    let bytes = peak(|| load::<LowRank<f64>>(&path).unwrap()).1;
    assert!(bytes <= (4 + 2 + 4 + 1) * MIB, "{bytes} bytes");

    // Files that lie: sizes, lengths of headers, counts of members.
    let data = vec![0; 4096];
    let shapes = [
        "(1000000, 1000000)",
        "(18446744073709551615, 18446744073709551615)",
        "(4611686018427387904, 8)",
        "(4294967296,)",
        "(512, 3)",
        "(511,)",
    ];
    for descr in ["<f8", "<f4", "|u1"] {
        for shape in shapes {
            for claimed in [None, Some(1 << 16), Some(u32::MAX)] {
                let read = readable(&with(&npy(descr, shape, claimed, &data)), 1, shape);
                assert_eq!(read, 0, "{descr} {shape} {claimed:?}");
            }
        }
    }
    let many = format!("({})", "1,".repeat(30_000));
    assert_eq!(readable(&with(&npy("<f8", &many, None, &data)), 1, "many modes"), 0);

    let small = ArrayD::<f64>::zeros(IxDyn(&[3, 4]));
    write_npz(&path, &[("a", small.view()), ("b", small.view())]).unwrap();
    let archive = std::fs::read(&path).unwrap();
    write_npy(&path, small.view()).unwrap();
    let array = std::fs::read(&path).unwrap();
    let terms = vec![Mat::from_fn(3, 2, |i, j| (i + j) as f64), Mat::from_fn(1, 4, |_, j| j as f64 + 1.0)];
    save(&path, &Separated::from_terms(vec![terms]).unwrap()).unwrap();
    let separated = std::fs::read(&path).unwrap();
    save(&path, &TensorTrain::<f64>::random(&[3, 4, 2], &[2, 2], 1).unwrap()).unwrap();
    let train = std::fs::read(&path).unwrap();
    for original in [&array, &archive, &separated, &train] {
        for (round, mut bytes) in spoiled(original, original.len(), b"\x7f9", 2000).enumerate() {
            if round % 2 == 1 {
                bytes.truncate(bytes.len() - round % bytes.len());
            }
            readable(&with(&bytes), 8, &format!("changed bytes, round {round}"));
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
