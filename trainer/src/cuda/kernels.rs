//! The kernels' source, and NVRTC, which compiles it when the program starts.

use anyhow::{Result, anyhow, bail};
use cudarc::nvrtc::{result::NvrtcError, sys};
use std::ffi::{CStr, CString, c_char};

/// The threads of a block, THREADS of block.h.
pub(crate) const THREADS: usize = 256;
/// Columns a block of `softmax`, GROUPS of block.h.
pub(crate) const GROUPS: usize = 8;

/// The names of all kernels.
pub(crate) const NAMES: [&str; 19] = [
    "embed",
    "pool",
    "pool_backward",
    "add_norm",
    "norm_backward",
    "norm_parameters",
    "add_bias",
    "gate",
    "gate_backward",
    "bias_tanh",
    "tanh_backward",
    "row_sums",
    "narrow",
    "split_heads",
    "join_heads",
    "softmax",
    "softmax_backward",
    "materialise",
    "pull_back",
];

/// All of the source, as one file whose messages name the files that it is of.
pub(crate) fn source() -> String {
    const FILES: [(&str, &str); 6] = [
        ("block.h", include_str!("kernels/block.h")),
        ("embed.cu", include_str!("kernels/embed.cu")),
        ("norm.cu", include_str!("kernels/norm.cu")),
        ("activation.cu", include_str!("kernels/activation.cu")),
        ("attention.cu", include_str!("kernels/attention.cu")),
        ("adapter.cu", include_str!("kernels/adapter.cu")),
    ];
    FILES.iter().map(|(name, text)| format!("#line 1 \"{name}\"\n{text}")).collect()
}

/// Compiles the source for an architecture, `compute_75` to PTX, `sm_75` to machine code, and gives NVRTC's warnings
/// too.
///
/// # Errors
/// Where NVRTC is missing or refuses the source or the architecture.
pub(crate) fn compile(architecture: &str) -> Result<(Vec<u8>, String)> {
    super::guarded("NVRTC", || compile_with_library(architecture))
}

#[allow(unsafe_code)]
fn compile_with_library(architecture: &str) -> Result<(Vec<u8>, String)> {
    // SAFETY: only asks the system's loader for the library.
    if !unsafe { sys::is_culib_present() } {
        bail!(
            "the library NVRTC (libnvrtc.so), which compiles the kernels, is not found: install the CUDA toolkit, or \
             the package nvidia-cuda-nvrtc and put its folder into LD_LIBRARY_PATH"
        );
    }
    let source = CString::new(source())?;
    let options = [CString::new(format!("--gpu-architecture={architecture}"))?];
    let options: Vec<*const c_char> = options.iter().map(|text| text.as_ptr()).collect();
    let mut program: sys::nvrtcProgram = std::ptr::null_mut();
    // SAFETY: texts that end in zero and outlive the calls; buffers of the sizes that NVRTC asks for; the program is
    // destroyed once, at the end.
    unsafe {
        let (none, name) = (std::ptr::null(), c"kernels.cu");
        sys::nvrtcCreateProgram(&mut program, source.as_ptr(), name.as_ptr(), 0, none, none).result()?;
        let status = sys::nvrtcCompileProgram(program, options.len() as i32, options.as_ptr()).result();
        let machine_code = architecture.starts_with("sm_");
        let found = read(program, status, machine_code);
        sys::nvrtcDestroyProgram(&mut program).result()?;
        found.map_err(|e| anyhow!("NVRTC, for {architecture}: {e}"))
    }
}

/// The image and the messages of a compiled program.
///
/// # Safety
/// The program must exist.
#[allow(unsafe_code)]
unsafe fn read(
    program: sys::nvrtcProgram,
    status: std::result::Result<(), NvrtcError>,
    machine_code: bool,
) -> Result<(Vec<u8>, String)> {
    // SAFETY: buffers of the sizes that NVRTC asks for.
    unsafe {
        let mut size = 0;
        sys::nvrtcGetProgramLogSize(program, &mut size).result()?;
        let mut log = vec![0_u8; size.max(1)];
        sys::nvrtcGetProgramLog(program, log.as_mut_ptr().cast()).result()?;
        let log =
            CStr::from_bytes_until_nul(&log).map_or(String::new(), |text| text.to_string_lossy().into());
        if let Err(error) = status {
            bail!("{error}\n{log}");
        }
        let mut image;
        if machine_code {
            sys::nvrtcGetCUBINSize(program, &mut size).result()?;
            image = vec![0_u8; size];
            sys::nvrtcGetCUBIN(program, image.as_mut_ptr().cast()).result()?;
        } else {
            sys::nvrtcGetPTXSize(program, &mut size).result()?;
            image = vec![0_u8; size];
            sys::nvrtcGetPTX(program, image.as_mut_ptr().cast()).result()?;
        }
        Ok((image, log))
    }
}
