//! Plans as text: round trips, defaults, and refusals of what nobody meant.

use saddle_attacks::WhenFlat;
use saddle_defenses::{
    Atda, AttackedLabel, DefensePlan, InnerAttack, LearningSchedule, Madry, Natural, NaturalPass,
    NormSchedule, OptimizerKind, RadiusSchedule, Reduction, StepSize, Trades, TrainingPlan,
};
use saddle_ops::Norm;

const LINF: &str = r#"
iterations = 100
batch = 32
learning_rate = 0.001
initialization = "default"
seed = 3

[defense]
kind = "madry"
norms = { fixed = "linf" }
radius = { ramp = { fraction = 0.25 } }

[defense.linf]
epsilon = 0.3
steps = 5
step_size = { relative = 0.35 }
rule = "sign"
start = "uniform"
"#;

fn all_plans() -> Vec<TrainingPlan> {
    let raw = Madry {
        radius: RadiusSchedule::Constant,
        l2: Some(InnerAttack::l2_raw().unwrap()),
        ..Madry::l2().unwrap()
    };
    let defenses = [
        DefensePlan::Natural(Natural {}),
        DefensePlan::Madry(Madry::linf().unwrap()),
        DefensePlan::Madry(Madry::l2().unwrap()),
        DefensePlan::Madry(Madry::mix().unwrap()),
        DefensePlan::Madry(raw),
    ];
    let plain = defenses.map(|defense| TrainingPlan::new(defense, 100, 3));
    let mut published = plain[1].clone();
    published.reduction = Reduction::Sum;
    published.optimizer = OptimizerKind::Momentum { momentum: 0.9 };
    published.learning_schedule = LearningSchedule::Constant;
    plain.into_iter().chain([published]).chain(trades()).chain(atda()).collect()
}

fn trades() -> Vec<TrainingPlan> {
    let mix = Trades::mix().unwrap();
    let ours = Trades {
        beta: 0.0,
        l2_when_flat: WhenFlat::Stay,
        natural_pass: NaturalPass::Shared,
        radius: RadiusSchedule::Ramp { fraction: 0.3 },
        ..mix
    };
    let (l2, raw) = (Trades::l2().unwrap(), Trades::l2_raw().unwrap());
    let all = [Trades::linf().unwrap(), l2, raw, mix, Trades::mix_raw().unwrap(), ours];
    all.map(|trades| trades.published(3)).to_vec()
}

fn atda() -> Vec<TrainingPlan> {
    let mix = Atda::mix().unwrap();
    let ours = Atda { lambda: 0.0, centre_rate: 1.0, attacked_label: AttackedLabel::True, ..mix };
    let (l2, raw) = (Atda::l2().unwrap(), Atda::l2_raw().unwrap());
    let linf = Atda::linf().unwrap();
    let all = [linf, l2, raw, mix, Atda::mix_raw().unwrap(), mix.multi_step(), ours];
    all.map(|atda| atda.published(3)).to_vec()
}

#[test]
fn every_plan_survives_toml_and_json() {
    for plan in all_plans() {
        plan.validate().unwrap();
        let text = toml::to_string(&plan).unwrap();
        assert_eq!(toml::from_str::<TrainingPlan>(&text).unwrap(), plan, "{text}");
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<TrainingPlan>(&text).unwrap(), plan, "{text}");
    }
}

#[test]
fn what_a_plan_leaves_out_is_the_recipe() {
    let found: TrainingPlan = toml::from_str(LINF).unwrap();
    let recipe = DefensePlan::Madry(Madry::linf().unwrap());
    let expected = TrainingPlan { batch: 32, ..TrainingPlan::new(recipe, 100, 3) };
    assert_eq!(found, expected);
}

/// [`LINF`] by another defence, its own fields given as they stand.
fn by(defense: &str) -> String {
    LINF.replace("kind = \"madry\"", defense)
}

const TRADES: &str = "kind = \"trades\"\nbeta = 1.0";
const ATDA: &str = "kind = \"atda\"";

