//! Whole attacks on every kernel path: rounding may not decide who is robust.
//!
//! On the fastest path also with directions in bf16. Paths round differently, so iterates drift apart where a sign is a matter of rounding. What must agree is the verdict:
//! one line of JSON for each attack and path says how many digits are robust, and for how many the verdict differs from
//! that of the portable path.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use saddle_attacks::{Driver, Judge, Objective, ProjectedAscent, Start, ThreatModel, Verdict};
use saddle_benches::{Digits, SEED, path_name, robust};
use saddle_data::Split;
use saddle_model::Executor;
use saddle_ops::{Draws, Kernels, Norm};
use serde_json::json;

/// Flags of `saddle_bench verdicts`.
#[derive(Args)]
pub(crate) struct Verdicts {
    /// Digits to attack.
    #[arg(long)]
    digits: usize,
    /// Noisy points for each step of S-O.
    #[arg(long)]
    samples: u32,
    /// Folder with MNIST's IDX files [default: the user's cache].
    #[arg(long)]
    data: Option<PathBuf>,
}

impl Verdicts {
    pub(crate) fn run(self) -> Result<()> {
        let examples = Digits::load(self.data, Split::Test, self.digits)?.examples()?;
        let threat = ThreatModel::new(Norm::Linf, 0.3)?;
        let objective = Objective::untargeted(threat);
        let pgd =
            ProjectedAscent { start: Start::Uniform, ..ProjectedAscent::pgd(Norm::Linf, 0.01, 40) };
        let second_order = ProjectedAscent::second_order(Norm::Linf, 0.01, 40, 0.1, self.samples);
        for (name, attack) in [("pgd40_linf", pgd), ("so40_linf", second_order)] {
            let mut portable: Option<Vec<Verdict>> = None;
            let paths = Kernels::available().into_iter().rev().map(Executor::Engine);
            for executor in paths.chain([Executor::EngineBf16(Kernels::detect())]) {
                let (driver, draws) = (Driver::default(), Draws::new(SEED));
                let outcome = match executor {
                    Executor::EngineBf16(kernels) => {
                        let (judge, guide) =
                            (robust(Executor::Engine(kernels))?, robust(executor)?);
                        driver.run_guided(&judge, &guide, &attack, &examples, &objective, draws)?
                    }
                    _ => driver.run(&robust(executor)?, &attack, &examples, &objective, draws)?,
                };
                let robust = outcome.robust(Judge::Final);
                let reference = portable.get_or_insert(outcome.verdicts.clone());
                let pairs = reference.iter().zip(&outcome.verdicts);
                let differ = pairs
                    .filter(|(one, other)| one.robust(Judge::Final) != other.robust(Judge::Final));
                let line = json!({
                    "check": "verdicts",
                    "attack": name,
                    "kernels": path_name(executor),
                    "digits": self.digits,
                    "robust": robust,
                    "differ": differ.count(),
                });
                println!("{line}");
            }
        }
        Ok(())
    }
}
