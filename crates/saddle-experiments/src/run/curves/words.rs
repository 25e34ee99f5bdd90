//! Titles and captions of curves and of Figure 2: digits, seeds, attacks and budget, so that a picture can be read alone.

use saddle_attacks::{Direction, Method};
use saddle_ops::Norm;
use saddle_report::curves::{ANY_ITERATE, AccuracyCurve, Axis, Chart, Threshold};
use saddle_report::{Fact, Setting, paper};

use super::asked::{Drawing, attacks, is_section5};
use crate::digits::{Digits, Part};
use crate::job::{Bench, FooledJob};
use crate::methods::family as other_family;
use crate::paper::{any_radius_in_words, ascent_in_words};
use crate::plan::{AttackPlan, Figure2, Plan, StepCurve};
use crate::{Error, Result};

/// The two ways in which a curve against steps is judged; whether any iterate counts.
pub(super) const JUDGED: [(&str, bool); 2] = [("final iterate", false), (ANY_ITERATE, true)];

/// Attacks with what the legend calls them: `PGD` or `S-O`, or their names in the plan where two would
/// be called the same.
pub(super) fn labelled<'p>(
    plan: &'p Plan,
    names: &'p [String],
) -> Vec<(String, (&'p str, &'p AttackPlan))> {
    let found: Vec<_> = attacks(plan, names).collect();
    let short = |attack: &AttackPlan| family(&attack.method);
    let label = |(name, attack): (&'p str, &'p AttackPlan)| {
        let alike = found.iter().filter(|(_, other)| short(other) == short(attack)).count();
        if alike == 1 { short(attack).to_owned() } else { name.to_owned() }
    };
    found.iter().map(|&found| (label(found), found)).collect()
}

fn family(method: &Method) -> &'static str {
    match method {
        Method::Ascent(ascent) => ascent_family(ascent.direction),
        other => other_family(other),
    }
}

fn ascent_family(direction: Direction) -> &'static str {
    match direction {
        Direction::Gradient => "PGD",
        Direction::Smoothed { .. } => "S-O",
        Direction::Even { .. } => "even part of S-O",
        Direction::Odd { .. } => "odd part of S-O",
    }
}

/// A drawing with its words; bounds and crossings are added by others.
pub(super) fn chart(
    bench: &Bench<'_>,
    drawing: Drawing<'_>,
    curves: Vec<AccuracyCurve>,
) -> Result<Chart> {
    let plan = bench.plan;
    let legend = |names: &[String]| -> Vec<Fact> {
        let named = labelled(plan, names).into_iter();
        named.map(|(name, (_, attack))| fact(name, any_radius_in_words(attack))).collect()
    };
    let caption = |digits: &str, rules: &str| -> Result<String> {
        let digits = sample(bench, digits)?;
        Ok(format!("{digits} Seed of the attacks: {}. {rules}", plan.seed))
    };
    let chart = |id: &str, title: String, caption: String, axis, norm: Norm| Chart {
        id: id.to_owned(),
        title,
        caption,
        axis,
        norm: norm.to_string(),
        epsilon: None,
        attacks: Vec::new(),
        curves,
        bound: Vec::new(),
        threshold: None,
    };
    Ok(match drawing {
        Drawing::Epsilon(asked) => {
            let judged = match asked.setting {
                Setting::Paper => "The last iterate counts; no digit leaves early.",
                Setting::Strong => "Any iterate counts; a fooled digit leaves.",
            };
            let cap = asked.cap.map(|cap| format!(" At most {cap} passes per digit and radius."));
            let rules = format!("{judged}{}", cap.unwrap_or_default());
            let title = format!("Accuracy against the radius, {}", norm(asked.norm));
            let caption = caption(&asked.digits, &rules)?;
            let chart = chart(&asked.name, title, caption, Axis::Epsilon, asked.norm);
            Chart { attacks: legend(&asked.attacks), ..chart }
        }
        Drawing::Budget(asked) => {
            let epsilon = asked.epsilon.get();
            let place = format!("{} within {epsilon}", norm(asked.norm));
            let title =
                format!("Accuracy against the budget, {place}, to {} passes per digit", asked.cap);
            let rules = format!(
                "Any iterate counts; a fooled digit leaves. At most {} forward and backward passes per \
                 digit, judging and restarts included; an attack that comes to its end before that is \
                 over.",
                asked.cap
            );
            let caption = caption(&asked.digits, &rules)?;
            let chart = chart(&asked.name, title, caption, Axis::Passes, asked.norm);
            Chart { epsilon: Some(epsilon), attacks: legend(&asked.attacks), ..chart }
        }
        Drawing::Steps(asked) => {
            let attack = plan.attacks.get(&asked.attack);
            let attack = attack.ok_or_else(|| {
                Error::Plan(format!("{}: no attack is called `{}`", asked.name, asked.attack))
            })?;
            let epsilon = asked.epsilon.get();
            let place = format!("{} within {epsilon}", norm(asked.norm));
            let section = if is_section5(asked, attack) { "Section 5: " } else { "" };
            let who = family(&attack.method);
            let title = format!("{section}{who}, {place}, against the number of steps");
            let rules = "No early stop: every digit is followed to the last step.";
            let caption = caption(&asked.digits, rules)?;
            let words = attack.ascent_at(asked.epsilon).map(|own| ascent_in_words(&own, 1));
            let words = words.unwrap_or_default();
            let legend = JUDGED.map(|(name, _)| fact(name.to_owned(), words.clone()));
            Chart {
                epsilon: Some(epsilon),
                attacks: legend.into(),
                threshold: threshold(asked, attack),
                ..chart(&asked.name, title, caption, Axis::Steps, asked.norm)
            }
        }
        Drawing::Digits(_) => return Err(Error::format("curve", "Figure 2 is none")),
    })
}

