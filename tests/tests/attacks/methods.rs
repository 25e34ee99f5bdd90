//! All attacks that a plan can name, by one measure: feasible, the same in any company, written and read back.

use proptest::prelude::*;
use saddle_attacks::{
    Apgd, Ddn, Driver, Examples, Found, Judge, Method, ProjectedAscent, Square, Standard,
    ThreatModel,
};
use saddle_model::LossKind;
use saddle_ops::{Draws, Norm};
use saddle_tests::attacks::{ByRow, Linear, bits, examples_around_half, relabelled};
use saddle_tests::masked::laid_out;

const COUNT: usize = 9;
const SHAPE: [usize; 3] = [2, 3, 4];

fn apgd(loss: LossKind, targets: Option<u32>) -> Method {
    Method::Apgd(Apgd { loss, steps: 7, targets })
}

fn any_method() -> impl Strategy<Value = Method> {
    let second_order = ProjectedAscent::second_order(Norm::L2, 0.1, 3, 0.1, 2);
    prop::sample::select(vec![
        Method::Ascent(second_order),
        apgd(LossKind::CrossEntropy, None),
        apgd(LossKind::Dlr, None),
        apgd(LossKind::Dlr, Some(2)),
        Method::Square(Square { queries: 15, share: 0.4 }),
        Method::Ddn(Ddn { steps: 12, ..Ddn::default() }),
        Method::Standard(Standard {
            steps: Some(4),
            targets: Some(2),
            restarts: Some(2),
            queries: Some(8),
            second_order: Some(second_order),
        }),
    ])
}

fn any_driver() -> impl Strategy<Value = Driver> {
    let judge = prop_oneof![Just(Judge::Final), Just(Judge::Any)];
    let cap = prop_oneof![Just(None), Just(Some(11))];
    (judge, cap, any::<bool>(), 1..3u32).prop_map(|(judge, cap, stop_fooled, restarts)| Driver {
        batch: COUNT,
        cap,
        judge,
        stop_fooled,
        restarts,
        trace: false,
    })
}

fn classifier() -> ByRow<Linear> {
    ByRow(Linear::random(1, 5, SHAPE.iter().product()))
}

/// Examples in the whole box, one of them misclassified.
fn examples() -> Examples {
    let pixels = SHAPE.iter().product();
    let all = examples_around_half(2, COUNT, pixels, 0.5);
    let all = laid_out(&relabelled(&all, &classifier()).unwrap(), SHAPE);
    let mut labels = all.labels().to_vec();
    labels[4] = (labels[4] + 1) % 5;
    Examples::new(all.images().clone(), labels, all.ids().to_vec()).unwrap()
}

