//! `saddle attack --replay`: an attack from the browser, run again natively.
//!
//! # The exported file
//!
//! JSON, one attack on one digit; fields that are not listed here are refused.
//!
//! | field | meaning |
//! | --- | --- |
//! | `saddle` | version of this form: 1 |
//! | `network` | `id`, `file` and `sha256` of the weight file |
//! | `example` | `id` (index in MNIST's test set; null for a drawing, whose noise is that of index 0), `pixels` (base64 of 784 bytes, 255 times a pixel, row by row), `label` |
//! | `attack` | [`AttackSettings`] |
//! | `seed` | seed of the noise |
//! | `measured` | what the browser saw: `steps` taken, and after the last of them `passes`, `prediction`, `fooled`, `l2`, `linf`; `losses` of every step from the start on |
//!
//! Pixels travel in the file, so no data set is needed. Noise has the same bits in the browser and here; sums of floats
//! are rounded differently by different kernels, so losses agree closely and not to the last bit.
//!
//! # The file that `--out` writes
//!
//! A JSON list, one [`Replayed`] for each exported file, in their order. Beside both outcomes it holds the class scores
//! of every step and a fingerprint of the points that the attack looked at first: these depend on digit, settings and
//! noise alone, so two programs that agree about the noise have the same fingerprint, to the bit.

use std::collections::btree_map::{BTreeMap, Entry};
use std::fmt::{Display, Formatter};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use candle_core::Tensor;
use saddle_attacks::{AttackSettings, Examples, Standing, Stepwise};
use saddle_experiments::{Machine, sha256_hex};
use saddle_model::{Classifier as _, Network};
use saddle_ops::Draws;
use serde::{Deserialize, Serialize};

use crate::Ended;
use crate::archive::write_file;
use crate::arguments::Attack;
use crate::{attack, environment};

/// Rows and columns of a digit.
const SIDE: usize = 28;

/// The exported file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exported {
    saddle: u32,
    network: Named,
    example: Example,
    attack: AttackSettings,
    seed: u64,
    measured: Measured,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    id: String,
    file: String,
    sha256: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Example {
    id: Option<u64>,
    pixels: String,
    label: u32,
}

/// An outcome.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Measured {
    steps: u32,
    passes: u64,
    prediction: u32,
    fooled: bool,
    l2: f64,
    linf: f64,
    losses: Vec<f64>,
}

/// An exported attack with both outcomes. Shown, it is the table that the command prints.
#[derive(Serialize)]
pub struct Replayed {
    /// The exported file.
    file: PathBuf,
    /// Id of its network.
    network: String,
    /// Index of the digit in MNIST's test set; none for a drawing.
    id: Option<u64>,
    label: u32,
    seed: u64,
    /// Kernels of this program.
    kernels: String,
    /// What the browser saw.
    browser: Measured,
    /// What came of it here.
    here: Native,
}

/// What came of an attack here.
#[derive(Serialize)]
struct Native {
    #[serde(flatten)]
    measured: Measured,
    /// Class scores of every step's image, the start's first.
    logits: Vec<Vec<f64>>,
    /// SHA-256 of the points that the attack looked at first, as 32-bit floats, least byte first.
    first_points_sha256: String,
}

/// Runs exported attacks as far as the browser went, prints both outcomes of each and writes them where `--out` says.
pub(crate) fn run(arguments: &Attack) -> Result<Ended> {
    let Attack { replay: files, weights, out, computing, .. } = arguments;
    let machine = environment::machine(computing)?;
    if let Some(path) = out {
        environment::check_file_writable(path)?;
    }
    let replayed = replay(files, weights.as_deref(), &machine)?;
    for (place, outcome) in replayed.iter().enumerate() {
        print!("{}{outcome}", if place > 0 { "\n" } else { "" });
    }
    if let Some(path) = out {
        write_file(path, &serde_json::to_vec_pretty(&replayed)?)?;
    }
    Ok(Ended::Done)
}

/// Runs exported attacks as far as the browser went. A weight file that several name is read once.
///
/// # Errors
///
/// In words: a file of another form, weights that are missing or not those of the export, settings that make no sense.
pub fn replay(
    files: &[PathBuf],
    weights: Option<&Path>,
    machine: &Machine,
) -> Result<Vec<Replayed>> {
    let mut networks = BTreeMap::new();
    let outcomes = files.iter().map(|file| {
        let exported = read(file)?;
        let named = &exported.network;
        let path = match weights {
            Some(path) => path.to_owned(),
            // The name comes from a file of unknown origin: no path is followed.
            None => {
                PathBuf::from("zoo").join(Path::new(&named.file).file_name().unwrap_or_default())
            }
        };
        let (found, network) = match networks.entry(path.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(open(&path, machine)?),
        };
        ensure!(
            *found == named.sha256,
            "{} has the SHA-256 {found}, the attack of {} was on {}",
            path.display(),
            file.display(),
            named.sha256
        );
        let here = native(&exported, network, &machine.device)
            .with_context(|| file.display().to_string())?;
        let Exported { network: named, example, seed, measured: browser, .. } = exported;
        Ok(Replayed {
            file: file.clone(),
            network: named.id,
            id: example.id,
            label: example.label,
            seed,
            kernels: network.executor_name(),
            browser,
            here,
        })
    });
    outcomes.collect()
}

