//! Training works: the loss falls, robustness rises, divergence stops in words, observers are heard.

use candle_core::{DType, Tensor};
use saddle_attacks::{Examples, Objective, ProjectedAscent, ThreatModel, perturb};
use saddle_defenses::{
    DefensePlan, Ended, Error, InnerAttack, InnerMode, KeepError, LearningSchedule, Madry, Natural,
    NormSchedule, OptimizerKind, Progress, RadiusSchedule, TrainObserver, Trainer, TrainingPlan,
    Unobserved,
};
use saddle_model::{Executor, Initialization, LossKind, Network, initialize};
use saddle_ops::{Kernels, Norm, Radius, StepRule};
use saddle_tests::defenses::{accuracy, draws, small_architecture, small_digits, small_plan};

fn trainer(plan: TrainingPlan, examples: Examples) -> Trainer {
    let executor = Executor::Engine(Kernels::detect());
    Trainer::new(plan, small_architecture(), executor, examples, None).unwrap()
}

/// Madry training in l-infinity at a radius that a small network can bear.
fn gentle_madry() -> DefensePlan {
    let inner = InnerAttack { epsilon: Radius::new(0.1).unwrap(), ..InnerAttack::linf().unwrap() };
    DefensePlan::Madry(Madry {
        norms: NormSchedule::Fixed(Norm::Linf),
        radius: RadiusSchedule::Ramp { fraction: 0.3 },
        l2: None,
        linf: Some(inner),
        mode: InnerMode::Evaluation,
    })
}

fn attacked(network: &Network, examples: &Examples) -> Tensor {
    let attack = ProjectedAscent {
        direction: Default::default(),
        rule: StepRule::Sign,
        step_size: 0.02,
        steps: 20,
        start: Default::default(),
        momentum: 0.0,
        loss: LossKind::CrossEntropy,
    };
    let objective = Objective::untargeted(ThreatModel::new(Norm::Linf, 0.1).unwrap());
    perturb(network, &attack, examples, &objective, draws(), 0).unwrap().images
}

#[test]
fn natural_training_learns_its_digits() {
    let mut trainer =
        trainer(small_plan(DefensePlan::Natural(Natural {}), 120), small_digits(64, DType::F32));
    let first = trainer.step().unwrap();
    assert!((first.loss - f64::ln(10.0)).abs() < 0.3, "it starts near chance: {}", first.loss);
    let mut last = first;
    while !trainer.is_done() {
        last = trainer.step().unwrap();
    }
    assert!(last.loss < 0.2, "loss {}", last.loss);
    assert!(last.ball.is_none());
    let examples = small_digits(64, DType::F32);
    assert!(accuracy(trainer.network(), examples.images(), examples.labels()) > 0.95);
}

#[test]
fn madry_training_holds_where_natural_training_breaks() {
    let examples = small_digits(64, DType::F32);
    let robust = |defense| {
        let mut trainer = trainer(small_plan(defense, 200), examples.clone());
        trainer.run(&mut Unobserved).unwrap();
        let images = attacked(trainer.network(), &examples);
        accuracy(trainer.network(), &images, examples.labels())
    };
    let natural = robust(DefensePlan::Natural(Natural {}));
    let madry = robust(gentle_madry());
    assert!(madry > natural + 0.2, "robust accuracy: Madry {madry}, natural {natural}");
}

#[test]
fn training_starts_from_given_weights_and_leaves_them_alone() {
    let architecture = small_architecture();
    let given = initialize(&architecture, Initialization::Madry, draws()).unwrap();
    let before: Vec<f32> =
        given.get("fc1.weight").unwrap().flatten_all().unwrap().to_vec1().unwrap();
    let plan = small_plan(DefensePlan::Natural(Natural {}), 2);
    let examples = small_digits(16, DType::F32);
    let mut trainer =
        Trainer::new(plan, architecture, Executor::Candle, examples, Some(&given)).unwrap();
    let flat = |weights: &saddle_model::Weights| -> Vec<f32> {
        weights.get("fc1.weight").unwrap().flatten_all().unwrap().to_vec1().unwrap()
    };
    assert_eq!(flat(trainer.weights()), before);
    trainer.step().unwrap();
    assert_ne!(flat(trainer.weights()), before);
    assert_eq!(flat(&given), before);
}

