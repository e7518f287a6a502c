//! LoRA updates as LSR updates: see `--help`.

fn main() -> std::process::ExitCode {
    lowrank_experiments::programs::lora_to_lsr()
}
