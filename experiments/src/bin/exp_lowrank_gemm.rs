//! Products from low-rank factors: error against speed: see `--help`.

fn main() -> std::process::ExitCode {
    lowrank_experiments::programs::lowrank_gemm()
}
