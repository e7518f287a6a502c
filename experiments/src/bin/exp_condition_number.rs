//! Alternating least squares on hard tensors: error and condition number: see `--help`.

fn main() -> std::process::ExitCode {
    lowrank_experiments::programs::condition_number()
}
