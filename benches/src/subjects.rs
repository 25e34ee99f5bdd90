//! The networks that benches run: trained, and the same for both sides.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use saddle_data::Split;
use saddle_defenses::{
    DefensePlan, InnerAttack, Madry, StepSize, Trainer, TrainingPlan, Unobserved,
};
use saddle_model::{Architecture, Executor, Metadata, Network, load_network, to_bytes};

use crate::{Digits, SEED};

/// Steps, digits a step and inner steps of the short training: enough that its gradients are as sparse as a trained
/// network's, not a defence.
const STEPS: u32 = 120;
const BATCH: usize = 50;
const INNER_STEPS: u32 = 3;

/// How records call the path of an executor: by its kernels, `avx512` or `avx512+bf16`.
pub fn path_name(executor: Executor) -> String {
    executor.name().trim_start_matches("engine-").to_owned()
}

/// The robust Madry network of the zoo.
///
/// # Errors
///
/// A file that cannot be read or is not that network.
pub fn robust(executor: Executor) -> Result<Network> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../zoo/madry_linf.safetensors");
    read(&path, executor)
}

/// A network by name, or the reason why there is none.
pub enum Built {
    /// Ready to run.
    Network(Box<Network>),
    /// This version of Saddle has no architecture of that name.
    Unknown(String),
}

/// The network of that name: [`robust`], or one that is trained against l-infinity 0.3 for a minute, on digits from `data` (as
/// [`Digits::load`] takes it), and kept in `cache`.
///
/// # Errors
///
/// What reading, training and writing run into.
pub fn built(name: &str, executor: Executor, data: Option<PathBuf>, cache: &Path) -> Result<Built> {
    if name == "madry" {
        return Ok(Built::Network(Box::new(robust(executor)?)));
    }
    let architecture = match Architecture::by_name(name) {
        Ok(architecture) => architecture,
        Err(unknown) => return Ok(Built::Unknown(unknown.to_string())),
    };
    let path = cache.join(format!("{name}.safetensors"));
    if !path.exists() {
        train(architecture, executor, data, &path)?;
    }
    Ok(Built::Network(Box::new(read(&path, executor)?)))
}

fn read(path: &Path, executor: Executor) -> Result<Network> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let loaded = load_network(&bytes, None, executor);
    Ok(loaded.with_context(|| format!("{}", path.display()))?.0)
}

fn train(
    architecture: Architecture,
    executor: Executor,
    data: Option<PathBuf>,
    path: &Path,
) -> Result<()> {
    let inner = InnerAttack {
        steps: INNER_STEPS,
        step_size: StepSize::Relative(0.5),
        ..InnerAttack::linf()?
    };
    let defense = DefensePlan::Madry(Madry { linf: Some(inner), ..Madry::linf()? });
    let plan = TrainingPlan { batch: BATCH, ..TrainingPlan::new(defense, STEPS, SEED) };
    let digits = Digits::load(data, Split::Train, STEPS as usize * BATCH)?;
    let mut trainer = Trainer::new(plan, architecture.clone(), executor, digits.examples()?, None)?;
    trainer.run(&mut Unobserved)?;
    ensure!(trainer.is_done(), "the training of {} stopped early", architecture.name);
    let about = Metadata { architecture: Some(architecture), ..Default::default() };
    std::fs::write(path, to_bytes(trainer.weights(), &about)?)
        .with_context(|| format!("cannot write {}", path.display()))
}
