//! The command line: what can be asked for, in words that teach.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use saddle_data::DatasetName;
use saddle_experiments::{Key, Shard};
use saddle_model::LossKind;
use saddle_ops::{Norm, Radius, StepRule};

use crate::place::Where;

/// Train networks, attack them in l2 and l-infinity, and say whether their robustness is real.
#[derive(Debug, Parser)]
#[command(name = "saddle", version, propagate_version = true, after_long_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  saddle reproduce --profile smoke --out results/smoke     is everything in place? two minutes
  saddle reproduce --profile quick --out results/quick     the paper's Table 1 and Figure 1
  saddle train --network madry_linf --out linf.safetensors one network, by the recipe of a plan
  saddle attack --weights linf.safetensors --attack so --norm l2 --epsilon 2
                                                           the Second-Order attack on 100 digits
  saddle report --out results/quick                        make the readable forms again

Environment:
  SADDLE_KERNELS   avx512, avx2 or portable instead of the best that the processor has
  SADDLE_LOG       what the log on standard error shows, such as `info` (default: warn)

Exit codes:
  0 done, 1 not possible (the reason is printed), 2 command line not understood,
  3 done but some cells of the report failed, 130 stopped by Ctrl-C: the same command goes on.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Train(Train),
    Attack(Attack),
    Import(Import),
    Export(Export),
    Digits(Digits),
    Reproduce(Reproduce),
    Report(Report),
}

/// What every command that computes understands.
#[derive(Args, Debug)]
pub(crate) struct Computing {
    /// Where to compute: `cpu` (our kernels) or `cuda:N` (candle's, in a build with that feature).
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    pub(crate) device: Where,
    /// Threads to use; all cores when left out. Results do not depend on it.
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<std::num::NonZeroUsize>,
    /// Folder with the data set's files: for MNIST and Fashion-MNIST the four IDX files, raw or gzipped; for CIFAR-10
    /// `cifar-10-binary.tar.gz` or the files in it. When left out they are fetched once into the user's cache.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Show no progress.
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// Train one network by the recipe of a plan and write its weights.
///
/// The recipe (defence, norm, radius, steps, schedule) is what the plan says under `networks`; the
/// weights are a safetensors file that PyTorch loads into a module of the same layer names. Training
/// writes a checkpoint every ten seconds: stop it with Ctrl-C or lose power, and the same command
/// goes on to the same bits. A network that a `reproduce` run has trained is found in its store.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  saddle train --network natural --out natural.safetensors
  saddle train --network madry_linf --store results/quick/store --out linf.safetensors
  saddle train --network madry_l2 --plan my-plan.toml --iterations 500 --out l2.safetensors")]
pub(crate) struct Train {
    /// Name of a network of the plan; a wrong name lists the right ones.
    #[arg(long, value_name = "NAME")]
    pub(crate) network: String,
    #[command(flatten)]
    pub(crate) plan: PlanChoice,
    /// Steps to train instead of the recipe's.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) iterations: Option<u32>,
    /// Seed instead of the plan's.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Weight file to write.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Write 16-bit floats: half the size, meant for showing and first audits.
    #[arg(long)]
    pub(crate) half: bool,
    /// Folder of results and checkpoints; in the user's cache when left out.
    #[arg(long, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) computing: Computing,
}

/// Read a network that others trained, in whatever form, and write it as a safetensors file of ours.
///
/// Reads safetensors and the state dicts that PyTorch saves (`.pt`, `.pth`, those from before 2020 too).
/// Names that are ours or PyTorch's usual ones, the released TRADES network's, and those of the MNIST
/// challenge and of robust_union are known; for others `--names` says which tensor is which. Nothing
/// is guessed from order or shape. The file that is written says where it came from, with the SHA-256 of
/// what was read.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  saddle import model_mnist_smallcnn.pt --architecture trades --out trades.safetensors
  saddle import net.pth --names names.toml --out net.safetensors

A name map:
  architecture = \"madry\"
  layout = \"tensorflow\"          # kernels (rows, columns, in, out) and (in, out); else \"pytorch\"
  flatten = \"hwc\"                # order of the pixels at the first linear layer; else \"chw\"
  under = [\"checkpoint\", \"net\"]  # of a pickle: keys that lead to the state dict
  ignore = [\"global_step\"]       # tensors that are no weights
  [names]                        # ours = theirs
  \"conv1.weight\" = \"layer0/kernel\"")]
pub(crate) struct Import {
    /// Weight file to read.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Network of the file, such as `madry` or `trades`; found by names and shapes when left out.
    #[arg(long, value_name = "NAME")]
    pub(crate) architecture: Option<String>,
    /// What the file's names and layouts are in ours.
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) names: Option<PathBuf>,
    /// Weight file to write.
    #[arg(long, value_name = "FILE.safetensors")]
    pub(crate) out: PathBuf,
}

/// Write a network as a 16-bit safetensors file, with a model card beside it.
///
/// Takes a weight file, or a network of a plan from the store of a run that trained it; nothing is trained
/// here. The card (Markdown) names recipe, seed, hashes and licence, and quotes the accuracies of a report
/// that measured exactly these weights. A 16-bit file loads wherever weights are read, as 32-bit numbers.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  saddle export linf.safetensors --results results/cpu --out zoo/madry_linf.safetensors
  saddle export --network natural --profile cpu --store results/cpu/store \\
      --results results/cpu --out zoo/natural.safetensors")]
