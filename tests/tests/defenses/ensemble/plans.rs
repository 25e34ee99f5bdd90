//! The forms as plain data, and the source of each step.

use candle_core::DType;
use saddle_attacks::Start;
use saddle_defenses::{
    DefensePlan, Ensemble, InnerAttack, NormSchedule, RadiusSchedule, Sources, StepSize,
    TrainingPlan,
};
use saddle_ops::{Draws, Norm, StepRule};
use saddle_tests::defenses::{draws, small_architecture, small_digits, untrained};

use super::{against, at, engine, forms};

#[test]
fn every_form_survives_toml_and_makes_sense() {
    for (name, form) in forms() {
        let plan = TrainingPlan::new(DefensePlan::Ensemble(form), 100, 3);
        plan.validate().unwrap();
        let text = toml::to_string(&plan).unwrap();
        assert!(text.contains("kind = \"ensemble\""), "{name}: {text}");
        assert_eq!(toml::from_str::<TrainingPlan>(&text).unwrap(), plan, "{name}: {text}");
        let misspelt = text.replace("crafting_dropout", "crafting_drop_out");
        assert!(toml::from_str::<TrainingPlan>(&misspelt).is_err());
    }
}

#[test]
fn the_published_form_is_the_default() {
    let published = Ensemble::linf().unwrap();
    assert_eq!(published.sources, ["tramer_a", "tramer_c", "tramer_d"]);
    let inner = published.linf.unwrap();
    assert_eq!((inner.epsilon.get(), inner.steps, inner.rule), (0.3, 1, StepRule::Sign));
    assert_eq!((inner.start, inner.step_size.at(inner.epsilon)), (Start::Natural, 0.3));
    assert_eq!(published.radius, RadiusSchedule::Constant);
    assert!(published.crafting_dropout);
}

#[test]
fn settings_that_cannot_run_are_refused_by_field() {
    let good = Ensemble::linf().unwrap();
    let inner = good.linf.unwrap();
    let cases = [
        ("sources", against(&["a", "b", "a"], good.clone())),
        ("norms", Ensemble { norms: NormSchedule::Fixed(Norm::L1), ..good.clone() }),
        ("l2", Ensemble { norms: NormSchedule::Alternate, ..good.clone() }),
        ("linf", Ensemble { linf: None, ..good.clone() }),
        ("linf", Ensemble { linf: Some(InnerAttack { steps: 0, ..inner }), ..good.clone() }),
        (
            "linf",
            Ensemble {
                linf: Some(InnerAttack { step_size: StepSize::Relative(0.0), ..inner }),
                ..good.clone()
            },
        ),
        ("radius", Ensemble { radius: RadiusSchedule::Ramp { fraction: 2.0 }, ..good.clone() }),
    ];
    good.validate().unwrap();
    for (field, form) in cases {
        let plan = TrainingPlan::new(DefensePlan::Ensemble(form), 10, 1);
        let error = plan.validate().unwrap_err().to_string();
        assert!(error.starts_with(&format!("training plan, {field}: ")), "{field}: {error}");
    }
}

#[test]
fn each_source_is_drawn_equally_often_and_without_memory() {
    let ensemble = Ensemble::mix().unwrap();
    let number = |seed, step| match ensemble.source_at(Draws::new(seed), step) {
        Some(name) => ensemble.sources.iter().position(|own| own == name).unwrap(),
        None => 3,
    };
    let chi_square = |counts: &[u32]| {
        let expected = counts.iter().sum::<u32>() as f64 / counts.len() as f64;
        counts.iter().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum::<f64>()
    };
    for seed in 1..=3 {
        // Even steps are in l2, odd ones in l-infinity: neither may favour a source.
        let (mut counts, mut pairs) = ([[0; 4]; 2], [0; 16]);
        for step in 0..8_000u32 {
            let drawn = number(seed, step);
            counts[step as usize % 2][drawn] += 1;
            pairs[4 * drawn + number(seed, step + 1)] += 1;
        }
        // One in a thousand uniform draws exceeds these, with 3 and with 15 degrees of freedom.
        assert!(counts.iter().all(|counts| chi_square(counts) < 16.27), "{counts:?}");
        assert!(chi_square(&pairs) < 37.70, "{pairs:?}");
    }
    let steps = |seed| (0..40).map(|step| number(seed, step)).collect::<Vec<_>>();
    assert_eq!(steps(1), steps(1));
    assert_ne!(steps(1), steps(2));
}

#[test]
fn without_static_networks_the_network_is_its_own_source() {
    let ensemble = against(&[], Ensemble::linf().unwrap());
    assert!((0..50).all(|step| ensemble.source_at(draws(), step).is_none()));
    let examples = small_digits(3, DType::F32);
    let network = untrained(small_architecture(), 1, DType::F32, engine());
    ensemble.attack(&Sources::new(), &network, &examples, &at(0)).unwrap();
}