fn run(
    method: &Method,
    driver: &Driver,
    examples: &Examples,
    (norm, epsilon): (Norm, f64),
) -> Found {
    let once = method.repeats_itself() || method.attack().is_none();
    let driver = Driver { restarts: if once { 1 } else { driver.restarts }, ..driver.clone() };
    let threat = ThreatModel::new(norm, epsilon).unwrap();
    // The driver refuses whatever leaves ball or box.
    method.run(&driver, &classifier(), None, examples, threat, Draws::new(3)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn no_cut_into_batches_changes_a_bit(
        method in any_method(),
        driver in any_driver(),
        norm in prop_oneof![Just(Norm::L2), Just(Norm::Linf)],
        epsilon in 0.02..0.8f64,
    ) {
        let norm = if method.works_in(norm) { norm } else { Norm::L2 };
        let examples = examples();
        let whole = run(&method, &driver, &examples, (norm, epsilon));
        for batch in [1, 4] {
            let cut = run(&method, &Driver { batch, ..driver.clone() }, &examples, (norm, epsilon));
            prop_assert_eq!(&cut.verdicts, &whole.verdicts);
            prop_assert_eq!(bits(&cut.images), bits(&whole.images));
            prop_assert_eq!(bits(&cut.final_images), bits(&whole.final_images));
            prop_assert_eq!(cut.health, whole.health);
            prop_assert_eq!(&cut.members, &whole.members);
        }
        for verdict in &whole.verdicts {
            prop_assert!(!verdict.fooled_any || verdict.distance <= epsilon * (1.0 + 1e-6));
            let cap = driver.cap.map(|cap| cap * whole.members.len().max(1) as u64);
            prop_assert!(cap.is_none_or(|cap| verdict.passes() <= cap));
        }
    }

    #[test]
    fn neither_order_nor_company_changes_a_bit(
        method in any_method(),
        driver in any_driver(),
        rows in Just((0..COUNT).collect::<Vec<_>>()).prop_shuffle(),
        count in 1..COUNT,
    ) {
        let examples = examples();
        let whole = run(&method, &driver, &examples, (Norm::L2, 0.3));
        let rows = &rows[..count];
        let some = run(&method, &driver, &examples.select(rows).unwrap(), (Norm::L2, 0.3));
        let (all, few) = (bits(&whole.images), bits(&some.images));
        for (place, &row) in rows.iter().enumerate() {
            prop_assert_eq!(&some.verdicts[place], &whole.verdicts[row]);
            prop_assert_eq!(&few[place], &all[row]);
        }
    }

    #[test]
    fn whoever_leaves_changes_nobody_else(method in any_method()) {
        let examples = examples();
        let stay = Driver { judge: Judge::Any, batch: COUNT, ..Driver::default() };
        let leave = Driver { stop_fooled: true, ..stay.clone() };
        let all = run(&method, &stay, &examples, (Norm::L2, 0.3));
        let left = run(&method, &leave, &examples, (Norm::L2, 0.3));
        for (all, left) in all.verdicts.iter().zip(&left.verdicts) {
            // A wrong natural image is not attacked at all by those who let it leave.
            prop_assert!(!all.natural_correct || all.fooled_any == left.fooled_any);
            prop_assert!(left.passes() <= all.passes());
            if all.natural_correct && !all.fooled_any {
                prop_assert_eq!(all, left);
            }
        }
    }
}

#[test]
fn another_seed_is_another_attack() {
    let examples = examples();
    let threat = ThreatModel::new(Norm::L2, 0.3).unwrap();
    for method in [
        apgd(LossKind::CrossEntropy, None),
        apgd(LossKind::Dlr, Some(3)),
        Method::Square(Square { queries: 15, share: 0.4 }),
    ] {
        let run = |seed| {
            let draws = Draws::new(seed);
            let driver = Driver::default();
            let found = method.run(&driver, &classifier(), None, &examples, threat, draws);
            bits(&found.unwrap().final_images)
        };
        assert_eq!(run(3), run(3));
        assert_ne!(run(3), run(4), "{}", method.name());
    }
}

#[test]
fn a_method_is_written_as_a_table_with_its_name() {
    for (text, method) in [
        (r#"{"apgd":{"loss":"cross_entropy"}}"#, Method::Apgd(Apgd::cross_entropy())),
        (r#"{"apgd":{"loss":"dlr","targets":9}}"#, Method::Apgd(Apgd::targeted())),
        (r#"{"square":{}}"#, Method::Square(Square::default())),
        (r#"{"ddn":{}}"#, Method::Ddn(Ddn::default())),
        (r#"{"standard":{}}"#, Method::Standard(Standard::default())),
    ] {
        assert_eq!(serde_json::from_str::<Method>(text).unwrap(), method);
        let written = serde_json::to_string(&method).unwrap();
        assert_eq!(serde_json::from_str::<Method>(&written).unwrap(), method);
    }
    let ascent = Method::Ascent(ProjectedAscent::pgd(Norm::Linf, 0.01, 40));
    assert!(serde_json::to_string(&ascent).unwrap().starts_with(r#"{"ascent":{"direction":"#));
    for wrong in [r#"{"apgd":{}}"#, r#"{"square":{"query":3}}"#, r#"{"ddn":{"gama":0.1}}"#] {
        assert!(serde_json::from_str::<Method>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn methods_know_their_norms_and_what_they_can_tell() {
    let of = |method: Method| (Norm::ALL.map(|norm| method.works_in(norm)), method.knows_when());
    assert_eq!(of(Method::Ascent(ProjectedAscent::pgd(Norm::L1, 0.1, 2))), ([true; 3], true));
    assert_eq!(of(Method::Apgd(Apgd::dlr())), ([false, true, true], true));
    assert_eq!(of(Method::Square(Square::default())), ([false, true, true], true));
    assert_eq!(of(Method::Ddn(Ddn::default())), ([false, true, false], false));
    assert_eq!(of(Method::Standard(Standard::default())), ([false, true, true], false));
}
