//! Adapters against each other, and ways to apply them: see `--help`.

fn main() -> std::process::ExitCode {
    lowrank_experiments::programs::adapter_speed()
}
