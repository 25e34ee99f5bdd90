//! Static networks in the hands of a trainer: refused when they are not those of the plan, and the same bits through any
//! interruption when they are.

use candle_core::{DType, Tensor, Var};
use saddle_attacks::Examples;
use saddle_defenses::{
    DefensePlan, Ensemble, Error, Natural, Sources, StepContext, Trainer, TrainingPlan, Unobserved,
};
use saddle_model::{Architecture, Classifier, Executor, Layer, Network, Weights};
use saddle_ops::Kernels;
use saddle_tests::defenses::{
    draws, linear_architecture, small_architecture_with_dropout, small_digits, small_plan,
    small_sources, untrained,
};

fn plan(form: Ensemble) -> TrainingPlan {
    let sources = ["one", "two"].map(str::to_owned).to_vec();
    small_plan(DefensePlan::Ensemble(Ensemble { sources, ..form }), 6)
}

fn single() -> TrainingPlan {
    plan(Ensemble::linf().unwrap())
}

fn digits() -> Examples {
    small_digits(40, DType::F32)
}

fn start(plan: &TrainingPlan, executor: Executor, sources: &Sources) -> Result<Trainer, Error> {
    let architecture = small_architecture_with_dropout();
    Trainer::with_sources(plan.clone(), architecture, executor, digits(), None, sources)
}

fn resume(
    bytes: &[u8],
    plan: &TrainingPlan,
    executor: Executor,
    sources: &Sources,
) -> Result<Trainer, Error> {
    let architecture = small_architecture_with_dropout();
    Trainer::resume_with_sources(bytes, plan.clone(), architecture, executor, digits(), sources)
}

fn finish(mut trainer: Trainer) -> Vec<u8> {
    trainer.run(&mut Unobserved).unwrap();
    trainer.checkpoint().unwrap()
}

fn engine() -> Executor {
    Executor::Engine(Kernels::detect())
}

#[test]
fn resuming_after_any_step_gives_the_bits_of_an_uninterrupted_run() {
    let several = plan(Ensemble::mix().unwrap().multi_step().unwrap());
    for plan in [plan(Ensemble::mix().unwrap()), several] {
        for executor in [Executor::Candle, engine()] {
            let sources = small_sources(DType::F32, executor);
            let expected = finish(start(&plan, executor, &sources).unwrap());
            let mut trainer = start(&plan, executor, &sources).unwrap();
            for stop in 0..=plan.iterations {
                let bytes = trainer.checkpoint().unwrap();
                // Other copies of the same networks, as another process would load them.
                let reloaded = small_sources(DType::F32, executor);
                let resumed = resume(&bytes, &plan, executor, &reloaded).unwrap();
                assert_eq!(resumed.done(), stop);
                assert!(finish(resumed) == expected, "resumed after {stop} steps: other bits");
                if !trainer.is_done() {
                    trainer.step().unwrap();
                }
            }
        }
    }
}

#[test]
fn one_thread_and_two_give_the_same_bits() {
    let with_threads = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let sources = small_sources(DType::F32, engine());
        pool.install(|| finish(start(&single(), engine(), &sources).unwrap()))
    };
    assert!(with_threads(1) == with_threads(2), "other bits on two threads");
}

#[test]
fn other_sources_give_other_weights() {
    let sources = small_sources(DType::F32, engine());
    let mut swapped = Sources::new();
    swapped.insert("one", sources.get("two").unwrap()).unwrap();
    swapped.insert("two", sources.get("one").unwrap()).unwrap();
    let trained = |sources: &Sources| {
        let mut trainer = start(&single(), engine(), sources).unwrap();
        trainer.run(&mut Unobserved).unwrap();
        trainer.weights().get("fc2.bias").unwrap().to_vec1::<f32>().unwrap()
    };
    assert_ne!(trained(&sources), trained(&swapped));
}

fn refusal(plan: &TrainingPlan, sources: &Sources) -> String {
    let error = start(plan, engine(), sources).err().expect("must be refused");
    assert!(matches!(error, Error::InvalidPlan { field: "sources", .. }), "{error}");
    error.to_string()
}

#[test]
fn sources_that_are_missing_or_superfluous_are_named() {
    let all = small_sources(DType::F32, engine());
    let mut one = Sources::new();
    one.insert("one", all.get("one").unwrap()).unwrap();
    let error = refusal(&single(), &one);
    assert!(error.contains("names `two`") && error.contains("given: one"), "{error}");
    let error = refusal(&single(), &Sources::new());
    assert!(error.contains("names `one`") && error.contains("given: none"), "{error}");
    let mut three = all.clone();
    three.insert("three", all.get("one").unwrap()).unwrap();
    let error = refusal(&single(), &three);
    assert!(error.contains("`three` is given"), "{error}");
    let error = refusal(&small_plan(DefensePlan::Natural(Natural {}), 6), &one);
    assert!(error.contains("`one` is given"), "{error}");
    let error = one.insert("one", all.get("two").unwrap()).unwrap_err().to_string();
    assert!(error.contains("two networks are given as `one`"), "{error}");
    // What knows of no sources gives none.
    let (plan, architecture) = (single(), small_architecture_with_dropout());
    let error = Trainer::new(plan, architecture, engine(), digits(), None).err().unwrap();
    assert!(error.to_string().contains("names `one`"), "{error}");
}

