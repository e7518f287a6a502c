//! Sums of Kronecker products: error against separation rank and storage: see `--help`.

fn main() -> std::process::ExitCode {
    lowrank_experiments::programs::separation_rank()
}