fn read(file: &Path) -> Result<Exported> {
    let text = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let exported: Exported =
        serde_json::from_slice(&text).with_context(|| file.display().to_string())?;
    if exported.saddle != 1 {
        bail!("{} has form {}, this program reads form 1", file.display(), exported.saddle);
    }
    Ok(exported)
}

/// A weight file's SHA-256, and its network.
fn open(path: &Path, machine: &Machine) -> Result<(String, Network)> {
    let bytes = std::fs::read(path)
        .with_context(|| format!("cannot read {}; pass --weights", path.display()))?;
    let network =
        attack::open(&bytes, None, None, machine).with_context(|| path.display().to_string())?;
    Ok((sha256_hex(&bytes), network))
}

fn native(exported: &Exported, network: &Network, device: &candle_core::Device) -> Result<Native> {
    let (ascent, threat_model) = exported.attack.attack()?;
    let example = &exported.example;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(&example.pixels)
        .context("`pixels` of the example is not base64")?;
    ensure!(
        bytes.len() == SIDE * SIDE,
        "the example has {} pixels, a digit has {}",
        bytes.len(),
        SIDE * SIDE
    );
    let pixels: Vec<f32> = bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect();
    let image = Tensor::from_vec(pixels, (1, 1, SIDE, SIDE), device)?;
    let examples = Examples::new(image, vec![example.label], vec![example.id.unwrap_or(0)])?;
    let draws = Draws::new(exported.seed);
    let classes = network.classes();
    let mut run = Stepwise::new(ascent, examples, threat_model, draws, false, classes)?;
    let (mut losses, mut logits) = (Vec::new(), Vec::new());
    let mut first_points = None;
    while let Some(request) = run.ask()? {
        if request.gradients > 0 && first_points.is_none() {
            first_points = Some(fingerprint(&request.points)?);
        }
        let answer = request.answer(network, ascent.loss)?;
        let Some(step) = run.tell(&answer.logits, answer.gradient)? else { continue };
        let [standing] = run.standings() else { bail!("the attack lost its example") };
        losses.push(standing.loss);
        logits.push(standing.logits.clone());
        if step == exported.measured.steps {
            return Ok(Native {
                measured: measured(step, standing, losses),
                logits,
                first_points_sha256: first_points.context("the attack looked at nothing")?,
            });
        }
    }
    bail!("the browser took {} steps, the attack has {}", exported.measured.steps, ascent.steps)
}

fn measured(steps: u32, standing: &Standing, losses: Vec<f64>) -> Measured {
    let Standing { passes, prediction, fooled, l2, linf, .. } = *standing;
    Measured { steps, passes, prediction, fooled, l2, linf, losses }
}

/// SHA-256 of the numbers of a tensor.
fn fingerprint(points: &Tensor) -> Result<String> {
    let numbers = points.flatten_all()?.to_vec1::<f32>()?;
    let bytes: Vec<u8> = numbers.into_iter().flat_map(f32::to_le_bytes).collect();
    Ok(sha256_hex(&bytes))
}

impl Display for Replayed {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        let Self { network, id, label, seed, kernels, browser, here, .. } = self;
        let here = &here.measured;
        let digit = id.map_or("a drawing".to_owned(), |id| format!("digit {id}"));
        writeln!(formatter, "{network} on {digit}, a {label}, seed {seed}; here {kernels}")?;
        writeln!(formatter, "{:<12} {:>14} {:>14}", "", "browser", "here")?;
        let names = ["steps", "passes", "prediction", "fooled", "l2", "linf", "last loss"];
        for ((name, browser), here) in names.into_iter().zip(column(browser)).zip(column(here)) {
            let mark = if browser == here { "" } else { "  differs" };
            writeln!(formatter, "{name:<12} {browser:>14} {here:>14}{mark}")?;
        }
        let apart = |count: usize| {
            let pairs = browser.losses.iter().zip(&here.losses).take(count);
            let shares = pairs.map(|(a, b)| (a - b).abs() / b.abs().max(f64::MIN_POSITIVE));
            100.0 * shares.fold(0.0, f64::max)
        };
        writeln!(
            formatter,
            "losses differ by {:.4} % at most in steps 0 to 5, by {:.4} % in all {}",
            apart(6),
            apart(usize::MAX),
            here.losses.len()
        )
    }
}

/// The outcome in words, in the order of the table.
fn column(outcome: &Measured) -> [String; 7] {
    let close = |number: f64| format!("{number:.4}");
    [
        outcome.steps.to_string(),
        outcome.passes.to_string(),
        outcome.prediction.to_string(),
        outcome.fooled.to_string(),
        close(outcome.l2),
        close(outcome.linf),
        outcome.losses.last().map_or("none".to_owned(), |&loss| close(loss)),
    ]
}
