//! How an adapter sits beside a frozen weight: see `--help`.

fn main() -> std::process::ExitCode {
    lowrank_experiments::programs::adapter_diagram()
}
