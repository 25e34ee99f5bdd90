//! Which cells a table has, the paper's Table 1 foremost.
//!
//! A cell is a network, a row and a setting. In the paper's setting the final iterate counts and no
//! digit leaves early; in the strong one any iterate counts, a fooled digit leaves, and a digit
//! survives only if it survives every attack of the row.

use saddle_attacks::{
    Curvature, CurvatureAscent, Direction, Judge, Method, ProjectedAscent, Sign, Start, ThreatModel,
};
use saddle_model::LossKind;
use saddle_ops::{PixelBox, StepRule};
use saddle_report::{CellKey, Setting, TrainingNorm, paper};

use crate::agenda::NetworkId;
use crate::job::{AttackJob, Attempt, RungJob, TowardJob, Trial};
use crate::methods;
use crate::nearest::Among;
use crate::plan::{AttackPlan, Climb, NetworkPlan, Plan, Precision, Row, RungAttack, Table};

/// A cell to be measured, or the reason why it is not.
pub(crate) struct CellPlan {
    pub(crate) key: CellKey,
    /// The threat model; none for natural accuracy and for rows over several threats.
    pub(crate) threat: Option<ThreatModel>,
    /// Whether no attack of it uses a gradient.
    pub(crate) gradient_free: bool,
    /// The network and the attacks of which the worst counts; or why there is nothing to measure.
    pub(crate) work: Result<Work, String>,
}

/// What a cell needs.
pub(crate) struct Work {
    pub(crate) network: NetworkId,
    pub(crate) sample: String,
    pub(crate) judge: Judge,
    pub(crate) jobs: Vec<Box<dyn Trial>>,
}

/// All cells of a table, network by network.
pub(crate) fn cells(plan: &Plan, table: &Table, machine: &str) -> Vec<CellPlan> {
    let mut cells = Vec::new();
    for name in &table.networks {
        let Some(network) = plan.networks.get(name) else { continue };
        let seeds = table.seeds.map_or(network.seeds, |limit| limit.min(network.seeds));
        for number in 0..seeds {
            for row in &table.rows {
                let key = key(table, name, network, row, plan.training_seed(number), machine);
                let work = match &network.missing {
                    Some(reason) => Err(reason.clone()),
                    None => Ok(Work {
                        network: NetworkId { name: name.clone(), number },
                        sample: table.digits.clone(),
                        judge: judge(table.setting),
                        jobs: jobs(plan, table, row),
                    }),
                };
                cells.push(CellPlan {
                    key,
                    threat: threat(row),
                    gradient_free: gradient_free(plan, row),
                    work,
                });
            }
        }
    }
    if table.all_columns {
        cells.extend(absent_columns(plan, table, machine));
    }
    cells
}

/// The columns of the paper's table that no network of this plan stands for.
fn absent_columns(plan: &Plan, table: &Table, machine: &str) -> Vec<CellPlan> {
    let norms = [TrainingNorm::L2, TrainingNorm::Linf, TrainingNorm::Mix];
    let columns = paper::DEFENSES.iter().flat_map(|defense| norms.map(|norm| (*defense, norm)));
    let absent = columns.filter(|(defense, norm)| {
        !table
            .networks
            .iter()
            .filter_map(|name| plan.networks.get(name))
            .any(|network| network.defense == *defense && network.training_norm == Some(*norm))
    });
    let mut cells = Vec::new();
    for (defense, norm) in absent {
        let name = format!("{defense}_{}", norm.name());
        let stand_in = NetworkPlan {
            architecture: String::new(),
            defense: defense.to_owned(),
            training_norm: Some(norm),
            starts_from: None,
            seeds: 1,
            training: None,
            missing: None,
        };
        for row in &table.rows {
            let key = key(table, &name, &stand_in, row, plan.seed, machine);
            let reason = format!("plan `{}` trains no such network", plan.name);
            let threat = threat(row);
            cells.push(CellPlan { key, threat, gradient_free: false, work: Err(reason) });
        }
    }
    cells
}

fn key(
    table: &Table,
    name: &str,
    network: &NetworkPlan,
    row: &Row,
    seed: u64,
    machine: &str,
) -> CellKey {
    CellKey {
        table: table.name.clone(),
        setting: table.setting,
        network: name.to_owned(),
        defense: network.defense.clone(),
        training_norm: network.training_norm,
        inner_steps: inner_steps(network),
        row: row.name.clone(),
        seed,
        kernels: machine.to_owned(),
    }
}

