//! The indicators of masking as they are measured: a network in plain sight, and the same one behind dead ReLUs.

use candle_core::DType;
use saddle_attacks::{
    Direction, Disguise, Examples, ProjectedAscent, Start, ThreatModel, TowardImages,
};
use saddle_experiments::{RadiusTrial, Trials, measure_masking};
use saddle_model::{Architecture, Classifier, Executor, Layer, Network, Weights, predictions};
use saddle_ops::{Draws, Kernels, Norm};
use saddle_report::masking::{Indicators, Masking, Standing, Thresholds, judge};
use saddle_tests::model::{hashed_images, signed};

const DIGITS: usize = 110;
const PIXELS: usize = 64;

/// One linear layer: two classes on either side of a plane through the middle of the cube of images, closer to most images than 1.
fn one_plane() -> Network {
    let architecture = Architecture {
        name: "one plane".to_owned(),
        input: [1, 8, 8],
        classes: 2,
        layers: vec![
            Layer::Flatten,
            Layer::Linear { name: "fc".to_owned(), inputs: PIXELS, outputs: 2 },
        ],
    };
    let normal: Vec<f32> = signed(PIXELS, 9, 24).into_iter().map(|w| w as f32).collect();
    let weights: Vec<f32> = normal.iter().copied().chain(normal.iter().map(|w| -w)).collect();
    let middle = normal.iter().sum::<f32>() / 2.0;
    let slices: [&[f32]; 2] = [&weights, &[-middle, middle]];
    let weights = Weights::from_slices(&architecture, &slices).unwrap();
    Network::new(architecture, weights, Executor::Engine(Kernels::detect())).unwrap()
}

/// Within an l2 ball, by steps that are 1.6 times as long as its radius together, and as many runs of them as the passes allow.
fn measured(disguise: Disguise, epsilon: f64, steps: u32, cap: u64) -> Indicators {
    let network = one_plane();
    let images = hashed_images(network.architecture(), DIGITS, 2, DType::F32);
    // Whatever the network says of an image is right: all are read rightly.
    let labels = predictions(&network.logits(&images).unwrap()).unwrap();
    let ids: Vec<u64> = (0..DIGITS as u64).collect();
    let examples = Examples::new(images.clone(), labels, ids.clone()).unwrap();
    let disguised = disguise.put_on(&network).unwrap();

    let step = 1.6 * epsilon / f64::from(steps);
    let short =
        ProjectedAscent { start: Start::Uniform, ..ProjectedAscent::pgd(Norm::L2, step, steps) };
    let long = ProjectedAscent { steps: 2 * steps, ..short };
    let smoothed =
        ProjectedAscent { direction: Direction::Smoothed { sigma: 0.1, samples: 1 }, ..short };
    // Toward the next image of the list: no gradient is asked for.
    let next = |id: &u64| images.narrow(0, (*id as usize + 1) % DIGITS, 1).unwrap();
    let toward = TowardImages::new(ids.iter().map(|id| (*id, next(id))).collect()).unwrap();
    let trials = Trials {
        gradient: &short,
        more_steps: &long,
        smoothed: &smoothed,
        black_box: Some((&toward, 20)),
        source: Some(&network),
        cap,
        draws: Draws::new(3),
    };
    let threat = ThreatModel::new(Norm::L2, epsilon).unwrap();
    let wider = ThreatModel::new(Norm::L2, 2.0 * epsilon).unwrap();
    let radii = [RadiusTrial { threat: wider, attack: &short, bound: 0.9 }];
    measure_masking(disguised.as_ref(), &examples, threat, &trials, &radii).unwrap()
}

#[test]
fn what_is_measured_of_a_network_in_plain_sight_shows_nothing() {
    let found = measured(Disguise::Plain, 1.0, 8, 40);
    assert_eq!(found.natural, [true; DIGITS]);
    let gradients = found.gradients.unwrap();
    assert_eq!((gradients.total, gradients.zero), (DIGITS as u64, 0));
    let slopes = found.slopes.unwrap();
    assert!(slopes.honest > 9 * slopes.total / 10, "{slopes:?}");
    for standing in [&found.gradient_attack, &found.more_steps, &found.smoothed, &found.transfer] {
        let standing = standing.as_ref().unwrap();
        assert_eq!(standing.robust.len(), DIGITS, "{}", standing.attack);
    }
    assert_eq!((found.radii[0].epsilon, found.radii[0].total), (2.0, DIGITS as u64));
    let verdict = judge(&found, &Thresholds::STATED);
    assert_ne!(verdict.masking, Masking::Masked, "{:?}", verdict.reasons);
}

#[test]
fn behind_dead_relus_it_is_masked() {
    let found = measured(Disguise::DeadRelu { width: 1e-3 }, 1.0, 8, 40);
    let gradients = found.gradients.unwrap();
    assert!(gradients.zero > 9 * gradients.total / 10, "{gradients:?}");
    let left = |standing: &Option<Standing>| {
        standing.as_ref().unwrap().robust.iter().filter(|&&stands| stands).count()
    };
    assert!(
        left(&found.transfer) < left(&found.gradient_attack),
        "images of the plain network fool"
    );
    let verdict = judge(&found, &Thresholds::STATED);
    assert_eq!(verdict.masking, Masking::Masked, "{:?}", verdict.reasons);
}

#[test]
fn random_directions_are_held_against_a_whole_run() {
    // Most images are farther from the plane than this, and no direction beats its normal; the passes end soon after a second
    // start.
    let found = measured(Disguise::Plain, 0.02, 40, 90);
    let stands = found.gradient_attack.unwrap().robust.iter().filter(|&&stands| stands).count();
    assert!(stands > DIGITS / 2, "{stands} stand");
    assert_eq!(found.slopes.unwrap().random_is_better, 0);
}
