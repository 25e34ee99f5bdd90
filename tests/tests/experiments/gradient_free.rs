//! The attack toward the nearest digits as a row of a table: kept and resumed like any other, and the measure of whether
//! an attack with gradients works at all.

use saddle_experiments::{Plan, Store, Unobserved};
use saddle_report::{Cell, Report};
use saddle_tests::experiments::{TINY_PLAN, Witness, run_tiny};

const ATTACKS: &str = r#"
[gradient_free.toward_training]
toward_nearest = { among = "training", count = 3 }

[gradient_free.toward_test]
toward_nearest = { among = "test", count = 2 }

[attacks.hardly]
ascent = { rule = "unit", step_size = 1e-6, steps = 1 }

[[table]]
name = "free"
setting = "strong"
networks = ["natural"]
digits = "many"

[[table.row]]
name = "natural"

[[table.row]]
name = "pgd_l2"
norm = "l2"
epsilon = 4.0
attacks = ["hardly"]

[[table.row]]
name = "pgd_linf"
norm = "linf"
epsilon = 0.3
attacks = ["hardly"]

[[table.row]]
name = "nearest_l2"
norm = "l2"
epsilon = 4.0
attacks = ["toward_training", "toward_test"]

[[table.row]]
name = "union_l2"
norm = "l2"
epsilon = 4.0
attacks = ["hardly", "toward_training", "toward_test"]

[figure1]"#;

fn text() -> String {
    TINY_PLAN.replacen("[figure1]", ATTACKS, 1).replacen("iterations = 4", "iterations = 12", 1)
}

fn plan() -> Plan {
    Plan::parse(&text()).unwrap()
}

fn cell<'a>(report: &'a Report, row: &str) -> &'a Cell {
    report.cells.iter().find(|cell| cell.table == "free" && cell.row == row).unwrap()
}

#[test]
fn an_attack_that_leaves_more_than_one_without_gradients_is_marked_broken() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let finished = run_tiny(&plan(), &store, &["free"], &mut Unobserved).unwrap();
    let report = &finished.report;
    let left = |row: &str| cell(report, row).correct.unwrap();
    assert!(left("nearest_l2") < left("pgd_l2"), "this test has lost its point");
    assert_eq!(left("union_l2"), left("nearest_l2"));
    let broken: Vec<_> = report.cells.iter().filter(|cell| cell.weaker_than.is_some()).collect();
    assert_eq!(broken, [cell(report, "pgd_l2")], "other threats are not held against it");
    assert_eq!(broken[0].weaker_than.as_deref(), Some("nearest_l2"));
    let detail = finished.details.iter().find(|detail| detail.cell == *broken[0]);
    assert!(detail.is_some(), "the line of the cell says the same");
    let json: serde_json::Value = serde_json::from_str(&report.to_json().unwrap()).unwrap();
    let marked =
        json["cells"].as_array().unwrap().iter().filter(|cell| cell["weaker_than"].is_string());
    assert_eq!(marked.count(), 1);
    let words = "broken: nearest digits, l2 within 4.0 leave fewer";
    assert!(report.to_html().contains(words) && report.to_markdown().contains(words));
    let note = report.provenance.attacks.iter().find(|note| note.row == "nearest_l2").unwrap();
    assert!(note.words.contains("3 nearest training digits"), "{}", note.words);
    // Two tries for each of three targets, and natural and final image.
    let nearest = finished.details.iter().find(|detail| detail.cell.row == "nearest_l2").unwrap();
    assert!(nearest.attacks[0].passes_per_example <= 8.0);
    assert!(nearest.attacks.iter().all(|attack| attack.largest_distance <= 4.0 * (1.0 + 1e-6)));
}

#[test]
fn a_run_that_is_stopped_between_chunks_ends_at_the_same_cells() {
    let run = |stop_after: Option<usize>| {
        let folder = tempfile::tempdir().unwrap();
        let mut stops = 0;
        loop {
            let store = Store::open(folder.path()).unwrap();
            let mut witness = Witness { stop_after, ..Witness::default() };
            let finished = run_tiny(&plan(), &store, &["free"], &mut witness).unwrap();
            if !finished.interrupted {
                // Other tables show what happens to be known already.
                let lines = finished.details.iter().filter(|detail| detail.cell.table == "free");
                return (lines.map(|detail| format!("{detail:?}")).collect::<Vec<_>>(), stops);
            }
            stops += 1;
            assert!(stops < 40, "the run does not get ahead");
        }
    };
    let (straight, none) = run(None);
    let (resumed, stops) = run(Some(5));
    assert_eq!((straight.len(), none), (5, 0));
    assert_eq!(straight, resumed);
    assert!(stops >= 3, "only {stops} stops: this test has lost its point");
}

#[test]
fn its_settings_are_checked() {
    let refusal = |from: &str, to: &str| {
        let text = text();
        assert!(text.contains(from), "{from}");
        Plan::parse(&text.replacen(from, to, 1)).expect_err("must be refused").to_string()
    };
    assert!(refusal("count = 3", "count = 0").contains("toward_training"));
    assert!(refusal("count = 3", "counts = 3").contains("counts"));
    assert!(refusal("among = \"training\"", "among = \"held_out\"").contains("held_out"));
    assert!(refusal("[gradient_free.toward_test]", "[gradient_free.so]").contains("used twice"));
    assert!(refusal("\"toward_test\"]", "\"toward_tests\"]").contains("`toward_tests`"));
}
