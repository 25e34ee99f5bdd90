//! Networks, images and derivatives for tests: hashed numbers instead of random ones, difference quotients in `f64`.

use candle_core::{DType, Device, Tensor};
use saddle_model::{
    Architecture, Classifier, Executor, Layer, Mode, Network, Result, Wanted, Weights,
};
use saddle_ops::{Draws, Kernels};

/// 32-bit hash of `index` under `salt`: a multiplication, then the finaliser of MurmurHash3.
///
/// `tests/golden/make_golden.py` holds the same function; the goldens rest on it.
pub fn hashed(index: u64, salt: u64) -> u32 {
    let mut x = (index + salt * 0x9E37_79B9) as u32;
    for (shift, factor) in [(16, 0x85EB_CA6B), (13, 0xC2B2_AE35)] {
        x ^= x >> shift;
        x = x.wrapping_mul(factor);
    }
    x ^ (x >> 16)
}

/// Hashes of `0..count` as multiples of `2^(1 - bits)` in `[-1, 1)`.
pub fn signed(count: usize, salt: u64, bits: u32) -> Vec<f64> {
    let half = f64::from(1u32 << (bits - 1));
    (0..count as u64)
        .map(|index| (f64::from(hashed(index, salt) >> (32 - bits)) - half) / half)
        .collect()
}

/// A tensor of hashed numbers in `[low, high)`, on the CPU.
pub fn hashed_tensor(shape: &[usize], salt: u64, low: f64, high: f64, dtype: DType) -> Tensor {
    let unit = signed(shape.iter().product(), salt, 24).into_iter().map(|x| (x + 1.0) / 2.0);
    let values: Vec<f64> = unit.map(|x| low + (high - low) * x).collect();
    Tensor::from_vec(values, shape, &Device::Cpu)
        .and_then(|tensor| tensor.to_dtype(dtype))
        .expect("a shape and its values")
}

/// Hashed weights of an architecture: the weights of a layer within `1 / sqrt(fan in)`, its bias within the same.
pub fn hashed_weights(architecture: &Architecture, salt: u64, dtype: DType) -> Weights {
    let mut bound = 1.0;
    let mut entries = Vec::new();
    for (index, parameter) in architecture.parameters().into_iter().enumerate() {
        if parameter.shape.len() > 1 {
            bound = 1.0 / (parameter.shape[1..].iter().product::<usize>() as f64).sqrt();
        }
        let salt = salt * 1000 + index as u64;
        let tensor = hashed_tensor(&parameter.shape, salt, -bound, bound, dtype);
        entries.push((parameter.name, tensor));
    }
    Weights::new(entries).expect("an architecture with parameters")
}

/// The engine on every kernel path that this processor has, and candle.
pub fn executors() -> Vec<Executor> {
    let engines = Kernels::available().into_iter().map(Executor::Engine);
    engines.chain([Executor::Candle]).collect()
}

/// [`executors`] for large networks: in `f64`, which checks formulas and not instructions, one path will do.
pub fn executors_of(dtype: DType) -> Vec<Executor> {
    match dtype {
        DType::F64 => vec![Executor::Engine(Kernels::detect()), Executor::Candle],
        _ => executors(),
    }
}

