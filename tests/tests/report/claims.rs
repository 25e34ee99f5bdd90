//! Each kind of test and each verdict on cells whose answers are known; one family of p-values.

use saddle_report::bounds::{Bound, Classifiers, Method, TableRow};
use saddle_report::claims::{
    Absent, Against, Claims, Decided, Judged, Material, Needs, Outcome, Test, Verdict, decide,
};
use saddle_report::curves::{ANY_ITERATE, AccuracyCurve, Axis, Chart};
use saddle_report::{Figure, Series};
use saddle_tests::curves::sample_curves;
use saddle_tests::report::claims::{
    absent, at_least, at_most, below, claim, claims, equal, judged, owned,
};

fn decided(claims: &Claims, judged: &[Judged]) -> Vec<Decided> {
    decide(claims, &Material { judged, bounds: &[], figures: &[], charts: &[] })
}

/// The verdict on a claim of these tests.
fn verdict(tests: Vec<Test>, judged: &[Judged]) -> Verdict {
    decided(&claims(vec![claim("C", tests)]), judged)[0].verdict
}

use Verdict::{Confirmed, Open, Refuted};

#[test]
fn a_size_is_decided_by_its_whole_interval() {
    let stands = |count: u64| [judged("net", "pgd_l2", 1, move |id| id < count)];
    // The interval reaches about 2.7 points to each side.
    for (count, least, most) in
        [(780, Confirmed, Refuted), (760, Open, Open), (740, Open, Open), (720, Refuted, Confirmed)]
    {
        let least_test = at_least(&["net"], "pgd_l2", 75.0);
        let most_test = at_most(&["net"], "pgd_l2", 75.0);
        assert_eq!(verdict(vec![least_test], &stands(count)), least, "{count}");
        assert_eq!(verdict(vec![most_test], &stands(count)), most, "{count}");
    }
    // The ends are exact where no digit or every digit stands.
    assert_eq!(verdict(vec![at_most(&["net"], "pgd_l2", 0.4)], &stands(0)), Confirmed);
    assert_eq!(verdict(vec![at_least(&["net"], "pgd_l2", 100.0)], &stands(1000)), Open);
}

#[test]
fn every_network_and_every_seed_has_to_hold_and_all_seeds_of_one_network_contradict() {
    let high = |network, seed| judged(network, "pgd_l2", seed, |id| id < 900);
    let low = |network, seed| judged(network, "pgd_l2", seed, |id| id < 500);
    let test = || vec![at_least(&["a", "b"], "pgd_l2", 75.0)];
    assert_eq!(verdict(test(), &[high("a", 1), high("a", 2), high("b", 1)]), Confirmed);
    assert_eq!(verdict(test(), &[high("a", 1), low("a", 2), high("b", 1)]), Open);
    assert_eq!(verdict(test(), &[high("a", 1), high("a", 2), low("b", 1)]), Refuted);
}

#[test]
fn what_is_missing_keeps_a_claim_open_whatever_else_contradicts_it() {
    let low = judged("a", "pgd_l2", 1, |id| id < 500);
    let tests = vec![at_least(&["a", "b"], "pgd_l2", 75.0), at_least(&["a"], "so_l2", 75.0)];
    let cells = [low, absent("b", "pgd_l2", 4, Absent::Failed)];
    let row = &decided(&claims(vec![claim("C", tests)]), &cells)[0];
    assert_eq!(row.verdict, Open);
    assert_eq!(row.tests[0].outcome, Outcome::Missing);
    assert_eq!(
        row.decided_by,
        "PGD, l2 within 4.0, on b (table1) (seed 4) failed; S-O, l2 within 4.0, on a (table1) is missing"
    );
    // The evidence that is there is shown all the same.
    assert_eq!(row.tests[0].evidence[0].outcome, Outcome::Contradicts);
}

/// `so_l2` and `pgd_l2` of one seed: so many stand only under one of them, 500 under both.
fn two(seed: u64, only_so: u64, only_pgd: u64) -> [Judged; 2] {
    [
        judged("net", "so_l2", seed, move |id| id < 500 || (600..600 + only_so).contains(&id)),
        judged("net", "pgd_l2", seed, move |id| id < 500 || (800..800 + only_pgd).contains(&id)),
    ]
}

