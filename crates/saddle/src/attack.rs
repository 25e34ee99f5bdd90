//! `saddle attack`: one attack on one weight file.

use std::path::Path;

use anyhow::{Context, Result, bail};
use candle_core::{Device, Tensor};
use serde::Serialize;

use saddle_attacks::{
    Driver, Examples, Found, Judge, MemberOutcome, Method, SmallestDistances, StepTrace,
    ThreatModel, Verdict,
};
use saddle_data::{Dataset, DatasetName, Split};
use saddle_experiments::{Machine, sha256_hex};
use saddle_model::{Classifier, Error, Executor, NameMap, Network, load_network_by};
use saddle_ops::{Draws, Norm, Radius};
use saddle_report::statistics::wilson;

use crate::Ended;
use crate::archive::{Images, write_file};
use crate::arguments::{Attack, AttackName, JudgeName, PrecisionName};
use crate::environment;
use crate::method::method;
use crate::progress::Stop;

/// The file that `--out` writes.
#[derive(Serialize)]
struct Summary<'a> {
    weights: String,
    weights_sha256: String,
    network: &'a str,
    kernels: String,
    /// What looked for gradients.
    directions: String,
    data_sha256: String,
    attack: String,
    settings: serde_json::Value,
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
    /// Of an attack that looks for the smallest distance; its verdicts are about epsilon all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    smallest: Option<Smallest>,
    /// The attacks of a suite.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    members: Vec<Member<'a>>,
    verdicts: &'a [Verdict],
}

/// Smallest distances at which the network errs; infinite ones are written as null.
#[derive(Serialize)]
struct Smallest {
    median: f64,
    /// In the order of the digits; 0 for one that is misread from the start.
    distances: Vec<f64>,
}

/// What one attack of a suite did, in the order of the digits.
#[derive(Serialize)]
struct Member<'a> {
    attack: &'a str,
    taken: usize,
    passes_per_example: f64,
    took: &'a [bool],
    passes: &'a [u64],
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
    if !arguments.replay.is_empty() {
        return crate::replay::run(arguments);
    }
    let asked = Asked::of(arguments)?;
    let method = method(arguments, asked.attack, asked.norm, asked.epsilon)?;
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
    let takes = network.architecture().input;
    let dataset = arguments.dataset.unwrap_or(match takes == DatasetName::Cifar10.image() {
        true => DatasetName::Cifar10,
        false => DatasetName::Mnist,
    });
    if takes != dataset.image() {
        bail!(
            "the network takes images of {takes:?} and those of {dataset} are {:?}; name another data set with --dataset",
            dataset.image()
        );
    }
    let digits = environment::digits(&arguments.computing, dataset, Split::Test)?;
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
    // A suite lets whoever falls leave, so that any iterate counts.
    let any = arguments.judge == JudgeName::Any || matches!(method, Method::Standard(_));
    let driver = Driver {
        batch,
        cap: arguments.cap,
        judge: if any { Judge::Any } else { Judge::Final },
        stop_fooled: any,
        restarts: arguments.restarts,
        trace: arguments.trace.is_some(),
    };
    let threat = ThreatModel::new(asked.norm, asked.epsilon.get())?;
    let mut all = Findings::default();
    let shape = digits.shape().map(|side| side as u64);
    let mut images = Images { shape, ..Images::default() };
    let bar = bar(arguments);
    for start in (arguments.offset..end).step_by(batch) {
        if stop.asked() {
            break;
        }
        let range = start..end.min(start.saturating_add(batch));
        let examples = examples(&digits, range.clone(), &machine.device)?;
        let draws = Draws::new(arguments.seed);
        let looks = guide.as_ref().map(|guide| guide as &dyn Classifier);
        let found = method.run(&driver, &network, looks, &examples, threat, draws)?;
        if arguments.images.is_some() {
            collect(&mut images, &examples, &found, driver.judge)?;
        }
        all.append(found);
        bar.inc(range.len() as u64);
    }
    bar.finish_and_clear();
    let interrupted = all.verdicts.len() < end - arguments.offset;
    if all.verdicts.is_empty() {
        return Ok(Ended::Interrupted);
    }
    let networks = (&network, guide.as_ref().unwrap_or(&network));
    let found = summary((arguments, &asked), &method, &bytes, networks, &digits, &driver, &all)?;
    print(&found);
    if let Some(path) = &arguments.out {
        write_file(path, &serde_json::to_vec_pretty(&found)?)?;
    }
    if let Some(path) = &arguments.images {
        write_file(path, &images.to_npz()?)?;
    }
    if let Some(path) = &arguments.trace {
        write_file(path, &serde_json::to_vec(&all.trace)?)?;
    }
    Ok(if interrupted { Ended::Interrupted } else { Ended::Done })
}

