//! What the report says about the paper's claims.

use crate::claims::{
    Decided, Evidence, Needs, Outcome, Share, Test, Tested, Verdict, contradicted_everywhere,
};
use crate::number::{interval, p_value, percent};
use crate::paper::row_in_words;
use crate::report::Report;

pub(crate) const TITLE: &str = "What the paper claims, and what became of it";

/// Head of the table of verdicts.
pub(crate) const HEAD: [&str; 4] = ["", "claim", "verdict", "decided by"];

/// Head of the evidence of one test.
pub(crate) const EVIDENCE_HEAD: [&str; 7] =
    ["cell or curve", "seed", "accuracy", "held against", "difference", "p", "says"];

/// How many missing cells a line names before it only counts.
const NAMED: usize = 3;

/// How the verdicts come about.
pub(crate) fn in_words(report: &Report) -> Vec<String> {
    let Some(first) = report.claims.first() else { return Vec::new() };
    let count = |verdict| report.claims.iter().filter(|row| row.verdict == verdict).count();
    vec![
        format!(
            "{} confirmed, {} refuted, {} open. What is compared and every threshold stood in the plan \
             before the run. Confirmed: every test that the claim needs holds on every network and \
             every training seed. Refuted: a test surely says the opposite on all seeds of a network. \
             Open: neither is sure, or something that the claim needs was not measured.",
            count(Verdict::Confirmed),
            count(Verdict::Refuted),
            count(Verdict::Open),
        ),
        format!(
            "An accuracy counts as above or below a threshold when its whole 95 % interval does. Two \
             accuracies are compared digit by digit: they differ if the exact McNemar test says so \
             with the same sign in every seed, and are equal if two one-sided tests put them within \
             {} points of each other. The {} comparisons of all claims share one level of {} \
             (Holm). Accuracies under attack are upper bounds, so a verdict is about these attacks \
             on these networks.",
            first.margin, first.family, first.alpha,
        ),
    ]
}

/// A claim as a line under [`HEAD`].
pub(crate) fn line(row: &Decided) -> Vec<String> {
    vec![row.id.clone(), row.claim.clone(), verdict(row.verdict).to_owned(), row.decided_by.clone()]
}

/// A verdict in a word, with a sign that needs no colour.
pub(crate) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Confirmed => "✓ confirmed",
        Verdict::Refuted => "✗ refuted",
        Verdict::Open => "? open",
    }
}

pub(crate) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Holds => "holds",
        Outcome::Contradicts => "contradicts",
        Outcome::Undecided => "undecided",
        Outcome::Missing => "missing",
    }
}

/// What stands between a claim and its tests.
pub(crate) fn needs(row: &Decided) -> &'static str {
    match (row.tests.len(), row.needs) {
        (0, _) => "No test of this plan can decide it.",
        (1, _) => "One test decides it.",
        (_, Needs::All) => "It needs all of these tests.",
        (_, Needs::Any) => "One of these tests is enough.",
    }
}

/// A test as a sentence without its end.
pub(crate) fn test(test: &Test) -> String {
    let rows = |rows: &[String]| {
        let rows: Vec<String> = rows.iter().map(|row| row_in_words(row)).collect();
        rows.join("; ")
    };
    match test {
        Test::AtLeast { table, networks, rows: names, percent } => {
            format!("At least {percent} % stand ({}), on {} ({table})", rows(names), and(networks))
        }
        Test::AtMost { table, networks, rows: names, percent } => {
            format!("At most {percent} % stand ({}), on {} ({table})", rows(names), and(networks))
        }
        Test::Below { table, networks, row, against } => {
            let [other_table, network, other] = against.place([table, "", row]);
            let elsewhere = elsewhere(table, other_table, network);
            format!(
                "Fewer stand in the row {} than in the row {}{elsewhere}, on {} ({table})",
                quoted(row),
                quoted(other),
                and(networks)
            )
        }
        Test::Equal { table, networks, row, against } => {
            let [other_table, network, other] = against.place([table, "", row]);
            let elsewhere = elsewhere(table, other_table, network);
            format!(
                "As many stand in the row {} as in the row {}{elsewhere}, on {} ({table})",
                quoted(row),
                quoted(other),
                and(networks)
            )
        }
        Test::WithinBound { table, networks, rows: names } => format!(
            "No more stand than any classifier can have robust ({}), on {} ({table})",
            rows(names),
            and(networks)
        ),
        Test::CurveAbove { figure, curve, other, factor, share } => format!(
            "The mean of “{curve}” is above {factor} times that of “{other}” at {:.0} % of the steps \
             or more ({figure})",
            100.0 * share
        ),
        Test::Crosses { curve, networks, percent } => format!(
            "With enough steps no more than {percent} % stand, on {} ({curve})",
            and(networks)
        ),
    }
}

