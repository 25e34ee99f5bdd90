//! Ascent on a loss of the caller's making: the same attack where the losses are the same, and no way to mix rows up.

use candle_core::Tensor;
use saddle_attacks::{
    Attack, Examples, Objective, Perturbed, ProjectedAscent, Start, ThreatModel, WhenFlat, answer,
    perturb,
};
use saddle_model::{Aim, Classifier, Loss, LossKind};
use saddle_ops::{Draws, Norm, StepRule};
use saddle_tests::attacks::{
    ByRow, Constant, Linear, RowModel, bits, examples_around_half, relabelled, rows,
};

const PIXELS: usize = 6;
const EPSILON: f64 = 0.2;

fn ascent(norm: Norm) -> ProjectedAscent {
    let start = Start::Gaussian { sigma: 0.01 };
    ProjectedAscent { start, momentum: 0.5, ..ProjectedAscent::pgd(norm, 0.05, 5) }
}

fn objective(norm: Norm) -> Objective {
    Objective::untargeted(ThreatModel::new(norm, EPSILON).unwrap())
}

fn attacked<M: RowModel>(attack: &dyn Attack, model: M, examples: &Examples) -> Perturbed {
    let draws = Draws::new(5);
    perturb(&ByRow(model), attack, examples, &objective(Norm::L2), draws, 0).unwrap()
}

fn linear() -> Linear {
    Linear::random(1, 4, PIXELS)
}

/// How far each row's outputs are from those at the natural image, as the divergence measures it.
fn divergence(examples: &Examples, images: &Tensor) -> Vec<f64> {
    let classifier = ByRow(linear());
    let natural = Loss::kl(&classifier.logits(examples.images()).unwrap()).unwrap();
    let rows: Vec<usize> = (0..examples.len()).collect();
    natural.evaluate(&classifier.logits(images).unwrap(), &rows).unwrap().values
}

#[test]
fn the_loss_of_the_labels_gives_the_plain_ascent_to_the_bit() {
    let examples = examples_around_half(1, 7, PIXELS, 0.2);
    let examples = relabelled(&examples, &ByRow(linear())).unwrap();
    let attack = ascent(Norm::L2);
    let labels = examples.labels().to_vec();
    let loss = Loss::new(LossKind::CrossEntropy, labels, &Aim::Untargeted).unwrap();
    // The ascent's own loss does not count.
    let on = ProjectedAscent { loss: LossKind::Dlr, ..attack }.on(loss);
    let found = attacked(&on, linear(), &examples);
    let expected = attacked(&attack, linear(), &examples);
    assert_eq!(bits(&found.images), bits(&expected.images));
    assert_eq!((found.passes, found.health), (expected.passes, expected.health));
    assert_eq!(on.name(), attack.name());
}

#[test]
fn it_climbs_the_divergence_whatever_the_labels() {
    let examples = examples_around_half(2, 7, PIXELS, 0.2);
    let classifier = ByRow(linear());
    let outputs = classifier.logits(examples.images()).unwrap();
    let attack = ascent(Norm::L2).on(Loss::kl(&outputs).unwrap());
    let found = attacked(&attack, linear(), &examples).images;
    let one_step = ProjectedAscent { steps: 1, ..ascent(Norm::L2) };
    let start = attacked(&one_step.on(Loss::kl(&outputs).unwrap()), linear(), &examples).images;
    for (end, start) in divergence(&examples, &found).iter().zip(divergence(&examples, &start)) {
        assert!(*end > 4.0 * start, "{end} after five steps, {start} after one");
    }
    let (images, ids) = (examples.images().clone(), examples.ids().to_vec());
    let other = Examples::new(images, vec![3; 7], ids).unwrap();
    assert_eq!(bits(&attacked(&attack, linear(), &other).images), bits(&found));
}

