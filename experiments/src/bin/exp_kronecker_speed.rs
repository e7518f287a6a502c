//! Kronecker products applied to blocks of vectors: speed against the dense product: see `--help`.

fn main() -> std::process::ExitCode {
    lowrank_experiments::programs::kronecker_speed()
}