pub(crate) struct Export {
    /// Weight file to read.
    #[arg(value_name = "FILE", conflicts_with_all = ["network", "store"])]
    pub(crate) file: Option<PathBuf>,
    /// Network of the plan, to be taken from the store.
    #[arg(long, value_name = "NAME")]
    pub(crate) network: Option<String>,
    #[command(flatten)]
    pub(crate) plan: PlanChoice,
    /// Folder of results and checkpoints.
    #[arg(long, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
    /// Folder of the report whose accuracies the card quotes; it quotes none when left out.
    #[arg(long, value_name = "DIR")]
    pub(crate) results: Option<PathBuf>,
    /// Weight file to write; the card has the same name and ends in `.md`.
    #[arg(long, value_name = "FILE.safetensors")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) computing: Computing,
}

/// Write test digits as the browser demo reads them: `digits.bin` and `digits.json`.
///
/// The digits are drawn so that each label has its share and each half of the test set gives half of them.
/// Behind them stand the closest pairs of digits of different labels whose l2 balls of radius 4 meet: no
/// classifier is robust on both.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Files:
  digits.bin   bytes 0 to 255, 784 for each image, row by row
  digits.json  count, ids and labels of the digits; sha256 of digits.bin; pairs, each with the indices
               `first` and `second` in the test set, labels, l2 distance, and as `pixels` the places of both
               images in digits.bin")]
pub(crate) struct Digits {
    /// How many digits.
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) count: u32,
    /// How many pairs.
    #[arg(long, default_value_t = 12, value_name = "N")]
    pub(crate) pairs: u32,
    /// Seed of the drawing.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) seed: u64,
    /// Folder of the two files.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) computing: Computing,
}

/// Which plan to follow.
#[derive(Args, Debug)]
pub(crate) struct PlanChoice {
    /// A plan that is part of the program: smoke, quick, cpu, paper, ladder or masking; fashion; cifar-smoke or cifar.
    #[arg(long, default_value = "quick", value_name = "NAME")]
    pub(crate) profile: String,
    /// A plan of your own (TOML) in place of the profile's; the embedded ones show the form.
    #[arg(long, value_name = "FILE")]
    pub(crate) plan: Option<PathBuf>,
}

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
  standard  apgd-ce, apgd-t, square and so in turn, each on the digits that those before it left

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

/// Run a plan: train its networks, attack them, write the report beside the paper's figures.
///
/// Everything that is finished lies in a store and is never computed twice; trainings resume from a
/// checkpoint at most ten seconds old, attacks by chunks of 100 digits. So a run can be stopped,
/// killed or moved, and the same command goes on to the same report. Several of these commands, on one
/// machine or on many, may share a folder: each job is worked on by one of them.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  saddle reproduce --profile smoke --out results/smoke
  saddle reproduce --profile quick --only table1 --only figure1 --out results/quick
  saddle reproduce --plan my-plan.toml --seed 2 --data /data/mnist --out results/mine
  saddle reproduce --profile quick --weights-dir released --only-given --out results/released
  saddle reproduce --profile cpu --shard 2/3 --out /shared/cpu   on the second of three machines

Parts that a plan marks `on_request` run only when --only names them; `--only selection` measures
candidate settings on training digits that no network saw.

Machines that share a folder must compute with the same kernels, or they share no result: set
SADDLE_KERNELS to one name on all of them where their processors differ.")]
pub(crate) struct Reproduce {
    #[command(flatten)]
    pub(crate) plan: PlanChoice,
    /// Restrict the work to a table or figure of the plan; repeatable. What earlier runs have
    /// measured is shown all the same.
    #[arg(long, value_name = "PART")]
    pub(crate) only: Vec<String>,
    /// Seed instead of the plan's.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Folder of the report [default: results/<name of the plan>].
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Folder of results and checkpoints [default: `store` in the folder of the report].
    #[arg(long, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
    /// Folder with weights that others trained, for columns of the plan: `NAME.safetensors`, `NAME.pt` or
    /// `NAME.pth` for the network NAME, `NAME-SEED` for further seeds, `NAME.toml` for a name map
    /// (`saddle import --help`). Such a network is not trained; the report says whose weights it shows.
    #[arg(long, value_name = "DIR")]
    pub(crate) weights_dir: Option<PathBuf>,
    /// Train nothing: networks that --weights-dir does not hold stay missing.
    #[arg(long, requires = "weights_dir")]
    pub(crate) only_given: bool,
    /// Folder of another report whose measured cells (cells.jsonl) are taken over where their keys are
    /// those of this plan, program, data and kernels; those of --out always are. Networks are then
    /// trained only for what is not known.
    #[arg(long, value_name = "DIR")]
    pub(crate) known: Option<PathBuf>,
    /// Share the work with others that run this command on the same folder: begin with share I of N, then
    /// take what nobody works on. The jobs of a process that dies are taken over a minute later. Ends when
    /// all that is left is in the hands of others; whoever is last writes the report.
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<Shard>,
    /// Compute nothing: write the report of what the store holds.
    #[arg(long, conflicts_with = "shard")]
    pub(crate) gather: bool,
    /// Print the jobs that are left, one line of JSON each, and stop there.
    #[arg(long, conflicts_with_all = ["shard", "gather"])]
    pub(crate) list_jobs: bool,
    /// Work on the job of this key alone, whose inputs must be in the store, and write no report; repeatable.
    #[arg(long = "job", value_name = "KEY", conflicts_with_all = ["shard", "gather", "list_jobs"])]
    pub(crate) jobs: Vec<Key>,
    /// Forget the store and the report and start from nothing.
    #[arg(long, conflicts_with_all = ["shard", "gather", "list_jobs", "jobs"])]
    pub(crate) fresh: bool,
    #[command(flatten)]
    pub(crate) computing: Computing,
}

/// Make the readable forms (Markdown, HTML, CSV, pictures) of a report.json again.
#[derive(Args, Debug)]
pub(crate) struct Report {
    /// Folder of the report.
    #[arg(long, value_name = "DIR", default_value = "results/quick")]
    pub(crate) out: PathBuf,
}
