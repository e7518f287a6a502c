//! Approximates the user's own array in the max norm: see `--help`.

fn main() -> std::process::ExitCode {
    lowrank_experiments::programs::entrywise()
}
