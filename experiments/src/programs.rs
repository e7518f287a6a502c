//! What each program does. It is compiled here, once, rather than in every program and its tests.

use crate::adapter_speed::AdapterSpeed;
use crate::condition_number::ConditionNumbers;
use crate::cp_recovery::CpRecovery;
use crate::grid::Figure;
use crate::kronecker_speed::KroneckerSpeed;
use crate::lora_to_lsr::LoraToLsr;
use crate::lowrank_gemm::LowRankGemm;
use crate::rmm::Rmm;
use crate::rsvd::Rsvd;
use crate::separated_laplacian::SeparatedLaplacian;
use crate::separation_rank::SeparationRanks;
use crate::spectra::Spectra;
use crate::{adapter_diagram, cli, convergence, large, own};
use clap::Parser;
use std::process::ExitCode;

macro_rules! programs {
    ($($name:ident: $run:expr,)+) => {
        $(
            #[doc = concat!("exp_", stringify!($name))]
            pub fn $name() -> ExitCode {
                $run
            }
        )+
    };
}

programs! {
    adapter_diagram: cli::exit(adapter_diagram::execute(&Parser::parse())),
    adapter_speed: cli::main(AdapterSpeed),
    condition_number: cli::main(ConditionNumbers),
    convergence: cli::exit(convergence::execute(&Parser::parse())),
    cp_recovery: cli::main(CpRecovery),
    entrywise: cli::exit(own::execute(&Parser::parse())),
    kronecker_speed: cli::main(KroneckerSpeed),
    large: cli::exit(large::execute(&Parser::parse())),
    lora_to_lsr: cli::main(LoraToLsr),
    lowrank_gemm: cli::main(LowRankGemm),
    rmm: cli::main(Rmm),
    rsvd: cli::main(Rsvd),
    separated_laplacian: cli::main(SeparatedLaplacian),
    separation_rank: cli::main(SeparationRanks),
    spectra: cli::main(Spectra),
    varying_dimension: cli::main(Figure::VaryingDimension),
    varying_rank: cli::main(Figure::VaryingRank),
    varying_size: cli::main(Figure::VaryingSize),
}
