//! Layers that only candle's executor runs, by hand: what comes out, and what goes back, ties included.

use candle_core::{DType, Device, Tensor};
use saddle_model::{Architecture, Classifier, Executor, Layer, Mode, Network, Wanted, Weights};
use saddle_ops::Draws;
use saddle_tests::model::{flat, pass, pass_in, training};

/// A network of `layers`, the first ones of which have these parameters, whose logits are what the layers give.
fn through(input: [usize; 3], layers: Vec<Layer>, parameters: &[&[f64]]) -> Network {
    let mut architecture = Architecture { name: "hand".to_owned(), input, classes: 2, layers };
    let shapes = architecture.activation_shapes().unwrap();
    let size: usize = shapes[shapes.len() - 1].iter().product();
    let identity = Layer::Linear { name: "identity".to_owned(), inputs: size, outputs: size };
    architecture.classes = size;
    architecture.layers.extend([Layer::Flatten, identity]);
    let mut identity = vec![0.0; size * size];
    identity.iter_mut().step_by(size + 1).for_each(|one| *one = 1.0);
    let zeros = vec![0.0; size];
    let parameters = [parameters, &[&identity[..], &zeros[..]]].concat();
    let weights = Weights::from_slices(&architecture, &parameters).unwrap();
    Network::new(architecture, weights, Executor::Candle).unwrap()
}

fn images(count: usize, network: &Network, pixels: &[f64]) -> Tensor {
    let [channels, rows, columns] = network.architecture().input;
    Tensor::from_slice(pixels, (count, channels, rows, columns), &Device::Cpu).unwrap()
}

fn row(numbers: &[f64]) -> Tensor {
    Tensor::from_slice(numbers, (1, numbers.len()), &Device::Cpu).unwrap()
}

#[track_caller]
fn close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
    }
}

/// Logits, and the input's gradient of the logit number `place`, of one image in evaluation.
fn one(network: &Network, pixels: &[f64], place: usize) -> [Vec<f64>; 2] {
    let mut cotangent = vec![0.0; network.classes()];
    cotangent[place] = 1.0;
    let passed = pass(network, &images(1, network, pixels), &row(&cotangent)).unwrap();
    [passed.logits, passed.input]
}

/// Two channels, the second of which is constant; deviation 3 in evaluation and in training.
fn batch_norm() -> Network {
    let norm =
        Layer::BatchNorm2d { name: "bn".to_owned(), channels: 2, decay: 0.9, stabilizer: 4.0 };
    let parameters: [&[f64]; 4] = [&[2.0, 3.0], &[1.0, -1.0], &[10.0, 0.0], &[5.0, 0.0]];
    through([2, 1, 2], vec![norm], &parameters)
}

const PIXELS: [f64; 8] = [1.0, 3.0, 2.0, 2.0, 5.0, 7.0, 2.0, 2.0];

#[test]
fn batch_normalisation_takes_running_statistics_in_evaluation() {
    let network = batch_norm();
    let found = network.logits(&images(2, &network, &PIXELS)).unwrap();
    let first = |x: f64| 2.0 * (x - 10.0) / 3.0 + 1.0;
    // Second channel: 3 (2 - 0) / 2 - 1.
    let expected = [first(1.0), first(3.0), 2.0, 2.0, first(5.0), first(7.0), 2.0, 2.0];
    close(&flat(&found), &expected);
    let [_, input] = one(&network, &[0.0, 0.0, 0.0, 0.0], 1);
    close(&input, &[0.0, 2.0 / 3.0, 0.0, 0.0]);
}