/// Small networks that between them have every layer and awkward shapes.
pub fn small_architectures() -> Vec<Architecture> {
    let convolution = |name: &str, in_channels, out_channels, kernel, stride, padding| {
        let (name, bias) = (name.to_owned(), true);
        Layer::Conv2d { name, in_channels, out_channels, kernel, stride, padding, bias }
    };
    let linear =
        |name: &str, inputs, outputs| Layer::Linear { name: name.to_owned(), inputs, outputs };
    let pool = |window| Layer::MaxPool2d { window };
    let dropout = |rate| Layer::Dropout { rate };
    let architecture = |name: &str, input, classes, layers| Architecture {
        name: name.to_owned(),
        input,
        classes,
        layers,
    };
    vec![
        architecture(
            "madry in small",
            [1, 8, 8],
            4,
            vec![
                convolution("conv1", 1, 3, 5, 1, 2),
                Layer::Relu,
                pool(2),
                convolution("conv2", 3, 5, 5, 1, 2),
                Layer::Relu,
                pool(2),
                Layer::Flatten,
                linear("fc1", 20, 7),
                Layer::Relu,
                linear("fc2", 7, 4),
            ],
        ),
        architecture(
            "strides, no padding, two channels in",
            [2, 9, 9],
            3,
            vec![
                convolution("a", 2, 4, 3, 2, 0),
                Layer::Relu,
                convolution("b", 4, 3, 2, 1, 1),
                Layer::Flatten,
                linear("c", 75, 3),
            ],
        ),
        architecture(
            "pool before ReLU, windows of three",
            [1, 9, 9],
            3,
            vec![
                convolution("a", 1, 2, 1, 1, 0),
                pool(3),
                Layer::Relu,
                Layer::Flatten,
                linear("b", 18, 3),
            ],
        ),
        architecture(
            "linear only",
            [1, 3, 4],
            2,
            vec![Layer::Flatten, linear("a", 12, 5), Layer::Relu, linear("b", 5, 2)],
        ),
        architecture(
            "not square, strides that leave rows or columns over",
            [2, 7, 10],
            3,
            vec![
                convolution("a", 2, 3, 3, 2, 1),
                Layer::Relu,
                convolution("b", 3, 4, 2, 3, 0),
                Layer::Flatten,
                linear("c", 8, 3),
            ],
        ),
        architecture(
            "dropout wherever it can stand",
            [2, 6, 8],
            3,
            vec![
                dropout(0.3),
                convolution("a", 2, 3, 3, 1, 1),
                dropout(0.5),
                Layer::Relu,
                dropout(0.2),
                pool(2),
                dropout(0.1),
                convolution("b", 3, 4, 2, 1, 1),
                Layer::Relu,
                dropout(0.4),
                Layer::Flatten,
                dropout(0.25),
                linear("c", 80, 6),
                Layer::Relu,
                dropout(0.5),
                linear("d", 6, 3),
            ],
        ),
    ]
}

/// A residual network in small that has every layer which only candle's executor runs, for 12 x 12 grey images.
pub fn residual_architecture() -> Architecture {
    let convolution = |name: &str, [in_channels, out_channels]: [usize; 2], stride, padding| {
        let (name, kernel, bias) = (name.to_owned(), 3, false);
        Layer::Conv2d { name, in_channels, out_channels, kernel, stride, padding, bias }
    };
    let normalized = |name: &str, channels| {
        let (name, decay, stabilizer) = (name.to_owned(), 0.9, 1e-3);
        let norm = Layer::BatchNorm2d { name, channels, decay, stabilizer };
        vec![norm, Layer::LeakyRelu { slope: 0.1 }]
    };
    let mut layers = vec![Layer::Standardize { scale: 255.0 }, convolution("init", [1, 3], 1, 1)];
    layers.extend(normalized("a.bn1", 3));
    let main = [
        vec![convolution("a.conv1", [3, 3], 1, 1)],
        normalized("a.bn2", 3),
        vec![convolution("a.conv2", [3, 3], 1, 1)],
    ];
    layers.push(Layer::Residual { main: main.concat(), shortcut: Vec::new() });
    let main = [
        normalized("b.bn1", 3),
        vec![Layer::ZeroPad2d { before: 0, after: 1 }, convolution("b.conv1", [3, 5], 2, 0)],
        normalized("b.bn2", 5),
        vec![convolution("b.conv2", [5, 5], 1, 1)],
    ];
    let shortcut =
        vec![Layer::AvgPool2d { window: 2 }, Layer::ZeroPadChannels { before: 1, after: 1 }];
    layers.push(Layer::Residual { main: main.concat(), shortcut });
    layers.extend(normalized("last", 5));
    layers.push(Layer::GlobalAvgPool2d);
    layers.push(Layer::Linear { name: "logit".to_owned(), inputs: 5, outputs: 10 });
    Architecture { name: "residual in small".to_owned(), input: [1, 12, 12], classes: 10, layers }
}