/// How the inner attack of a network's training follows gradients, norm by norm; none without one.
fn inner_steps(network: &NetworkPlan) -> Option<String> {
    let inner = network.training.as_ref()?.defense.inner_attacks();
    let rules = inner.iter().map(|attack| match attack.rule {
        StepRule::Raw => "raw",
        StepRule::Unit => "unit",
        StepRule::Sign => "sign",
        StepRule::Coordinate => "coordinate",
    });
    let rules: Vec<&str> = rules.collect();
    (!rules.is_empty()).then(|| rules.join("+"))
}

/// The attacks of a row, or of all rows of which it is the worst; natural accuracy for a row without any.
fn jobs(plan: &Plan, table: &Table, row: &Row) -> Vec<Box<dyn Trial>> {
    if !row.worst_of.is_empty() {
        let named = row.worst_of.iter();
        let rows = named.filter_map(|name| table.rows.iter().find(|other| other.name == *name));
        return rows.flat_map(|row| attacks(plan, table, row)).collect();
    }
    if row.attacks.is_empty() {
        return vec![Box::new(AttackJob { attempt: None, seed: plan.seed })];
    }
    attacks(plan, table, row)
}

/// The attacks that a row names.
fn attacks(plan: &Plan, table: &Table, row: &Row) -> Vec<Box<dyn Trial>> {
    let Some(threat) = threat(row) else { return Vec::new() };
    let (judge, stop_fooled) = (judge(table.setting), table.setting == Setting::Strong);
    let job = |name: &String| -> Option<Box<dyn Trial>> {
        if let Some(attack) = plan.gradient_free.get(name) {
            let toward_nearest = attack.toward_nearest;
            return Some(Box::new(TowardJob { threat, toward_nearest, judge, stop_fooled }));
        }
        let attack = plan.attacks.get(name)?;
        let attempt = Attempt {
            threat,
            method: attack.at(threat.epsilon),
            restarts: attack.restarts,
            judge,
            stop_fooled,
            cap: table.cap,
        };
        Some(Box::new(AttackJob { attempt: Some(attempt), seed: plan.seed }))
    };
    row.attacks.iter().filter_map(job).collect()
}

fn threat(row: &Row) -> Option<ThreatModel> {
    Some(ThreatModel { norm: row.norm?, epsilon: row.epsilon?, pixels: PixelBox::UNIT })
}

fn gradient_free(plan: &Plan, row: &Row) -> bool {
    !row.attacks.is_empty() && row.attacks.iter().all(|name| plan.gradient_free.contains_key(name))
}

fn judge(setting: Setting) -> Judge {
    match setting {
        Setting::Paper => Judge::Final,
        Setting::Strong => Judge::Any,
    }
}

/// One attack in words, with everything that decides what it can find.
pub(crate) fn in_words(attempt: &Attempt) -> String {
    let Attempt { threat, method, restarts, .. } = attempt;
    let (family, settings) = match method {
        Method::Ascent(ascent) => {
            (family(ascent), settings(ascent, &length(ascent.step_size), *restarts))
        }
        other => (methods::family(other).to_owned(), methods::settings(other, *restarts)),
    };
    let (norm, epsilon) = (threat.norm, threat.epsilon.get());
    let mut words = format!("{family} within {norm} {epsilon}: {settings}");
    if let Some(cap) = attempt.cap {
        let each = if matches!(method, Method::Standard(_)) { " each" } else { "" };
        words.push_str(&format!(", at most {cap} passes{each}"));
    }
    words
}

/// An attack in words without its threat model.
pub(crate) fn ascent_in_words(ascent: &ProjectedAscent, restarts: u32) -> String {
    format!("{}: {}", family(ascent), settings(ascent, &length(ascent.step_size), restarts))
}

/// An attack in words for whatever radius; a step that goes with the radius is told as a share of it.
pub(crate) fn any_radius_in_words(attack: &AttackPlan) -> String {
    let Some(ascent) = attack.ascent() else {
        let (family, settings) =
            (methods::family(&attack.method), methods::settings(&attack.method, attack.restarts));
        return format!("{family}: {settings}");
    };
    let step = match attack.step_per_radius {
        Some(share) => format!("{share} times the radius"),
        None => length(ascent.step_size),
    };
    format!("{}: {}", family(ascent), settings(ascent, &step, attack.restarts))
}

/// A length in six digits: a share of a radius is seldom exact in binary.
fn length(exact: f64) -> String {
    let six = format!("{exact:.5e}");
    six.parse::<f64>().map_or(six, |rounded| rounded.to_string())
}

fn settings(ascent: &ProjectedAscent, step: &str, restarts: u32) -> String {
    let mut words = format!(
        "{}, {} of {step}, {}, {}",
        rule(ascent.rule),
        if ascent.steps == 1 { "one step".to_owned() } else { format!("{} steps", ascent.steps) },
        start(ascent.start),
        loss(ascent.loss),
    );
    if ascent.momentum > 0.0 {
        words.push_str(&format!(", momentum {}", ascent.momentum));
    }
    if restarts > 1 {
        words.push_str(&format!(", {restarts} restarts"));
    }
    words
}

