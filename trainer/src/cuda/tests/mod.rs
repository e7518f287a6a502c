//! The kernels and the encoder on the CPU, against plain references; and on a GPU where there is one.

mod attention;
mod compile;
mod emulated;
mod encoder;
mod kernels;
