//! Spectra of the weight matrices of a network: see `--help`.

fn main() -> std::process::ExitCode {
    lowrank_experiments::programs::spectra()
}
