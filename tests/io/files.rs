//! Round trips through files, and files that are not what they claim to be.

use crate::spoil::spoiled;
use crate::{Folder, counting, is_format};
use lowrank::io::*;
use lowrank::ndarray::{ArrayD, IxDyn, ShapeBuilder};
use lowrank::{Error, Scalar};
use std::path::PathBuf;

/// An npy file of version 1.0 with this dictionary and data.
fn npy(dictionary: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&(dictionary.len() as u16 + 1).to_le_bytes());
    bytes.extend_from_slice(dictionary.as_bytes());
    bytes.push(b'\n');
    bytes.extend_from_slice(data);
    bytes
}

fn descr(dtype: &str, shape: &str) -> String {
    format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}")
}

fn round_trips<T: Scalar>() {
    let folder = Folder::new(&format!("round_trips_{}", T::NAME));
    let path = folder.file("a.npy");
    for shape in [&[][..], &[5], &[1], &[0], &[3, 4], &[0, 4], &[2, 3, 4], &[2, 1, 5, 3], &[300, 100]] {
        let a = counting::<T>(shape);
        write_npy(&path, a.view()).unwrap();
        assert_eq!(read_npy_as::<T>(&path).unwrap(), a, "{shape:?}");
        assert_eq!(std::fs::metadata(&path).unwrap().len() % 64, (a.len() * size_of::<T>()) as u64 % 64);
        write_npy(&path, a.t()).unwrap();
        assert_eq!(read_npy_as::<T>(&path).unwrap(), a.t(), "{shape:?}");
        match read_npy(&path).unwrap() {
            NpyArray::F32(_) => assert_eq!(T::NAME, "f32"),
            NpyArray::F64(_) => assert_eq!(T::NAME, "f64"),
        }
        let path = folder.file("a.npz");
        write_npz(&path, &[("a", a.view()), ("folder/a t", a.t())]).unwrap();
        let arrays = read_npz_as::<T>(&path).unwrap();
        assert_eq!(arrays.len(), 2);
        assert_eq!((&arrays["a"], arrays["folder/a t"].view()), (&a, a.t()));
        assert_eq!(read_npz(&path).unwrap()["a"].shape(), shape);
    }
    write_npz::<T>(folder.file("none.npz"), &[]).unwrap();
    assert!(read_npz(folder.file("none.npz")).unwrap().is_empty());
    assert_eq!(folder.names().len(), 3);
}

#[test]
fn arrays_return_as_they_were() {
    round_trips::<f32>();
    round_trips::<f64>();
}

#[test]
fn other_types_and_orders_are_read() {
    let folder = Folder::new("types");
    let values = [1.0, -2.0, 3.0, 100.0, 5.0, 6.0];
    let encode = |dtype: &str| -> Vec<u8> {
        let one = |x: f64| match &dtype[1..] {
            "f2" => match x {
                100.0 => 0x5640u16.to_le_bytes().to_vec(),
                _ => [0x3C00u16, 0xC000, 0x4200, 0, 0x4500, 0x4600]
                    [values.iter().position(|&v| v == x).unwrap()]
                .to_le_bytes()
                .to_vec(),
            },
            "f4" => (x as f32).to_le_bytes().to_vec(),
            "f8" => x.to_le_bytes().to_vec(),
            "i1" => (x as i8).to_le_bytes().to_vec(),
            "i2" => (x as i16).to_le_bytes().to_vec(),
            "i4" => (x as i32).to_le_bytes().to_vec(),
            "i8" => (x as i64).to_le_bytes().to_vec(),
            "u1" => (x.abs() as u8).to_le_bytes().to_vec(),
            "u2" => (x.abs() as u16).to_le_bytes().to_vec(),
            "u4" => (x.abs() as u32).to_le_bytes().to_vec(),
            _ => (x.abs() as u64).to_le_bytes().to_vec(),
        };
        let mut bytes = Vec::new();
        for x in values {
            let mut number = one(x);
            if dtype.starts_with('>') {
                number.reverse();
            }
            bytes.extend(number);
        }
        bytes
    };
    for dtype in "<f2 >f2 <f4 >f4 <f8 >f8 |i1 <i1 <i2 >i2 <i4 >i4 <i8 >i8 |u1 <u2 >u2 <u4 >u4 <u8 >u8"
        .split_whitespace()
    {
        let signed = !dtype.contains('u');
        let expected = values.map(|x| if signed { x } else { x.abs() }).to_vec();
        let path = folder.with("a.npy", &npy(&descr(dtype, "(2, 3)"), &encode(dtype)));
        let row_major = ArrayD::from_shape_vec(IxDyn(&[2, 3]), expected.clone()).unwrap();
        assert_eq!(read_npy_as::<f64>(&path).unwrap(), row_major, "{dtype}");
        assert_eq!(read_npy_as::<f32>(&path).unwrap(), row_major.mapv(|x| x as f32), "{dtype}");
        let narrow = matches!(&dtype[1..], "f2" | "f4");
        assert_eq!(matches!(read_npy(&path).unwrap(), NpyArray::F32(_)), narrow, "{dtype}");
        let fortran = descr(dtype, "(2, 3)").replace("False", "True");
        let path = folder.with("a.npy", &npy(&fortran, &encode(dtype)));
        let column_major = ArrayD::from_shape_vec(IxDyn(&[2, 3]).f(), expected).unwrap();
        assert_eq!(read_npy_as::<f64>(&path).unwrap(), column_major, "{dtype}");
    }
    let truths = folder.with("a.npy", &npy(&descr("|b1", "(3,)"), &[1, 0, 1]));
    assert_eq!(read_npy_as::<f64>(&truths).unwrap().as_slice(), Some(&[1.0, 0.0, 1.0][..]));
    // Other ways to write the same header, and versions 2.0 and 3.0.
    let data = encode("<f8");
    for text in [
        "{'shape':(2,3),'fortran_order':False,'descr':'<f8'}",
        "  { \"descr\" : \"<f8\" , 'shape' : ( 2L , 3L, ) ,\n 'fortran_order' : False , }   ",
    ] {
        let bytes = npy(text, &data);
        assert_eq!(read_npy(folder.with("a.npy", &bytes)).unwrap().shape(), [2, 3], "{text}");
        for version in [2, 3] {
            let mut long = bytes[..10].to_vec();
            long[6] = version;
            long.extend_from_slice(&[0, 0]);
            long.extend_from_slice(&bytes[10..]);
            assert_eq!(read_npy(folder.with("a.npy", &long)).unwrap().shape(), [2, 3], "{text}");
        }
    }
}