/// [`hashed_weights`] with running variances that are some.
pub fn hashed_residual_weights(architecture: &Architecture, salt: u64, dtype: DType) -> Weights {
    let weights = hashed_weights(architecture, salt, dtype);
    let positive = weights.map(|name, tensor| match name.ends_with(".running_var") {
        true => Ok((tensor.abs()? + 0.5)?),
        false => Ok(tensor.clone()),
    });
    positive.expect("a CPU tensor of floats")
}

/// A network of hashed weights.
pub fn hashed_network(
    architecture: &Architecture,
    salt: u64,
    dtype: DType,
    executor: Executor,
) -> Network {
    let weights = hashed_weights(architecture, salt, dtype);
    Network::new(architecture.clone(), weights, executor).expect("hashed weights fit")
}

/// Hashed images in `[0, 1)` for an architecture.
pub fn hashed_images(architecture: &Architecture, count: usize, salt: u64, dtype: DType) -> Tensor {
    let [channels, rows, columns] = architecture.input;
    hashed_tensor(&[count, channels, rows, columns], salt, 0.0, 1.0, dtype)
}

/// Training at some step on these examples.
pub fn training(examples: &[u64]) -> Mode<'_> {
    Mode::Training { draws: Draws::new(17), step: 5, pass: 1, examples }
}

/// Logits, input gradient and weight gradients of `<logits, cotangent>`, each flattened to `f64`.
pub struct Passed {
    /// Logits in row-major order.
    pub logits: Vec<f64>,
    /// Gradient with respect to the images.
    pub input: Vec<f64>,
    /// Gradient of every weight, in order.
    pub weights: Vec<(String, Vec<f64>)>,
}

/// One forward pass in evaluation and its pullback, everything wanted.
pub fn pass(network: &Network, images: &Tensor, cotangent: &Tensor) -> Result<Passed> {
    pass_in(Mode::Evaluation, network, images, cotangent)
}

/// One forward pass and its pullback, everything wanted.
pub fn pass_in(
    mode: Mode<'_>,
    network: &Network,
    images: &Tensor,
    cotangent: &Tensor,
) -> Result<Passed> {
    let (logits, pullback) = network.forward(images, mode)?;
    let gradients = pullback(cotangent, Wanted::BOTH)?;
    let weights = gradients.weights.expect("wanted");
    Ok(Passed {
        logits: flat(&logits),
        input: flat(&gradients.input.expect("wanted")),
        weights: weights.iter().map(|(name, tensor)| (name.to_owned(), flat(tensor))).collect(),
    })
}

/// A tensor's entries in row-major order, as `f64`.
pub fn flat(tensor: &Tensor) -> Vec<f64> {
    tensor
        .to_dtype(DType::F64)
        .and_then(|tensor| tensor.flatten_all()?.to_vec1())
        .expect("a CPU tensor of floats")
}

/// Largest difference of two slices, relative to the largest entry of the second (or to 1e-30).
pub fn relative_difference(ours: &[f64], theirs: &[f64]) -> f64 {
    difference_to_scale(ours, theirs, largest(theirs))
}

/// Largest difference of two slices, relative to `scale` (or to 1e-30).
pub fn difference_to_scale(ours: &[f64], theirs: &[f64], scale: f64) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let differences = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs());
    // `f64::max` would drop a NaN.
    differences.fold(0.0, |largest: f64, x| if x > largest || x.is_nan() { x } else { largest })
        / scale.max(1e-30)
}

/// Largest magnitude of a slice, 0 of an empty one.
pub fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |largest, x| x.abs().max(largest))
}

/// Central difference quotients of `value` in each coordinate of `at`.
pub fn difference_quotients(
    at: &[f64],
    step: f64,
    mut value: impl FnMut(&[f64]) -> f64,
) -> Vec<f64> {
    let mut moved = at.to_vec();
    (0..at.len())
        .map(|index| {
            moved[index] = at[index] + step;
            let above = value(&moved);
            moved[index] = at[index] - step;
            let below = value(&moved);
            moved[index] = at[index];
            (above - below) / (2.0 * step)
        })
        .collect()
}
