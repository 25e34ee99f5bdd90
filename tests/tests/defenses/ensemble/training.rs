//! Whole trainings: what a static network makes no longer fools the network that was trained against it.

use candle_core::{DType, Tensor};
use saddle_attacks::{Examples, Objective, ProjectedAscent, ThreatModel, perturb};
use saddle_defenses::{
    DefensePlan, Ensemble, InnerAttack, Natural, Sources, Trainer, TrainingPlan, Unobserved,
};
use saddle_model::{LossKind, Network};
use saddle_ops::{Norm, Radius, StepRule};
use saddle_tests::defenses::{accuracy, draws, small_architecture, small_digits, small_plan};

use super::{against, engine};

const EPSILON: f64 = 0.2;

fn train(defense: DefensePlan, seed: u64, examples: &Examples, sources: &Sources) -> Trainer {
    let plan = TrainingPlan { seed, ..small_plan(defense, 200) };
    let (architecture, examples) = (small_architecture(), examples.clone());
    let trainer = Trainer::with_sources(plan, architecture, engine(), examples, None, sources);
    let mut trainer = trainer.unwrap();
    trainer.run(&mut Unobserved).unwrap();
    trainer
}

/// One sign step of [`EPSILON`] from the true class.
fn fgsm(network: &Network, examples: &Examples) -> Tensor {
    let attack = ProjectedAscent {
        direction: Default::default(),
        rule: StepRule::Sign,
        step_size: EPSILON,
        steps: 1,
        start: Default::default(),
        momentum: 0.0,
        loss: LossKind::CrossEntropy,
    };
    let objective = Objective::untargeted(ThreatModel::new(Norm::Linf, EPSILON).unwrap());
    perturb(network, &attack, examples, &objective, draws(), 0).unwrap().images
}

#[test]
fn what_the_source_makes_no_longer_fools_the_network() {
    let examples = small_digits(64, DType::F32);
    let natural = || DefensePlan::Natural(Natural {});
    let source = train(natural(), 11, &examples, &Sources::new());
    let mut sources = Sources::new();
    sources.insert("one", source.network()).unwrap();
    let form = against(&["one"], Ensemble::linf().unwrap());
    let inner = InnerAttack { epsilon: Radius::new(EPSILON).unwrap(), ..form.linf.unwrap() };
    let ensemble = DefensePlan::Ensemble(Ensemble { linf: Some(inner), ..form });
    let defended = train(ensemble, 7, &examples, &sources);
    let undefended = train(natural(), 7, &examples, &Sources::new());
    let transferred = fgsm(source.network(), &examples);
    let right = |trainer: &Trainer, images| accuracy(trainer.network(), images, examples.labels());
    let (with, without) = (right(&defended, &transferred), right(&undefended, &transferred));
    assert!(with > without + 0.2, "transferred: defended {with}, undefended {without}");
    let natural = right(&defended, examples.images());
    assert!(natural > 0.9, "on natural digits: {natural}");
}
