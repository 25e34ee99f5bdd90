//! What the report says of the ladder. Every sentence with a result in it is made of the comparisons behind it.

use crate::ladder::{Cause, Compared, Comparison, Group, Kind, Ladder, LadderRow, Rung};
use crate::number::{amount, interval, p_value, percent};
use crate::words::claims::points;

pub(crate) const TITLE: &str = "The ladder: where S-O's power comes from";

/// What a student needs to know before the first number.
pub(crate) fn explained(ladder: &Ladder) -> Vec<String> {
    let subject = name_of_subject(ladder);
    vec![
        format!(
            "An attack walks uphill on the loss of one digit. S-O and the paper's PGD differ in \
             more than one thing: how long the steps are, whether they are normalised, whether \
             noise is added before the gradient is taken, and whether the curvature of the loss \
             plays a part. If S-O ({subject}) fools more digits, any of these may be why. So \
             here is a ladder: attacks of which each differs from another one, named beside it, \
             in one thing."
        ),
        format!(
            "All of them attack the same digits of the same networks, and each may spend at most \
             {} forward and backward passes a digit, judging included. A digit counts as fooled \
             once any image on the way fools the network. {}",
            ladder.cap, ladder.caption
        ),
        "What curvature is: the gradient says how steep the loss is, the Hessian how the \
         gradient changes from place to place. The gradient at a noisy copy of the digit is the \
         gradient at the digit, plus the Hessian times the noise, plus what is left. Take the \
         noise once with each sign: in the sum of the two gradients (the even part) the \
         Hessian's term cancels, in their difference (the odd part) only it and its kin are \
         left. So if S-O works because of curvature, its odd part must be strong and its even \
         part must be weaker than S-O; if it works because it averages the gradient over a \
         neighbourhood, which smooths the loss, the even part must do all that S-O does."
            .to_owned(),
        "The other way to ask: for networks of ReLUs and max pooling the Hessian of the \
         cross-entropy is known exactly from the gradients of the ten outputs, and its top \
         eigenvector, the direction that the paper says S-O follows, costs ten backward passes. \
         Attacks that follow this very direction, or find it by power iteration in double \
         precision, are rungs of their own."
            .to_owned(),
    ]
}

/// How comparisons are decided.
pub(crate) fn rules(ladder: &Ladder) -> String {
    let Ladder { alpha, margin, .. } = ladder;
    let planned: u64 = ladder.threats.iter().map(|threat| threat.planned).sum();
    let chosen = "the one that the plan names, else the one that leaves the fewest of these very digits, which favours first order";
    format!(
        "Every row is compared digit by digit with the best first-order row of the same network, \
         threat and seed ({chosen}), and with the rung named beside it. Fewer or more: the \
         exact McNemar test says that they differ. As many: two one-sided tests put them within \
         {margin} points of each other. Not decided: neither. Under each threat Holm's method \
         keeps each of three families of tests at one level of {alpha}: against the best \
         first-order rows, against the rungs named, and of equality; all {planned} rows that \
         were planned count, measured or not."
    )
}

/// What the ladder says of the claim that S-O works because it is second order: one sentence for each network and
/// threat, then one for all.
pub(crate) fn conclusions(ladder: &Ladder) -> Vec<String> {
    let groups = ladder.groups();
    let mut lines: Vec<String> = groups.iter().map(|group| conclusion(ladder, group)).collect();
    lines.push(verdict(&groups));
    lines
}

fn conclusion(ladder: &Ladder, group: &Group<'_>) -> String {
    let place = format!("{}, {}", group.network, threat(group.norm, group.epsilon));
    let shares = |rows: &[&LadderRow]| {
        let shares: Vec<String> = rows.iter().map(|row| percent(row.accuracy)).collect();
        if shares.is_empty() {
            "not measured".to_owned()
        } else {
            format!("{} %", shares.join(" / "))
        }
    };
    let named = |kind: Kind| ladder.rungs.iter().find(|rung| rung.kind == kind);
    let of = |kind: Kind| named(kind).map(|rung| group.of(&rung.name)).unwrap_or_default();
    let seeds = match group.seeds.len() {
        1 => "in its one seed".to_owned(),
        count => format!("in each of {count} seeds"),
    };
    let evidence = format!(
        "S-O leaves {}, the best first-order row {}, the even part {}",
        shares(&of(Kind::SecondOrder)),
        shares(&group.best()),
        shares(&of(Kind::Even))
    );
    let margin = ladder.margin;
    let said = match group.cause() {
        Cause::NoGain => format!(
            "S-O fools no more digits than first order does {seeds}, within {margin} points, so there \
             is nothing to explain"
        ),
        Cause::NotCurvature => format!(
            "S-O fools more digits than the best first-order row {seeds}, and its even part, \
             without curvature, as many (within {margin} points) or more: curvature is not what it \
             needs"
        ),
        Cause::Curvature => format!(
            "S-O fools more digits than the best first-order row {seeds}, its even part, without \
             curvature, fewer than S-O, and curvature alone more than first order"
        ),
        Cause::Undecided => "the tests do not decide where its power comes from".to_owned(),
    };
    let curved = match (
        ladder.rungs.iter().any(|rung| rung.kind == Kind::Curvature),
        group.curvature_that_gains(),
    ) {
        (false, _) => String::new(),
        (true, gaining) if gaining.is_empty() => {
            format!(
                " No attack along the curvature alone fools more digits than the best first-order row {seeds}."
            )
        }
        (true, gaining) => format!(
            " Of the attacks along the curvature alone {} fool more digits than the best first-order row {seeds}.",
            gaining.join(", ")
        ),
    };
    format!("{place}: {said} ({evidence}).{curved}")
}

