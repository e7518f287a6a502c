//! How an adapter sits beside a frozen weight: a drawing to scale, from the shapes of an adapter that is
//! made for it.

use crate::plot::adapter_diagram::Diagram;
use crate::plot::drawing::Drawing;
use crate::table::write_atomically;
use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use lowrank::layers::adapter::{Adapted, Delta, Method, Part};
use lowrank::random::gaussian;
use std::fs;
use std::path::PathBuf;

/// Sides of the weight at most: of SVD-LoRA's it is decomposed.
const LARGEST: usize = 4096;

/// The adapters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Low-rank adaptation.
    Lora,
    /// Low-separation-rank adaptation.
    Lsr,
    /// A Kronecker product.
    KronA,
    /// A Kronecker product with a low-rank factor.
    LoKr,
    /// A sum of Kronecker products with low-rank factors.
    KAdaptation,
    /// A small matrix between singular vectors.
    SvdLora,
}

/// The options of the program.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "exp_adapter_diagram",
    version,
    about = "Draws an adapter beside its frozen weight, to scale, with shapes and numbers",
    after_help = "Examples:\n  cargo run --release --bin exp_adapter_diagram -- --out figures     the committed figure\n  \
                  cargo run --release --bin exp_adapter_diagram -- --method lora --rank 8"
)]
pub struct Options {
    /// The adapter
    #[arg(long, value_enum, default_value_t = Kind::Lsr)]
    pub method: Kind,
    /// Rows and columns of the weight
    #[arg(long, default_value = "768,768", value_delimiter = ',', num_args = 2, value_name = "M,N")]
    pub shape: Vec<usize>,
    /// Terms s of LSR and t of KAdaptation
    #[arg(long, default_value_t = 16, value_name = "S")]
    pub terms: usize,
    /// r1 and r2 of LSR
    #[arg(long, default_value = "2,2", value_delimiter = ',', num_args = 2, value_name = "R1,R2")]
    pub ranks: Vec<usize>,
    /// Rank of LoRA, LoKr and KAdaptation, and the inner one of SVD-LoRA
    #[arg(long, default_value_t = 8, value_name = "R")]
    pub rank: usize,
    /// Rank at which SVD-LoRA truncates the weight
    #[arg(long, default_value_t = 256, value_name = "R")]
    pub truncation: usize,
    /// Folder of the picture
    #[arg(long, default_value = "target/figures/adapter", value_name = "DIR")]
    pub out: PathBuf,
}

impl Options {
    fn method(&self) -> Method {
        let &Options { terms, rank, truncation, .. } = self;
        match self.method {
            Kind::Lora => Method::Lora { rank },
            Kind::Lsr => Method::Lsr { terms, ranks: (self.ranks[0], self.ranks[1]), shapes: None },
            Kind::KronA => Method::KronA { left: None },
            Kind::LoKr => Method::LoKr { rank, left: None },
            Kind::KAdaptation => Method::KAdaptation { terms, rank },
            Kind::SvdLora => Method::SvdLora { rank: truncation, inner_rank: rank, with_values: false },
        }
    }

    /// The command that draws the same.
    fn command(&self) -> String {
        let &Options { terms, rank, truncation, .. } = self;
        let own = match self.method {
            Kind::Lora | Kind::LoKr => format!(" --rank {rank}"),
            Kind::Lsr => format!(" --terms {terms} --ranks {},{}", self.ranks[0], self.ranks[1]),
            Kind::KronA => String::new(),
            Kind::KAdaptation => format!(" --terms {terms} --rank {rank}"),
            Kind::SvdLora => format!(" --truncation {truncation} --rank {rank}"),
        };
        let name = self.method.to_possible_value().map_or(String::new(), |v| v.get_name().to_string());
        let shape = format!("{},{}", self.shape[0], self.shape[1]);
        format!("cargo run --release --bin exp_adapter_diagram -- --method {name} --shape {shape}{own}")
    }

