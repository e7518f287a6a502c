//! Randomized SVD beside the dense one: see `--help`.

fn main() -> std::process::ExitCode {
    lowrank_experiments::programs::rsvd()
}
