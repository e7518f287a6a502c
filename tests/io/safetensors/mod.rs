//! Safetensors files: round trips, the reference implementation's word, and hostile files.

mod hostile;
mod memory;

use crate::{Folder, counting};
use lowrank::io::{Safetensors, write_safetensors};
use lowrank::{Error, Scalar};

/// A file of this header and so many bytes of data: 0, 1, 2, ...
fn file(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend((0..data).map(|i| i as u8));
    bytes
}

fn round_trips<T: Scalar>() {
    let folder = Folder::new(&format!("round_{}", T::NAME));
    let path = folder.file("a.safetensors");
    let shapes: [&[usize]; 8] = [&[], &[5], &[0], &[3, 4], &[0, 4], &[2, 3, 4], &[2, 1, 5, 3], &[300, 100]];
    let arrays: Vec<_> = shapes.iter().map(|shape| counting::<T>(shape)).collect();
    let names: Vec<_> = (0..shapes.len()).map(|i| format!("layer.{i}/\"weight\" \\ \n é 𝄞")).collect();
    let mut all: Vec<_> = names.iter().zip(&arrays).map(|(name, a)| (name.as_str(), a.view())).collect();
    all.push(("transposed", arrays[3].t()));
    let texts = [("format", "pt"), ("", "a \"quoted\"\ttext\u{1} – 𝄞")];
    write_safetensors(&path, &all, &texts).unwrap();
    let file = Safetensors::open(&path).unwrap();
    assert_eq!(file.tensors().len(), all.len());
    assert_eq!(file.metadata().iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>(), {
        let mut sorted = texts;
        sorted.sort();
        sorted
    });
    for (name, a) in &all {
        let info = &file.tensors()[*name];
        assert_eq!((info.shape(), info.dtype()), (a.shape(), T::NAME.to_uppercase().as_str()));
        assert_eq!(info.bytes(), (a.len() * size_of::<T>()) as u64);
        assert_eq!(file.array::<T>(name).unwrap(), a, "{name}");
    }
    let matrix = file.matrix::<T>("transposed").unwrap();
    assert_eq!(matrix.shape(), (4, 3));
    assert_eq!(matrix[(3, 1)], arrays[3][[1, 3]]);
    let Err(Error::Shape { found, .. }) = file.matrix::<T>(&names[5]) else { panic!("no shape error") };
    assert_eq!(found, [2, 3, 4]);
    assert!(matches!(file.array::<T>("missing"), Err(Error::Parameter { .. })));
    // The data start at a multiple of 8 bytes and fill the file.
    let bytes = std::fs::read(&path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    assert_eq!(header % 8, 0);
    assert_eq!(bytes.len(), 8 + header + all.iter().map(|(_, a)| a.len() * size_of::<T>()).sum::<usize>());
    write_safetensors::<T>(&path, &[], &[]).unwrap();
    assert!(Safetensors::open(&path).unwrap().tensors().is_empty());
}

#[test]
fn arrays_return_as_they_were() {
    round_trips::<f32>();
    round_trips::<f64>();
}

#[test]
fn precision_is_rounded_only_when_asked() {
    let folder = Folder::new("precision");
    let path = folder.file("a.safetensors");
    let a = counting::<f64>(&[4, 5]);
    write_safetensors(&path, &[("a", a.view())], &[]).unwrap();
    let file = Safetensors::open(&path).unwrap();
    assert_eq!(file.array::<f32>("a").unwrap(), a.mapv(|x| x as f32));
    let b = a.mapv(|x| x as f32);
    write_safetensors(&path, &[("b", b.view())], &[]).unwrap();
    // The old file is still open: a file that is replaced does not change under its reader.
    assert_eq!(file.array::<f64>("a").unwrap(), a);
    assert_eq!(Safetensors::open(&path).unwrap().array::<f64>("b").unwrap(), b.mapv(f64::from));
}

#[test]
fn the_reference_reads_what_is_written() {
    let folder = Folder::new("written");
    let path = folder.file("a.safetensors");
    let (a, b) = (counting::<f32>(&[3, 4]), counting::<f32>(&[7]));
    write_safetensors(&path, &[("b", b.view()), ("a\n\"é", a.view())], &[("format", "pt")]).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    assert_eq!(header.metadata().as_ref().unwrap()["format"], "pt");
    let reference = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    for (name, array) in [("a\n\"é", a), ("b", b)] {
        let tensor = reference.tensor(name).unwrap();
        assert_eq!((tensor.shape(), tensor.dtype()), (array.shape(), safetensors::Dtype::F32));
        let numbers: Vec<_> = tensor.data().as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
        assert_eq!(numbers, array.iter().copied().collect::<Vec<_>>());
    }
}

#[test]
fn every_type_the_reference_writes_is_read_or_refused_by_name() {
    use safetensors::Dtype::*;
    let folder = Folder::new("types");
    // 1, -2, 0.5, the smallest positive one, infinity, NaN, each as the type's bits.
    let halves = [0x3C00u16, 0xC000, 0x3800, 0x0001, 0x7C00, 0x7E00].map(u16::to_le_bytes).concat();
    let brains = [0x3F80u16, 0xC000, 0x3F00, 0x0001, 0x7F80, 0x7FC0].map(u16::to_le_bytes).concat();
    let singles =
        [1.0f32, -2.0, 0.5, f32::from_bits(1), f32::INFINITY, f32::NAN].map(f32::to_le_bytes).concat();
    let doubles =
        [1.0f64, -2.0, 0.5, f64::from_bits(1), f64::INFINITY, f64::NAN].map(f64::to_le_bytes).concat();
    let floats = |tiny: f64| vec![1.0, -2.0, 0.5, tiny, f64::INFINITY, f64::NAN];
    let brain_tiny = f64::from(f32::from_bits(1 << 16));
    let cases = [
        (F16, halves, floats(2f64.powi(-24))),
        (BF16, brains, floats(brain_tiny)),
        (F32, singles, floats(f64::from(f32::from_bits(1)))),
        (F64, doubles, floats(f64::from_bits(1))),
        (I8, vec![1, 0xFE, 0x7F, 0x80], vec![1.0, -2.0, 127.0, -128.0]),
        (U8, vec![1, 0xFE, 0x7F, 0x80], vec![1.0, 254.0, 127.0, 128.0]),
        (I16, [-300i16, 7].map(i16::to_le_bytes).concat(), vec![-300.0, 7.0]),
        (U16, [65000u16, 7].map(u16::to_le_bytes).concat(), vec![65000.0, 7.0]),
        (I32, [i32::MIN, 7].map(i32::to_le_bytes).concat(), vec![-2147483648.0, 7.0]),
        (U32, [u32::MAX, 7].map(u32::to_le_bytes).concat(), vec![4294967295.0, 7.0]),
        (I64, [-(1i64 << 53), 7].map(i64::to_le_bytes).concat(), vec![-9007199254740992.0, 7.0]),
        (U64, [1u64 << 63, 7].map(u64::to_le_bytes).concat(), vec![9223372036854775808.0, 7.0]),
    ];
    for (dtype, bytes, expected) in cases {
        let view = safetensors::tensor::TensorView::new(dtype, vec![1, expected.len()], &bytes).unwrap();
        let path = folder.with("a.safetensors", &safetensors::serialize([("x", view)], None).unwrap());
        let file = Safetensors::open(&path).unwrap();
        assert_eq!(file.tensors()["x"].dtype(), format!("{dtype:?}"));
        let (wide, narrow) = (file.array::<f64>("x").unwrap(), file.array::<f32>("x").unwrap());
        for ((x, y), z) in wide.iter().zip(&narrow).zip(&expected) {
            assert!(x == z || x.is_nan() && z.is_nan(), "{dtype:?}: {x} {z}");
            assert!(*y == *z as f32 || y.is_nan() && z.is_nan(), "{dtype:?}: {y} {z}");
        }
        assert_eq!(file.matrix::<f64>("x").unwrap().shape(), (1, expected.len()));
    }
    for dtype in [BOOL, C64, F8_E5M2, F8_E4M3, F8_E8M0, F8_E4M3FNUZ, F8_E5M2FNUZ, F6_E2M3, F6_E3M2, F4] {
        let bytes = vec![0; dtype.bitsize()]; // eight numbers
        let view = safetensors::tensor::TensorView::new(dtype, vec![8], &bytes).unwrap();
        let path = folder.with("a.safetensors", &safetensors::serialize([("x", view)], None).unwrap());
        let file = Safetensors::open(&path).unwrap(); // the others in the file can be read
        assert_eq!(file.tensors()["x"].dtype(), format!("{dtype:?}"));
        let text = file.array::<f64>("x").unwrap_err().to_string();
        assert!(text.contains("\"x\" is") && text.contains("convert"), "{text}");
    }
}

#[test]
fn names_used_twice_are_not_written() {
    let folder = Folder::new("twice");
    let path = folder.with("a.safetensors", b"old");
    let a = counting::<f64>(&[2]);
    let refused = [
        write_safetensors(&path, &[("a", a.view()), ("a", a.view())], &[]),
        write_safetensors(&path, &[("__metadata__", a.view())], &[]),
        write_safetensors(&path, &[("a", a.view())], &[("k", "1"), ("k", "2")]),
    ];
    for result in refused {
        assert!(matches!(result, Err(Error::Parameter { .. })), "{result:?}");
    }
    assert!(matches!(
        write_safetensors(folder.file("none/a"), &[("a", a.view())], &[]),
        Err(Error::Io { .. })
    ));
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
}

#[test]
fn several_threads_read_one_file() {
    let folder = Folder::new("threads");
    let path = folder.file("a.safetensors");
    let arrays: Vec<_> = (1..20).map(|n| counting::<f32>(&[n, 30])).collect();
    let names: Vec<_> = (1..20).map(|n| n.to_string()).collect();
    let all: Vec<_> = names.iter().zip(&arrays).map(|(name, a)| (name.as_str(), a.view())).collect();
    write_safetensors(&path, &all, &[]).unwrap();
    let file = Safetensors::open(&path).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| all.iter().for_each(|(name, a)| assert_eq!(file.array::<f32>(name).unwrap(), a)));
        }
    });
}
