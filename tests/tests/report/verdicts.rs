//! Verdicts on made-up indicators: what is counted on known cases, and that every form says the same.

use saddle_report::Report;
use saddle_report::masking::{
    AtRadius, GradientSigns, Indicators, Masking, SlopeSigns, Standing, Thresholds,
};
use saddle_report::statistics::wilson;
use saddle_report::verdicts::{
    Calibration, Judged, KnownJudged, Planned, Score, VerdictPlace, Verdicts,
};

const DIGITS: usize = 200;

fn standing(attack: &str, standing: usize) -> Option<Standing> {
    let robust = (0..DIGITS).map(|digit| digit < standing).collect();
    Some(Standing { attack: attack.to_owned(), robust })
}

/// A network on which smoothed gradients leave so many of the 100 that plain ones leave.
fn indicators(smoothed: usize) -> Indicators {
    Indicators {
        natural: (0..DIGITS).map(|digit| digit < 190).collect(),
        gradients: Some(GradientSigns { total: 190, zero: 19, tiny: 38, saturated: 57 }),
        slopes: Some(SlopeSigns { total: 190, honest: 171, random_is_better: 0 }),
        gradient_attack: standing("PGD", 100),
        more_steps: standing("PGD, 80 steps", 99),
        smoothed: standing("S-O", smoothed),
        black_box: standing("Square", 101),
        transfer: standing("PGD on another network", 150),
        radii: vec![AtRadius { epsilon: 4.0, standing: 20, total: 200, bound: 0.44 }],
    }
}

fn judged(network: &str, indicators: Indicators) -> Judged {
    let place = VerdictPlace {
        network: network.to_owned(),
        training_seed: 1,
        norm: "l2".to_owned(),
        epsilon: 2.0,
    };
    Judged::new(place, indicators, &Thresholds::STATED)
}

/// S-O finds 40 digits more: masked. None more: not shown. No Square: undecided.
fn three() -> [Judged; 3] {
    let open = Indicators { black_box: None, ..indicators(100) };
    [("a", indicators(60)), ("b", indicators(100)), ("c", open)]
        .map(|(network, indicators)| judged(network, indicators))
}

fn case(name: &str, masked: bool, held_out: bool, judged: &Judged) -> KnownJudged {
    KnownJudged { name: name.to_owned(), masked, held_out, judged: judged.clone() }
}

fn verdicts() -> Verdicts {
    let [masked, shown, open] = three();
    let cases = vec![
        case("first", true, true, &masked),
        case("second", true, true, &masked),
        case("third", true, true, &open),
        case("fourth", true, true, &shown),
        case("fifth", false, true, &shown),
        case("sixth", false, true, &masked),
        case("seventh", true, false, &masked),
    ];
    Verdicts {
        caption: "200 digits that nobody drew.".to_owned(),
        attacks: vec!["along gradients: PGD within l2 2".to_owned()],
        thresholds: Thresholds::STATED,
        planned: 4,
        networks: vec![masked, shown, open],
        calibration: Some(Calibration {
            planned_thresholds: Planned { masked: 1, sound: 1 },
            planned_held_out: Planned { masked: 4, sound: 2 },
            cases,
        }),
    }
}

fn report() -> Report {
    Report { verdicts: Some(verdicts()), ..Report::default() }
}

#[test]
fn the_verdicts_are_those_of_the_indicators() {
    let found = three().map(|one| (one.verdict.masking, one.verdict.shown_by));
    let by = Some("S-O".to_owned());
    assert_eq!(
        found,
        [(Masking::Masked, by), (Masking::NotShown, None), (Masking::Undecided, None)]
    );
}

#[test]
fn scores_by_hand() {
    let calibration = verdicts().calibration.unwrap();
    let held_out = calibration.score(true);
    let expected =
        Score { masked: 4, found: 2, masked_undecided: 1, sound: 2, alarms: 1, sound_undecided: 0 };
    assert_eq!(held_out, expected);
    assert_eq!(held_out.sensitivity(), Some((0.5, wilson(2, 4).unwrap())));
    assert_eq!(held_out.false_alarms(), Some((0.5, wilson(1, 2).unwrap())));
    let own = calibration.score(false);
    assert_eq!((own.sensitivity().unwrap().0, own.false_alarms()), (1.0, None));
    let right: Vec<bool> = calibration.cases.iter().map(KnownJudged::is_right).collect();
    assert_eq!(right, [true, true, false, false, true, false, true]);
}

