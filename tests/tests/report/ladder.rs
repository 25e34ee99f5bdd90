//! The ladder on made-up fates: what is counted, what is decided, and that no sentence says more.

use saddle_report::Report;
use saddle_report::ladder::{
    Cause, Climbed, Compared, Kind, Ladder, LadderPlace, LadderRow, Rung, Threat,
};
use saddle_report::statistics::{equivalence, holm, mcnemar, paired_difference};

const DIGITS: usize = 500;

fn rung(name: &str, kind: Kind, against: Option<&str>) -> Rung {
    Rung {
        name: name.to_owned(),
        question: format!("What about {name}?"),
        kind,
        against: against.map(str::to_owned),
        attacks: vec![format!("l2: {name} in words")],
    }
}

/// Five rungs and no row; `planned` under each threat.
fn empty(planned: u64) -> Ladder {
    let threat = |epsilon| Threat { norm: "l2".to_owned(), epsilon, planned };
    Ladder {
        caption: "500 digits that nobody drew.".to_owned(),
        cap: 400,
        alpha: 0.05,
        margin: 5.0,
        threats: vec![threat(2.0), threat(4.0)],
        rungs: vec![
            rung("short", Kind::FirstOrder, None),
            rung("plain", Kind::FirstOrder, Some("short")),
            rung("so", Kind::SecondOrder, Some("plain")),
            rung("even", Kind::Even, Some("so")),
            rung("odd", Kind::Curvature, Some("even")),
        ],
        rows: Vec::new(),
    }
}

fn place(epsilon: f64, seed: u64) -> LadderPlace {
    LadderPlace {
        network: "net".to_owned(),
        norm: "l2".to_owned(),
        epsilon,
        training_seed: seed,
        best: None,
    }
}

/// An attack that fools the first so many digits.
fn fools(rung: &str, first: usize) -> Climbed {
    Climbed {
        rung: rung.to_owned(),
        robust: (0..DIGITS).map(|digit| digit >= first).collect(),
        passes_per_example: 123.5,
        cosines: vec![vec![Some(0.5), None, Some(0.75)], vec![None, None, None]],
    }
}

/// All rungs on three seeds, with how many digits each fools there.
fn climbed(seeds: [[usize; 5]; 3]) -> Ladder {
    let mut ladder = empty(15);
    for (seed, counts) in seeds.into_iter().enumerate() {
        let names = ["short", "plain", "so", "even", "odd"];
        let all: Vec<Climbed> = names.iter().zip(counts).map(|(name, n)| fools(name, n)).collect();
        ladder.add(&place(2.0, seed as u64), &all).unwrap();
    }
    ladder.decide();
    ladder
}

fn row<'a>(ladder: &'a Ladder, rung: &str) -> &'a LadderRow {
    ladder.rows.iter().find(|row| row.rung == rung).unwrap()
}

fn report(ladder: Ladder) -> Report {
    Report { ladder: Some(ladder), ..Report::default() }
}

#[test]
fn counts_and_statistics_by_hand() {
    let ladder = climbed([[100, 200, 450, 450, 202]; 3]);
    let so = row(&ladder, "so");
    assert_eq!((so.correct, so.total, so.accuracy), (50, 500, 0.1));
    assert!(row(&ladder, "plain").best_first_order && !row(&ladder, "short").best_first_order);
    assert!(row(&ladder, "plain").against_first_order.is_none());
    let first = so.against_first_order.as_ref().unwrap();
    assert_eq!((first.other.as_str(), first.difference), ("plain", -0.5));
    assert_eq!((first.mcnemar.only_this, first.mcnemar.only_other), (250, 0));
    assert_eq!(first.mcnemar.p, mcnemar(250, 0));
    assert_eq!(first.interval95, paired_difference(0, 250, 500).unwrap().interval95);
    assert_eq!(first.equivalence_p, equivalence(0, 250, 500, 0.05).unwrap());
    let odd = row(&ladder, "odd").against_rung.as_ref().unwrap();
    assert_eq!((odd.other.as_str(), odd.outcome), ("even", Compared::More));
    // The worse attack leaves 248 digits standing that the other one fools.
    assert_eq!((odd.mcnemar.only_this, odd.mcnemar.only_other, odd.difference), (0, 248, 0.496));
    assert_eq!(so.cosines[0].mean, Some(0.625));
    assert_eq!((so.cosines[0].digits, so.cosines[1].mean, so.cosines[1].digits), (2, None, 0));
}

#[test]
fn a_best_row_that_was_chosen_beforehand_stays_chosen() {
    let mut ladder = empty(5);
    let chosen = LadderPlace { best: Some("short".to_owned()), ..place(2.0, 1) };
    ladder.add(&chosen, &[fools("short", 100), fools("plain", 200)]).unwrap();
    assert!(row(&ladder, "short").best_first_order);
    let against = row(&ladder, "plain").against_first_order.as_ref().unwrap();
    assert_eq!((against.other.as_str(), against.mcnemar.only_this), ("short", 100));
}

