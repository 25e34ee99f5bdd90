//! `saddle attack`: one attack on one weight file.

use std::path::Path;

use anyhow::{Context, Result, bail};
use candle_core::{Device, Tensor};
use serde::Serialize;

use saddle_attacks::{
    Direction, Driver, Examples, Judge, Objective, Outcome, ProjectedAscent, Start, ThreatModel,
    Verdict,
};
use saddle_data::{Dataset, Split};
use saddle_experiments::{Machine, sha256_hex};
use saddle_model::{Executor, NameMap, Network, load_network_by};
use saddle_ops::{Draws, Norm, Radius, StepRule, steepest};
use saddle_report::statistics::wilson;

use crate::Ended;
use crate::archive::{Images, write_file};
use crate::arguments::{Attack, AttackName, JudgeName, PrecisionName, StartName};
use crate::environment;
use crate::progress::Stop;

/// The file that `--out` writes.
#[derive(Serialize)]
struct Found<'a> {
    weights: String,
    weights_sha256: String,
    network: &'a str,
    kernels: String,
    /// What looked for gradients.
    directions: String,
    data_sha256: String,
    attack: String,
    settings: &'a ProjectedAscent,
    norm: Norm,
    epsilon: f64,
    restarts: u32,
    judge: Judge,
    cap: Option<u64>,
    seed: u64,
    offset: usize,
    correct: usize,
    total: usize,
    accuracy: f64,
    wilson95: Option<[f64; 2]>,
    natural_correct: usize,
    passes_per_example: f64,
    verdicts: &'a [Verdict],
}

/// What the command line has to say unless an attack is run again.
struct Asked<'a> {
    weights: &'a Path,
    attack: AttackName,
    norm: Norm,
    epsilon: Radius,
}

impl<'a> Asked<'a> {
    fn of(arguments: &'a Attack) -> Result<Self> {
        match arguments {
            Attack {
                weights: Some(weights),
                attack: Some(attack),
                norm: Some(norm),
                epsilon: Some(epsilon),
                ..
            } => Ok(Self { weights, attack: *attack, norm: *norm, epsilon: *epsilon }),
            _ => bail!("name --weights, --attack, --norm and --epsilon, or --replay"),
        }
    }
}

pub(crate) fn run(arguments: &Attack) -> Result<Ended> {
    if let Some(exported) = &arguments.replay {
        return crate::replay::run(exported, arguments.weights.as_deref(), &arguments.computing);
    }
    let asked = Asked::of(arguments)?;
    let ascent = settings(arguments, &asked);
    ascent.check()?;
    let machine = environment::machine(&arguments.computing)?;
    for path in [&arguments.out, &arguments.images, &arguments.trace].into_iter().flatten() {
        environment::check_file_writable(path)?;
    }
    let bytes = std::fs::read(asked.weights)
        .with_context(|| format!("cannot read {}", asked.weights.display()))?;
    let names = environment::names(arguments.names.as_ref())?;
    let network = open(&bytes, arguments.network.as_deref(), names.as_ref(), &machine)
        .with_context(|| asked.weights.display().to_string())?;
    let guide = guide(arguments, &network, &machine)?;
    let digits = environment::digits(&arguments.computing, Split::Test)?;
    let end = arguments.offset.saturating_add(arguments.count as usize);
    if end > digits.len() {
        bail!(
            "digits {}..{end} were asked for and there are {}; lower --offset or --count",
            arguments.offset,
            digits.len()
        );
    }

    let stop = Stop::on_ctrl_c()?;
    let batch = arguments.batch.get();
    let driver = Driver {
        batch,
        cap: arguments.cap,
        judge: judge(arguments.judge),
        stop_fooled: arguments.judge == JudgeName::Any,
        restarts: arguments.restarts,
        trace: arguments.trace.is_some(),
    };
    let threat = ThreatModel::new(asked.norm, asked.epsilon.get())?;
    let objective = Objective::untargeted(threat);
    let (mut verdicts, mut trace) = (Vec::new(), Vec::new());
    let mut images =
        Images { shape: [1, digits.rows as u64, digits.cols as u64], ..Images::default() };
    let bar = bar(arguments);
    for start in (arguments.offset..end).step_by(batch) {
        if stop.asked() {
            break;
        }
        let range = start..end.min(start.saturating_add(batch));
        let examples = examples(&digits, range.clone(), &machine.device)?;
        let draws = Draws::new(arguments.seed);
        let outcome = match &guide {
            None => driver.run(&network, &ascent, &examples, &objective, draws)?,
            Some(guide) => {
                driver.run_guided(&network, guide, &ascent, &examples, &objective, draws)?
            }
        };
        if arguments.images.is_some() {
            collect(&mut images, &examples, &outcome, driver.judge)?;
        }
        verdicts.extend(outcome.verdicts);
        trace.extend(outcome.trace);
        bar.inc(range.len() as u64);
    }
    bar.finish_and_clear();
    let interrupted = verdicts.len() < end - arguments.offset;
    if verdicts.is_empty() {
        return Ok(Ended::Interrupted);
    }
    let networks = (&network, guide.as_ref().unwrap_or(&network));
    let found =
        summary((arguments, &asked), &ascent, &bytes, networks, &digits, &driver, &verdicts);
    print(&found);
    if let Some(path) = &arguments.out {
        write_file(path, &serde_json::to_vec_pretty(&found)?)?;
    }
    if let Some(path) = &arguments.images {
        write_file(path, &images.to_npz()?)?;
    }
    if let Some(path) = &arguments.trace {
        write_file(path, &serde_json::to_vec(&trace)?)?;
    }
    Ok(if interrupted { Ended::Interrupted } else { Ended::Done })
}