#[test]
fn progress_says_where_the_run_stands() {
    let mut plan = small_plan(gentle_madry(), 7);
    plan.learning_schedule = LearningSchedule::LinearDecay { hold: 0.0, last: 0.0 };
    let mut trainer = trainer(plan, small_digits(50, DType::F32));
    let found: Vec<Progress> = (0..7).map(|_| trainer.step().unwrap()).collect();
    let places: Vec<_> =
        found.iter().map(|one| (one.done, one.epoch, one.batch_in_epoch)).collect();
    // Three whole batches of 16 in 50 digits.
    assert_eq!(
        places,
        [(1, 0, 0), (2, 0, 1), (3, 0, 2), (4, 1, 0), (5, 1, 1), (6, 1, 2), (7, 2, 0)]
    );
    assert!((found[0].learning_rate - 0.01).abs() < 1e-15);
    assert!((found[6].learning_rate - 0.01 / 7.0).abs() < 1e-15);
    assert_eq!(found[6].ball, Some((Norm::Linf, 0.1)));
    let error = trainer.step().unwrap_err().to_string();
    assert!(error.contains("all 7 steps are done"), "{error}");
}

#[test]
fn divergence_stops_in_words_and_loses_nothing() {
    let mut plan = small_plan(DefensePlan::Natural(Natural {}), 50);
    plan.optimizer = OptimizerKind::Momentum { momentum: 0.9 };
    plan.learning_rate = 1e15;
    let mut trainer = trainer(plan, small_digits(16, DType::F32));
    let good = trainer.checkpoint().unwrap();
    let error = trainer.run(&mut Unobserved).unwrap_err();
    let Error::Diverged { step, .. } = &error else { panic!("another error: {error}") };
    assert_eq!(*step, trainer.done(), "the step that failed is not done");
    let message = error.to_string();
    for part in ["diverged at step", "lower learning rate", "last checkpoint stands"] {
        assert!(message.contains(part), "{message}");
    }
    assert!(!good.is_empty());
}

/// Interrupts after some steps, wants a checkpoint every third step, may fail to keep one.
struct Watcher {
    steps: u32,
    stop_after: u32,
    kept: Vec<usize>,
    full: bool,
}

impl TrainObserver for Watcher {
    fn step(&mut self, progress: &Progress) {
        self.steps = progress.done;
    }

    fn wants_checkpoint(&mut self) -> bool {
        self.steps.is_multiple_of(3)
    }

    fn checkpoint(&mut self, bytes: &[u8]) -> Result<(), KeepError> {
        if self.full {
            return Err("disk full".into());
        }
        self.kept.push(bytes.len());
        Ok(())
    }

    fn interrupted(&self) -> bool {
        self.steps >= self.stop_after
    }
}

#[test]
fn an_observer_gets_its_checkpoints_and_its_way() {
    let natural = DefensePlan::Natural(Natural {});
    let mut watcher = Watcher { steps: 0, stop_after: 7, kept: Vec::new(), full: false };
    let mut training = trainer(small_plan(natural, 20), small_digits(16, DType::F32));
    assert_eq!(training.run(&mut watcher).unwrap(), Ended::Interrupted);
    assert_eq!((training.done(), watcher.kept.len()), (7, 3), "after 3, after 6, on leaving");
    watcher.stop_after = 100;
    assert_eq!(training.run(&mut watcher).unwrap(), Ended::Finished);
    assert!(training.is_done());
    watcher = Watcher { steps: 0, stop_after: 100, kept: Vec::new(), full: true };
    let natural = DefensePlan::Natural(Natural {});
    let mut training = trainer(small_plan(natural, 20), small_digits(16, DType::F32));
    let error = training.run(&mut watcher).unwrap_err().to_string();
    assert_eq!(error, "the checkpoint after step 3 could not be kept: disk full");
}

#[test]
fn parts_that_do_not_fit_are_refused_in_words() {
    let refuse = |plan: TrainingPlan, examples: Examples| {
        let executor = Executor::Candle;
        let error = Trainer::new(plan, small_architecture(), executor, examples, None);
        error.err().unwrap().to_string()
    };
    let natural = || DefensePlan::Natural(Natural {});
    let error = refuse(small_plan(natural(), 5), small_digits(15, DType::F32));
    assert!(error.contains("16 is more than the 15 training examples"), "{error}");
    let digits = small_digits(16, DType::F32);
    let wide = digits.images().narrow(3, 0, 8).unwrap().contiguous().unwrap();
    let wide = Examples::new(wide, digits.labels().to_vec(), digits.ids().to_vec()).unwrap();
    let error = refuse(small_plan(natural(), 5), wide);
    assert!(error.contains("[1, 12, 8]") && error.contains("[1, 12, 12]"), "{error}");
    let labels = vec![10; 16];
    let labelled = Examples::new(digits.images().clone(), labels, digits.ids().to_vec()).unwrap();
    let error = refuse(small_plan(natural(), 5), labelled);
    assert!(error.contains("label 10 is too large for 10 classes"), "{error}");
}
