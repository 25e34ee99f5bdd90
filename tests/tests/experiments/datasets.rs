//! Plans about other data sets: what they name, who runs them, and a whole run on a small file of CIFAR-10's form.

use saddle_data::DatasetName;
use saddle_defenses::{
    Augmentation, DefensePlan, InnerMode, LearningSchedule, OptimizerKind, Trades,
};
use saddle_experiments::{
    Data, Finished, Laboratory, Machine, Plan, RunObserver, Store, Unobserved, canonical_json,
};
use saddle_model::{Executor, Initialization, load_network};
use saddle_report::{Report, Status};
use saddle_tests::experiments::{
    TINY_PLAN, Witness, small_cifar, tiny_data, tiny_machine, tiny_plan,
};

fn tiny(dataset: &str) -> Result<Plan, saddle_experiments::Error> {
    let line = format!("held_out = 140\ndataset = \"{dataset}\"\n");
    Plan::parse(&TINY_PLAN.replacen("held_out = 140\n", &line, 1))
}

#[test]
fn a_plan_that_names_none_is_about_mnist_and_looks_as_it_always_did() {
    assert_eq!(tiny_plan().dataset, DatasetName::Mnist);
    assert_eq!(tiny("mnist").unwrap(), tiny_plan());
    for name in ["smoke", "quick", "cpu", "paper"] {
        let plan = Plan::profile(name).unwrap();
        assert_eq!(plan.dataset, DatasetName::Mnist);
        assert!(!canonical_json(&plan).unwrap().contains("\"dataset\""), "{name}");
    }
    let fashion = tiny("fashion-mnist").unwrap();
    assert_eq!(fashion.dataset, DatasetName::FashionMnist);
    assert_eq!(Plan::parse(&toml::to_string(&fashion).unwrap()).unwrap(), fashion);
}

#[test]
fn a_data_set_must_be_known_and_fit_the_networks() {
    let message = tiny("imagenet").unwrap_err().to_string();
    assert!(message.contains("imagenet") && message.contains("fashion-mnist"), "{message}");
    let message = tiny("cifar10").unwrap_err().to_string();
    for words in ["`madry` takes images of [1, 28, 28]", "cifar10 are [3, 32, 32]"] {
        assert!(message.contains(words), "{message}");
    }
    let columns = TINY_PLAN
        .replacen("held_out = 140", "held_out = 140\ndataset = \"fashion-mnist\"", 1)
        .replacen("setting = \"paper\"\n", "setting = \"paper\"\nall_columns = true\n", 1);
    let message = Plan::parse(&columns).unwrap_err().to_string();
    assert!(message.contains("all_columns") && message.contains("MNIST"), "{message}");
}

fn run(
    plan: &Plan,
    data: &Data,
    machine: &Machine,
    store: &Store,
    observer: &mut dyn RunObserver,
) -> Finished {
    Laboratory { plan, data, store, machine, commit: "test" }.run(&[], observer).unwrap()
}

fn candle() -> Machine {
    Machine { executor: Executor::Candle, ..tiny_machine() }
}

#[test]
fn the_smoke_plan_of_cifar_runs_from_a_small_file_to_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let data = small_cifar(folder.path(), 60, 24);
    let plan = Plan::profile("cifar-smoke").unwrap();
    let store = Store::open(folder.path().join("store")).unwrap();
    let mut witness = Witness { checkpoints: true, ..Witness::default() };
    let finished = run(&plan, &data, &candle(), &store, &mut witness);
    assert_eq!(witness.failures, Vec::<String>::new());
    let report = &finished.report;
    assert_eq!(report.cells.len(), 10);
    for cell in &report.cells {
        assert_eq!((cell.status, cell.total), (Status::Measured, Some(16)), "{}", cell.row);
        assert_eq!((cell.kernels.as_str(), cell.paper), ("candle", None), "{}", cell.row);
    }
    assert!(finished.details.iter().all(|detail| detail.cell.paper.is_none()));
    let dataset = report.dataset.as_ref().unwrap();
    assert_eq!((dataset.name.as_str(), dataset.classes[6].as_str()), ("CIFAR-10", "frog"));
    let text = report.to_markdown();
    for words in [
        "images of CIFAR-10",
        "6 frog",
        "cifar10-test (not verified)",
        "held against none",
        "PGD, l-infinity within 0.0314",
    ] {
        assert!(text.contains(words), "no `{words}` in:\n{text}");
    }
    assert!(report.summary_svg().contains("accuracy on CIFAR-10"));
    assert_eq!(&Report::from_json(&report.to_json().unwrap()).unwrap(), report);

    let mut second = Witness::default();
    let again = run(&plan, &data, &candle(), &store, &mut second);
    assert_eq!((second.planned, second.began), (0, Vec::new()));
    assert_eq!(&again.report, report);

    let laboratory =
        Laboratory { plan: &plan, data: &data, store: &store, machine: &candle(), commit: "test" };
    let bytes = laboratory.trained("madry_linf").unwrap().unwrap();
    let (network, metadata) = load_network(&bytes, None, Executor::Candle).unwrap();
    assert_eq!(network.architecture().name, "madry_cifar10_tiny");
    assert_eq!(metadata.notes["trained_on"], "the first 40 of 60 digits");
}

