//! A cell shows what was measured, or says that nothing was; the paper's figure is never ours.

use saddle_report::{Cell, Finding, Setting, Shown, Side, Status, TrainingNorm, paper};
use saddle_tests::report::key;

fn linf(row: &str) -> saddle_report::CellKey {
    key("madry_linf", Some(TrainingNorm::Linf), row, Setting::Paper)
}

#[test]
fn accuracy_interval_and_the_papers_figure_follow_from_the_counts() {
    let cell = Cell::measured(linf("so_l2"), 6, 1000, 82.5).unwrap();
    assert_eq!((cell.correct, cell.total, cell.accuracy), (Some(6), Some(1000), Some(0.006)));
    assert_eq!(cell.paper, Some(0.0));
    let [low, high] = cell.wilson95.unwrap();
    assert!(low < 0.006 && 0.006 < high);
    assert!(matches!(cell.shown(), Shown::Measured { correct: 6, total: 1000, .. }));
}

#[test]
fn counts_that_cannot_be_are_refused() {
    let words = Cell::measured(linf("so_l2"), 3, 2, 1.0).unwrap_err().to_string();
    assert_eq!(words, "so_l2 on madry_linf: 3 correct of 2 is no measurement");
    assert!(Cell::measured(linf("so_l2"), 0, 0, 1.0).is_err());
}

#[test]
fn an_absent_cell_has_the_papers_figure_and_no_number_of_ours() {
    for (cell, shown) in [
        (Cell::missing(linf("pgd_l2")), Shown::Missing),
        (Cell::failed(linf("pgd_l2")), Shown::Failed),
    ] {
        assert_eq!(cell.shown(), shown);
        assert_eq!(cell.paper, Some(0.928));
        assert_eq!(
            (cell.correct, cell.total, cell.accuracy, cell.wilson95),
            (None, None, None, None)
        );
        assert!(Finding::of(&cell).is_none());
    }
}

#[test]
fn a_cell_that_contradicts_itself_is_shown_as_failed() {
    let good = Cell::measured(linf("pgd_l2"), 900, 1000, 40.0).unwrap();
    for bad in [
        Cell { accuracy: Some(0.928), ..good.clone() },
        Cell { accuracy: Some(f64::NAN), ..good.clone() },
        Cell { total: Some(0), ..good.clone() },
        Cell { correct: Some(1001), ..good.clone() },
        Cell { total: None, ..good.clone() },
        Cell { status: Status::Failed, ..good.clone() },
    ] {
        assert_eq!(bad.shown(), Shown::Failed, "{bad:?}");
    }
    // A stored interval is not believed either: it is computed again from the counts.
    let lying = Cell { wilson95: Some([0.0, 1.0]), ..good.clone() };
    assert_eq!(lying.shown(), good.shown());
}

#[test]
fn the_papers_table_is_the_printed_one() {
    use TrainingNorm::{L2, Linf, Mix};
    for (defense, norm, row, fraction) in [
        ("madry", L2, "natural", 0.982),
        ("madry", Linf, "pgd_l2", 0.928),
        ("madry", Linf, "so_l2", 0.0),
        ("madry", Mix, "so_l2", 0.183),
        ("trades", Linf, "so_l2", 0.032),
        ("ensemble", L2, "pgd_l2", 0.99),
        ("atda", Mix, "so_linf", 0.834),
    ] {
        assert_eq!(paper::accuracy(defense, Some(norm), row), Some(fraction), "{defense} {row}");
    }
    assert_eq!(paper::accuracy("natural", None, "natural"), None);
    assert_eq!(paper::accuracy("madry", None, "natural"), None);
    assert_eq!(paper::accuracy("madry", Some(L2), "pgd_l1"), None);
}

#[test]
fn a_finding_needs_the_interval_to_exclude_the_paper() {
    // The paper prints 92.8 %; 920 of 1000 has an interval of 90.2 to 93.5 %.
    assert!(Finding::of(&Cell::measured(linf("pgd_l2"), 920, 1000, 1.0).unwrap()).is_none());
    let cell = Cell::measured(linf("pgd_l2"), 951, 1000, 1.0).unwrap();
    let finding = Finding::of(&cell).unwrap();
    assert_eq!((finding.ours, finding.paper), (0.951, 0.928));
    assert_eq!(finding.side(), Side::Above);
    // 0.0 % may be a rounded 0.04 %: of 10,000 digits, six right have a lower end of 0.028 %.
    assert!(Finding::of(&Cell::measured(linf("so_l2"), 6, 10_000, 1.0).unwrap()).is_none());
    assert!(Finding::of(&Cell::measured(linf("so_l2"), 30, 10_000, 1.0).unwrap()).is_some());
}

#[test]
fn a_difference_below_above_and_without_an_attack_are_three_things() {
    for (row, correct, side) in
        [("pgd_l2", 18, Side::Below), ("so_l2", 300, Side::Above), ("natural", 900, Side::Natural)]
    {
        let cell = Cell::measured(linf(row), correct, 1000, 1.0).unwrap();
        assert_eq!(Finding::of(&cell).unwrap().side(), side, "{row}");
    }
}

#[test]
fn the_strong_setting_is_not_held_against_the_paper() {
    let place = key("madry_linf", Some(TrainingNorm::Linf), "pgd_l2", Setting::Strong);
    let cell = Cell::measured(place, 18, 1000, 79.0).unwrap();
    assert_eq!(cell.paper, None);
    // Nor when a file says otherwise.
    let cell = Cell { paper: Some(0.928), ..cell };
    assert!(cell.comparable().is_none() && Finding::of(&cell).is_none());
}

#[test]
fn rows_are_named_in_words_with_norm_and_radius() {
    for (row, words) in [
        ("natural", "natural digits"),
        ("pgd_l2", "PGD, l2 within 4.0"),
        ("so_linf", "S-O, l-infinity within 0.3"),
        ("union_l2", "worst of all, l2 within 4.0"),
        ("union_linf", "worst of all, l-infinity within 0.3"),
        ("union_l2_2", "worst of all, l2 within 2.0"),
        ("pgd_linf_0_1", "PGD, l-infinity within 0.1"),
        ("strong_l2_2", "strong, l2 within 2.0"),
        ("so_sigma_0_1 at l2 2.0", "S-O sigma 0.1, l2 within 2.0"),
        ("even at l2 4.0", "even, l2 within 4.0"),
        ("square_l2", "Square, l2"),
        ("apgd_ce_linf_0_1", "APGD-CE, l-infinity within 0.1"),
        ("apgd_t_l2", "APGD-T, l2"),
        ("apgd_at_l2", "APGD, l2"),
        ("ddn_l2_2", "DDN, l2 within 2.0"),
        ("standard_linf_0_3", "standard suite, l-infinity within 0.3"),
        ("linf", "linf"),
        ("my_attack", "my attack"),
        ("", ""),
    ] {
        assert_eq!(paper::row_in_words(row), words, "{row}");
    }
}