/// What all batches found.
#[derive(Default)]
struct Findings {
    verdicts: Vec<Verdict>,
    trace: Vec<StepTrace>,
    members: Vec<MemberOutcome>,
    unbounded: Vec<Verdict>,
}

impl Findings {
    fn append(&mut self, found: Found) {
        self.verdicts.extend(found.verdicts);
        self.trace.extend(found.trace);
        self.unbounded.extend(found.unbounded);
        if self.members.is_empty() {
            self.members = found.members;
        } else {
            self.members.iter_mut().zip(found.members).for_each(|(own, next)| own.extend(next));
        }
    }
}

pub(crate) fn open(
    bytes: &[u8],
    name: Option<&str>,
    names: Option<&NameMap>,
    machine: &Machine,
) -> Result<Network> {
    let opened = load_network_by(bytes, name, names, machine.executor);
    let (network, _) = match opened {
        // Candle's operations run what our kernels do not; the outcome names what ran.
        Err(Error::UnsupportedLayer { .. }) => {
            load_network_by(bytes, name, names, Executor::Candle)?
        }
        other => other?,
    };
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
    let shape = (range.len(), digits.channels, digits.rows, digits.cols);
    let images = Tensor::from_vec(digits.pixels_f32(range.clone()), shape, device)?;
    let labels = digits.labels[range.clone()].iter().map(|&label| u32::from(label)).collect();
    Ok(Examples::new(images, labels, range.map(|index| index as u64).collect())?)
}

/// Adds a chunk's images: those that the verdict is about.
fn collect(images: &mut Images, examples: &Examples, found: &Found, judge: Judge) -> Result<()> {
    let judged = match judge {
        Judge::Final => &found.final_images,
        Judge::Any => &found.images,
    };
    images.natural.extend(examples.images().flatten_all()?.to_vec1::<f32>()?);
    images.adversarial.extend(judged.flatten_all()?.to_vec1::<f32>()?);
    for verdict in &found.verdicts {
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
    method: &Method,
    bytes: &[u8],
    (network, guide): (&'a Network, &Network),
    digits: &Dataset,
    driver: &Driver,
    all: &'a Findings,
) -> Result<Summary<'a>> {
    let verdicts = all.verdicts.as_slice();
    let members = all.members.iter().map(|member| Member {
        attack: &member.name,
        taken: member.taken(),
        passes_per_example: member.passes_per_example(),
        took: &member.took,
        passes: &member.passes,
    });
    let smallest = (!all.unbounded.is_empty()).then(|| {
        let found = SmallestDistances::of(&all.unbounded);
        Smallest { median: found.median(), distances: found.distances().to_vec() }
    });
    let total = verdicts.len();
    let correct = verdicts.iter().filter(|verdict| verdict.robust(driver.judge)).count();
    let passes: u64 = verdicts.iter().map(Verdict::passes).sum();
    Ok(Summary {
        weights: asked.weights.display().to_string(),
        weights_sha256: sha256_hex(bytes),
        network: &network.architecture().name,
        kernels: network.executor_name(),
        directions: guide.executor_name(),
        data_sha256: digits.sha256(),
        attack: method.name(),
        settings: settings(method)?,
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
        smallest,
        members: members.collect(),
        verdicts,
    })
}

/// The attack's own settings, without its name around them.
fn settings(method: &Method) -> serde_json::Result<serde_json::Value> {
    match method {
        Method::Ascent(ascent) => serde_json::to_value(ascent),
        Method::Apgd(apgd) => serde_json::to_value(apgd),
        Method::Square(square) => serde_json::to_value(square),
        Method::Ddn(ddn) => serde_json::to_value(ddn),
        Method::Standard(standard) => serde_json::to_value(standard),
    }
}

fn print(found: &Summary<'_>) {
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
    match &found.smallest {
        None => println!("largest distance  {furthest:.6}"),
        Some(Smallest { median, .. }) if median.is_finite() => {
            println!("median distance   {median:.6}");
        }
        Some(_) => println!("median distance   none: fewer than half of the digits fell"),
    }
    for Member { attack, taken, passes_per_example, .. } in &found.members {
        println!("{attack:<17} took {taken}, {passes_per_example:.1} passes per digit");
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
