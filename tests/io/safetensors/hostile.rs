//! Files that are not what they claim to be.

use super::{counting, file};
use crate::Folder;
use crate::spoil::spoiled;
use lowrank::Error;
use lowrank::io::{Safetensors, write_safetensors};

fn refused(folder: &Folder, bytes: &[u8]) -> String {
    match Safetensors::open(folder.with("a.safetensors", bytes)) {
        Err(error @ Error::Format { .. }) => error.to_string(),
        other => panic!("not a format error: {other:?}"),
    }
}

fn tensor(dtype: &str, shape: &str, offsets: &str) -> String {
    format!("{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":{offsets}}}")
}

const GOOD: &str = r#"{"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}}"#;

#[test]
fn other_ways_to_write_a_header_are_read() {
    let folder = Folder::new("other");
    for text in [
        GOOD.to_string(),
        format!("{GOOD}   "),
        "{ \"a\" : {\n\t\"data_offsets\" : [ 0 , 8 ] , \"shape\":[2, 1],\"dtype\":\"F32\"} }\r\n".to_string(),
        r#"{"\u0061":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"__metadata__":{}}"#.to_string(),
        r#"{"empty":{"dtype":"I8","shape":[0],"data_offsets":[8,8]},"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}}"#
            .to_string(),
    ] {
        let file = Safetensors::open(folder.with("a.safetensors", &file(&text, 8))).unwrap();
        let expected = [[0u8, 1, 2, 3], [4, 5, 6, 7]].map(f32::from_le_bytes);
        assert_eq!(file.array::<f32>("a").unwrap().as_slice().unwrap(), expected, "{text}");
    }
    // The longest escapes: é, a musical sign (two units), a slash.
    let text = GOOD.replace("\"a\"", r#""\u00E9\ud834\udd1e\/\b\f\r\n\t\"\\""#);
    let file = Safetensors::open(folder.with("a.safetensors", &file(&text, 8))).unwrap();
    assert_eq!(file.tensors().keys().next().unwrap(), "é𝄞/\x08\x0c\r\n\t\"\\");
}

#[test]
fn damaged_headers_are_refused() {
    let folder = Folder::new("damaged");
    for (wrong, data) in [
        (GOOD.to_string(), 7),
        (GOOD.to_string(), 9),
        (String::new(), 0),
        ("{}".into(), 1),
        ("[]".into(), 0),
        ("{".into(), 0),
        (" {}".into(), 0), // begins with `{`, says the format
        ("null".into(), 0),
        (format!("{GOOD}x"), 8),
        (format!("{GOOD}{GOOD}"), 8),
        (GOOD.replace("F32", "F33"), 8),
        (GOOD.replace("\"F32\"", "32"), 8),
        (GOOD.replace("dtype", "type"), 8),
        (GOOD.replace("\"dtype\":\"F32\",", ""), 8),
        (GOOD.replace("[2,1]", "[2,2]"), 8),
        (GOOD.replace("[2,1]", "[-2,-1]"), 8),
        (GOOD.replace("[2,1]", "[2.0,1]"), 8),
        (GOOD.replace("[2,1]", "[2,1,]"), 8),
        (GOOD.replace("[2,1]", "[2 1]"), 8),
        (GOOD.replace("[2,1]", "2"), 8),
        (GOOD.replace("[2,1]", "[9223372036854775807,4]"), 8),
        (GOOD.replace("[2,1]", "[18446744073709551616]"), 8),
        (GOOD.replace("[2,1]", &format!("[{}2]", "1,".repeat(64))), 8),
        (GOOD.replace("[2,1]", "[0]"), 8),
        (GOOD.replace("[0,8]", "[0]"), 8),
        (GOOD.replace("[0,8]", "[0,8,8]"), 8),
        (GOOD.replace("[0,8]", "[8,0]"), 8),
        (GOOD.replace("[0,8]", "[8,16]"), 16),
        (GOOD.replace("[0,8]", "[18446744073709551608,18446744073709551615]"), 8),
        (GOOD.replace("F32", "F4").replace("[2,1]", "[3]").replace("[0,8]", "[0,1]"), 1),
        (GOOD.replace("\"a\"", "\"a"), 8),
        (GOOD.replace("\"a\"", "\"\n\""), 8),
        (GOOD.replace("\"a\"", r#""\x""#), 8),
        (GOOD.replace("\"a\"", r#""\u12""#), 8),
        (GOOD.replace("\"a\"", r#""\u+123""#), 8),
        (GOOD.replace("\"a\"", r#""\ud834""#), 8),
        (GOOD.replace("\"a\"", r#""\ud834\u0041""#), 8),
        (GOOD.replace("\"a\"", r#""\udd1e""#), 8),
        (GOOD.replace("\"a\"", "\"__metadata__\""), 8),
        (r#"{"__metadata__":{"a":1}}"#.into(), 0),
        (r#"{"__metadata__":{"a":"1","a":"2"}}"#.into(), 0),
        (r#"{"__metadata__":{},"__metadata__":{}}"#.into(), 0),
    ] {
        refused(&folder, &file(&wrong, data));
    }
    let mut bytes = file(GOOD, 8);
    bytes[10] = 0xFF;
    assert!(refused(&folder, &bytes).contains("UTF-8"));
    for claimed in [u64::MAX, 1 << 40, 100_000_001, 57 + 9] {
        let mut bytes = file(GOOD, 8);
        bytes[..8].copy_from_slice(&claimed.to_le_bytes());
        assert!(refused(&folder, &bytes).contains("claims"), "{claimed}");
    }
    for path in [folder.0.clone(), folder.file("missing")] {
        assert!(matches!(Safetensors::open(&path), Err(Error::Io { .. })));
    }
}

#[test]
fn two_tensors_share_neither_name_nor_bytes() {
    let folder = Folder::new("two");
    let two = |b: &str, first: &str, second: &str| {
        let (first, second) = (tensor("F32", "[2]", first), tensor("F32", "[2]", second));
        format!("{{\"a\":{first},\"{b}\":{second}}}")
    };
    assert_eq!(
        Safetensors::open(folder.with("a.safetensors", &file(&two("b", "[8,16]", "[0,8]"), 16)))
            .unwrap()
            .tensors()
            .len(),
        2
    );
    assert!(refused(&folder, &file(&two("a", "[0,8]", "[8,16]"), 16)).contains("twice"));
    assert!(refused(&folder, &file(&two("\\u0061", "[0,8]", "[8,16]"), 16)).contains("twice"));
    assert!(refused(&folder, &file(&two("b", "[0,8]", "[0,8]"), 8)).contains("starts at"));
    assert!(refused(&folder, &file(&two("b", "[0,8]", "[4,12]"), 12)).contains("starts at"));
    assert!(refused(&folder, &file(&two("b", "[0,8]", "[12,20]"), 20)).contains("starts at"));
    let key = GOOD.replace("\"dtype\":", "\"shape\":[2,1],\"dtype\":");
    assert!(refused(&folder, &file(&key, 8)).contains("twice"));
}

#[test]
fn every_prefix_is_refused() {
    let folder = Folder::new("prefix");
    let path = folder.file("whole");
    let a = counting::<f64>(&[3, 4]);
    write_safetensors(&path, &[("a", a.view()), ("b", a.t())], &[("format", "pt")]).unwrap();
    let bytes = std::fs::read(path).unwrap();
    for end in 0..bytes.len() {
        refused(&folder, &bytes[..end]);
    }
    let mut more = bytes;
    more.push(0);
    refused(&folder, &more);
}

#[test]
fn a_file_cut_after_opening_is_an_error() {
    let folder = Folder::new("cut");
    let path = folder.with("a.safetensors", &file(GOOD, 8));
    let open = Safetensors::open(&path).unwrap();
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(60).unwrap();
    assert!(matches!(open.array::<f64>("a"), Err(Error::Format { .. })));
}

#[test]
fn changed_bytes_never_panic() {
    let folder = Folder::new("fuzz");
    let path = folder.file("whole");
    let a = counting::<f32>(&[3, 4]);
    write_safetensors(&path, &[("a", a.view()), ("b\u{e9}\n", a.t())], &[("format", "pt")]).unwrap();
    let whole = std::fs::read(path).unwrap();
    let mut agreed = 0;
    // Its header alone is changed: 96 bytes of numbers follow.
    for bytes in spoiled(&whole, whole.len() - 96, b"0123456789[],:\"{}\\u F", 4000) {
        let opened = Safetensors::open(folder.with("a.safetensors", &bytes));
        if let Ok(file) = &opened {
            for name in file.tensors().keys() {
                let _ = (file.array::<f64>(name), file.matrix::<f32>(name));
            }
            // Nothing is read that the reference refuses.
            let reference = safetensors::SafeTensors::deserialize(&bytes).unwrap();
            assert_eq!(reference.len(), file.tensors().len());
            agreed += 1;
        }
    }
    assert!(agreed > 50, "{agreed}");
}