#[test]
fn a_difference_needs_significance_and_one_sign_in_every_seed() {
    let test = || vec![below(&["net"], "so_l2", "pgd_l2")];
    let cells = |pairs: &[[u64; 2]]| -> Vec<Judged> {
        let seeds = pairs.iter().zip(1..);
        seeds.flat_map(|([so, pgd], seed)| two(seed, *so, *pgd)).collect()
    };
    assert_eq!(verdict(test(), &cells(&[[0, 100], [5, 90]])), Confirmed);
    assert_eq!(verdict(test(), &cells(&[[0, 100], [90, 5]])), Open, "a seed with another sign");
    assert_eq!(verdict(test(), &cells(&[[100, 0], [90, 5]])), Refuted, "the other way everywhere");
    assert_eq!(verdict(test(), &cells(&[[0, 100], [60, 70]])), Open, "one seed is not significant");
    assert_eq!(verdict(test(), &cells(&[[3, 3], [2, 4]])), Refuted, "equal within the margin");
    let row = &decided(&claims(vec![claim("C", test())]), &cells(&[[5, 90]]))[0];
    let evidence = &row.tests[0].evidence[0];
    assert_eq!((evidence.seed, evidence.difference), (1, Some(-0.085)));
    assert_eq!(evidence.share.unwrap().correct, 505);
    assert_eq!(evidence.other.unwrap().correct, 590);
    assert_eq!(evidence.mcnemar_p, Some(saddle_report::statistics::mcnemar(5, 90)));
    let found = saddle_report::statistics::paired_difference(5, 90, 1000).unwrap();
    assert_eq!(evidence.interval95, Some(found.interval95));
}

#[test]
fn equality_is_shown_or_refuted_and_not_concluded_from_silence() {
    let test = || vec![equal(&["net"], "so_l2", "pgd_l2")];
    assert_eq!(verdict(test(), &two(1, 4, 6)), Confirmed);
    // 2.5 points with an interval from about 1 to 4: neither equal nor beyond the margin.
    assert_eq!(verdict(test(), &two(1, 10, 35)), Open);
    assert_eq!(verdict(test(), &two(1, 0, 80)), Refuted);
    assert_eq!(verdict(test(), &two(1, 80, 0)), Refuted);
    let seeds: Vec<Judged> = two(1, 4, 6).into_iter().chain(two(2, 0, 80)).collect();
    assert_eq!(verdict(test(), &seeds), Open, "one seed of two");
}

#[test]
fn all_comparisons_of_all_claims_are_one_family_and_missing_ones_belong_to_it() {
    // 2^-7 for 8 digits to none, 2^-5 for 6 to none: exact two-sided McNemar.
    let three = claims(vec![
        claim("A", vec![below(&["net"], "so_l2", "pgd_l2")]),
        claim("B", vec![at_least(&["net"], "so_l2", 10.0), below(&["two"], "so_l2", "pgd_l2")]),
    ]);
    let mut cells: Vec<Judged> = two(1, 0, 8).into();
    cells.extend(two(1, 0, 6).map(|cell| Judged { network: "two".to_owned(), ..cell }));
    // Raw p-value, and by how much it is multiplied.
    let p = |rows: &[Decided], claim: usize, test: usize, expected: f64| {
        let evidence = &rows[claim].tests[test].evidence[0];
        let raw = evidence.mcnemar_p.unwrap();
        assert!((raw - expected).abs() < 1e-12, "{raw}");
        (1e9 * evidence.holm_p.unwrap() / raw).round() / 1e9
    };
    let rows = decided(&three, &cells);
    assert_eq!(rows[0].family, 2);
    assert_eq!((p(&rows, 0, 0, 0.0078125), p(&rows, 1, 1, 0.03125)), (2.0, 1.0));
    assert_eq!((rows[0].verdict, rows[1].verdict), (Confirmed, Confirmed));

    // A planned comparison without digits is a member: 3 and 2 in place of 2 and 1.
    let mut four = three.clone();
    four.claims.push(claim("C", vec![equal(&["gone"], "so_l2", "pgd_l2")]));
    let rows = decided(&four, &cells);
    assert_eq!(rows[0].family, 3);
    assert_eq!((p(&rows, 0, 0, 0.0078125), p(&rows, 1, 1, 0.03125)), (3.0, 2.0));
    // 6.25 % is no longer significant; six digits of 1,000 are within the margin, so they contradict.
    assert_eq!(rows[1].tests[1].evidence[0].outcome, Outcome::Contradicts);
    assert_eq!(rows[2].verdict, Open);
    assert_eq!(
        rows[2].decided_by,
        "S-O, l2 within 4.0, on gone (table1) is missing; \
         PGD, l2 within 4.0, on gone (table1) is missing"
    );
}

