//! What `saddle attack` can be asked for.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use saddle_data::DatasetName;
use saddle_model::LossKind;
use saddle_ops::{Norm, Radius, StepRule};

use super::Computing;

/// Attack any weight file of a known network, ours or foreign, on test images.
///
/// Prints the accuracy that is left with its 95 % interval. A digit counts as fooled if the final
/// iterate is misclassified (`--judge final`) or any iterate was (`--judge any`). The judge measures
/// every image again in 64 bits; one image outside the threat model is an error, never a success.
/// `--out` writes a verdict per digit, `--images` the images, so that others can check the claim.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  saddle attack --weights net.safetensors --attack pgd --norm linf --epsilon 0.3
  saddle attack --weights net.safetensors --attack so --norm l2 --epsilon 2 --steps 400 \\
      --step-size 0.125 --count 500 --offset 1000 --out verdicts.json --images images.npz
  saddle attack --weights net.safetensors --attack standard --norm linf --epsilon 0.3
  saddle attack --weights net.safetensors --attack ddn --norm l2 --epsilon 2
  saddle attack --replay saddle-a.json saddle-b.json --out both.json

Attacks:
  fgsm      one step of length epsilon
  pgd       projected ascent along the sign (l-infinity) or the unit gradient (l2)
  raw-pgd   the paper's Eq. 2: the gradient as it is; it hardly moves on a confident network
  so        the Second-Order attack, Eq. 4: gradients averaged over Gaussian noise, then normalised
  even      S-O from antithetic pairs, added: its curvature cancels
  odd       S-O from antithetic pairs, subtracted: its curvature alone
  apgd-ce   APGD on cross-entropy: chooses its steps itself; blind where the softmax is saturated
  apgd-dlr  APGD on the ratio of differences of logits, which no rescaling of the logits changes
  apgd-t    APGD on that ratio toward the likeliest wrong classes, one after the other
  square    random search by squares; needs no gradient, so no masked gradient misleads it
  ddn       the nearest image in l2 that fools, held against epsilon; prints the median distance too
  standard  apgd-ce and apgd-dlr from five starts each, apgd-t, square and so, each on the digits
            that those before it left

