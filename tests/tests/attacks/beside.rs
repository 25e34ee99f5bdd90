//! A verdict in the pass that answers a question is the verdict of a pass of its own: no bit and no count tells them apart.

use std::sync::atomic::{AtomicU64, Ordering};

use candle_core::{DType, Tensor};
use proptest::prelude::*;
use saddle_attacks::{
    Direction, Driver, Examples, Judge, Objective, ProjectedAscent, Standing, Start, Stepwise,
    ThreatModel,
};
use saddle_model::{Architecture, Classifier, Executor, Mode, Network, Pullback, Result};
use saddle_ops::{Draws, Kernels, Norm};
use saddle_tests::attacks::{bits, relabelled};
use saddle_tests::model::{hashed_images, hashed_network, small_architectures};

/// A classifier that makes separate passes, as every one does that says nothing of [`Classifier::forward_first`].
struct Apart<'a>(&'a Network);

impl Classifier for Apart<'_> {
    fn classes(&self) -> usize {
        self.0.classes()
    }

    fn forward<'a>(&'a self, images: &Tensor, mode: Mode<'_>) -> Result<(Tensor, Pullback<'a>)> {
        self.0.forward(images, mode)
    }

    fn logits(&self, images: &Tensor) -> Result<Tensor> {
        self.0.logits(images)
    }
}

/// A network that counts the passes that judge and answer at once.
struct Counted<'a>(&'a Network, AtomicU64);

impl Classifier for Counted<'_> {
    fn classes(&self) -> usize {
        self.0.classes()
    }

    fn forward<'a>(&'a self, images: &Tensor, mode: Mode<'_>) -> Result<(Tensor, Pullback<'a>)> {
        self.0.forward(images, mode)
    }

    fn forward_first<'a>(&'a self, images: &Tensor, rows: usize) -> Result<(Tensor, Pullback<'a>)> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.forward_first(images, rows)
    }
}

fn network() -> Network {
    let engine = Executor::Engine(Kernels::detect());
    hashed_network(&architecture(), 4, DType::F32, engine)
}

fn architecture() -> Architecture {
    small_architectures().remove(0)
}

/// Images that the network sees as their labels say, but for one.
fn examples(network: &Network, count: usize) -> Examples {
    let images = hashed_images(&architecture(), count, 5, DType::F32);
    let ids = (40..40 + count as u64).collect();
    let examples = Examples::new(images, vec![0; count], ids).expect("pixels in the box");
    let examples = relabelled(&examples, network).expect("labels");
    let mut labels = examples.labels().to_vec();
    labels[0] = (labels[0] + 1) % architecture().classes as u32;
    Examples::new(examples.images().clone(), labels, examples.ids().to_vec()).expect("labels")
}

fn threat_model() -> ThreatModel {
    ThreatModel::new(Norm::Linf, 0.3).expect("a usable radius")
}

fn any_attack() -> impl Strategy<Value = ProjectedAscent> {
    let samples = 1..4u32;
    let direction = (0..4usize, samples).prop_map(|(kind, samples)| {
        let sigma = 0.1;
        [
            Direction::Gradient,
            Direction::Smoothed { sigma, samples },
            Direction::Even { sigma, samples },
            Direction::Odd { sigma, samples },
        ][kind]
    });
    let start = prop_oneof![Just(Start::Natural), Just(Start::Uniform)];
    let momentum = prop_oneof![Just(0.0), Just(0.5)];
    (direction, start, momentum, 1..6u32).prop_map(|(direction, start, momentum, steps)| {
        let pgd = ProjectedAscent::pgd(Norm::Linf, 0.08, steps);
        ProjectedAscent { direction, start, momentum, ..pgd }
    })
}

