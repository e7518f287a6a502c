//! Sampled products: error against samples: see `--help`.

fn main() -> std::process::ExitCode {
    lowrank_experiments::programs::rmm()
}