/// A row of the ladder in words, with everything that decides what it can find.
pub(crate) fn rung_in_words(job: &RungJob) -> String {
    let RungJob { threat, climb, precision, restarts, cap, .. } = job;
    let words = climb_in_words(climb, None, *restarts, *precision);
    format!("within {} {}, {words}, at most {cap} passes", threat.norm, threat.epsilon.get())
}

/// An attack of the ladder in words for whatever radius.
pub(crate) fn any_rung_in_words(attack: &RungAttack) -> String {
    climb_in_words(&attack.climb, attack.step_per_radius, attack.restarts, attack.precision)
}

fn climb_in_words(
    climb: &Climb,
    step_per_radius: Option<f64>,
    restarts: u32,
    precision: Precision,
) -> String {
    let step = |size: f64| match step_per_radius {
        Some(share) => format!("{share} times the radius"),
        None => length(size),
    };
    let words = match climb {
        Climb::Ascent(ascent) => {
            format!("{}: {}", family(ascent), settings(ascent, &step(ascent.step_size), restarts))
        }
        Climb::Curvature(curvature) => {
            let made = match curvature.rule {
                StepRule::Raw => "as it is",
                StepRule::Unit => "at length 1",
                StepRule::Sign => "by its signs",
                StepRule::Coordinate => "by its largest coordinate",
            };
            let (steps, step) = (curvature.steps, step(curvature.step_size));
            format!("{}, {made}: {steps} steps of {step}, from the digit itself", along(curvature))
        }
    };
    match precision {
        Precision::Single => words,
        Precision::Double => format!("{words}, in double precision"),
    }
}

/// A direction of curvature in words.
fn along(curvature: &CurvatureAscent) -> String {
    match curvature.direction {
        Curvature::Eigenvector { sign: Sign::Gradient } => {
            "the exact top eigenvector of the Hessian, signed by the gradient".to_owned()
        }
        Curvature::Eigenvector { sign: Sign::Both } => {
            "the exact top eigenvector of the Hessian, both signs tried".to_owned()
        }
        Curvature::Power { iterations, length } => {
            let plural = if iterations == 1 { "" } else { "s" };
            format!(
                "power iteration by differences of gradients {length} apart, {iterations} iteration{plural}"
            )
        }
        Curvature::AsPrinted { length } => {
            format!("appendix A as printed: the gradient at a random point {length} away")
        }
    }
}

/// The gradient-free attack in words.
pub(crate) fn toward_in_words(job: &TowardJob) -> String {
    let TowardJob { threat, toward_nearest, .. } = job;
    let digits = match toward_nearest.among {
        Among::Training => "training digits",
        Among::Test => "test digits",
    };
    format!(
        "without gradients, within {} {}: toward the {} nearest {digits} of other classes, by the midpoint and all the way",
        threat.norm,
        threat.epsilon.get(),
        toward_nearest.count
    )
}

fn family(ascent: &ProjectedAscent) -> String {
    match ascent.direction {
        Direction::Gradient if ascent.steps == 1 && ascent.start == Start::Natural => {
            "FGSM".to_owned()
        }
        Direction::Gradient => "PGD".to_owned(),
        Direction::Smoothed { sigma, samples } => {
            let plural = if samples == 1 { "" } else { "s" };
            format!("S-O (sigma {sigma}, {samples} sample{plural})")
        }
        Direction::Even { sigma, samples } => {
            format!("even part of S-O (sigma {sigma}, {samples} pairs)")
        }
        Direction::Odd { sigma, samples } => {
            format!("odd part of S-O (sigma {sigma}, {samples} pairs)")
        }
    }
}

fn rule(rule: StepRule) -> &'static str {
    match rule {
        StepRule::Raw => "raw gradient",
        StepRule::Unit => "unit gradient",
        StepRule::Sign => "sign of the gradient",
        StepRule::Coordinate => "largest coordinate of the gradient",
    }
}

fn start(start: Start) -> String {
    match start {
        Start::Natural => "from the digit itself".to_owned(),
        Start::Uniform => "from a uniform start".to_owned(),
        Start::Gaussian { sigma } => format!("from a Gaussian start of {sigma}"),
    }
}

fn loss(loss: LossKind) -> &'static str {
    match loss {
        LossKind::CrossEntropy => "cross-entropy",
        LossKind::Margin => "CW margin",
        LossKind::Dlr => "DLR loss",
    }
}