#[test]
fn a_training_step_without_its_sources_is_refused() {
    let DefensePlan::Ensemble(ensemble) = single().defense else { panic!("it is an ensemble") };
    let network = untrained(small_architecture_with_dropout(), 1, DType::F32, engine());
    let at = StepContext {
        step: (0..).find(|&step| ensemble.source_at(draws(), step) == Some("two")).unwrap(),
        iterations: 6,
        draws: draws(),
        reduction: Default::default(),
    };
    let error = ensemble.attack(&Sources::new(), &network, &digits(), &at).err().unwrap();
    assert!(error.to_string().contains("names `two`"), "{error}");
}

#[test]
fn sources_that_do_not_fit_are_named() {
    let with_two = |network: &Network| {
        let mut sources = Sources::new();
        let one = untrained(linear_architecture(), 1, DType::F32, engine());
        sources.insert("one", &one).unwrap();
        sources.insert("two", network).unwrap();
        refusal(&single(), &sources)
    };
    let linear = |input: [usize; 3], outputs| Architecture {
        name: "other".to_owned(),
        input,
        classes: outputs,
        layers: vec![
            Layer::Flatten,
            Layer::Linear { name: "fc1".to_owned(), inputs: input.iter().product(), outputs },
        ],
    };
    let error = with_two(&untrained(linear([1, 28, 28], 10), 1, DType::F32, engine()));
    assert!(error.contains("`two` takes images [1, 28, 28], they are [1, 12, 12]"), "{error}");
    let error = with_two(&untrained(linear([1, 12, 12], 7), 1, DType::F32, engine()));
    assert!(error.contains("`two` knows 7 classes, there are 10"), "{error}");
    let error = with_two(&untrained(linear([1, 12, 12], 10), 1, DType::F64, engine()));
    assert!(error.contains("`two` is F64"), "{error}");
}

#[test]
fn a_checkpoint_is_not_resumed_against_other_sources() {
    let sources = small_sources(DType::F32, engine());
    let mut trainer = start(&single(), engine(), &sources).unwrap();
    trainer.step().unwrap();
    let bytes = trainer.checkpoint().unwrap();
    let other = |executor: Executor, seed: u64| {
        let mut other = Sources::new();
        other.insert("one", sources.get("one").unwrap()).unwrap();
        let two = untrained(linear_architecture(), seed, DType::F32, executor);
        other.insert("two", &two).unwrap();
        other
    };
    resume(&bytes, &single(), engine(), &other(engine(), 102)).unwrap();
    for other in [other(engine(), 103), other(Executor::Candle, 102)] {
        let error = resume(&bytes, &single(), engine(), &other).err().unwrap();
        assert!(matches!(error, Error::ForeignCheckpoint { what: "source", .. }), "{error}");
        assert!(error.to_string().contains("`two`"), "{error}");
    }
    let error = resume(&bytes, &single(), engine(), &Sources::new()).err().unwrap();
    assert!(error.to_string().contains("names `one`"), "{error}");
}

#[test]
fn the_checkpoint_of_a_training_without_sources_says_nothing_of_them() {
    let plan = small_plan(DefensePlan::Natural(Natural {}), 6);
    let bytes = start(&plan, engine(), &Sources::new()).unwrap().checkpoint().unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(text.contains("saddle-checkpoint") && !text.contains("sources"));
    let bytes = start(&single(), engine(), &small_sources(DType::F32, engine())).unwrap();
    let text = String::from_utf8_lossy(&bytes.checkpoint().unwrap()).into_owned();
    assert!(text.contains("sources"));
}

#[test]
fn a_source_does_not_follow_the_network_that_it_was_made_from() {
    let architecture = linear_architecture();
    let drawn = untrained(architecture.clone(), 4, DType::F32, Executor::Candle);
    let variable = Var::from_tensor(drawn.weights().get("fc1.weight").unwrap()).unwrap();
    let bias = drawn.weights().get("fc1.bias").unwrap().clone();
    let entries = vec![
        ("fc1.weight".to_owned(), variable.as_tensor().clone()),
        ("fc1.bias".to_owned(), bias),
    ];
    let weights = Weights::new(entries).unwrap();
    let network = Network::new(architecture, weights, Executor::Candle).unwrap();
    let mut sources = Sources::new();
    sources.insert("one", &network).unwrap();
    let weight = |network: &Network| -> Vec<f32> {
        let weight = network.weights().get("fc1.weight").unwrap();
        weight.flatten_all().unwrap().to_vec1().unwrap()
    };
    let logits = |network: &Network| -> Vec<Vec<f32>> {
        network.logits(digits().images()).unwrap().to_vec2().unwrap()
    };
    let source = sources.get("one").unwrap();
    let before = (weight(source), logits(source));
    variable.set(&Tensor::zeros_like(variable.as_tensor()).unwrap()).unwrap();
    assert!(weight(&network).iter().all(|&weight| weight == 0.0), "the original has moved");
    assert_eq!(weight(source), before.0);
    assert_eq!(logits(source), before.1);
}
