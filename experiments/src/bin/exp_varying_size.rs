//! Regenerates the figure of relative max-norm errors with varying size: see `--help`.

fn main() -> std::process::ExitCode {
    lowrank_experiments::programs::varying_size()
}
