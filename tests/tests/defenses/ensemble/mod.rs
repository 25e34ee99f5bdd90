//! Ensemble adversarial training: its forms, who makes the examples, of what, and what a step descends and reports.

mod examples;
mod gradients;
mod plans;
mod steps;
mod training;

use candle_core::{DType, Tensor};
use saddle_defenses::{Ensemble, Reduction, StepContext};
use saddle_model::Executor;
use saddle_ops::Kernels;
use saddle_tests::defenses::draws;

/// Every form by name: single steps, several steps, raw and normalised.
fn forms() -> Vec<(&'static str, Ensemble)> {
    let single = [
        ("linf", Ensemble::linf()),
        ("l2", Ensemble::l2()),
        ("l2 raw", Ensemble::l2_raw()),
        ("mix", Ensemble::mix()),
        ("mix raw", Ensemble::mix_raw()),
    ];
    let single = single.map(|(name, form)| (name, form.unwrap()));
    let several = single.clone().map(|(name, form)| (name, form.multi_step().unwrap()));
    single.into_iter().chain(several).collect()
}

fn against(sources: &[&str], form: Ensemble) -> Ensemble {
    Ensemble { sources: sources.iter().map(|&name| name.to_owned()).collect(), ..form }
}

fn engine() -> Executor {
    Executor::Engine(Kernels::detect())
}

fn at(step: u32) -> StepContext {
    StepContext { step, iterations: 40, draws: draws(), reduction: Reduction::Mean }
}

/// The first step after the ramp that has this source.
fn step_of(ensemble: &Ensemble, source: Option<&str>) -> u32 {
    (20..).find(|&step| ensemble.source_at(draws(), step) == source).unwrap()
}

fn rows(images: &Tensor) -> Vec<Vec<f64>> {
    images.to_dtype(DType::F64).unwrap().flatten_from(1).unwrap().to_vec2().unwrap()
}