#[test]
fn families_are_those_of_one_threat_and_what_was_planned_counts() {
    let adjusted = |planned: u64, other_threat: bool| {
        let mut ladder = empty(planned);
        let rows = [fools("plain", 200), fools("so", 212), fools("even", 209)];
        ladder.add(&place(2.0, 1), &rows).unwrap();
        if other_threat {
            ladder.add(&place(4.0, 1), &[fools("plain", 1), fools("so", 400)]).unwrap();
        }
        ladder.decide();
        row(&ladder, "so").against_first_order.as_ref().unwrap().mcnemar
    };
    let [twelve, nine] = [mcnemar(12, 0), mcnemar(9, 0)];
    assert_eq!(adjusted(2, false).p_holm, Some(holm(&[twelve, nine])[0]));
    assert_eq!(adjusted(2, true).p_holm, adjusted(2, false).p_holm);
    assert_eq!(adjusted(40, false).p_holm, Some(40.0 * twelve));
}

#[test]
fn outcomes_are_those_of_the_tests() {
    let outcome = |so: usize| {
        let ladder = climbed([[100, 200, so, so, 200]; 3]);
        row(&ladder, "so").vs_first_order().unwrap()
    };
    assert_eq!(outcome(450), Compared::Fewer);
    assert_eq!(outcome(150), Compared::More);
    assert_eq!(outcome(200), Compared::Equal);
    // 23 digits more and none the other way: within the margin, and yet surely different.
    assert_eq!(outcome(223), Compared::Fewer);
    // Ten of 60 digits on each side: no sign of a difference, and far too few to call it equality.
    let mut few = empty(15);
    let both = |rung: &str, shift: usize| Climbed {
        robust: (0..60).map(|digit| (digit + shift) % 60 >= 30).collect(),
        ..fools(rung, 0)
    };
    few.add(&place(2.0, 1), &[both("plain", 0), both("so", 10)]).unwrap();
    few.decide();
    assert_eq!(row(&few, "so").vs_first_order(), Some(Compared::Undecided));
}