/// The paper's accuracy, for its own threat and kind of attack.
fn threshold(curve: &StepCurve, attack: &AttackPlan) -> Option<Threshold> {
    is_section5(curve, attack).then(|| Threshold {
        label: "the paper's section 5 (neither its network nor its steps are told)".to_owned(),
        accuracy: paper::SECTION5,
    })
}

fn fact(name: String, value: String) -> Fact {
    Fact { name, value }
}

fn norm(norm: Norm) -> String {
    if norm == Norm::Linf { "l-infinity".to_owned() } else { norm.to_string() }
}

/// Which digits: `200 test digits, stratified by class and half, drawn with seed 7.`
pub(crate) fn sample(bench: &Bench<'_>, name: &str) -> Result<String> {
    let count = bench.sample(name)?.indices.len();
    let digits: &Digits = bench
        .plan
        .digits
        .get(name)
        .ok_or_else(|| Error::Plan(format!("no digits are called `{name}`")))?;
    let part = match digits.part {
        Part::Test => "test digits",
        Part::HeldOut => "training digits that no network saw",
    };
    let chosen = digits.count.map(|_| {
        format!(", stratified by class and by half of the range, drawn with seed {}", digits.seed)
    });
    Ok(format!("{count} {part}{}.", chosen.unwrap_or_default()))
}

pub(super) fn figure2_title(figure: &Figure2, job: &FooledJob) -> String {
    format!(
        "Digits that {} within {} {} makes {} misread",
        ascent_family(job.ascent.direction),
        norm(figure.norm),
        figure.epsilon.get(),
        figure.network
    )
}

pub(super) fn figure2(bench: &Bench<'_>, figure: &Figure2, job: &FooledJob) -> Result<String> {
    Ok(format!(
        "Above natural digits, below what the attack made of them, with the network's reading of each. \
         Chosen by rule: of each class the first digit, in the order of the sample, that is read rightly \
         and misread under attack; the first image on the way that fools is shown, its distance is \
         exact, and only its brightness is rounded to 256 levels. {} Attack (seed {}): {}. Any iterate \
         counts; a fooled digit leaves.",
        sample(bench, &figure.digits)?,
        bench.plan.seed,
        ascent_in_words(&job.ascent, job.restarts)
    ))
}