The last six have only --steps, --targets or --queries to set. A high accuracy under one attack
says little about a network; standard is the one to quote.")]
pub(crate) struct Attack {
    /// Run attacks again that the browser demo exported, and print both outcomes side by side.
    /// `--weights` says where the network's file is [default: its name in `zoo`]; its SHA-256 must be
    /// the exported one.
    #[arg(
        long,
        value_name = "FILE.json",
        num_args = 1..,
        conflicts_with_all = ["attack", "norm", "epsilon", "images", "trace"]
    )]
    pub(crate) replay: Vec<PathBuf>,
    /// Weight file: safetensors, or a state dict that PyTorch saved (`.pt`, `.pth`).
    #[arg(long, value_name = "FILE", required_unless_present = "replay")]
    pub(crate) weights: Option<PathBuf>,
    /// What the file's names and layouts are in ours (TOML); `saddle import --help` shows the form.
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) names: Option<PathBuf>,
    /// Network of the file, such as `madry`; read from the file's metadata or inferred from its
    /// tensors when left out.
    #[arg(long, value_name = "NAME")]
    pub(crate) network: Option<String>,
    /// Data set: mnist, fashion-mnist or cifar10; when left out the one of mnist and cifar10 whose images the network
    /// takes. What is called digits here are its test images.
    #[arg(long, value_name = "NAME")]
    pub(crate) dataset: Option<DatasetName>,
    /// The attack.
    #[arg(long, value_enum, required_unless_present = "replay")]
    pub(crate) attack: Option<AttackName>,
    /// Norm of the threat model: l1, l2 or linf.
    #[arg(long, required_unless_present = "replay")]
    pub(crate) norm: Option<Norm>,
    /// Radius of the threat model in pixel units (a pixel goes from 0 to 1); greater than 0.
    #[arg(long, value_name = "E", value_parser = radius, required_unless_present = "replay")]
    pub(crate) epsilon: Option<Radius>,
    /// Steps of each restart, of apgd-t for each class [default: 40; fgsm: 1; apgd and ddn: 100].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) steps: Option<u32>,
    /// Classes that apgd-t goes for, also in standard [default: 9].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) targets: Option<u32>,
    /// Images that square tries, also in standard [default: 5000].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) queries: Option<u32>,
    /// Length of a step in pixel units [default: epsilon/4, for linf epsilon/30, for raw-pgd 0.1].
    #[arg(long, value_name = "S")]
    pub(crate) step_size: Option<f64>,
    /// What a step makes of the gradient: raw, unit or sign [default: the steepest of the norm].
    #[arg(long, value_enum)]
    pub(crate) rule: Option<RuleName>,
    /// Loss to climb.
    #[arg(long, value_enum, default_value = "cross-entropy")]
    pub(crate) loss: LossName,
    /// Where to begin [default: natural; uniform for pgd with restarts].
    #[arg(long, value_enum)]
    pub(crate) start: Option<StartName>,
    /// Momentum, from 0 (none) to 1.
    #[arg(long, default_value_t = 0.0)]
    pub(crate) momentum: f64,
    /// Standard deviation per pixel of the noise of so, even, odd and of a Gaussian start
    /// [default: 0.2, for linf 0.1].
    #[arg(long, value_name = "S")]
    pub(crate) sigma: Option<f64>,
    /// Noise samples per step of so, even and odd.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) samples: u32,
    /// Independent runs; a digit must survive all of them.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) restarts: u32,
    /// Which iterates count; any of them in standard.
    #[arg(long, value_enum, default_value = "final")]
    pub(crate) judge: JudgeName,
    /// Precision of wide linear layers where the attack looks for gradients. bf16 reads half the weights; it is worth it
    /// where the processor multiplies such pairs fast (try it: some with avx512_bf16 do not), and slower elsewhere. Every
    /// verdict is taken in full precision all the same, by passes of its own.
    #[arg(long, value_enum, default_value = "full", value_name = "PRECISION")]
    pub(crate) directions: PrecisionName,
    /// Most forward and backward passes per digit, judging included, which takes 2; of standard, for each of
    /// its attacks.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..))]
    pub(crate) cap: Option<u64>,
    /// How many test digits.
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) count: u32,
    /// Index of the first test digit.
    #[arg(long, default_value_t = 0, value_name = "K")]
    pub(crate) offset: usize,
    /// Digits attacked together: a matter of memory and speed; results do not depend on it.
    #[arg(long, default_value = "100", value_name = "N")]
    pub(crate) batch: std::num::NonZeroUsize,
    /// Seed of all noise.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
    /// Verdict of every digit, as JSON; with --replay both outcomes of every file, with the losses and class
    /// scores of all steps here.
    #[arg(long, value_name = "FILE.json")]
    pub(crate) out: Option<PathBuf>,
    /// Natural and adversarial images, as a NumPy archive: `natural` and `adversarial`
    /// (float32, n x channels x rows x columns), `labels`, `ids`, `predictions` (int64), `fooled` (bool: right on the
    /// natural image and wrong on the adversarial one).
    #[arg(long, value_name = "FILE.npz")]
    pub(crate) images: Option<PathBuf>,
    /// Loss, gradient norm and distance at every step, as JSON: one entry per step and batch, its lists in
    /// the order of its `ids`. Where the attack looks beside its iterate this costs two passes more a step.
    #[arg(long, value_name = "FILE.json")]
    pub(crate) trace: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) computing: Computing,
}

fn radius(text: &str) -> Result<Radius, String> {
    let value: f64 = text.parse().map_err(|_| format!("`{text}` is not a number"))?;
    Radius::new(value).map_err(|error| error.to_string())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AttackName {
    Fgsm,
    Pgd,
    RawPgd,
    So,
    Even,
    Odd,
    ApgdCe,
    ApgdDlr,
    ApgdT,
    Square,
    Ddn,
    Standard,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RuleName {
    Raw,
    Unit,
    Sign,
}

impl RuleName {
    pub(crate) fn rule(self) -> StepRule {
        match self {
            Self::Raw => StepRule::Raw,
            Self::Unit => StepRule::Unit,
            Self::Sign => StepRule::Sign,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LossName {
    CrossEntropy,
    Margin,
    Dlr,
}

impl LossName {
    pub(crate) fn loss(self) -> LossKind {
        match self {
            Self::CrossEntropy => LossKind::CrossEntropy,
            Self::Margin => LossKind::Margin,
            Self::Dlr => LossKind::Dlr,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StartName {
    Natural,
    Uniform,
    Gaussian,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PrecisionName {
    Full,
    Bf16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum JudgeName {
    Final,
    Any,
}
