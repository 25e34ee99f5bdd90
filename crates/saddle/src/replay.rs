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

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use candle_core::Tensor;
use saddle_attacks::{AttackSettings, Examples, Standing, Stepwise};
use saddle_experiments::{Machine, sha256_hex};
use saddle_model::{Classifier as _, Network};
use saddle_ops::Draws;
use serde::Deserialize;

use crate::Ended;
use crate::arguments::Computing;
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
#[derive(Deserialize)]
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

/// Runs the exported attack as far as the browser went, and prints both outcomes.
pub(crate) fn run(file: &Path, weights: Option<&Path>, computing: &Computing) -> Result<Ended> {
    let machine = environment::machine(computing)?;
    print!("{}", replay(file, weights, &machine)?);
    Ok(Ended::Done)
}

/// Both outcomes of an exported attack side by side, as text.
///
/// # Errors
///
/// In words: a file of another form, weights that are missing or not those of the export, settings that make no sense.
pub fn replay(file: &Path, weights: Option<&Path>, machine: &Machine) -> Result<String> {
    let text = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let exported: Exported =
        serde_json::from_slice(&text).with_context(|| file.display().to_string())?;
    if exported.saddle != 1 {
        bail!("{} has form {}, this program reads form 1", file.display(), exported.saddle);
    }
    let named = &exported.network;
    let path = match weights {
        Some(path) => path.to_owned(),
        // The name comes from a file of unknown origin: no path is followed.
        None => PathBuf::from("zoo").join(Path::new(&named.file).file_name().unwrap_or_default()),
    };
    let bytes = std::fs::read(&path)
        .with_context(|| format!("cannot read {}; pass --weights", path.display()))?;
    let found = sha256_hex(&bytes);
    ensure!(
        found == named.sha256,
        "{} has the SHA-256 {found}, the attack was on {}",
        path.display(),
        named.sha256
    );
    let network =
        attack::open(&bytes, None, None, machine).with_context(|| path.display().to_string())?;
    let native = native(&exported, &network, &machine.device)?;
    Ok(table(&exported, &native, &network.executor_name()))
}

fn native(
    exported: &Exported,
    network: &Network,
    device: &candle_core::Device,
) -> Result<Measured> {
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
    let mut losses = Vec::new();
    while let Some(request) = run.ask()? {
        let answer = request.answer(network, ascent.loss)?;
        let Some(step) = run.tell(&answer.logits, answer.gradient)? else { continue };
        let [standing] = run.standings() else { bail!("the attack lost its example") };
        losses.push(standing.loss);
        if step == exported.measured.steps {
            return Ok(measured(step, standing, losses));
        }
    }
    bail!("the browser took {} steps, the attack has {}", exported.measured.steps, ascent.steps)
}

fn measured(steps: u32, standing: &Standing, losses: Vec<f64>) -> Measured {
    let Standing { passes, prediction, fooled, l2, linf, .. } = *standing;
    Measured { steps, passes, prediction, fooled, l2, linf, losses }
}

fn table(exported: &Exported, native: &Measured, kernels: &str) -> String {
    let Exported { network, example, measured: browser, seed, .. } = exported;
    let digit = example.id.map_or("a drawing".to_owned(), |id| format!("digit {id}"));
    let mut lines = vec![
        format!("{} on {digit}, a {}, seed {seed}; here {kernels}", network.id, example.label),
        format!("{:<12} {:>14} {:>14}", "", "browser", "here"),
    ];
    let close = |number: f64| format!("{number:.4}");
    let ends = |losses: &[f64]| losses.last().map_or("none".to_owned(), |&loss| close(loss));
    let column = |from: &Measured| {
        [
            from.steps.to_string(),
            from.passes.to_string(),
            from.prediction.to_string(),
            from.fooled.to_string(),
            close(from.l2),
            close(from.linf),
            ends(&from.losses),
        ]
    };
    let names = ["steps", "passes", "prediction", "fooled", "l2", "linf", "last loss"];
    for ((name, browser), here) in names.into_iter().zip(column(browser)).zip(column(native)) {
        let mark = if browser == here { "" } else { "  differs" };
        lines.push(format!("{name:<12} {browser:>14} {here:>14}{mark}"));
    }
    let apart = |count: usize| {
        let pairs = browser.losses.iter().zip(&native.losses).take(count);
        let shares = pairs.map(|(a, b)| (a - b).abs() / b.abs().max(f64::MIN_POSITIVE));
        100.0 * shares.fold(0.0, f64::max)
    };
    lines.push(format!(
        "losses differ by {:.4} % at most in steps 0 to 5, by {:.4} % in all {}",
        apart(6),
        apart(usize::MAX),
        native.losses.len()
    ));
    lines.join("\n") + "\n"
}
