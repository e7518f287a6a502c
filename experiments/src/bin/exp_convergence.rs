//! Error against time of variants of the entrywise searches: see `--help`.

fn main() -> std::process::ExitCode {
    lowrank_experiments::programs::convergence()
}