#[test]
fn batch_normalisation_takes_the_batch_in_training_and_says_how_far_it_is_from_the_running_statistics()
 {
    let network = batch_norm();
    let images = images(2, &network, &PIXELS);
    let cotangent = Tensor::zeros((2, 4), DType::F64, &Device::Cpu).unwrap();
    let passed = pass_in(training(&[4, 9]), &network, &images, &cotangent).unwrap();
    // Mean 4, variance 5; the constant channel becomes its bias.
    let third = 1.0 / 3.0;
    close(&passed.logits, &[-1.0, third, -1.0, -1.0, 5.0 * third, 3.0, -1.0, -1.0]);
    let entry = |name: &str| passed.weights.iter().find(|(own, _)| own == name).unwrap().1.clone();
    close(&entry("bn.running_mean"), &[10.0 - 4.0, 0.0 - 2.0]);
    // Of the sample: 20 / 3.
    close(&entry("bn.running_var"), &[5.0 - 20.0 / 3.0, 0.0]);

    let evaluated = pass_in(Mode::Evaluation, &network, &images, &cotangent).unwrap();
    for (name, entry) in evaluated.weights.iter().filter(|(name, _)| name.contains("running")) {
        assert_eq!(entry, &[0.0, 0.0], "{name}");
    }
    let statistics = network.architecture().statistics();
    let names: Vec<_> = statistics.iter().map(|one| (one.name.as_str(), one.decay)).collect();
    assert_eq!(names, [("bn.running_mean", 0.9), ("bn.running_var", 0.9)]);
}

#[test]
fn a_single_number_has_no_sample_variance_and_makes_none() {
    let norm =
        Layer::BatchNorm2d { name: "bn".to_owned(), channels: 2, decay: 0.5, stabilizer: 1.0 };
    let parameters: [&[f64]; 4] = [&[1.0; 2], &[0.0; 2], &[0.0; 2], &[1.0; 2]];
    let network = through([2, 1, 1], vec![norm], &parameters);
    let images = images(1, &network, &[3.0, 4.0]);
    let cotangent = row(&[1.0, 1.0]);
    let passed = pass_in(training(&[0]), &network, &images, &cotangent).unwrap();
    assert_eq!((passed.logits, passed.input), (vec![0.0; 2], vec![0.0; 2]));
    assert!(passed.weights.iter().flat_map(|(_, numbers)| numbers).all(|x| x.is_finite()));
}

#[test]
fn standardisation_divides_by_the_deviation_or_by_its_floor() {
    let network = |scale| through([1, 2, 2], vec![Layer::Standardize { scale }], &[]);
    // Deviation 2, floor 1/2.
    let pixels = [0.25, 0.25, 0.75, 0.75];
    close(&one(&network(8.0), &pixels, 0)[0], &[-1.0, -1.0, 1.0, 1.0]);
    // Deviation 1/8.
    close(&one(&network(0.5), &pixels, 0)[0], &[-0.25, -0.25, 0.25, 0.25]);
    // A constant image has no deviation at all.
    let [output, input] = one(&network(255.0), &[0.5; 4], 0);
    close(&output, &[0.0; 4]);
    close(&input, &[382.5, -127.5, -127.5, -127.5]);

    // Exactly at the floor the deviation has the gradient; below it has none.
    let tied = [0.0, 0.0, 1.0, 1.0];
    let [output, input] = one(&network(1.0), &tied, 0);
    close(&output, &[-1.0, -1.0, 1.0, 1.0]);
    close(&input, &[1.0, -1.0, 0.0, 0.0]);
    close(&one(&network(0.5), &tied, 0)[1], &[0.75, -0.25, -0.25, -0.25]);
}

#[test]
fn a_leaky_relu_has_slope_one_at_zero() {
    let network = through([1, 1, 4], vec![Layer::LeakyRelu { slope: 0.25 }], &[]);
    let images = images(1, &network, &[-2.0, 0.0, 3.0, -0.0]);
    let passed = pass(&network, &images, &row(&[1.0; 4])).unwrap();
    assert_eq!(passed.logits, [-0.5, 0.0, 3.0, 0.0]);
    assert_eq!(passed.input, [0.25, 1.0, 1.0, 1.0]);
    let broken =
        Tensor::from_slice(&[f64::NAN, 1.0, 1.0, 1.0], (1, 1, 1, 4), &Device::Cpu).unwrap();
    assert!(flat(&network.logits(&broken).unwrap())[0].is_nan());
}

#[test]
fn averages_share_their_gradient() {
    let pixels: Vec<f64> = (0..16).map(f64::from).collect();
    let network = through([2, 2, 4], vec![Layer::AvgPool2d { window: 2 }], &[]);
    let [output, input] = one(&network, &pixels, 1);
    // Of the first channel 0 1 4 5 and 2 3 6 7.
    assert_eq!(output, [2.5, 4.5, 10.5, 12.5]);
    assert_eq!(input[..8], [0.0, 0.0, 0.25, 0.25, 0.0, 0.0, 0.25, 0.25]);
    assert_eq!(input[8..], [0.0; 8]);

    let layers = vec![Layer::GlobalAvgPool2d];
    let [output, input] = one(&through([2, 2, 4], layers, &[]), &pixels, 1);
    assert_eq!(output, [3.5, 11.5]);
    assert_eq!(input, [[0.0; 8], [0.125; 8]].concat());
}