#[test]
fn a_run_that_is_stopped_and_goes_on_ends_at_the_same_report() {
    let folder = tempfile::tempdir().unwrap();
    let data = small_cifar(folder.path(), 60, 24);
    let plan = Plan::profile("cifar-smoke").unwrap();
    let [straight, stopped] = ["straight", "stopped"].map(|name| folder.path().join(name));
    let straight = Store::open(straight).unwrap();
    let expected = run(&plan, &data, &candle(), &straight, &mut Unobserved).report;
    let report = loop {
        let store = Store::open(&stopped).unwrap();
        let mut witness = Witness { stop_after: Some(5), checkpoints: true, ..Witness::default() };
        let finished = run(&plan, &data, &candle(), &store, &mut witness);
        if !finished.interrupted {
            break finished.report;
        }
    };
    assert_eq!(report.to_json().unwrap(), expected.to_json().unwrap());
}

/// Without a word to the contrary the machine is our kernels, which do not run residual networks.
#[test]
fn on_the_engine_the_cells_of_a_residual_network_fail_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let data = small_cifar(folder.path(), 60, 24);
    let plan = Plan::profile("cifar-smoke").unwrap();
    let message = plan.check_executor(tiny_machine().executor).unwrap_err().to_string();
    assert!(message.contains("madry_cifar10_tiny") && message.contains("candle"), "{message}");
    plan.check_executor(Executor::Candle).unwrap();
    let store = Store::open(folder.path().join("store")).unwrap();
    let finished = run(&plan, &data, &tiny_machine(), &store, &mut Unobserved);
    assert!(finished.report.cells.iter().all(|cell| cell.status == Status::Failed));
    let failures = &finished.report.provenance.failures;
    assert!(failures.iter().all(|failure| failure.reason.contains("does not run")), "{failures:?}");
}

#[test]
fn the_plan_of_fashion_mnist_runs_on_our_kernels() {
    let mut plan = Plan::profile("fashion").unwrap();
    assert_eq!(plan.dataset, DatasetName::FashionMnist);
    plan.check_executor(tiny_machine().executor).unwrap();
    // In small, on digits in place of clothes.
    plan.held_out = 140;
    plan.digits.get_mut("test").unwrap().count = Some(4);
    for network in plan.networks.values_mut() {
        let training = network.training.as_mut().unwrap();
        (training.iterations, training.batch) = (3, 8);
    }
    plan.tables.truncate(1);
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let report = run(&plan, &tiny_data(), &tiny_machine(), &store, &mut Unobserved).report;
    assert_eq!(report.cells.len(), 12);
    assert!(report.cells.iter().all(|cell| cell.status == Status::Measured));
    assert!(report.cells.iter().all(|cell| cell.paper.is_none()));
    let text = report.to_markdown();
    for words in ["images of Fashion-MNIST", "9 ankle boot", "PGD, l2 within 1.5"] {
        assert!(text.contains(words), "no `{words}` in:\n{text}");
    }
}

#[test]
fn the_plan_of_cifar_trains_as_published_and_decides_the_claim_about_it() {
    let plan = Plan::profile("cifar").unwrap();
    assert_eq!(plan.dataset, DatasetName::Cifar10);
    assert!(plan.networks.values().all(|network| network.architecture == "madry_cifar10"));
    let training = |name: &str| plan.networks[name].training.clone().unwrap();
    for name in ["natural", "madry_linf", "madry_l2", "madry_mix"] {
        let own = training(name);
        assert_eq!((own.iterations, own.batch, own.learning_rate), (80_000, 128, 0.1), "{name}");
        assert_eq!(own.optimizer, OptimizerKind::Momentum { momentum: 0.9 });
        assert_eq!((own.weight_decay, own.augmentation), (2e-4, Some(Augmentation::cifar10())));
        assert_eq!(own.initialization, Initialization::MadryCifar10);
        let schedule = &own.learning_schedule;
        let rates = [0, 39_999, 40_000, 60_000].map(|step| schedule.at(0.1, step, 80_000));
        for (rate, expected) in rates.into_iter().zip([0.1, 0.1, 0.01, 0.001]) {
            assert!((rate - expected).abs() < 1e-12, "{rate} is not {expected}");
        }
    }
    let DefensePlan::Madry(madry) = training("madry_linf").defense else { panic!("not Madry") };
    let inner = madry.linf.unwrap();
    assert_eq!((madry.mode, inner.steps), (InnerMode::Training, 10));
    assert_eq!(inner.epsilon.get(), 8.0 / 255.0);
    assert_eq!(inner.step_size.at(inner.epsilon), 2.0 / 255.0);
    let trades = training("trades_linf");
    let DefensePlan::Trades(Trades { beta, linf, .. }) = trades.defense else {
        panic!("no TRADES")
    };
    let inner = linf.unwrap();
    assert_eq!((beta, inner.steps, inner.epsilon.get()), (6.0, 10, 0.031));
    let LearningSchedule::Steps { .. } = trades.learning_schedule else { panic!("no steps") };
    // The last of 76 epochs of 382 batches has a tenth of the rate.
    let rate = |step| trades.learning_schedule.at(0.1, step, trades.iterations);
    assert!((rate(75 * 382) - 0.01).abs() < 1e-12 && (rate(74 * 382) - 0.1).abs() < 1e-12);

    let claims = &plan.claims.as_ref().unwrap().claims;
    assert_eq!(claims.iter().map(|claim| claim.id.as_str()).collect::<Vec<_>>(), ["C7"]);
    assert!(claims[0].undecidable.is_none() && claims[0].tests.len() == 3);
    assert!(plan.notes.iter().any(|note| note.contains("never been run")));
}