#[test]
fn networks_can_be_compared_on_the_seeds_that_both_have() {
    let against = Against { network: Some("b".to_owned()), ..Against::default() };
    let test = Test::Below {
        table: "table1".into(),
        networks: owned(&["a"]),
        row: "union".into(),
        against,
    };
    let cells = [
        judged("a", "union", 1, |id| id < 300),
        judged("b", "union", 1, |id| id < 400),
        judged("b", "union", 2, |id| id < 200),
    ];
    let row = &decided(&claims(vec![claim("C", vec![test])]), &cells)[0];
    assert_eq!((row.verdict, row.tests[0].evidence.len()), (Confirmed, 1));
    assert!(row.decided_by.contains("on a (table1): 30.0 %"), "{}", row.decided_by);
    assert!(row.decided_by.contains("on b (table1) 40.0 %"), "{}", row.decided_by);
    assert!(row.decided_by.contains("-10.0 points"), "{}", row.decided_by);
}

#[test]
fn networks_without_a_seed_in_common_are_not_compared() {
    let cells = [judged("a", "union", 1, |_| false), judged("b", "union", 2, |_| true)];
    let against = Against { network: Some("b".to_owned()), ..Against::default() };
    let (table, networks, row) = ("table1".into(), owned(&["a"]), "union".into());
    let test = Test::Below { table, networks, row, against };
    let row = &decided(&claims(vec![claim("C", vec![test])]), &cells)[0];
    assert_eq!((row.verdict, row.family), (Open, 1));
    let start =
        "a seed that both worst of all, l2 within 4.0 and l-infinity within 0.3, on a (table1) and";
    assert!(row.decided_by.starts_with(start), "{}", row.decided_by);
}

#[test]
fn cells_on_other_digits_are_not_compared() {
    let mut cells = two(1, 0, 100);
    if let Ok(fates) = &mut cells[1].fates {
        fates.ids[0] = 5000;
    }
    let test = below(&["net"], "so_l2", "pgd_l2");
    let row = &decided(&claims(vec![claim("C", vec![test])]), &cells)[0];
    assert_eq!(row.verdict, Open);
    assert!(row.decided_by.contains("not on the same digits"), "{}", row.decided_by);
}

#[test]
fn one_test_can_be_enough_and_some_claims_have_none() {
    let cells = [judged("net", "pgd_l2", 1, |id| id < 500)];
    let any = |levels: &[f64]| {
        let tests = levels.iter().map(|level| at_least(&["net"], "pgd_l2", *level)).collect();
        let mut claims = claims(vec![claim("C", tests)]);
        claims.claims[0].needs = Needs::Any;
        decided(&claims, &cells)[0].verdict
    };
    assert_eq!(any(&[90.0, 40.0]), Confirmed);
    assert_eq!(any(&[90.0, 80.0]), Refuted);
    assert_eq!(any(&[90.0, 50.0]), Open);

    let mut none = claims(vec![claim("C7", Vec::new())]);
    none.claims[0].undecidable = Some("It needs a GPU.".to_owned());
    let row = &decided(&none, &cells)[0];
    assert_eq!((row.verdict, row.decided_by.as_str()), (Open, "It needs a GPU."));
}

#[test]
fn a_cell_above_the_bound_for_its_digits_contradicts() {
    let bound = Bound {
        norm: "l2".into(),
        epsilon: 4.0,
        digits_hash: String::new(),
        digits: 1000,
        method: Method::CliqueCover,
        classifiers: Classifiers::Deterministic,
        upper_bound: 0.5,
        robust_at_most: 500.0,
        all_test_digits: false,
        conflicts: 1,
        by_method: Vec::new(),
        rows: vec![TableRow { table: "table1".into(), row: "so_l2".into() }],
    };
    let test = |row: &str| Test::WithinBound {
        table: "table1".into(),
        networks: owned(&["net"]),
        rows: owned(&[row]),
    };
    let verdict = |count: u64, row: &str| {
        let cells = [judged("net", row, 1, move |id| id < count)];
        let material = Material {
            judged: &cells,
            bounds: std::slice::from_ref(&bound),
            figures: &[],
            charts: &[],
        };
        let row = decide(&claims(vec![claim("C", vec![test(row)])]), &material).remove(0);
        (row.verdict, row.decided_by)
    };
    assert_eq!(verdict(500, "so_l2").0, Confirmed);
    let (above, words) = verdict(501, "so_l2");
    assert_eq!(above, Refuted);
    assert!(words.ends_with("at most 50.00 % can be robust"), "{words}");
    assert_eq!(verdict(100, "pgd_l2").0, Open, "a row without a bound");
}

