//! Entrywise approximation of a matrix that is never stored: see `--help`.

fn main() -> std::process::ExitCode {
    lowrank_experiments::programs::large()
}
