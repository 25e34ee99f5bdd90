//! The command line: what can be asked for, in words that teach.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use saddle_experiments::{Key, Shard};

use crate::place::Where;

mod attack;

pub(crate) use attack::{Attack, AttackName, JudgeName, LossName, PrecisionName, StartName};

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