#[test]
fn every_form_says_what_was_found() {
    let report = report();
    let shared = [
        "3 of 4 planned verdicts: 1 masked, 1 not shown, 1 undecided.",
        "sensitivity 50.0 % (2 of 4; 95 % interval 15.0 to 85.0 %)",
        "false alarms 50.0 % (1 of 2;",
        "Undecided: 1 of the masked, 0 of the sound.",
        "false alarms not measured.",
        "Planned were 1 masked and 1 sound ones.",
        "smoothed gradients: S-O leaves 30.0 % of the digits standing where following gradients leaves 50.0 %",
        "signs is beyond its threshold",
        "not tried: an attack without gradients",
        "They were stated before any network was judged by them.",
        "along gradients: PGD within l2 2",
    ];
    for text in [report.to_markdown(), report.to_html()] {
        for words in shared {
            assert!(text.contains(words), "lacks: {words}\n{text}");
        }
    }
    let text = report.to_markdown();
    assert!(text.contains("| a (seed 1) | l2 ≤ 2 | masked | smoothed gradients"), "{text}");
    // In per cent of 200 digits or of the 190 that are read rightly.
    let figures = "| 95.0 | 50.0 | 49.5 | 30.0 | 50.5 | 75.0 | 10.0 of 44.0 at 4 | 10.0 | 20.0, 30.0 | 90.0 | 0.0 |";
    assert!(text.contains(figures), "{text}");
    // Square was not run on the last of them.
    assert!(text.contains("| 50.0 | 49.5 | 50.0 | – | 75.0 |"), "{text}");
    let out = text.find("Known cases, held out").unwrap();
    let own = text.find("Known cases, for thresholds").unwrap();
    let at = |name: &str| text.find(&format!("| {name} | ")).unwrap();
    assert!(out < at("sixth") && at("sixth") < own && own < at("seventh"));
}

#[test]
fn thresholds_of_a_plan_are_said_to_be_its_own() {
    let thresholds = Thresholds { margin: 0.1, ..Thresholds::STATED };
    let report =
        Report { verdicts: Some(Verdicts { thresholds, ..verdicts() }), ..Report::default() };
    let text = report.to_markdown();
    assert!(text.contains("They are the plan's own.") && text.contains("at least 10.0 points"));
}

#[test]
fn the_table_to_compute_with_has_every_verdict() {
    let csv = report().verdicts_csv();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 1 + 3 + 7);
    let columns = lines[0].split(',').count();
    let plain = lines[2];
    assert_eq!(plain.split(',').count(), columns, "{plain}");
    assert!(plain.starts_with(",,,b,1,l2,2,not shown,,none of the 8 signs"), "{plain}");
    assert!(plain.contains(",200,190,100,99,100,101,150,19,38,57,190,171,0,190,"), "{plain}");
    assert!(plain.ends_with("4: 20 of 200 (bound 0.44)"), "{plain}");
    assert!(lines[4].starts_with("first,held_out,masked,a,1,"), "{}", lines[4]);
    assert!(lines[10].starts_with("seventh,thresholds,masked,a,1,"), "{}", lines[10]);
    assert_eq!(Report::default().verdicts_csv().lines().count(), 1);
}

#[test]
fn the_report_reads_back_and_holds_the_fate_of_every_digit() {
    let report = report();
    let text = report.to_json().unwrap();
    assert_eq!(Report::from_json(&text).unwrap(), report);
    let fates = format!("{}{}", "1".repeat(60), "0".repeat(140));
    assert!(text.contains(&format!("\"robust\": \"{fates}\"")));
    let broken = text.replacen("\"robust\": \"1", "\"robust\": \"x", 1);
    let message = Report::from_json(&broken).unwrap_err().to_string();
    assert!(message.contains("`x` among the fates of digits"), "{message}");
}

#[test]
fn a_report_without_verdicts_does_not_speak_of_them() {
    let report = Report::default();
    assert!(!report.to_json().unwrap().contains("verdicts"));
    for text in [report.to_markdown(), report.to_html()] {
        assert!(!text.contains("masked"), "{text}");
    }
}

#[test]
fn nothing_measured_still_renders() {
    let open = judged("nothing", Indicators::default());
    let empty = Verdicts { networks: vec![open], ..Verdicts::default() };
    let none = Verdicts { calibration: Some(Calibration::default()), ..Verdicts::default() };
    for verdicts in [empty, none] {
        let report = Report { verdicts: Some(verdicts), ..Report::default() };
        assert!(report.to_html().ends_with("</html>"));
        assert!(report.to_markdown().contains("planned verdicts"));
    }
}