/// Digits that short, plain, S-O, even and odd fool, in each of three seeds, and what follows.
fn cases() -> [([[usize; 5]; 3], Cause, &'static str); 5] {
    [
        (
            [[100, 200, 450, 450, 202]; 3],
            Cause::NotCurvature,
            "Where the ladder decides, it speaks against the claim",
        ),
        (
            [[100, 200, 450, 300, 400]; 3],
            Cause::Curvature,
            "Where the ladder decides, it speaks for the claim",
        ),
        (
            [[100, 200, 200, 200, 200]; 3],
            Cause::NoGain,
            "Nothing here speaks for or against the claim",
        ),
        // One seed disagrees.
        (
            [[100, 200, 450, 450, 202], [100, 200, 450, 450, 202], [100, 200, 200, 200, 202]],
            Cause::Undecided,
            "Nothing here speaks for or against the claim",
        ),
        // The even part falls short and curvature alone gains nothing: neither explanation holds.
        (
            [[100, 200, 450, 300, 202]; 3],
            Cause::Undecided,
            "Nothing here speaks for or against the claim",
        ),
    ]
}

#[test]
fn the_sentence_on_the_claim_follows_from_the_tests() {
    let verdicts =
        ["speaks against the claim", "speaks for the claim", "speaks for or against the claim"];
    for (counts, cause, words) in cases() {
        let ladder = climbed(counts);
        let groups = ladder.groups();
        assert_eq!(groups.len(), 1);
        assert_eq!((groups[0].cause(), groups[0].seeds.len()), (cause, 3), "{counts:?}");
        let report = report(ladder);
        for text in [report.to_markdown(), report.to_html()] {
            assert!(text.contains(words), "{counts:?} lacks: {words}");
            let said = verdicts.iter().filter(|verdict| text.contains(*verdict)).count();
            assert_eq!(said, 1, "{counts:?} says more than one verdict");
        }
    }
}

#[test]
fn what_the_page_says_of_curvature_is_what_was_found() {
    let text = |counts| report(climbed(counts)).to_markdown();
    let gains = "Of the attacks along the curvature alone odd fool more digits";
    let none = "No attack along the curvature alone fools more digits";
    let with = text([[100, 200, 450, 300, 400]; 3]);
    assert!(with.contains(gains) && !with.contains(none));
    let without = text([[100, 200, 450, 450, 202]; 3]);
    assert!(!without.contains(gains) && without.contains(none));
    assert!(
        without.contains("and its even part, without curvature, as many (within 5 points) or more")
    );
    let one_seed =
        text([[100, 200, 450, 300, 400], [100, 200, 450, 300, 400], [100, 200, 450, 300, 202]]);
    assert!(!one_seed.contains(gains), "in two seeds of three is not in each");
}

#[test]
fn a_missing_row_decides_nothing() {
    let mut ladder = empty(15);
    for seed in 0..3 {
        let mut all = vec![fools("plain", 200), fools("so", 450), fools("odd", 202)];
        if seed < 2 {
            all.push(fools("even", 450));
        }
        ladder.add(&place(2.0, seed), &all).unwrap();
    }
    ladder.decide();
    assert_eq!(ladder.groups()[0].cause(), Cause::Undecided);
    let text = report(ladder).to_markdown();
    assert!(text.contains("| short (first order) | What about short? | not measured |"), "{text}");
    assert!(text.contains("the tests do not decide where its power comes from"));
}

#[test]
fn every_number_stands_in_every_form() {
    let report = report(climbed([[100, 200, 450, 450, 202]; 3]));
    let markdown = report.to_markdown();
    assert!(markdown.contains("![The ladder"), "no picture");
    assert!(markdown.contains("| so | ≤ 10.0 (10.0 to 10.0) |"), "{markdown}");
    assert!(markdown.contains("fewer than plain, -50.0 points"));
    assert!(markdown.contains(
        "against short, of 3 cases: fewer digits stand in 3; from -20.0 to -20.0 points"
    ));
    assert!(markdown.contains("| 0.62 – |") || markdown.contains("| 0.63 – |"), "{markdown}");
    let page = report.to_html();
    assert!(
        page.contains("What it says")
            && page.contains("id=\"the-ladder-where-s-o-s-power-comes-from\"")
    );
    let drawing = page.split("<svg").nth(1).unwrap().split("</svg>").next().unwrap();
    assert!(drawing.contains("var(--ink)") && !drawing.contains("\"#"), "{drawing:.200}");
    let csv = report.ladder_csv();
    assert_eq!(csv.lines().count(), 1 + 15);
    let columns = csv.lines().next().unwrap().split(',').count();
    assert!(csv.lines().all(|line| line.split(',').count() == columns), "{csv}");
    assert!(csv.contains(",fewer,") && csv.contains(",equal,") && csv.contains(",more,"), "{csv}");
    let svg = report.ladder.as_ref().unwrap().to_svg();
    for words in ["even", "odd", "net", "l2 ≤ 2", "400 passes"] {
        assert!(svg.contains(words), "no {words} in the drawing");
    }
}

#[test]
fn a_report_without_a_ladder_does_not_speak_of_one() {
    let report = Report::default();
    assert!(!report.to_json().unwrap().contains("ladder"));
    assert!(!report.to_markdown().contains("ladder") && !report.to_html().contains("ladder"));
    assert_eq!(report.ladder_csv().lines().count(), 1);
    let whole = self::report(climbed([[100, 200, 450, 450, 202]; 3]));
    assert_eq!(Report::from_json(&whole.to_json().unwrap()).unwrap(), whole);
}

#[test]
fn nothing_measured_and_numbers_that_are_none_still_render() {
    let mut odd = fools("plain", 3);
    odd.passes_per_example = f64::NAN;
    odd.cosines = vec![vec![Some(f64::NAN)]];
    let mut ladder = empty(1);
    ladder.add(&place(f64::NAN, 1), &[odd]).unwrap();
    ladder.decide();
    for ladder in [empty(0), ladder] {
        assert!(ladder.to_svg().contains("</svg>"));
        let report = report(ladder);
        assert!(report.to_html().ends_with("</html>") && report.to_markdown().contains("ladder"));
    }
    assert!(empty(0).to_svg().contains("nothing was measured"));
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let refusal =
        |place: LadderPlace, all: &[Climbed]| empty(5).add(&place, all).unwrap_err().to_string();
    assert!(refusal(place(2.0, 1), &[fools("none", 1)]).contains("no rung `none`"));
    assert!(refusal(place(2.0, 1), &[fools("so", 1)]).contains("no rung of first order"));
    let other = LadderPlace { best: Some("short".to_owned()), ..place(2.0, 1) };
    assert!(refusal(other, &[fools("plain", 1)]).contains("no rung short"));
    let mut few = fools("so", 1);
    few.robust.pop();
    let unpaired = refusal(place(2.0, 1), &[fools("plain", 1), few]);
    assert!(unpaired.contains("so was judged on 499 digits"), "{unpaired}");
    let nobody = Climbed { robust: Vec::new(), ..fools("plain", 0) };
    assert!(refusal(place(2.0, 1), &[nobody]).contains("0 correct of 0"));
}
