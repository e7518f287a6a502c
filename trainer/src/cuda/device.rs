//! An NVIDIA GPU: the driver, the kernels as NVRTC compiles them for it, and cuBLAS.
//!
//! Everything runs on the default stream, so that copies, kernels and products keep their order. The libraries are
//! looked for when the first device is opened; what is missing is an error that says so.

use super::backend::{self, At, Backend, Number, Operand, Precision, Product, int};
use super::kernels::{self, THREADS};
use anyhow::{Context, Result, anyhow, bail};
use cudarc::cublas::{self, sys as blas};
use cudarc::driver::{self, CudaContext, CudaFunction, CudaStream, result as raw};
use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The first GPU.
pub(crate) struct Cuda {
    context: Arc<CudaContext>,
    stream: Arc<CudaStream>,
    blas: cublas::CudaBlas,
    kernels: HashMap<&'static str, CudaFunction>,
    precision: Precision,
    held: Arc<Held>,
}

/// Bytes that are held now, and the most that were at once.
#[derive(Debug, Default)]
struct Held {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Held {
    fn add(&self, bytes: usize) {
        let now = self.now.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.most.fetch_max(now, Ordering::Relaxed);
    }
    fn remove(&self, bytes: usize) {
        self.now.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Memory of a GPU.
pub(crate) struct Memory {
    at: u64,
    bytes: usize,
    held: Arc<Held>,
    context: Arc<CudaContext>,
}

impl Drop for Memory {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        if self.context.bind_to_thread().is_ok() {
            // SAFETY: this is the only owner. The call waits for what still uses the memory; if it fails, then for
            // the reason of an earlier call, which was reported.
            let _ = unsafe { raw::free_sync(self.at) };
        }
        self.held.remove(self.bytes);
    }
}

impl Cuda {
    /// Opens the first GPU and compiles the kernels for it.
    ///
    /// # Errors
    /// Where the driver, a GPU, NVRTC or cuBLAS is missing: the text says which.
    pub fn new(precision: Precision) -> Result<Self> {
        let context = super::guarded("the driver", open)?;
        let (major, minor) = context.compute_capability().context("the driver")?;
        if (major, minor) < (7, 5) || (precision == Precision::Bf16 && major < 8) {
            let needed = if precision == Precision::Bf16 { "8.0 for bf16" } else { "7.5" };
            bail!("the GPU is of compute capability {major}.{minor}, but {needed} is the least");
        }
        let (image, _) = kernels::compile(&format!("sm_{major}{minor}"))?;
        let module = context.load_module(cudarc::nvrtc::Ptx::from_binary(image));
        let module = module.context(
            "the driver does not load the kernels: NVRTC is of another major version of CUDA than the driver",
        )?;
        let load = |name: &&'static str| Ok((*name, module.load_function(name)?));
        let kernels = kernels::NAMES.iter().map(load).collect::<Result<_>>()?;
        let stream = context.default_stream();
        let blas = super::guarded("cuBLAS", || open_blas(&stream))?;
        Ok(Self { context, stream, blas, kernels, precision, held: Arc::default() })
    }

    /// What the GPU is called.
    pub fn name(&self) -> Result<String> {
        Ok(self.context.name()?)
    }

    /// The most bytes of its memory that were held at once, those of the driver and of cuBLAS not counted.
    pub fn held(&self) -> usize {
        self.held.most.load(Ordering::Relaxed)
    }
}

/// Whether the driver's library is there.
#[allow(unsafe_code)]
pub(crate) fn driver_is_there() -> bool {
    // SAFETY: only asks the system's loader for the library.
    unsafe { driver::sys::is_culib_present() }
}

/// How many GPUs the driver finds; none where it is not there or fails.
#[cfg(test)]
pub(crate) fn count() -> i32 {
    let ask = || -> Result<i32> { Ok(raw::init().and_then(|()| raw::device::get_count())?) };
    if driver_is_there() { super::guarded("the driver", ask).unwrap_or(0) } else { 0 }
}

fn open() -> Result<Arc<CudaContext>> {
    if !driver_is_there() {
        bail!("the NVIDIA driver (libcuda.so) is not found: install it");
    }
    let context = CudaContext::new(0);
    context.map_err(|e| anyhow!("the NVIDIA driver is there, but opens no GPU: {e}"))
}

#[allow(unsafe_code)]
fn open_blas(stream: &Arc<CudaStream>) -> Result<cublas::CudaBlas> {
    // SAFETY: only asks the system's loader for the library.
    if !unsafe { blas::is_culib_present() } {
        bail!(
            "the library cuBLAS (libcublas.so) is not found: install the CUDA toolkit, or the package nvidia-cublas and \
             put its folder into LD_LIBRARY_PATH"
        );
    }
    cublas::CudaBlas::new(stream.clone()).map_err(|e| anyhow!("cuBLAS does not start: {e}"))
}

#[allow(unsafe_code)]
impl Backend for Cuda {
    type Memory = Memory;

