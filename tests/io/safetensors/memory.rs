//! What opening a file may allocate: its size and 1 MiB.

use super::file;
use crate::Folder;
use lowrank::Error;
use lowrank::io::Safetensors;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Counts what the present thread holds, and the most it held.
struct Counting;

thread_local! {
    static HELD: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

fn count(bytes: isize) {
    // A thread that ends has no counter any more.
    let _ = HELD.try_with(|held| {
        let (now, most) = held.get();
        held.set((now + bytes, most.max(now + bytes)));
    });
}

// SAFETY: every call goes to the system's allocator as it came.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn opening_allocates_little() {
    let folder = Folder::new("memory");
    let list = |count: usize, member: &dyn Fn(usize) -> String| {
        format!("{{{}}}", (0..count).map(member).collect::<Vec<_>>().join(","))
    };
    let long = "x".repeat(3_000_000);
    let empty = "{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}";
    let sizes = format!("{{\"dtype\":\"U8\",\"shape\":[{}0],\"data_offsets\":[0,0]}}", "1,".repeat(32));
    // Text of the header, and whether it lists too much for its size.
    for (text, too_much) in [
        (list(1000, &|i| format!("\"{i}\":{empty}")), false),
        (list(200_000, &|i| format!("\"{i}\":{empty}")), true),
        (list(200_000, &|i| format!("\"{}\":{empty}", i * 7919 % 200_003)), true),
        (list(50_000, &|i| format!("\"{i}\":{sizes}")), true),
        (format!("{{\"{long}\":{empty}}}"), true),
        (format!("{{\"a\":{}}}", empty.replace("U8", &long)), true),
        (format!("{{\"__metadata__\":{{\"a\":\"{long}\"}}}}"), true),
        (format!("{{\"__metadata__\":{}}}", list(200_000, &|i| format!("\"{i}\":\"\""))), true),
        (format!("{{\"a\":{}}}", empty.replace("[0]", &format!("[{}]", "1,".repeat(2_000_000)))), true),
    ] {
        let bytes = file(&text, 0);
        let path = folder.with("a.safetensors", &bytes);
        let before = HELD.with(|held| {
            held.set((held.get().0, held.get().0));
            held.get().0
        });
        let result = Safetensors::open(&path);
        let most = HELD.with(|held| held.get().1) - before;
        let start = &text[..60];
        assert!(most <= bytes.len() as isize + (1 << 20), "{most} for {} bytes: {start}", bytes.len());
        assert_eq!(matches!(result, Err(Error::Format { .. })), too_much, "{start}: {:?}", result.err());
    }
    // Much data pay for many tensors.
    let one = |i: usize| {
        format!(
            "\"{i}\":{{\"dtype\":\"U8\",\"shape\":[500],\"data_offsets\":[{},{}]}}",
            500 * i,
            500 * i + 500
        )
    };
    let path = folder.with("a.safetensors", &file(&list(20_000, &one), 10_000_000));
    assert_eq!(Safetensors::open(path).unwrap().tensors().len(), 20_000);
}