/// A piece of evidence as a line under [`EVIDENCE_HEAD`].
pub(crate) fn evidence(evidence: &Evidence) -> Vec<String> {
    let dash = || "–".to_owned();
    let against = match evidence.other {
        Some(other) => format!("{}: {}", evidence.against, share(other)),
        None => evidence.against.clone(),
    };
    let tests = [
        evidence.mcnemar_p.map(|p| format!("McNemar {}", p_value(p))),
        evidence.equivalence_p.map(|p| format!("equality {}", p_value(p))),
        evidence.holm_p.map(|p| format!("Holm {}", p_value(p))),
    ];
    let tests: Vec<String> = tests.into_iter().flatten().collect();
    let seen = Some(evidence.seen.clone()).filter(|seen| !seen.is_empty());
    vec![
        evidence.what.clone(),
        evidence.seed.to_string(),
        evidence.share.map(share).unwrap_or_else(dash),
        against,
        difference(evidence).or(seen).unwrap_or_else(dash),
        if tests.is_empty() { dash() } else { tests.join(", ") },
        outcome(evidence.outcome).to_owned(),
    ]
}

/// Everything that a test lacks, in a few words.
pub(crate) fn absent(absent: &[String]) -> String {
    let named: Vec<&str> = absent.iter().take(NAMED).map(String::as_str).collect();
    match absent.len().saturating_sub(NAMED) {
        0 => named.join("; "),
        more => format!("{}; and {more} more", named.join("; ")),
    }
}

/// The evidence that decides a claim, in one line.
pub(crate) fn decided_by(row: &Decided) -> String {
    let mut missing: Vec<String> = Vec::new();
    for reason in row.tests.iter().flat_map(|test| &test.absent) {
        // Several tests may lack the same cell.
        if !missing.contains(reason) {
            missing.push(reason.clone());
        }
    }
    if !missing.is_empty() {
        return absent(&missing);
    }
    let of = |wanted: Outcome, pick: fn(&Tested) -> Option<&Evidence>| {
        let tests = row.tests.iter().filter(|test| test.outcome == wanted);
        let lines: Vec<String> = tests.filter_map(pick).map(told).collect();
        lines.join("; ")
    };
    match row.verdict {
        Verdict::Confirmed => of(Outcome::Holds, weakest),
        Verdict::Refuted => of(Outcome::Contradicts, contradicting),
        Verdict::Open => {
            let undecided = of(Outcome::Undecided, undecided);
            // With one test enough, tests that contradict leave the others to decide.
            if undecided.is_empty() { of(Outcome::Contradicts, contradicting) } else { undecided }
        }
    }
}

/// The evidence that came closest to not holding.
fn weakest(tested: &Tested) -> Option<&Evidence> {
    let doubt = |evidence: &Evidence| match &tested.test {
        Test::AtLeast { .. } => evidence.share.map_or(0.0, |share| -share.wilson95[0]),
        Test::AtMost { .. } => evidence.share.map_or(0.0, |share| share.wilson95[1]),
        Test::Below { .. } => evidence.interval95.map_or(0.0, |[_, high]| high),
        Test::Equal { .. } => {
            evidence.interval95.map_or(0.0, |[low, high]| low.abs().max(high.abs()))
        }
        Test::WithinBound { .. } => evidence.share.map_or(0.0, |share| share.accuracy),
        Test::CurveAbove { .. } | Test::Crosses { .. } => 0.0,
    };
    tested.evidence.iter().max_by(|a, b| doubt(a).total_cmp(&doubt(b)))
}

fn contradicting(tested: &Tested) -> Option<&Evidence> {
    tested.evidence.iter().find(|one| contradicted_everywhere(&tested.evidence, one))
}

fn undecided(tested: &Tested) -> Option<&Evidence> {
    let not = |evidence: &&Evidence| evidence.outcome != Outcome::Holds;
    let open = tested.evidence.iter().find(|one| one.outcome == Outcome::Undecided);
    open.or_else(|| tested.evidence.iter().find(not))
}

fn told(evidence: &Evidence) -> String {
    let mut words = evidence.what.clone();
    if let Some(own) = evidence.share {
        words = format!("{words}: {}", share(own));
    }
    match (evidence.other, difference(evidence)) {
        (Some(other), Some(difference)) => {
            format!("{words} against {} {}, {difference}", evidence.against, share(other))
        }
        _ if !evidence.seen.is_empty() => format!("{words}: {}", evidence.seen),
        _ => format!("{words}, claimed {}", evidence.against),
    }
}

fn difference(evidence: &Evidence) -> Option<String> {
    let [low, high] = evidence.interval95?;
    Some(format!("{} points ({} to {})", points(evidence.difference?), points(low), points(high)))
}

/// A share with its interval: `85.3 % (83.0 to 87.4, n 1000)`.
pub(super) fn share(share: Share) -> String {
    let Share { accuracy, wilson95, total, .. } = share;
    format!("{} % ({}, n {total})", percent(accuracy), interval(wilson95))
}

/// A difference of shares in points, with its sign.
pub(crate) fn points(difference: f64) -> String {
    format!("{:+.1}", 100.0 * difference)
}

fn quoted(row: &str) -> String {
    format!("“{}”", row_in_words(row))
}

/// Where the other cell of a comparison stands if not beside the first.
fn elsewhere(table: &str, other: &str, network: &str) -> String {
    let network = Some(network).filter(|name| !name.is_empty()).map(|name| format!(" of {name}"));
    let table = Some(other).filter(|other| *other != table).map(|other| format!(" ({other})"));
    format!("{}{}", network.unwrap_or_default(), table.unwrap_or_default())
}

/// Names in a row: `a, b and c`.
fn and(names: &[String]) -> String {
    match names {
        [] => "no network".to_owned(),
        [one] => one.clone(),
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
    }
}
