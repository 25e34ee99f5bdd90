//! `report.json`: the agreed fields, there and back, and odd input without a panic.

use proptest::prelude::*;
use saddle_report::{Cell, Report, Setting, TrainingNorm};
use saddle_tests::report::{key, sample};
use serde_json::{Value, json};

#[test]
fn a_cell_has_exactly_the_agreed_fields() {
    let place = key("madry_linf", Some(TrainingNorm::Linf), "so_l2", Setting::Strong);
    let cell = serde_json::to_value(Cell::measured(place.clone(), 0, 4, 82.5).unwrap()).unwrap();
    let [low, high] = saddle_report::statistics::wilson(0, 4).unwrap();
    let expected = json!({
        "table": "table1_strong", "setting": "strong", "network": "madry_linf", "defense": "madry",
        "training_norm": "linf", "inner_steps": "sign", "row": "so_l2", "seed": 7, "correct": 0,
        "total": 4, "accuracy": 0.0, "wilson95": [low, high], "passes_per_example": 82.5, "paper": null,
        "kernels": "avx2", "status": "measured"
    });
    assert_eq!(cell, expected);

    let natural = key("natural", None, "natural", Setting::Paper);
    let missing = serde_json::to_value(Cell::missing(natural)).unwrap();
    for absent in [
        "training_norm",
        "inner_steps",
        "correct",
        "total",
        "accuracy",
        "wilson95",
        "passes_per_example",
        "paper",
    ] {
        assert_eq!(missing[absent], Value::Null, "{absent}");
    }
    assert_eq!(missing["status"], "missing");
    assert_eq!(serde_json::to_value(Cell::failed(place)).unwrap()["status"], "failed");
}

#[test]
fn a_report_comes_back_as_it_went() {
    let report = sample();
    let text = report.to_json().unwrap();
    assert_eq!(Report::from_json(&text).unwrap(), report);
    assert_eq!(Report::from_json(&text).unwrap().to_json().unwrap(), text, "same bytes");
    let value: Value = serde_json::from_str(&text).unwrap();
    for field in ["profile", "seed", "commit", "cells"] {
        assert!(!value[field].is_null(), "{field}");
    }
}

#[test]
fn the_agreed_fields_alone_are_a_report() {
    let report =
        Report::from_json(r#"{"profile":"smoke","seed":1,"commit":"x","cells":[]}"#).unwrap();
    assert!(report.cells.is_empty() && report.figures.is_empty());
    assert!(report.to_markdown().contains("0 cells measured"));
    assert!(Report::from_json(r#"{"profile":"smoke"}"#).is_err());
    assert!(Report::from_json("no report").unwrap_err().to_string().starts_with("report.json: "));
}

#[test]
fn numbers_that_json_does_not_know_become_absent() {
    let mut report = sample();
    report.cells[0].passes_per_example = Some(f64::NAN);
    report.cells[1].accuracy = Some(f64::INFINITY);
    report.figures[0].series[0].mean[3] = f64::NAN;
    let back = Report::from_json(&report.to_json().unwrap()).unwrap();
    assert_eq!(back.cells[0].passes_per_example, None);
    assert_eq!(back.cells[1].accuracy, None);
    assert!(back.figures[0].series[0].mean[3].is_nan());
    assert_eq!(back.figures[0].series[0].mean[4], report.figures[0].series[0].mean[4]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damaged_json_is_refused_or_read_but_never_a_panic(at in any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = sample().to_json().unwrap().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(report) = Report::from_json(&String::from_utf8_lossy(&bytes)) {
            prop_assert!(report.to_html().ends_with("</html>"));
        }
    }
}