/// The sentence on the claim, for all networks and threats together.
fn verdict(groups: &[Group<'_>]) -> String {
    let count = |cause| groups.iter().filter(|group| group.cause() == cause).count();
    let (all, none, not, curved, open) = (
        groups.len(),
        count(Cause::NoGain),
        count(Cause::NotCurvature),
        count(Cause::Curvature),
        count(Cause::Undecided),
    );
    let conclusion = match (not, curved) {
        (0, 0) => "Nothing here speaks for or against the claim",
        (_, 0) => "Where the ladder decides, it speaks against the claim",
        (0, _) => "Where the ladder decides, it speaks for the claim",
        (_, _) => "So the claim holds for some of them and not for others",
    };
    format!(
        "C9, S-O works because it is second order: of {all} pairs of network and threat there is \
         no gain to explain in {none}, the gain needs no curvature in {not}, it needs curvature \
         in {curved}, and {open} are not decided. {conclusion}."
    )
}

/// What became of a rung's question: how often it leaves fewer, more or as many digits as the rung that it is held
/// against.
pub(crate) fn answer(ladder: &Ladder, rung: &Rung) -> String {
    let rows: Vec<&LadderRow> = ladder.rows.iter().filter(|row| row.rung == rung.name).collect();
    if rows.is_empty() {
        return "not measured".to_owned();
    }
    let Some(other) = &rung.against else {
        return format!("measured in {}", cases(rows.len()));
    };
    let compared: Vec<&Comparison> =
        rows.iter().filter_map(|row| row.against_rung.as_ref()).collect();
    if compared.is_empty() {
        return format!("not compared: {other} was not measured in the same places");
    }
    let count = |outcome| compared.iter().filter(|one| one.outcome == outcome).count();
    let said = [
        (Compared::Fewer, "fewer digits stand in"),
        (Compared::More, "more in"),
        (Compared::Equal, "as many in"),
        (Compared::Undecided, "not decided in"),
    ];
    let said = said.into_iter().filter(|(outcome, _)| count(*outcome) > 0);
    let said: Vec<String> =
        said.map(|(outcome, words)| format!("{words} {}", count(outcome))).collect();
    let differences = || compared.iter().map(|one| one.difference);
    let (low, high) = (
        differences().fold(f64::INFINITY, f64::min),
        differences().fold(f64::NEG_INFINITY, f64::max),
    );
    format!(
        "against {other}, of {}: {}; from {} to {} points",
        cases(compared.len()),
        said.join(", "),
        points(low),
        points(high)
    )
}

fn cases(count: usize) -> String {
    if count == 1 { "1 case".to_owned() } else { format!("{count} cases") }
}

/// Head of the table of questions.
pub(crate) const QUESTIONS_HEAD: [&str; 4] = ["rung", "question", "answer", "the attack"];

/// A rung as a line under [`QUESTIONS_HEAD`].
pub(crate) fn question(ladder: &Ladder, rung: &Rung) -> Vec<String> {
    let kind = kind(rung.kind);
    vec![
        format!("{} ({kind})", rung.name),
        rung.question.clone(),
        answer(ladder, rung),
        rung.attacks.join("; "),
    ]
}

/// What an attack looks at, in a few words.
pub(crate) fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::FirstOrder => "first order",
        Kind::Noise => "noise",
        Kind::SecondOrder => "S-O",
        Kind::Even => "S-O without curvature",
        Kind::Curvature => "curvature alone",
    }
}

