//! The same bits through any interruption and on any number of threads, of a network that draws.

use candle_core::DType;
use saddle_defenses::{
    Atda, DefensePlan, InnerAttack, LearningSchedule, Madry, Natural, OptimizerKind,
    RadiusSchedule, Trades, Trainer, TrainingPlan, Unobserved,
};
use saddle_model::Executor;
use saddle_ops::Kernels;
use saddle_tests::defenses::{small_architecture_with_dropout, small_digits, small_plan};

/// Eight steps of 16 from 50 digits: two whole epochs and the beginning of a third.
fn plans() -> Vec<TrainingPlan> {
    let mix = Madry { radius: RadiusSchedule::Ramp { fraction: 0.5 }, ..Madry::mix().unwrap() };
    let momentum = OptimizerKind::Momentum { momentum: 0.9 };
    let natural = small_plan(DefensePlan::Natural(Natural {}), 8);
    let shorter = |inner: InnerAttack| InnerAttack { steps: 2, ..inner };
    let trades = Trades::mix().unwrap();
    let trades = Trades { l2: trades.l2.map(shorter), linf: trades.linf.map(shorter), ..trades };
    let trades = small_plan(DefensePlan::Trades(trades), 8);
    let learning_schedule = LearningSchedule::trades();
    vec![
        TrainingPlan { optimizer: momentum, ..natural },
        small_plan(DefensePlan::Madry(mix), 8),
        TrainingPlan { optimizer: momentum, learning_schedule, ..trades },
        // What it remembers between steps is in the checkpoint.
        small_plan(DefensePlan::Atda(Atda::mix().unwrap()), 8),
    ]
}

fn start(plan: &TrainingPlan, executor: Executor) -> Trainer {
    let examples = small_digits(50, DType::F32);
    Trainer::new(plan.clone(), small_architecture_with_dropout(), executor, examples, None).unwrap()
}

fn resume(bytes: &[u8], plan: &TrainingPlan, executor: Executor) -> Trainer {
    let examples = small_digits(50, DType::F32);
    Trainer::resume(bytes, plan.clone(), small_architecture_with_dropout(), executor, examples)
        .unwrap()
}

fn finish(mut trainer: Trainer) -> Vec<u8> {
    trainer.run(&mut Unobserved).unwrap();
    trainer.checkpoint().unwrap()
}

#[test]
fn resuming_after_any_step_gives_the_bits_of_an_uninterrupted_run() {
    for executor in [Executor::Candle, Executor::Engine(Kernels::detect())] {
        for plan in plans() {
            let expected = finish(start(&plan, executor));
            for stop in 0..=plan.iterations {
                let mut trainer = start(&plan, executor);
                for _ in 0..stop {
                    trainer.step().unwrap();
                }
                let resumed = resume(&trainer.checkpoint().unwrap(), &plan, executor);
                assert_eq!(resumed.done(), stop);
                assert!(finish(resumed) == expected, "resumed after {stop} steps: other bits");
            }
        }
    }
}

#[test]
fn a_run_killed_after_every_step_ends_the_same() {
    let executor = Executor::Engine(Kernels::detect());
    for plan in plans() {
        let mut bytes = start(&plan, executor).checkpoint().unwrap();
        for _ in 0..plan.iterations {
            let mut trainer = resume(&bytes, &plan, executor);
            trainer.step().unwrap();
            bytes = trainer.checkpoint().unwrap();
        }
        assert!(bytes == finish(start(&plan, executor)), "other bits");
    }
}

#[test]
fn one_thread_and_two_give_the_same_bits() {
    let executor = Executor::Engine(Kernels::detect());
    for plan in plans() {
        let with_threads = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| finish(start(&plan, executor)))
        };
        assert!(with_threads(1) == with_threads(2), "other bits on two threads");
    }
}

#[test]
fn the_seed_matters() {
    let executor = Executor::Candle;
    let plan = plans().remove(0);
    let other = TrainingPlan { seed: plan.seed + 1, ..plan.clone() };
    let weights = |plan: &TrainingPlan| {
        let mut trainer = start(plan, executor);
        trainer.run(&mut Unobserved).unwrap();
        let bias = trainer.weights().get("fc2.bias").unwrap();
        bias.to_vec1::<f32>().unwrap()
    };
    assert_ne!(weights(&plan), weights(&other));
    assert_eq!(weights(&plan), weights(&plan));
}