/// The attack that the flags describe.
fn settings(arguments: &Attack, asked: &Asked<'_>) -> ProjectedAscent {
    let Asked { attack, norm, epsilon, .. } = *asked;
    let sigma = arguments.sigma.unwrap_or(if norm == Norm::Linf { 0.1 } else { 0.2 });
    let samples = arguments.samples;
    let direction = match attack {
        AttackName::Fgsm | AttackName::Pgd | AttackName::RawPgd => Direction::Gradient,
        AttackName::So => Direction::Smoothed { sigma, samples },
        AttackName::Even => Direction::Even { sigma, samples },
        AttackName::Odd => Direction::Odd { sigma, samples },
    };
    let step_size = arguments.step_size.unwrap_or(match (attack, norm) {
        (AttackName::Fgsm, _) => epsilon.get(),
        (AttackName::RawPgd, _) => 0.1,
        (_, Norm::Linf) => epsilon.get() / 30.0,
        (_, Norm::L1 | Norm::L2) => epsilon.get() / 4.0,
    });
    let rule = match (arguments.rule, attack) {
        (Some(rule), _) => rule.rule(),
        (None, AttackName::RawPgd) => StepRule::Raw,
        (None, _) => steepest(norm),
    };
    // A second run from the same place without noise would find the same image again.
    let random = arguments.restarts > 1 && direction == Direction::Gradient;
    let start = match arguments.start {
        Some(StartName::Natural) => Start::Natural,
        None if !random => Start::Natural,
        Some(StartName::Uniform) | None => Start::Uniform,
        Some(StartName::Gaussian) => Start::Gaussian { sigma },
    };
    let steps = arguments.steps.unwrap_or(if attack == AttackName::Fgsm { 1 } else { 40 });
    let (momentum, loss) = (arguments.momentum, arguments.loss.loss());
    ProjectedAscent { direction, rule, step_size, steps, start, momentum, loss }
}

pub(crate) fn open(
    bytes: &[u8],
    name: Option<&str>,
    names: Option<&NameMap>,
    machine: &Machine,
) -> Result<Network> {
    let (network, _) = load_network_by(bytes, name, names, machine.executor)?;
    if matches!(machine.device, Device::Cpu) {
        return Ok(network);
    }
    let weights = network.weights().to_device(&machine.device)?;
    Ok(Network::new(network.architecture().clone(), weights, Executor::Candle)?)
}

/// The network that looks for gradients, if not the one that is attacked.
fn guide(arguments: &Attack, network: &Network, machine: &Machine) -> Result<Option<Network>> {
    match (arguments.directions, machine.executor) {
        (PrecisionName::Full, _) => Ok(None),
        (PrecisionName::Bf16, Executor::Engine(kernels)) => {
            let (architecture, weights) = (network.architecture(), network.weights());
            let executor = Executor::EngineBf16(kernels);
            Ok(Some(Network::new(architecture.clone(), weights.clone(), executor)?))
        }
        (PrecisionName::Bf16, _) => {
            bail!("--directions bf16 belongs to our kernels; leave it out, or use --device cpu")
        }
    }
}