/// Accuracies at a glance: a line per rung, a column per network and threat, the mean of the seeds and their range.
pub(crate) fn glance(ladder: &Ladder) -> (Vec<String>, Vec<Vec<String>>) {
    let groups = ladder.groups();
    let mut head = vec!["rung".to_owned()];
    head.extend(
        groups
            .iter()
            .map(|group| format!("{}, {}", group.network, threat(group.norm, group.epsilon))),
    );
    let lines = ladder.rungs.iter().map(|rung| {
        let mut line = vec![rung.name.clone()];
        line.extend(groups.iter().map(|group| {
            let shares: Vec<f64> = group.of(&rung.name).iter().map(|row| row.accuracy).collect();
            spread(&shares)
        }));
        line
    });
    (head, lines.collect())
}

/// The mean of some shares, and how far they lie apart.
fn spread(shares: &[f64]) -> String {
    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
    let (low, high) = shares
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &s| (low.min(s), high.max(s)));
    match shares.len() {
        0 => "–".to_owned(),
        1 => format!("≤ {}", percent(mean)),
        _ => format!("≤ {} ({})", percent(mean), interval([low, high])),
    }
}

/// Head of the table of one network and threat.
pub(crate) const ROWS_HEAD: [&str; 8] = [
    "rung",
    "seed",
    "accuracy",
    "95 % interval",
    "mean passes",
    "against the best first-order row",
    "against the rung below",
    "cosine with S-O, by step",
];

/// The rows of one network and threat as lines under [`ROWS_HEAD`], rung by rung.
pub(crate) fn rows(ladder: &Ladder, group: &Group<'_>) -> Vec<Vec<String>> {
    let of = |rung: &Rung| group.of(&rung.name).into_iter().map(row).collect::<Vec<_>>();
    ladder.rungs.iter().flat_map(of).collect()
}

fn row(row: &LadderRow) -> Vec<String> {
    let dash = || "–".to_owned();
    let first = match (&row.against_first_order, row.best_first_order) {
        (Some(one), _) => comparison(one),
        (None, true) => "the best first-order row".to_owned(),
        (None, false) => dash(),
    };
    let cosines: Vec<String> = row
        .cosines
        .iter()
        .map(|cosine| cosine.mean.map_or_else(dash, |mean| format!("{mean:.2}")))
        .collect();
    vec![
        row.rung.clone(),
        row.training_seed.to_string(),
        format!("≤ {} %", percent(row.accuracy)),
        format!("{} %, n {}", interval(row.wilson95), row.total),
        row.passes_per_example.map_or_else(dash, amount),
        first,
        row.against_rung.as_ref().map_or_else(dash, comparison),
        if cosines.is_empty() { dash() } else { cosines.join(" ") },
    ]
}

/// A comparison: `fewer than unit steps, -12.4 points (-15.6 to -9.4), McNemar 1e-12, Holm 4e-9`.
fn comparison(one: &Comparison) -> String {
    let [low, high] = one.interval95;
    let said = match one.outcome {
        Compared::Fewer => "fewer than",
        Compared::More => "more than",
        Compared::Equal => "as many as",
        Compared::Undecided => "not decided:",
    };
    let holm = |p: Option<f64>| p.map(|p| format!(", Holm {}", p_value(p))).unwrap_or_default();
    let equality = match one.outcome {
        Compared::Equal | Compared::Undecided => {
            let p = p_value(one.equivalence_p);
            format!("; equality {p}{}", holm(one.equivalence_holm))
        }
        Compared::Fewer | Compared::More => String::new(),
    };
    format!(
        "{said} {}, {} points ({} to {}), McNemar {}{}{equality}",
        one.other,
        points(one.difference),
        points(low),
        points(high),
        p_value(one.mcnemar.p),
        holm(one.mcnemar.p_holm),
    )
}

/// What the cosines are, for those who read them.
pub(crate) const COSINES: &str = "Cosine: at each of the first steps of an attack, how far its \
 direction agrees with the one that S-O would take from the very same image (1: the same, 0: \
 nothing in common), as a mean over digits. S-O's noise is drawn anew for that, so its own row \
 does not show 1 but how far two of its draws agree.";

/// Threat model: `l2 ≤ 4`.
pub(crate) fn threat(norm: &str, epsilon: f64) -> String {
    format!("{norm} ≤ {epsilon}")
}

/// The name of the rung of S-O itself.
pub(crate) fn name_of_subject(ladder: &Ladder) -> String {
    let subject = ladder.subject().map(|rung| format!("the rung “{}”", rung.name));
    subject.unwrap_or_else(|| "no rung of this ladder".to_owned())
}