/// Every step's standings.
fn stepped(
    classifier: &dyn Classifier,
    attack: ProjectedAscent,
    examples: Examples,
    stop_fooled: bool,
) -> Vec<Vec<Standing>> {
    let (draws, classes) = (Draws::new(3), classifier.classes());
    let mut run = Stepwise::new(attack, examples, threat_model(), draws, stop_fooled, classes)
        .expect("sound settings");
    let mut steps = Vec::new();
    while let Some(request) = run.ask().expect("asks") {
        let answer = request.answer(classifier, attack.loss).expect("answers");
        if run.tell(&answer.logits, answer.gradient).expect("told").is_some() {
            steps.push(run.standings().to_vec());
        }
    }
    steps
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_driver_finds_what_it_finds_by_separate_passes(
        attack in any_attack(), stop_fooled: bool, strong: bool, trace: bool,
        cap in prop_oneof![Just(None), (2..40u64).prop_map(Some)],
        batch in 1..5usize, restarts in 1..3u32,
    ) {
        let network = network();
        let examples = examples(&network, 4);
        let objective = Objective::untargeted(threat_model());
        let judge = if strong { Judge::Any } else { Judge::Final };
        let restarts = if attack.start == Start::Uniform { restarts } else { 1 };
        let driver = Driver { batch, cap, judge, stop_fooled, restarts, trace };
        let run = |classifier: &dyn Classifier| {
            driver.run(classifier, &attack, &examples, &objective, Draws::new(3)).expect("sound")
        };
        let (beside, apart) = (run(&network), run(&Apart(&network)));
        prop_assert_eq!(&beside.verdicts, &apart.verdicts);
        prop_assert_eq!(&beside.fooled_steps, &apart.fooled_steps);
        prop_assert_eq!(beside.health, apart.health);
        prop_assert_eq!(beside.diagnostic_passes, apart.diagnostic_passes);
        prop_assert_eq!(bits(&beside.images), bits(&apart.images));
        prop_assert_eq!(bits(&beside.final_images), bits(&apart.final_images));
        prop_assert_eq!(beside.trace.len(), apart.trace.len());
        for (one, other) in beside.trace.iter().zip(&apart.trace) {
            prop_assert_eq!((&one.ids, &one.losses), (&other.ids, &other.losses));
            prop_assert_eq!(&one.gradient_norms, &other.gradient_norms);
        }
    }

    #[test]
    fn steps_are_those_of_separate_passes(
        attack in any_attack(), stop_fooled: bool, count in 1..5usize,
    ) {
        let network = network();
        let examples = examples(&network, count);
        let beside = stepped(&network, attack, examples.clone(), stop_fooled);
        let apart = stepped(&Apart(&network), attack, examples, stop_fooled);
        prop_assert_eq!(beside.len(), apart.len());
        for (one, other) in beside.iter().flatten().zip(apart.iter().flatten()) {
            prop_assert_eq!(bits(&one.image), bits(&other.image));
            prop_assert_eq!((&one.logits, one.loss), (&other.logits, other.loss));
            prop_assert_eq!(one.gradient_norm, other.gradient_norm);
            prop_assert_eq!((one.passes, one.fooled), (other.passes, other.fooled));
        }
    }
}

#[test]
fn one_pass_a_step_judges_and_answers() {
    let network = network();
    let counted = Counted(&network, AtomicU64::new(0));
    let examples = examples(&network, 3);
    let attack = ProjectedAscent::second_order(Norm::Linf, 0.05, 6, 0.1, 1);
    let objective = Objective::untargeted(threat_model());
    let driver = Driver { judge: Judge::Any, ..Driver::default() };
    let outcome = driver.run(&counted, &attack, &examples, &objective, Draws::new(3));
    // The natural images and the last iterates are judged by themselves.
    assert_eq!(counted.1.load(Ordering::SeqCst), 5);
    let passes: Vec<u64> = outcome.expect("sound").verdicts.iter().map(|v| v.passes()).collect();
    assert_eq!(passes, [1 + 6 * 2 + 6; 3]);
    stepped(&counted, attack, examples, false);
    assert_eq!(counted.1.load(Ordering::SeqCst), 10);
}