    fn allocate(&self, bytes: usize) -> Result<Memory> {
        self.context.bind_to_thread()?;
        // SAFETY: what is in it is not read before it is written.
        let at = unsafe { raw::malloc_sync(bytes) };
        let at = at.with_context(|| {
            format!("{bytes} bytes of the GPU's memory: a smaller batch or shorter sequences need less")
        })?;
        self.held.add(bytes);
        Ok(Memory { at, bytes, held: self.held.clone(), context: self.context.clone() })
    }

    fn at(memory: &Memory) -> At {
        At(memory.at)
    }

    fn upload(&self, to: At, bytes: &[u8]) -> Result<()> {
        self.context.bind_to_thread()?;
        // SAFETY: the caller's memory is large enough; the call returns when `bytes` were read.
        Ok(unsafe { raw::memcpy_htod_sync(to.0, bytes) }?)
    }

    fn download(&self, from: At, floats: &mut [f32]) -> Result<()> {
        self.context.bind_to_thread()?;
        // SAFETY: the same, and any bits are a float.
        unsafe { raw::memcpy_dtoh_sync(floats, from.0) }.context("the GPU")
    }

    fn launch(
        &self,
        kernel: &'static str,
        (blocks, parts): (usize, usize),
        places: &[At],
        numbers: &[Number],
    ) -> Result<()> {
        if blocks == 0 || parts == 0 {
            return Ok(());
        }
        let function = self.kernels.get(kernel).ok_or_else(|| anyhow!("no kernel {kernel}"))?;
        let refused = || format!("the kernel {kernel}");
        let mut arguments = backend::arguments(places, numbers).with_context(refused)?;
        let size = |x: usize| -> Result<u32> { Ok(int(x).with_context(refused)?.cast_unsigned()) };
        let grid = (size(blocks)?, size(parts)?, 1);
        let threads = (THREADS as u32, 1, 1);
        self.context.bind_to_thread()?;
        // SAFETY: the arguments are read before the call returns; their memory is the caller's.
        unsafe {
            raw::launch_kernel(
                function.cu_function(),
                grid,
                threads,
                0,
                self.stream.cu_stream(),
                &mut arguments,
            )
        }
        .with_context(refused)
    }

    fn multiply(&self, product: &Product) -> Result<()> {
        let Product { shape: (m, n, k), a, b, c, alpha, beta, count } = product;
        if [m, n, k, count].contains(&&0) {
            return Ok(());
        }
        let what = || format!("cuBLAS, a product ({m}, {k}) ({k}, {n})");
        let size = |x: usize| int(x).with_context(what);
        let turned = |x: &Operand| match x.transposed {
            true => blas::cublasOperation_t::CUBLAS_OP_T,
            false => blas::cublasOperation_t::CUBLAS_OP_N,
        };
        let kind = |x: &Operand| match x.narrow {
            true => blas::cudaDataType_t::CUDA_R_16BF,
            false => blas::cudaDataType_t::CUDA_R_32F,
        };
        let compute = match (self.precision, a.narrow) {
            (Precision::F32, _) => blas::cublasComputeType_t::CUBLAS_COMPUTE_32F_PEDANTIC,
            (_, true) => blas::cublasComputeType_t::CUBLAS_COMPUTE_32F,
            (_, false) => blas::cublasComputeType_t::CUBLAS_COMPUTE_32F_FAST_TF32,
        };
        self.context.bind_to_thread()?;
        // SAFETY: alpha and beta are read before the call returns; the matrices are the caller's.
        unsafe {
            cublas::result::gemm_strided_batched_ex(
                *self.blas.handle(),
                turned(a),
                turned(b),
                size(*m)?,
                size(*n)?,
                size(*k)?,
                std::ptr::from_ref(alpha).cast(),
                a.at.0 as *const c_void,
                kind(a),
                size(a.ld)?,
                a.stride as i64,
                b.at.0 as *const c_void,
                kind(b),
                size(b.ld)?,
                b.stride as i64,
                std::ptr::from_ref(beta).cast(),
                c.at.0 as *mut c_void,
                blas::cudaDataType_t::CUDA_R_32F,
                size(c.ld)?,
                c.stride as i64,
                size(*count)?,
                compute,
                blas::cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT,
            )
        }
        .with_context(what)
    }

    fn precision(&self) -> Precision {
        self.precision
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_that_is_held_at_once_is_kept() {
        let held = Held::default();
        held.add(10);
        held.add(5);
        held.remove(10);
        held.add(7);
        assert_eq!((held.now.into_inner(), held.most.into_inner()), (12, 15));
    }
}