fn figure(curves: &[(&str, &[f64])]) -> Figure {
    let series = curves.iter().map(|(label, mean)| Series {
        label: (*label).to_owned(),
        examples: 200,
        seed: 1,
        mean: mean.to_vec(),
        median: mean.to_vec(),
        low: mean.to_vec(),
        high: mean.to_vec(),
    });
    Figure {
        id: "figure1".into(),
        title: String::new(),
        caption: String::new(),
        quantity: String::new(),
        series: series.collect(),
    }
}

#[test]
fn curves_are_compared_step_by_step() {
    let verdict = |upper: &[f64], curve: &str| {
        let label = format!("{curve} (0 of 200 digits stand)");
        let figures = [figure(&[(label.as_str(), upper), ("lower", &[1.0; 10])])];
        let test = Test::CurveAbove {
            figure: "figure1".into(),
            curve: "upper".into(),
            other: "lower".into(),
            factor: 2.0,
            share: 0.9,
        };
        let material = Material { judged: &[], bounds: &[], figures: &figures, charts: &[] };
        decide(&claims(vec![claim("C", vec![test])]), &material).remove(0)
    };
    let steps = |high: usize| -> Vec<f64> {
        (0..10).map(|step| if step < high { 2.1 } else { 2.0 }).collect()
    };
    assert_eq!(verdict(&steps(9), "upper").verdict, Confirmed);
    assert_eq!(verdict(&steps(8), "upper").verdict, Open);
    assert_eq!(verdict(&steps(2), "upper").verdict, Open);
    let refuted = verdict(&steps(1), "upper");
    assert_eq!(refuted.verdict, Refuted);
    let words = "upper (figure1): its mean is above 2 times the other's at 1 of 10 steps";
    assert_eq!(refuted.decided_by, words);
    let missing = verdict(&steps(9), "uppermost");
    assert_eq!(missing.decided_by, "curve `upper` of figure1 is missing");
    // Steps without a number do not count.
    assert_eq!(verdict(&[3.0, f64::NAN, 3.0], "upper").verdict, Confirmed);
}

#[test]
fn a_curve_of_accuracies_crosses_a_level_surely_or_not_at_all() {
    let row = |counts: &[u64]| {
        let points = counts.iter().enumerate();
        let points: Vec<_> = points.map(|(step, count)| (10.0 * step as f64, *count)).collect();
        let curve = |judged, points: &[_]| AccuracyCurve::new("net", judged, 1, 200, points);
        // The final iterate has fallen all the way and does not count.
        let curves = vec![
            curve("final iterate", &[(0.0, 200), (10.0, 0)]).unwrap(),
            curve(ANY_ITERATE, &points).unwrap(),
        ];
        let charts = [Chart {
            id: "steps".into(),
            axis: Axis::Steps,
            curves,
            ..sample_curves().curves.remove(0)
        }];
        let test =
            Test::Crosses { curve: "steps".into(), networks: owned(&["net"]), percent: 41.04 };
        let material = Material { judged: &[], bounds: &[], figures: &[], charts: &charts };
        decide(&claims(vec![claim("C", vec![test])]), &material).remove(0)
    };
    let crossed = row(&[200, 120, 82, 40]);
    assert_eq!(crossed.verdict, Confirmed);
    let words = "at or below it from 20 steps on (41.0 %), followed to 30 steps";
    assert!(crossed.decided_by.ends_with(words), "{}", crossed.decided_by);
    // 39 % of 200 digits may be 41.04 % of all digits, 47 % may be too; 60 % may not.
    assert_eq!(row(&[200, 78]).verdict, Open);
    assert_eq!(row(&[200, 94]).verdict, Open);
    assert_eq!(row(&[200, 120]).verdict, Refuted);
    assert_eq!(row(&[]).decided_by, "curve steps of net is missing");
}
