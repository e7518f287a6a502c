//! Regenerates the figure of relative max-norm errors with varying rank: see `--help`.

fn main() -> std::process::ExitCode {
    lowrank_experiments::programs::varying_rank()
}
