//! What a reader sees of claims and causes.

use saddle_report::claims::{Absent, Against, Cause, Material, Verdict, decide, differences};
use saddle_report::{Cell, Report, Setting, TrainingNorm};
use saddle_tests::report::claims::{
    absent, at_least, at_most, below, claim, claims, equal, judged, owned,
};
use saddle_tests::report::key;

/// A confirmed, a refuted and three open claims, an explained and an unexplained difference.
fn report() -> Report {
    let net = "madry_linf";
    let judged = [
        judged(net, "pgd_l2", 7, |id| id < 853),
        judged(net, "so_l2", 7, |id| id < 6),
        judged(net, "pgd_linf", 7, |id| id < 920),
        judged(net, "so_linf", 7, |id| id < 913),
        judged(net, "pgd_l2_short", 7, |id| id < 910),
        absent(net, "union", 7, Absent::Missing),
    ];
    let mut all = claims(vec![
        claim(
            "C1",
            vec![
                at_least(&[net], "pgd_l2", 75.0),
                at_most(&[net], "so_l2", 10.0),
                below(&[net], "so_l2", "pgd_l2"),
            ],
        ),
        claim("C2", vec![at_most(&[net], "pgd_linf", 25.0)]),
        claim("C3", vec![at_most(&[net], "union", 50.0)]),
        claim("C7", Vec::new()),
        claim("C8", vec![equal(&[net], "so_linf", "pgd_linf"), at_least(&[net], "pgd_linf", 92.0)]),
    ]);
    all.claims[3].undecidable = Some("It is about CIFAR-10, which needs a GPU.".to_owned());
    let cell = |row: &str, correct| {
        let place = key(net, Some(TrainingNorm::Linf), row, Setting::Paper);
        Cell::measured(place, correct, 1000, 1.0).unwrap()
    };
    let cells = vec![cell("pgd_l2", 853), cell("so_l2", 6), cell("pgd_linf", 920)];
    let causes = [Cause {
        choice: "raw steps of 0.1 in place of 1".to_owned(),
        table: "table1".to_owned(),
        networks: owned(&[net]),
        rows: owned(&["pgd_l2"]),
        changed: Against { row: Some("pgd_l2_short".to_owned()), ..Against::default() },
    }];
    Report {
        profile: "made up".to_owned(),
        claims: decide(&all, &Material { judged: &judged, bounds: &[], figures: &[], charts: &[] }),
        differences: differences(&cells, &judged, &causes),
        cells,
        ..Report::default()
    }
}

#[test]
fn markdown() {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("claims_markdown", report().to_markdown());
    });
}

#[test]
fn claims_open_the_report_in_both_forms() {
    let report = report();
    let verdicts: Vec<_> = report.claims.iter().map(|row| row.verdict).collect();
    use Verdict::{Confirmed, Open, Refuted};
    assert_eq!(verdicts, [Confirmed, Refuted, Open, Open, Open]);
    for text in [report.to_markdown(), report.to_html()] {
        let claims = text.find("What the paper claims").unwrap();
        assert!(claims < text.find("How to read this").unwrap());
        for words in ["✓ confirmed", "✗ refuted", "? open", "which needs a GPU", "closes 76 % of"]
        {
            assert!(text.contains(words), "{words}");
        }
    }
    let without = Report { claims: Vec::new(), differences: Vec::new(), ..report };
    for text in [without.to_markdown(), without.to_html()] {
        assert!(!text.contains("What the paper claims") && !text.contains("What causes"));
    }
}

#[test]
fn claims_come_back_from_json_and_old_reports_have_none() {
    let report = report();
    let text = report.to_json().unwrap();
    assert_eq!(Report::from_json(&text).unwrap(), report);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["claims"][0]["id"], "C1");
    assert_eq!(value["claims"][0]["verdict"], "confirmed");
    assert_eq!(value["claims"][0]["tests"][2]["test"]["kind"], "below");
    assert_eq!(value["claims"][0]["tests"][2]["outcome"], "holds");
    assert_eq!(value["differences"][0]["explained"], true);
    let old = Report::from_json(r#"{"profile":"smoke","seed":1,"commit":"x","cells":[]}"#).unwrap();
    assert!(old.claims.is_empty() && old.differences.is_empty());
}

#[test]
fn words_of_a_claim_cannot_become_markup() {
    let mut report = report();
    let evil = "<script>alert(1)</script>|\n# x";
    let row = &mut report.claims[0];
    (row.id, row.claim, row.why) = (evil.into(), evil.into(), evil.into());
    row.decided_by = evil.into();
    row.tests[0].absent = vec![evil.into()];
    row.tests[1].evidence[0].what = evil.into();
    report.differences[0].network = evil.into();
    report.differences[0].tried[0].choice = evil.into();
    let (page, markdown) = (report.to_html(), report.to_markdown());
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;"));
    assert!(!markdown.contains("<script") && !markdown.contains("\n# x"));
}
