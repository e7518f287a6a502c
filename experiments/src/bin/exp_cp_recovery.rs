//! Terms of a noisy tensor found again: see `--help`.

fn main() -> std::process::ExitCode {
    lowrank_experiments::programs::cp_recovery()
}