/// Rows that leave on the way take their reference with them.
#[test]
fn rows_keep_their_loss_when_others_leave() {
    let examples = examples_around_half(3, 6, PIXELS, 0.2);
    let classifier = ByRow(linear());
    let outputs = classifier.logits(examples.images()).unwrap();
    let attack = ascent(Norm::L2).on(Loss::kl(&outputs).unwrap());
    let expected = bits(&attacked(&attack, linear(), &examples).images);
    let mut run = attack.begin(&examples, &objective(Norm::L2), Draws::new(5), 0).unwrap();
    let step = |run: &mut dyn saddle_attacks::Run| {
        let query = run.ask().unwrap();
        match answer(&classifier, &query).unwrap() {
            Some(answer) => run.tell(answer).is_ok(),
            None => false,
        }
    };
    assert!(step(run.as_mut()) && step(run.as_mut()));
    run.keep(&[1, 3, 4]).unwrap();
    while step(run.as_mut()) {}
    let found = bits(run.iterate());
    assert_eq!(found, [1, 3, 4].map(|row: usize| expected[row].clone()));
}

#[test]
fn a_flat_point_is_left_when_that_is_asked_for_and_counted_either_way() {
    let examples = examples_around_half(4, 3, PIXELS, 0.2);
    let constant = || Constant(vec![1.0, 2.0]);
    let loss = Loss::new(LossKind::CrossEntropy, vec![0; 3], &Aim::Untargeted).unwrap();
    let plain = ProjectedAscent { steps: 1, ..ProjectedAscent::pgd(Norm::L2, 0.05, 1) };
    let stay = plain.on(loss.clone());
    let stayed = attacked(&stay, constant(), &examples);
    assert_eq!(bits(&stayed.images), bits(examples.images()));
    let leave = plain.on(loss).when_flat(WhenFlat::Random);
    let left = attacked(&leave, constant(), &examples);
    let distances = Norm::L2.distances(examples.images(), &left.images).unwrap();
    assert!(distances.iter().all(|distance| (distance - 0.05).abs() < 1e-6), "{distances:?}");
    assert_eq!((stayed.health.zero, left.health.zero), (3, 3));
    assert!(stay.repeats_itself() && !leave.repeats_itself());
    // Its own direction for each example, the same in any company.
    let moves: Vec<Vec<f64>> = rows(&(&left.images - examples.images()).unwrap()).unwrap();
    assert_ne!(moves[0], moves[1]);
    let last = examples.select(&[2]).unwrap();
    let loss = Loss::new(LossKind::CrossEntropy, vec![0], &Aim::Untargeted).unwrap();
    let alone = attacked(&plain.on(loss).when_flat(WhenFlat::Random), constant(), &last);
    assert_eq!(bits(&alone.images)[0], bits(&left.images)[2]);
}

#[test]
fn points_that_are_not_flat_step_as_ever() {
    let examples = examples_around_half(5, 4, PIXELS, 0.2);
    for rule in [StepRule::Unit, StepRule::Sign, StepRule::Raw] {
        let plain = ProjectedAscent { rule, ..ascent(Norm::L2) };
        let loss = Loss::new(LossKind::Margin, vec![0; 4], &Aim::Untargeted).unwrap();
        let stay = attacked(&plain.on(loss.clone()), linear(), &examples);
        let leave = plain.on(loss).when_flat(WhenFlat::Random);
        assert_eq!(bits(&attacked(&leave, linear(), &examples).images), bits(&stay.images));
    }
}

#[test]
fn a_loss_of_other_examples_is_refused() {
    let examples = examples_around_half(6, 4, PIXELS, 0.2);
    let loss = Loss::new(LossKind::CrossEntropy, vec![0; 3], &Aim::Untargeted).unwrap();
    let attack = ascent(Norm::L2).on(loss);
    let begun = attack.begin(&examples, &objective(Norm::L2), Draws::new(5), 0);
    let error = begun.err().unwrap().to_string();
    assert!(error.contains("made for 3 examples, the attack is on 4"), "{error}");
}