#[test]
fn what_a_plan_leaves_out_of_trades_and_atda_is_as_published() {
    let defense = |text| toml::from_str::<TrainingPlan>(&by(text)).unwrap().defense;
    let DefensePlan::Madry(Madry { norms, radius, l2, linf, .. }) = defense("kind = \"madry\"")
    else {
        panic!("another defence");
    };
    let trades = Trades { norms, radius, l2, linf, ..Trades::linf().unwrap() };
    assert_eq!(defense(TRADES), DefensePlan::Trades(trades));
    let atda = Atda { norms, radius, l2, linf, ..Atda::linf().unwrap() };
    assert_eq!(defense(ATDA), DefensePlan::Atda(atda));
}

#[test]
fn unknown_fields_are_refused_at_every_level() {
    let misspelt = [
        LINF.replace("batch = 32", "batch = 32\nbatchsize = 64"),
        LINF.replace("kind = \"madry\"", "kind = \"madry\"\nalpha = 1"),
        LINF.replace("steps = 5", "steps = 5\nrestarts = 2"),
        LINF.replace("{ fraction = 0.25 }", "{ fraction = 0.25, shape = 1 }"),
        LINF.replace("seed = 3", "seed = 3\noptimizer = { kind = \"adam\", decay = 0.1 }"),
        LINF.replace("seed = 3", "seed = 3\nlearning_schedule = { linear_decay = { hold = 0.5, last = 0.1, power = 2 } }"),
        LINF.replace("seed = 3", "seed = 3\nlearning_schedule = { steps = { factor = 0.1, at = [0.5], hold = 1 } }"),
        LINF.replace("madry", "madri"),
        by("kind = \"trades\""),
        by(&format!("{TRADES}\nlambda = 1.0")),
        by(&format!("{TRADES}\nl2_when_flat = \"noise\"")),
        by(&format!("{TRADES}\nnatural_pass = \"twice\"")),
        by(&format!("{ATDA}\nbeta = 1.0")),
        by(&format!("{ATDA}\nattacked_label = \"false\"")),
        "iterations = 1\nbatch = 1\nlearning_rate = 0.1\ninitialization = \"default\"\nseed = 1\n\
         defense = { kind = \"natural\", steps = 5 }"
            .to_owned(),
    ];
    for text in misspelt {
        assert!(toml::from_str::<TrainingPlan>(&text).is_err(), "accepted: {text}");
    }
}

#[test]
fn radii_that_are_no_radii_are_refused() {
    for radius in ["0.0", "-0.3", "nan", "inf"] {
        let text = LINF.replace("epsilon = 0.3", &format!("epsilon = {radius}"));
        let error = toml::from_str::<TrainingPlan>(&text).unwrap_err().to_string();
        assert!(error.contains("radius"), "{error}");
    }
}

#[test]
fn plans_that_cannot_run_are_refused_by_field() {
    let good = TrainingPlan::new(DefensePlan::Madry(Madry::linf().unwrap()), 10, 1);
    let madry = |change: &dyn Fn(&mut Madry)| {
        let mut madry = Madry::linf().unwrap();
        change(&mut madry);
        TrainingPlan { defense: DefensePlan::Madry(madry), ..good.clone() }
    };
    let inner = |change: &dyn Fn(&mut InnerAttack)| {
        madry(&|madry| change(madry.linf.as_mut().expect("linf recipes attack in linf")))
    };
    let decay = |hold, last| LearningSchedule::LinearDecay { hold, last };
    let adam = |beta1, stabilizer| OptimizerKind::Adam { beta1, beta2: 0.9, stabilizer };
    let cases = [
        ("iterations", TrainingPlan { iterations: 0, ..good.clone() }),
        ("batch", TrainingPlan { batch: 0, ..good.clone() }),
        ("learning_rate", TrainingPlan { learning_rate: 0.0, ..good.clone() }),
        ("learning_rate", TrainingPlan { learning_rate: f64::NAN, ..good.clone() }),
        ("learning_schedule", TrainingPlan { learning_schedule: decay(1.5, 0.1), ..good.clone() }),
        ("learning_schedule", TrainingPlan { learning_schedule: decay(0.5, -0.1), ..good.clone() }),
        ("optimizer", TrainingPlan { optimizer: adam(1.0, 1e-8), ..good.clone() }),
        ("optimizer", TrainingPlan { optimizer: adam(0.9, 0.0), ..good.clone() }),
        ("radius", madry(&|madry| madry.radius = RadiusSchedule::Ramp { fraction: 0.0 })),
        ("norms", madry(&|madry| madry.norms = NormSchedule::Fixed(Norm::L1))),
        ("l2", madry(&|madry| madry.norms = NormSchedule::Alternate)),
        ("linf", madry(&|madry| madry.linf = None)),
        ("l2", madry(&|madry| madry.l2 = Some(InnerAttack::l2().unwrap()))),
        ("linf", inner(&|inner| inner.steps = 0)),
        ("linf", inner(&|inner| inner.step_size = StepSize::Absolute(-1.0))),
        ("linf", inner(&|inner| inner.step_size = StepSize::Relative(f64::INFINITY))),
    ];
    good.validate().unwrap();
    assert_refused(cases);
}

