//! Poisson's equation in many dimensions: see `--help`.

fn main() -> std::process::ExitCode {
    lowrank_experiments::programs::separated_laplacian()
}