#[test]
fn hostile_headers_are_refused() {
    let folder = Folder::new("hostile");
    let refused = |bytes: &[u8]| is_format(read_npy(folder.with("a.npy", bytes)));
    for shape in [
        "(1000000, 1000000)",
        "(18446744073709551615, 18446744073709551615)",
        "(18446744073709551616,)",
        "(4611686018427387904, 8)",
        "(9223372036854775807, 4, 0)",
        "(-1,)",
        "(1)",
        "1",
        "(1,,)",
        "(1 2)",
        "(1.0,)",
        "(True,)",
        "(1,",
        "",
    ] {
        refused(&npy(&descr("<f8", shape), &[0; 8]));
        refused(&npy(&descr("<f8", shape), &[]));
    }
    refused(&npy(&descr("<f8", &format!("({})", "1,".repeat(65))), &[0; 8]));
    refused(&npy(&descr("<f8", &format!("({})", "1,".repeat(20000))), &[0; 8]));
    for dtype in
        ["|O", "O", "<c16", "|b2", "|S5", "<U3", "<M8[s]", "|f8", "<f3", "<f16", "<i0", "|V8", "", "f8"]
    {
        refused(&npy(&descr(dtype, "(1,)"), &[0; 8]));
    }
    for text in [
        "",
        "{}",
        "{",
        "[]",
        "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f8', 'descr': '<f8', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), 'more': 1}",
        "{'descr': '<f8', 'fortran_order': 0, 'shape': (1,)}",
        "{'descr': '<f8', 'fortran_order': False}",
        "{'descr': '<f8' 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f8, 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1,)} x",
    ] {
        refused(&npy(text, &[0; 8]));
    }
    let object = read_npy(folder.with("a.npy", &npy(&descr("|O", "(1,)"), &[0; 8]))).unwrap_err().to_string();
    assert!(object.contains("Python objects"), "{object}");
    // A header length of 2^32 - 1, unknown versions, trailing bytes.
    refused(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{'descr': '<f8'");
    refused(b"\x93NUMPY\x04\x00\x10\x00{'descr': '<f8'");
    refused(b"\x93NUMPX\x01\x00\x10\x00{'descr': '<f8'");
    refused(&npy(&descr("<f8", "(1,)"), &[0; 9]));
    // Not files.
    for path in [folder.0.clone(), folder.file("missing")] {
        assert!(matches!(read_npy(&path), Err(Error::Io { .. })));
        assert!(matches!(read_npz(&path), Err(Error::Io { .. })));
    }
}

#[test]
fn every_prefix_is_refused() {
    let folder = Folder::new("prefix");
    let a = counting::<f64>(&[3, 4]);
    let (one, many) = (folder.file("a.npy"), folder.file("a.npz"));
    write_npy(&one, a.view()).unwrap();
    write_npz(&many, &[("a", a.view()), ("b", a.t())]).unwrap();
    let (one, many) = (std::fs::read(one).unwrap(), std::fs::read(many).unwrap());
    for end in 0..one.len() {
        is_format(read_npy(folder.with("cut", &one[..end])));
    }
    for end in 0..many.len() {
        is_format(read_npz(folder.with("cut", &many[..end])));
    }
}

#[test]
fn changed_bytes_never_panic() {
    let folder = Folder::new("fuzz");
    let a = counting::<f32>(&[3, 4]);
    let (one, many) = (folder.file("a.npy"), folder.file("a.npz"));
    write_npy(&one, a.view()).unwrap();
    write_npz(&many, &[("a", a.view()), ("b", a.t())]).unwrap();
    let (one, many) = (std::fs::read(one).unwrap(), std::fs::read(many).unwrap());
    for original in [&one, &many] {
        for bytes in spoiled(original, original.len(), b"0123456789(),'<>{}", 3000) {
            let path = folder.with("changed", &bytes);
            let _ = (read_npy(&path), read_npz(&path));
        }
    }
    // The checksum guards the numbers of an npz.
    let at = many.windows(4).position(|four| four == (-3f32).to_le_bytes()).unwrap();
    let mut bytes = many.clone();
    bytes[at] ^= 1;
    is_format(read_npz(folder.with("changed", &bytes)));
}

#[test]
fn hostile_archives_are_refused() {
    let folder = Folder::new("archives");
    let a = counting::<f64>(&[2]);
    let path = folder.file("a.npz");
    for name in ["", "..", "../a", "a/../b", "/a", "a/", "a//b", "a\\b", "c:a", "a\0", "é", "a\nb"] {
        let result = write_npz(&path, &[(name, a.view())]);
        assert!(matches!(result, Err(Error::Parameter { .. })), "{name:?}");
    }
    assert!(matches!(write_npz(&path, &[("a", a.view()), ("a", a.view())]), Err(Error::Parameter { .. })));
    assert!(folder.names().is_empty());
    write_npz(&path, &[("aaaa", a.view()), ("bbbb", a.view())]).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let renamed = |from: &[u8], to: &[u8]| {
        let mut bytes = bytes.clone();
        while let Some(at) = bytes.windows(from.len()).position(|window| window == from) {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
        is_format(read_npz(folder.with("renamed.npz", &bytes)));
    };
    renamed(b"bbbb.npy", b"aaaa.npy"); // a name twice
    renamed(b"bbbb.npy", b"../b.npy"); // out of the folder
    renamed(b"bbbb.npy", b"/bbb.npy");
    renamed(b"bbbb.npy", b"b\\bb.npy");
    renamed(b"bbbb.npy", b"bbbb.txt");
    // Two members that share their bytes, a compressed one, an encrypted one.
    let central = bytes.windows(4).rposition(|four| four == b"PK\x01\x02").unwrap();
    let changed = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        is_format(read_npz(folder.with("changed.npz", &bytes)))
    };
    let offset = &bytes[central + 42..central + 46];
    assert!(offset[1] != 0 || offset[0] != 0);
    let mut shared = bytes.clone();
    shared[central + 42..central + 46].fill(0);
    is_format(read_npz(folder.with("shared.npz", &shared)));
    changed(central + 10, 8);
    changed(central + 8, 1);
    let text = {
        let mut bytes = bytes.clone();
        bytes[central + 10] = 8;
        read_npz(folder.with("deflated.npz", &bytes)).unwrap_err().to_string()
    };
    assert!(text.contains("numpy.savez"), "{text}");
}

#[test]
fn a_failed_write_leaves_the_old_file() {
    let folder = Folder::new("atomic");
    let path = folder.with("old", b"old");
    let failed = atomic_write(&path, |writer| {
        writer.write_all(&[1; 100_000])?;
        Err(std::io::Error::other("the disk is full"))
    });
    assert!(matches!(failed, Err(Error::Io { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(folder.names(), ["old"]);
    atomic_write(&path, |writer| writer.write_all(b"new")).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"new");
    let a = counting::<f64>(&[2]);
    for bad in [folder.file("none/a.npy"), path.join("a.npy"), folder.0.clone(), PathBuf::new(), "/".into()] {
        assert!(matches!(write_npy(&bad, a.view()), Err(Error::Io { .. })), "{bad:?}");
    }
    assert_eq!(folder.names(), ["old"]);
}

#[cfg(unix)]
#[test]
fn read_only_folders_and_links() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = Folder::new("read_only");
    let path = folder.with("old", b"old");
    std::fs::set_permissions(&folder.0, std::fs::Permissions::from_mode(0o555)).unwrap();
    // The administrator may write everywhere: then there is nothing to see.
    if std::fs::write(folder.file("probe"), b"").is_err() {
        assert!(matches!(atomic_write(&path, |writer| writer.write_all(b"new")), Err(Error::Io { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
    }
    std::fs::set_permissions(&folder.0, std::fs::Permissions::from_mode(0o755)).unwrap();
    let link = folder.file("link");
    symlink(&path, &link).unwrap();
    atomic_write(&link, |writer| writer.write_all(b"through")).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"through");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    atomic_write(&path, |writer| writer.write_all(b"private")).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
}
