//! Networks whose gradient misleads by construction: what fails on them, and what does not.
//!
//! Every example here lies well within reach: the linear model underneath falls to a single step. An attack that leaves it
//! standing is broken, and one that does not is not misled.

use saddle_attacks::{
    Apgd, Attack, Driver, Examples, Judge, Method, Objective, ProjectedAscent, Square, Standard,
    ThreatModel, inspect_gradients,
};
use saddle_model::{Classifier, LossKind};
use saddle_ops::{Draws, Norm};
use saddle_tests::attacks::{ByRow, Linear, RowModel, examples_around_half, relabelled, rows};
use saddle_tests::masked::{Quantised, laid_out};

const PIXELS: usize = 16;
const EPSILON: f64 = 0.25;

fn plain() -> Linear {
    Linear::random(8, 5, PIXELS)
}

/// Logits times 1,000: where the model is at all sure, its softmax is saturated.
fn saturated() -> ByRow<Linear> {
    ByRow(Linear { scale: 1e3, ..plain() })
}

fn quantised() -> ByRow<Quantised<Linear>> {
    ByRow(Quantised { inner: plain(), steps: 20.0 })
}

/// Examples as the classifier reads them, of which the model underneath is a little sure.
fn examples(classifier: &dyn Classifier) -> Examples {
    let all = laid_out(&examples_around_half(8, 60, PIXELS, 0.15), [1, 4, 4]);
    let all = relabelled(&all, classifier).unwrap();
    let margin = |(image, &label): (&Vec<f64>, &u32)| {
        let logits = plain().logits(image);
        let others = logits.iter().enumerate().filter(|(class, _)| *class != label as usize);
        logits[label as usize] - others.map(|(_, logit)| *logit).fold(f64::NEG_INFINITY, f64::max)
    };
    let images = rows(all.images()).unwrap();
    let margins: Vec<f64> = images.iter().zip(all.labels()).map(margin).collect();
    let sure: Vec<usize> = (0..all.len()).filter(|&row| margins[row] > 0.12).collect();
    all.select(&sure).unwrap()
}

fn left(classifier: &dyn Classifier, attack: &dyn Attack, examples: &Examples) -> usize {
    let driver = Driver { judge: Judge::Any, stop_fooled: true, ..Driver::default() };
    let to = Objective::untargeted(ThreatModel::new(Norm::Linf, EPSILON).unwrap());
    driver.run(classifier, attack, examples, &to, Draws::new(1)).unwrap().robust(Judge::Any)
}

fn square() -> Square {
    Square { queries: 400, share: 0.3 }
}

#[test]
fn the_model_underneath_is_not_robust() {
    let classifier = ByRow(plain());
    let examples = examples(&classifier);
    assert!(examples.len() >= 20, "too few examples: {}", examples.len());
    assert_eq!(left(&classifier, &ProjectedAscent::pgd(Norm::Linf, 0.05, 10), &examples), 0);
}

#[test]
fn a_saturated_softmax_stops_cross_entropy_and_not_the_ratio_of_logits() {
    let classifier = saturated();
    let examples = examples(&classifier);
    // Every gradient of the cross-entropy is exactly zero in single precision.
    let seen = inspect_gradients(&classifier, &examples, LossKind::CrossEntropy, 100).unwrap();
    assert_eq!(seen.health.zero as usize, examples.len());
    let pgd = ProjectedAscent::pgd(Norm::Linf, 0.05, 40);
    assert_eq!(left(&classifier, &pgd, &examples), examples.len(), "it moves: no mask");
    assert_eq!(left(&classifier, &Apgd::dlr(), &examples), 0);
    assert_eq!(left(&classifier, &Apgd::targeted(), &examples), 0);
    assert_eq!(left(&classifier, &square(), &examples), 0);
}

#[test]
fn a_quantised_input_stops_every_gradient_and_not_the_square_attack() {
    let classifier = quantised();
    let examples = examples(&classifier);
    let pgd = ProjectedAscent::pgd(Norm::Linf, 0.05, 40);
    let margin = ProjectedAscent { loss: LossKind::Margin, ..pgd };
    for ascent in [pgd, margin] {
        assert_eq!(left(&classifier, &ascent, &examples), examples.len(), "it moves: no mask");
    }
    assert_eq!(left(&classifier, &square(), &examples), 0);
}

#[test]
fn the_standard_suite_is_misled_by_neither() {
    let standard = Standard { steps: Some(10), queries: Some(400), ..Standard::default() };
    let threat = ThreatModel::new(Norm::Linf, EPSILON).unwrap();
    let driver = Driver::default();
    let by = |classifier: &dyn Classifier| {
        let examples = examples(classifier);
        let method = Method::Standard(standard);
        let found =
            method.run(&driver, classifier, None, &examples, threat, Draws::new(1)).unwrap();
        assert!(found.verdicts.iter().all(|verdict| !verdict.robust(Judge::Any)));
        let taken = found.members.iter().map(|member| (member.name.clone(), member.taken()));
        (taken.collect::<Vec<_>>(), examples.len())
    };
    let (taken, _) = by(&saturated());
    assert!(taken[1].1 > 0, "APGD-T takes what APGD-CE cannot: {taken:?}");
    let (taken, all) = by(&quantised());
    // Random starts of the ascents may hit by luck; the rest is Square's.
    let square = taken.iter().find(|(name, _)| name == "square");
    assert!(square.is_some_and(|(_, taken)| *taken > 0), "{taken:?}");
    assert_eq!(taken.iter().map(|(_, taken)| taken).sum::<usize>(), all);
}
