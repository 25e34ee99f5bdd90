//! `saddle report`, and the few lines that a run prints at its end.

use anyhow::Result;

use saddle_report::{McNemar, Report, Shown};

use crate::Ended;
use crate::arguments;

pub(crate) fn run(arguments: &arguments::Report) -> Result<Ended> {
    let report = saddle_experiments::render(&arguments.out)?;
    print(&report);
    println!("report: {}", arguments.out.join("report.html").display());
    Ok(Ended::Done)
}

/// One line per cell: what was measured, of how many, and what the paper says.
pub(crate) fn print(report: &Report) {
    for cell in &report.cells {
        let place =
            format!("{:<14} {:<14} {:<10} seed {}", cell.table, cell.network, cell.row, cell.seed);
        let paper = cell
            .comparable()
            .map_or(String::new(), |paper| format!("  (paper {:.1} %)", 100.0 * paper));
        match cell.shown() {
            Shown::Measured { correct, total, accuracy, interval: [low, high] } => println!(
                "{place}  {:5.1} %  [{:.1}, {:.1}]  {correct} of {total}{paper}",
                100.0 * accuracy,
                100.0 * low,
                100.0 * high
            ),
            // A whole column that nobody can train yet would only push the numbers off the screen.
            Shown::Missing => {}
            Shown::Failed => println!("{place}  failed{paper}"),
        }
    }
    let missing = report.cells.iter().filter(|cell| matches!(cell.shown(), Shown::Missing)).count();
    if missing > 0 {
        println!("{missing} cells are missing; the report says why");
    }
    for bound in &report.bounds {
        println!(
            "no classifier on {} digits, {} {}  {:6.2} %  {} pairs in conflict",
            bound.digits,
            bound.norm,
            bound.epsilon,
            100.0 * bound.upper_bound,
            bound.conflicts
        );
    }
    for row in &report.rivals {
        let told = |test: Option<McNemar>, other: &str| {
            let holm = |p: Option<f64>| p.map_or(String::new(), |p| format!(", Holm {p:.2e}"));
            test.map_or(String::new(), |test| {
                format!("  against {other}: McNemar p {:.2e}{}", test.p, holm(test.p_holm))
            })
        };
        let test = told(row.mcnemar, "the best rival") + &told(row.against_so, "S-O");
        let best = if row.best_rival { "  (best rival)" } else { "" };
        println!(
            "rivals {} seed {} {} {}  {:5.1} %  {}{best}{test}",
            row.network,
            row.training_seed,
            row.norm,
            row.epsilon,
            100.0 * row.accuracy,
            row.attack
        );
    }
    for failure in &report.provenance.failures {
        println!("failed: {}: {}", failure.what, failure.reason);
    }
}