fn examples(digits: &Dataset, range: std::ops::Range<usize>, device: &Device) -> Result<Examples> {
    let shape = (range.len(), 1, digits.rows, digits.cols);
    let images = Tensor::from_vec(digits.pixels_f32(range.clone()), shape, device)?;
    let labels = digits.labels[range.clone()].iter().map(|&label| u32::from(label)).collect();
    Ok(Examples::new(images, labels, range.map(|index| index as u64).collect())?)
}

/// Adds a chunk's images: those that the verdict is about.
fn collect(
    images: &mut Images,
    examples: &Examples,
    outcome: &Outcome,
    judge: Judge,
) -> Result<()> {
    let judged = match judge {
        Judge::Final => &outcome.final_images,
        Judge::Any => &outcome.images,
    };
    images.natural.extend(examples.images().flatten_all()?.to_vec1::<f32>()?);
    images.adversarial.extend(judged.flatten_all()?.to_vec1::<f32>()?);
    for verdict in &outcome.verdicts {
        let (fooled, prediction) = match judge {
            Judge::Final => (verdict.fooled_final, verdict.final_prediction),
            Judge::Any => (verdict.fooled_any, verdict.prediction),
        };
        images.labels.push(i64::from(verdict.label));
        images.ids.push(verdict.id as i64);
        images.predictions.push(i64::from(prediction));
        // A digit that was wrong from the start is nobody's success.
        images.fooled.push(fooled && verdict.natural_correct);
    }
    Ok(())
}

fn summary<'a>(
    (arguments, asked): (&Attack, &Asked<'_>),
    ascent: &'a ProjectedAscent,
    bytes: &[u8],
    (network, guide): (&'a Network, &Network),
    digits: &Dataset,
    driver: &Driver,
    verdicts: &'a [Verdict],
) -> Found<'a> {
    use saddle_attacks::Attack as _;
    let total = verdicts.len();
    let correct = verdicts.iter().filter(|verdict| verdict.robust(driver.judge)).count();
    let passes: u64 = verdicts.iter().map(Verdict::passes).sum();
    Found {
        weights: asked.weights.display().to_string(),
        weights_sha256: sha256_hex(bytes),
        network: &network.architecture().name,
        kernels: network.executor_name(),
        directions: guide.executor_name(),
        data_sha256: digits.sha256(),
        attack: ascent.name(),
        settings: ascent,
        norm: asked.norm,
        epsilon: asked.epsilon.get(),
        restarts: arguments.restarts,
        judge: driver.judge,
        cap: arguments.cap,
        seed: arguments.seed,
        offset: arguments.offset,
        correct,
        total,
        accuracy: correct as f64 / total as f64,
        wilson95: wilson(correct as u64, total as u64),
        natural_correct: verdicts.iter().filter(|verdict| verdict.natural_correct).count(),
        passes_per_example: passes as f64 / total as f64,
        verdicts,
    }
}

fn print(found: &Found<'_>) {
    let [low, high] = found.wilson95.unwrap_or([0.0, 1.0]);
    let furthest = found.verdicts.iter().map(|verdict| verdict.distance).fold(0.0, f64::max);
    println!(
        "{} within {} {} on {} ({})",
        found.attack, found.norm, found.epsilon, found.network, found.weights
    );
    println!(
        "natural accuracy  {:5.1} %",
        100.0 * found.natural_correct as f64 / found.total as f64
    );
    println!(
        "robust accuracy   {:5.1} %  [{:.1}, {:.1}]  {} of {} digits",
        100.0 * found.accuracy,
        100.0 * low,
        100.0 * high,
        found.correct,
        found.total
    );
    println!("passes per digit  {:5.1}", found.passes_per_example);
    println!("largest distance  {furthest:.6}");
}

fn judge(name: JudgeName) -> Judge {
    match name {
        JudgeName::Final => Judge::Final,
        JudgeName::Any => Judge::Any,
    }
}

fn bar(arguments: &Attack) -> indicatif::ProgressBar {
    if arguments.computing.quiet {
        return indicatif::ProgressBar::hidden();
    }
    let bar = indicatif::ProgressBar::new(u64::from(arguments.count));
    let style = "{elapsed_precise} [{bar:30}] {pos} of {len} digits, about {eta} left";
    match indicatif::ProgressStyle::with_template(style) {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}