fn assert_refused(cases: impl IntoIterator<Item = (&'static str, TrainingPlan)>) {
    for (field, plan) in cases {
        let error = plan.validate().unwrap_err().to_string();
        assert!(error.starts_with(&format!("training plan, {field}: ")), "{field}: {error}");
    }
}

#[test]
fn a_stepped_rate_that_does_not_fall_in_order_is_refused() {
    let good = TrainingPlan::new(DefensePlan::Natural(Natural {}), 10, 1);
    let steps = |factor, at: &[f64]| {
        let learning_schedule = LearningSchedule::Steps { factor, at: at.to_vec() };
        ("learning_schedule", TrainingPlan { learning_schedule, ..good.clone() })
    };
    steps(0.5, &[0.1, 0.2]).1.validate().unwrap();
    assert_refused([
        steps(0.0, &[0.5]),
        steps(1.0, &[0.5]),
        steps(f64::NAN, &[0.5]),
        steps(0.1, &[]),
        steps(0.1, &[0.0]),
        steps(0.1, &[0.5, 1.0]),
        steps(0.1, &[0.5, 0.5]),
        steps(0.1, &[0.6, 0.5]),
        steps(0.1, &[0.5, f64::NAN]),
    ]);
}

#[test]
fn trades_and_atda_that_cannot_run_are_refused_by_field() {
    let trades = |change: &dyn Fn(&mut Trades)| {
        let mut trades = Trades::linf().unwrap();
        change(&mut trades);
        trades.published(1)
    };
    let atda = |change: &dyn Fn(&mut Atda)| {
        let mut atda = Atda::linf().unwrap();
        change(&mut atda);
        atda.published(1)
    };
    let stuck = |inner: Option<InnerAttack>| inner.map(|inner| InnerAttack { steps: 0, ..inner });
    let ramp = RadiusSchedule::Ramp { fraction: 1.5 };
    assert_refused([
        ("beta", trades(&|trades| trades.beta = -1.0)),
        ("beta", trades(&|trades| trades.beta = f64::NAN)),
        ("beta", trades(&|trades| trades.beta = f64::INFINITY)),
        ("linf", trades(&|trades| trades.linf = None)),
        ("linf", trades(&|trades| trades.linf = stuck(trades.linf))),
        ("l2", trades(&|trades| trades.l2 = Trades::l2().unwrap().l2)),
        ("l2", trades(&|trades| trades.norms = NormSchedule::Alternate)),
        ("norms", trades(&|trades| trades.norms = NormSchedule::Fixed(Norm::L1))),
        ("radius", trades(&|trades| trades.radius = ramp)),
        ("lambda", atda(&|atda| atda.lambda = -0.1)),
        ("lambda", atda(&|atda| atda.lambda = f64::NAN)),
        ("centre_rate", atda(&|atda| atda.centre_rate = 0.0)),
        ("centre_rate", atda(&|atda| atda.centre_rate = 1.1)),
        ("centre_rate", atda(&|atda| atda.centre_rate = f64::NAN)),
        ("linf", atda(&|atda| atda.linf = stuck(atda.linf))),
        ("l2", atda(&|atda| atda.norms = NormSchedule::Alternate)),
        ("radius", atda(&|atda| atda.radius = ramp)),
    ]);
}
