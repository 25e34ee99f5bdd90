//! What a plan asks to be drawn, and the jobs behind it.

use saddle_attacks::{Direction, Judge, ThreatModel};
use saddle_ops::{Norm, PixelBox, Radius};
use saddle_report::{Setting, paper};

use crate::Result;
use crate::job::{AttackJob, Attempt, StepJob};
use crate::plan::{AttackPlan, BudgetCurve, EpsilonCurve, Figure2, Plan, StepCurve};

/// One drawing of the plan.
#[derive(Clone, Copy)]
pub(in crate::run) enum Drawing<'a> {
    Epsilon(&'a EpsilonCurve),
    Budget(&'a BudgetCurve),
    Steps(&'a StepCurve),
    Digits(&'a Figure2),
}

/// All drawings of a plan, in the order of the report.
pub(in crate::run) fn drawings(plan: &Plan) -> impl Iterator<Item = Drawing<'_>> {
    let radii = plan.epsilon_curves.iter().map(Drawing::Epsilon);
    let budgets = plan.budget_curves.iter().map(Drawing::Budget);
    let steps = plan.step_curves.iter().map(Drawing::Steps);
    radii.chain(budgets).chain(steps).chain(plan.figure2.iter().map(Drawing::Digits))
}

impl<'a> Drawing<'a> {
    pub(in crate::run) fn name(self) -> &'a str {
        match self {
            Self::Epsilon(curve) => &curve.name,
            Self::Budget(curve) => &curve.name,
            Self::Steps(curve) => &curve.name,
            Self::Digits(_) => "figure2",
        }
    }

    /// Names of networks, and how many seeds of each.
    pub(in crate::run) fn networks(self) -> (&'a [String], Option<u32>) {
        match self {
            Self::Epsilon(curve) => (&curve.networks, curve.seeds),
            Self::Budget(curve) => (&curve.networks, curve.seeds),
            Self::Steps(curve) => (&curve.networks, curve.seeds),
            Self::Digits(figure) => (std::slice::from_ref(&figure.network), Some(1)),
        }
    }
}

pub(super) fn threat(norm: Norm, epsilon: Radius) -> ThreatModel {
    ThreatModel { norm, epsilon, pixels: PixelBox::UNIT }
}

/// One point of a curve against the radius; natural accuracy at 0.
pub(super) fn at_radius(
    plan: &Plan,
    curve: &EpsilonCurve,
    attack: &AttackPlan,
    radius: f64,
) -> Result<AttackJob> {
    let seed = plan.seed;
    if radius == 0.0 {
        return Ok(AttackJob { attempt: None, seed });
    }
    let epsilon = Radius::new(radius)?;
    let attempt = Attempt {
        threat: threat(curve.norm, epsilon),
        method: attack.at(epsilon),
        restarts: attack.restarts,
        judge: judge(curve.setting),
        stop_fooled: curve.setting == Setting::Strong,
        cap: curve.cap,
    };
    Ok(AttackJob { attempt: Some(attempt), seed })
}

pub(super) fn judge(setting: Setting) -> Judge {
    match setting {
        Setting::Paper => Judge::Final,
        Setting::Strong => Judge::Any,
    }
}

/// One run whose verdicts hold a whole curve against the budget.
pub(super) fn with_budget(plan: &Plan, curve: &BudgetCurve, attack: &AttackPlan) -> AttackJob {
    let attempt = Attempt {
        threat: threat(curve.norm, curve.epsilon),
        method: attack.at(curve.epsilon),
        restarts: attack.restarts,
        judge: Judge::Any,
        stop_fooled: true,
        cap: Some(curve.cap),
    };
    AttackJob { attempt: Some(attempt), seed: plan.seed }
}

/// The job behind a curve against the steps; none for an attack that the plan does not hold or that is no ascent.
pub(super) fn step_by_step(plan: &Plan, curve: &StepCurve) -> Option<StepJob> {
    let ascent = plan.attacks.get(&curve.attack)?.ascent_at(curve.epsilon)?;
    Some(StepJob { threat: threat(curve.norm, curve.epsilon), ascent, seed: plan.seed })
}

/// The named attacks of a plan.
pub(super) fn attacks<'p>(
    plan: &'p Plan,
    names: &'p [String],
) -> impl Iterator<Item = (&'p str, &'p AttackPlan)> {
    names.iter().filter_map(|name| Some((name.as_str(), plan.attacks.get(name)?)))
}

/// The networks of a drawing that the plan cannot train, and why.
pub(super) fn absent<'p>(plan: &'p Plan, drawing: Drawing<'p>) -> Vec<(&'p str, &'p str)> {
    let missing = |name: &'p String| {
        let reason = plan.networks.get(name)?.missing.as_ref()?;
        Some((name.as_str(), reason.as_str()))
    };
    drawing.networks().0.iter().filter_map(missing).collect()
}

/// Whether a curve against steps is that of the paper's section 5.
pub(super) fn is_section5(curve: &StepCurve, attack: &AttackPlan) -> bool {
    let radius = curve.epsilon.get() == paper::SECTION5_RADIUS;
    let averaged = attack.ascent().is_some_and(|own| own.direction != Direction::Gradient);
    curve.norm == Norm::L2 && radius && averaged
}