    /// What the words of the drawing are: the name, the equations, and the names of the factors of dW = L R.
    fn words(&self) -> (&'static str, &'static str, [&'static str; 2]) {
        match self.method {
            Kind::Lora => ("LoRA", "y = W x + c B (A x)", ["B", "A"]),
            Kind::Lsr => (
                "LSR-Adapt",
                "y = W x + c A (B x),   A = Σₖ A1ₖ ⊗ A2ₖ,   B = Σₖ B1ₖ ⊗ B2ₖ",
                ["A = Σₖ A1ₖ ⊗ A2ₖ", "B = Σₖ B1ₖ ⊗ B2ₖ"],
            ),
            Kind::KronA => ("KronA", "y = W x + c (A ⊗ B) x", ["A ⊗ B", ""]),
            Kind::LoKr => ("LoKr", "y = W x + c (C ⊗ D E) x", ["C ⊗ D E", ""]),
            Kind::KAdaptation => (
                "KAdaptation",
                "y = W x + c Σₖ (Aₖ ⊗ Uₖ Vₖ) x = W x + c L (R x)",
                ["L, columns Aₖ eⱼ ⊗ Uₖ", "R, rows eⱼ' ⊗ Vₖ"],
            ),
            Kind::SvdLora => (
                "SVD-LoRA",
                "y = U S V' x + c U X (Y V' x), with the leading singular vectors U, V of W",
                ["U X", "Y V'"],
            ),
        }
    }

    /// The drawing, all its numbers read from an adapter made for a weight of this shape.
    ///
    /// # Errors
    /// Where the weight is empty or too large, or the adapter does not fit it.
    pub fn diagram(&self) -> Result<Diagram> {
        let shape = (self.shape[0], self.shape[1]);
        if !(1..=LARGEST).contains(&shape.0) || !(1..=LARGEST).contains(&shape.1) {
            bail!("--shape {},{}: sides from 1 to {LARGEST} are needed", shape.0, shape.1);
        }
        let weight = gaussian::<f32>(shape.0, shape.1, 0, "weight");
        let made = |method: Method| -> Result<Adapted<f32>> { Ok(method.adapt(weight.as_ref(), 1.0, 0)?) };
        let adapted = made(self.method())?;
        let adapter = adapted.adapter();
        let (name, equation, factors) = self.words();
        let delta = adapter.delta();
        let update = match &delta {
            Delta::LowRank(x) => {
                vec![(factors[0].to_string(), x.u.shape()), (factors[1].to_string(), (x.rank(), shape.1))]
            }
            Delta::Kronecker(_) => vec![(factors[0].to_string(), delta.shape())],
        };
        let mut bars = vec![(name.to_string(), adapted.parameters())];
        let mut ranks = vec![8];
        if let Delta::LowRank(x) = &delta {
            ranks.insert(0, x.rank());
        }
        ranks.iter_mut().for_each(|rank| *rank = shape.0.min(shape.1).min(*rank));
        ranks.dedup();
        for rank in ranks.into_iter().filter(|r| self.method != Kind::Lora || *r != self.rank) {
            bars.push((format!("LoRA of rank {rank}"), made(Method::Lora { rank })?.parameters()));
        }
        Ok(Diagram {
            title: format!("{name} beside a frozen weight"),
            equation: equation.to_string(),
            weight: shape,
            update,
            parts: adapter.parts().iter().copied().filter(|part: &Part| !part.is_empty()).collect(),
            bars,
            caption: format!("Made by: {}", self.command()),
        })
    }
}

/// Runs the program.
pub fn execute(options: &Options) -> Result<()> {
    let diagram = options.diagram()?;
    fs::create_dir_all(&options.out)
        .with_context(|| format!("cannot create the folder {}", options.out.display()))?;
    let stem = options.out.join("adapter_diagram");
    diagram.write(&stem)?;
    let text = format!("{}\n\n{}\n{}\n", diagram.title, diagram.equation, diagram.caption);
    write_atomically(&stem.with_extension("txt"), text.as_bytes())?;
    println!(
        "{}: {} numbers beside {}",
        diagram.title,
        diagram.bars[0].1,
        diagram.weight.0 * diagram.weight.1
    );
    for extension in ["svg", "png"] {
        println!("figure: {}.{extension}", stem.display());
    }
    Ok(())
}
