//! Bounds in a report: the agreed fields, the lowest of the methods, and on which side cells lie.

use saddle_report::bounds::{Bound, ConflictGraph, Subject, TableRow, Witness};
use saddle_report::{Cell, Report, Setting, TrainingNorm};
use saddle_tests::report::{key, sample};
use serde_json::json;

fn subject(digits: u64, row: &str) -> Subject {
    Subject {
        norm: "l2".to_owned(),
        epsilon: 4.0,
        digits_hash: "0123".to_owned(),
        digits,
        all_test_digits: true,
        rows: vec![TableRow { table: "table1".to_owned(), row: row.to_owned() }],
    }
}

/// A bound for `digits` digits whose first three are all in conflict and whose fourth and fifth are.
fn bound(digits: u64) -> Bound {
    let edges = [[0, 1], [1, 2], [2, 0], [3, 4]];
    let graph = ConflictGraph::new(digits as usize, &edges).unwrap();
    let found = Witness::of(&graph, 1).bounds(digits as usize, |a, b| graph.joined(a, b)).unwrap();
    Bound::new(subject(digits, "so_l2"), graph.edges() as u64, found)
}

#[test]
fn a_bound_has_the_agreed_fields_and_the_lowest_value() {
    let value = serde_json::to_value(bound(10)).unwrap();
    let methods = json!([
        {"method": "maximum_matching", "classifiers": "all", "robust_at_most": 8.0, "upper_bound": 0.8},
        {"method": "fractional_packing", "classifiers": "all", "robust_at_most": 7.5, "upper_bound": 0.75},
        {"method": "clique_cover", "classifiers": "deterministic", "robust_at_most": 7.0, "upper_bound": 0.7},
    ]);
    let expected = json!({
        "norm": "l2", "epsilon": 4.0, "digits_hash": "0123", "digits": 10, "method": "clique_cover",
        "classifiers": "deterministic", "upper_bound": 0.7, "robust_at_most": 7.0,
        "all_test_digits": true, "conflicts": 4, "by_method": methods,
        "rows": [{"table": "table1", "row": "so_l2"}],
    });
    assert_eq!(value, expected);
    assert_eq!(serde_json::from_value::<Bound>(value).unwrap(), bound(10));
    // The agreed fields alone are a bound.
    let least = json!({
        "norm": "l2", "epsilon": 4.0, "digits_hash": "0123", "digits": 10, "method": "clique_cover",
        "classifiers": "deterministic", "upper_bound": 0.7, "robust_at_most": 7.0,
    });
    assert!(serde_json::from_value::<Bound>(least).is_ok());
}

#[test]
fn of_equal_bounds_the_one_for_more_classifiers_is_named() {
    let graph = ConflictGraph::new(4, &[[0, 1]]).unwrap();
    let found = Witness::of(&graph, 1).bounds(4, |a, b| graph.joined(a, b)).unwrap();
    let value = serde_json::to_value(Bound::new(subject(4, "so_l2"), 1, found)).unwrap();
    assert_eq!(
        (&value["method"], &value["classifiers"]),
        (&json!("maximum_matching"), &json!("all"))
    );
}

/// Cells of one network on ten digits and the bound of 7 for them.
fn report(standing: [u64; 2]) -> Report {
    let cell = |row: &str, correct, total| {
        let place = key("madry_linf", Some(TrainingNorm::Linf), row, Setting::Paper);
        Cell::measured(place, correct, total, 1.0).unwrap()
    };
    let missing = key("madry_l2", Some(TrainingNorm::L2), "so_l2", Setting::Paper);
    let cells = vec![
        cell("so_l2", standing[0], 10),
        cell("so_l2", standing[1], 10),
        // Another row, other digits, and no measurement: nothing to hold.
        cell("pgd_l2", 10, 10),
        cell("so_l2", 11, 11),
        Cell::missing(missing),
    ];
    Report { cells, bounds: vec![bound(10)], ..Report::default() }
}

#[test]
fn a_cell_is_held_against_the_bound_for_its_own_digits() {
    let report = report([7, 8]);
    let sides: Vec<_> = report.held_against_bounds().map(|held| held.above).collect();
    assert_eq!(sides, [false, true], "exactly the bound is within it");
    let markdown = report.to_markdown();
    assert!(markdown.contains("## What no classifier can do"));
    assert!(markdown.contains(
        "| l2 ≤ 4 | 10 (all test digits, table1) | 4 | 80.00 % | 75.00 % | 70.00 % | 70.00 % | deterministic |"
    ));
    assert!(
        markdown.contains(
            "| madry_linf | table1 | 7 | S-O, l2 within 4.0 | 70.0 % | 70.00 % | within |"
        )
    );
    assert!(
        markdown.contains(
            "| madry_linf | table1 | 7 | S-O, l2 within 4.0 | 80.0 % | 70.00 % | above |"
        )
    );
    let page = report.to_html();
    assert_eq!(page.matches("<td class=\"number\">within</td>").count(), 1 + 11);
    assert_eq!(page.matches("<td class=\"number\">above</td>").count(), 1 + 13);
}

#[test]
fn the_papers_cells_are_held_against_the_bound_for_all_test_digits() {
    let mut report = report([7, 8]);
    let sides = |report: &Report| {
        let held = report.paper_against_bounds();
        let above = held.iter().filter(|held| held.above).count();
        (above, held.len())
    };
    // Above 70.0 %: of PGD l2 all but 65.3, 58.2, 63.6, 57.9; of S-O l2 96.6, 81.7, 84.2, 98.9, 97.2.
    assert_eq!(sides(&report), (8 + 5, 24));
    // 91.7 % is printed for anything from 91.65 to 91.75 %.
    report.bounds[0].upper_bound = 0.9169;
    assert_eq!(sides(&report), (4 + 4 - 1, 24));
    assert!(report.to_markdown().contains("7 of the 24 cells within l2 4.0 lie above 91.69 %"));
    report.bounds[0].all_test_digits = false;
    assert_eq!(sides(&report), (0, 0));
    assert!(!report.to_markdown().contains("The paper's l2 cells"));
}

#[test]
fn a_report_without_bounds_is_silent_about_them_and_odd_ones_render() {
    assert!(!sample().to_markdown().contains("What no classifier can do"));
    let mut odd = bound(10);
    (odd.epsilon, odd.upper_bound, odd.robust_at_most) = (f64::NAN, f64::INFINITY, f64::NAN);
    odd.by_method.clear();
    odd.norm = "<l2>|".to_owned();
    let report = Report { bounds: vec![odd], ..sample() };
    assert!(report.to_html().contains("&lt;l2&gt;|"));
    assert!(report.to_markdown().contains("| &lt;l2>\\| ≤ NaN | 10 (all test digits, table1) |"));
}