#[test]
fn zeros_are_put_beside_and_taken_away_again() {
    let network = through([1, 1, 2], vec![Layer::ZeroPad2d { before: 1, after: 0 }], &[]);
    let [output, input] = one(&network, &[3.0, 4.0], 5);
    assert_eq!(output, [0.0, 0.0, 0.0, 0.0, 3.0, 4.0]);
    assert_eq!(input, [0.0, 1.0]);
    assert_eq!(one(&network, &[3.0, 4.0], 3)[1], [0.0, 0.0]);

    let layers = vec![Layer::ZeroPadChannels { before: 1, after: 2 }];
    let [output, input] = one(&through([1, 1, 2], layers, &[]), &[3.0, 4.0], 2);
    assert_eq!(output, [0.0, 0.0, 3.0, 4.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(input, [1.0, 0.0]);
}

#[test]
fn branches_are_added_and_both_have_the_gradient() {
    let main = vec![Layer::LeakyRelu { slope: 0.5 }];
    let layers = vec![Layer::Residual { main, shortcut: Vec::new() }];
    let network = through([1, 1, 2], layers, &[]);
    let passed = pass(&network, &images(1, &network, &[-4.0, 3.0]), &row(&[1.0, 1.0])).unwrap();
    assert_eq!((passed.logits, passed.input), (vec![-6.0, 6.0], vec![1.5, 2.0]));
}

/// Layers are counted from the first on, those inside a unit behind the unit: dropout draws by that.
#[test]
fn dropout_inside_a_unit_draws_by_its_place() {
    let rate = 0.5;
    let main = vec![Layer::Dropout { rate }];
    let shortcut = vec![Layer::Relu, Layer::Dropout { rate }];
    let layers = vec![Layer::Relu, Layer::Residual { main, shortcut }, Layer::Dropout { rate }];
    let network = through([1, 1, 30], layers, &[]);
    let draws = Draws::new(3);
    let mode = Mode::Training { draws, step: 1, pass: 2, examples: &[8] };
    let found = network.forward(&images(1, &network, &[1.0; 30]), mode).unwrap().0;
    let factors = |layer| {
        let kept = draws.survivors_naive("dropout", 8, 2, 1, layer, rate, 30).into_iter();
        kept.map(|kept| if kept { 2.0 } else { 0.0 }).collect::<Vec<f64>>()
    };
    let (main, shortcut, last) = (factors(2), factors(4), factors(5));
    let expected = (0..30).map(|unit| (main[unit] + shortcut[unit]) * last[unit]);
    assert_eq!(flat(&found), expected.collect::<Vec<_>>());
}

#[test]
fn only_what_is_wanted_goes_back_through_a_unit() {
    let weight = [0.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0];
    let (name, padding, bias) = ("conv".to_owned(), 1, false);
    let convolution = Layer::Conv2d {
        name,
        in_channels: 1,
        out_channels: 1,
        kernel: 3,
        stride: 1,
        padding,
        bias,
    };
    let unit = Layer::Residual { main: vec![convolution], shortcut: vec![Layer::Relu] };
    let network = through([1, 1, 2], vec![unit], &[&weight]);
    let images = images(1, &network, &[1.0, -1.0]);
    for wanted in [Wanted::INPUT, Wanted::WEIGHTS, Wanted::BOTH] {
        let (logits, pullback) = network.forward(&images, Mode::Evaluation).unwrap();
        assert_eq!(flat(&logits), [3.0, -2.0]);
        let gradients = pullback(&row(&[1.0, 1.0]), wanted).unwrap();
        assert_eq!(gradients.input.as_ref().map(flat), wanted.input.then(|| vec![3.0, 2.0]));
        let kernel = gradients.weights.as_ref().map(|all| flat(all.get("conv.weight").unwrap()));
        // Middle: 1 - 1; its neighbours meet the other pixel.
        let expected = vec![0.0, 0.0, 0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0];
        assert_eq!(kernel, wanted.weights.then_some(expected));
    }
}
