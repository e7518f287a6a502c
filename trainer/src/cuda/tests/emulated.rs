//! A device that is none: the kernels' source compiled for the CPU, which runs a block's threads phase by phase.
//!
//! Memory is full of NaN before it is written, and has an edge at either end whose bytes must stay; so numbers that
//! nobody wrote and writing beside a matrix are seen. The threads of a phase run in either order. Products take as
//! many bits of their operands as tensor cores do.

use crate::cuda::backend::{At, Backend, Number, Operand, Precision, Product, arguments};
use crate::cuda::kernels;
use anyhow::{Context, Result, ensure};
use libloading::Library;
use lowrank::faer::linalg::matmul::matmul;
use lowrank::faer::{Accum, Mat, MatMut, Par};
use std::ffi::c_void;
use std::process::Command;
use std::sync::LazyLock;

type Kernel = unsafe extern "C" fn(i32, i32, *const *mut c_void, i32);

static LIBRARY: LazyLock<Library> = LazyLock::new(|| build().expect("the kernels for the CPU"));

/// Compiles the source with the system's C++ compiler.
#[allow(unsafe_code)]
fn build() -> Result<Library> {
    let folder = tempfile::tempdir()?;
    let (source, library) = (folder.path().join("kernels.cpp"), folder.path().join("kernels.so"));
    std::fs::write(&source, kernels::source())?;
    let mut command = Command::new("c++");
    command.args(["-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"]);
    let output = command.arg(&library).arg(&source).output().context("a C++ compiler, c++, is needed")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // SAFETY: a library of plain functions, which nothing runs on loading. The file may go then.
    Ok(unsafe { Library::new(&library) }?)
}

pub(crate) struct Emulated {
    pub precision: Precision,
    /// Whether the last thread of a phase is the first to run.
    pub reversed: bool,
}

const EDGE: usize = 64; // numbers on either side
const FILL: u32 = 0xffff_ffff; // a NaN

pub(crate) struct Memory {
    words: Vec<u32>,
    start: usize,
    bytes: usize,
}

impl Drop for Memory {
    fn drop(&mut self) {
        let whole = self.bytes.div_ceil(4);
        let edges = self.words[..EDGE].iter().chain(&self.words[EDGE + whole..]);
        let kept = edges.copied().all(|word| word == FILL);
        assert!(kept || std::thread::panicking(), "a kernel wrote beside its memory of {} bytes", self.bytes);
    }
}

#[allow(unsafe_code)]
impl Backend for Emulated {
    type Memory = Memory;

    fn allocate(&self, bytes: usize) -> Result<Memory> {
        let mut words = vec![FILL; bytes.div_ceil(4) + 2 * EDGE];
        let start = words[EDGE..].as_mut_ptr().expose_provenance();
        Ok(Memory { words, start, bytes })
    }
    fn at(memory: &Memory) -> At {
        At(memory.start as u64)
    }
    fn upload(&self, to: At, bytes: &[u8]) -> Result<()> {
        // SAFETY: memory of this device, large enough, to which no reference is alive.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), pointer(to), bytes.len()) };
        Ok(())
    }
    fn download(&self, from: At, floats: &mut [f32]) -> Result<()> {
        // SAFETY: the same; any bits are a float.
        unsafe { std::ptr::copy_nonoverlapping(pointer(from), floats.as_mut_ptr(), floats.len()) };
        Ok(())
    }
    fn launch(
        &self,
        kernel: &'static str,
        (blocks, parts): (usize, usize),
        places: &[At],
        numbers: &[Number],
    ) -> Result<()> {
        let arguments = arguments(places, numbers)?;
        // SAFETY: the arguments are of the kernel's types, as for the GPU; the function stays loaded.
        unsafe {
            let run = LIBRARY.get::<Kernel>(kernel)?;
            run(blocks as i32, parts as i32, arguments.as_ptr(), i32::from(self.reversed));
        }
        Ok(())
    }
    fn multiply(&self, product: &Product) -> Result<()> {
        let Product { shape: (m, n, k), a, b, c, alpha, beta, count } = *product;
        for at in 0..count {
            let tf32 = self.precision != Precision::F32;
            let (left, right) = (read(&a, m, k, at, tf32), read(&b, k, n, at, tf32));
            let mut sum = Mat::<f32>::zeros(m, n);
            matmul(sum.as_mut(), Accum::Replace, left.as_ref(), right.as_ref(), alpha, Par::Seq);
            let to = pointer::<f32>(c.at.floats(at * c.stride));
            // SAFETY: a matrix of this device's memory, to which no reference is alive.
            let mut out = unsafe { MatMut::from_raw_parts_mut(to, m, n, 1, c.ld as isize) };
            for (j, i) in (0..n).flat_map(|j| (0..m).map(move |i| (j, i))) {
                let before = if beta == 0.0 { 0.0 } else { beta * out[(i, j)] };
                out[(i, j)] = sum[(i, j)] + before;
            }
        }
        Ok(())
    }
    fn precision(&self) -> Precision {
        self.precision
    }
}

/// An operand (m, n) after transposition, number `index` of its batch; floats cut to 10 bits of the fraction for
/// `tf32`.
#[allow(unsafe_code)]
fn read(x: &Operand, m: usize, n: usize, index: usize, tf32: bool) -> Mat<f32> {
    let cut = |x: f32| if tf32 { f32::from_bits(x.to_bits() & !0x1fff) } else { x };
    let entry = |i: usize, j: usize| {
        let (row, col) = if x.transposed { (j, i) } else { (i, j) };
        let place = index * x.stride + row + col * x.ld;
        // SAFETY: an entry of a matrix of this device's memory.
        unsafe {
            match x.narrow {
                true => f32::from_bits(u32::from(*pointer::<u16>(x.at).add(place)) << 16),
                false => cut(*pointer::<f32>(x.at).add(place)),
            }
        }
    };
    Mat::from_fn(m, n, entry)
}

fn pointer<T>(at: At) -> *mut T {
    std::ptr::with_exposed_provenance_mut(at.0 as usize)
}
