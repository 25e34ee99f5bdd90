//! Draws: pure, pinned to the bit, independent of company, and distributed as they claim.

use std::collections::HashSet;

use candle_core::{DType, Device, Tensor};
use proptest::prelude::*;
use saddle_ops::{Draws, Norm, Result, Stream};
use saddle_tests::ops::{any_ball, ball, bits, naive_norm, rows};

fn like(rows: usize, width: usize, dtype: DType) -> Result<Tensor> {
    Ok(Tensor::zeros((rows, width), dtype, &Device::Cpu)?)
}

fn ids(n: u64) -> Vec<u64> {
    (0..n).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_draw_is_a_function_of_its_address(
        seed in any::<u64>(), example in any::<u64>(),
        restart in any::<u32>(), step in any::<u32>(), sample in any::<u32>(),
    ) {
        let draws = Draws::new(seed);
        let first = |mut stream: Stream| (stream.uniform().to_bits(), stream.normal().to_bits());
        let here = first(draws.stream("a", example, restart, step, sample));
        prop_assert_eq!(here, first(draws.stream("a", example, restart, step, sample)));
        // Each part of the address counts.
        let others = [
            Draws::new(seed ^ 1).stream("a", example, restart, step, sample),
            draws.stream("b", example, restart, step, sample),
            draws.stream("a", example ^ 1 << 40, restart, step, sample),
            draws.stream("a", example, restart ^ 1, step, sample),
            draws.stream("a", example, restart, step ^ 1, sample),
            draws.stream("a", example, restart, step, sample ^ 1),
        ];
        let mut seen = HashSet::from([here]);
        for other in others {
            prop_assert!(seen.insert(first(other)));
        }
    }

    #[test]
    fn noise_is_the_naive_noise(seed in any::<u64>(), step in any::<u32>(), width in 1..800usize) {
        let draws = Draws::new(seed);
        let (narrow, wide) = (like(1, width, DType::F32)?, like(1, width, DType::F64)?);
        let noise = rows(&draws.gaussian("noise", &[9], 1, step, 2, 1.0, &narrow)?)?;
        let naive = draws.gaussian_naive("noise", 9, 1, step, 2, width);
        for (fast, naive) in noise[0].iter().zip(&naive) {
            // A uniform next to 1 has only the spacing of f32 to say how far from 1 it is.
            prop_assert!((fast - naive).abs() <= 4e-4 * f64::from(naive.abs() < 1e-2) + 4e-6, "{fast} {naive}");
        }
        // One noise for both formats.
        let doubled = rows(&draws.gaussian("noise", &[9], 1, step, 2, 1.0, &wide)?)?;
        prop_assert_eq!(&noise, &doubled);
    }

    #[test]
    fn survivors_are_the_naive_survivors(
        seed in any::<u64>(), step in any::<u32>(), rate in 0.0..1.0f64, width in 0..300usize,
    ) {
        let draws = Draws::new(seed);
        let survivors = |rate| {
            let mut survivors = vec![9; width];
            draws.survivors("fall", 9, 1, step, 2, rate, &mut survivors);
            survivors
        };
        let naive = draws.survivors_naive("fall", 9, 1, step, 2, rate, width);
        let naive: Vec<u8> = naive.into_iter().map(u8::from).collect();
        prop_assert_eq!(&survivors(rate), &naive);
        // Whoever survives a higher rate survives a lower one.
        prop_assert!(survivors(rate / 2.0).iter().zip(&naive).all(|(low, high)| low >= high));
        prop_assert!(survivors(0.0).iter().all(|one| *one == 1));
        prop_assert!(survivors(1.0).iter().all(|one| *one == 0));
    }

    #[test]
    fn a_row_does_not_know_its_batch(seed in any::<u64>(), order in Just(ids(40)).prop_shuffle(), ball in any_ball()) {
        let draws = Draws::new(seed);
        // Forty rows are spread over threads, one row is not.
        let (all, one) = (like(40, 784, DType::F32)?, like(1, 784, DType::F32)?);
        let noise = bits(&draws.gaussian("noise", &order, 0, 3, 1, 0.5, &all)?)?;
        let starts = bits(&draws.uniform_in_ball("start", &order, 2, &ball, &all)?)?;
        for place in [0, 20, 39] {
            let (id, range) = ([order[place]], place * 784..(place + 1) * 784);
            let alone = draws.gaussian("noise", &id, 0, 3, 1, 0.5, &one)?;
            prop_assert_eq!(&bits(&alone)?, &noise[range.clone()]);
            let alone = draws.uniform_in_ball("start", &id, 2, &ball, &one)?;
            prop_assert_eq!(&bits(&alone)?, &starts[range]);
        }
    }

    #[test]
    fn a_permutation_holds_every_index_once(seed in any::<u64>(), epoch in any::<u32>(), n in 0..300usize) {
        let order = Draws::new(seed).permutation("epoch", epoch, n);
        prop_assert_eq!(&order, &Draws::new(seed).permutation("epoch", epoch, n));
        let mut sorted = order;
        sorted.sort_unstable();
        prop_assert_eq!(sorted, (0..n as u32).collect::<Vec<_>>());
    }

    #[test]
    fn starts_lie_in_their_ball(seed in any::<u64>(), ball in any_ball(), width in 1..60usize) {
        let start = Draws::new(seed).uniform_in_ball("start", &ids(3), 0, &ball, &like(3, width, DType::F32)?)?;
        for size in ball.norm().sizes(&start)? {
            prop_assert!(size <= ball.radius().get());
        }
    }
}

/// Mean, variance, skewness, kurtosis and tails of 400,000 noise numbers.
#[test]
fn noise_is_normal() -> Result<()> {
    let noise =
        Draws::new(1).gaussian("noise", &ids(400), 0, 0, 0, 1.0, &like(400, 1000, DType::F32)?)?;
    let values = rows(&noise)?.concat();
    let n = values.len() as f64;
    let moment = |k: i32| values.iter().map(|v| v.powi(k)).sum::<f64>() / n;
    // Five standard errors: variances of the four means are 1, 2, 15 and 96 over n.
    for (k, expected, variance) in [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0f64)]
    {
        let error = (moment(k) - expected).abs();
        assert!(error < 5.0 * (variance / n).sqrt(), "moment {k} is off by {error}");
    }
    for (bound, probability) in [(1.0, 0.317_310_5), (2.0, 0.045_500_3), (3.0, 0.002_699_8f64)] {
        let share = values.iter().filter(|v| v.abs() > bound).count() as f64 / n;
        let error = (share - probability).abs();
        assert!(error < 5.0 * (probability / n).sqrt(), "beyond {bound}: {share}");
    }
    // Cosine and sine parts of one pair, and neighbours, do not go together.
    for row in rows(&noise)?.iter().take(3) {
        for shift in [1, 500] {
            let products = row.iter().zip(&row[shift..]).map(|(a, b)| a * b).sum::<f64>();
            assert!(products.abs() < 5.0 * 1000f64.sqrt(), "shift {shift}: {products}");
        }
    }
    Ok(())
}

#[test]
fn survivors_are_as_many_as_said_and_independent() {
    let draws = Draws::new(6);
    let survivors = |example, step, sample, rate| -> Vec<f64> {
        let mut survivors = vec![0; 10_000];
        draws.survivors("fall", example, 0, step, sample, rate, &mut survivors);
        survivors.into_iter().map(f64::from).collect()
    };
    for rate in [0.2, 0.25, 0.5, 0.9] {
        let variance = rate * (1.0 - rate);
        let first = survivors(1, 1, 1, rate);
        let error = first.iter().sum::<f64>() / 1e4 - (1.0 - rate);
        assert!(error.abs() < 5.0 * (variance / 1e4).sqrt(), "{rate}: off by {error}");
        // Neighbours, other examples, steps and layers do not go together.
        let centred = |values: &[f64]| values.iter().map(|v| v - 1.0 + rate).collect::<Vec<_>>();
        let mut shifted = first.clone();
        shifted.rotate_left(1);
        let others =
            [shifted, survivors(2, 1, 1, rate), survivors(1, 2, 1, rate), survivors(1, 1, 2, rate)];
        for (index, other) in others.iter().enumerate() {
            let pairs = centred(&first).into_iter().zip(centred(other));
            let covariance = pairs.map(|(a, b)| a * b).sum::<f64>() / 1e4;
            assert!(covariance.abs() < 5.0 * variance / 100.0, "{rate}, {index}: {covariance}");
        }
    }
}

#[test]
fn numbers_of_a_stream_are_distributed_as_said() {
    let mut stream = Draws::new(2).stream("test", 0, 0, 0, 0);
    let n = 100_000;
    let uniform: Vec<f64> = (0..n).map(|_| stream.uniform()).collect();
    assert!(uniform.iter().all(|u| (0.0..1.0).contains(u)));
    let mut tenths = [0u32; 10];
    uniform.iter().for_each(|u| tenths[(u * 10.0) as usize] += 1);
    // Chi-squared with nine degrees of freedom is above 33.7 once in 10,000.
    let chi = |counts: &[u32], expected: f64| {
        counts.iter().map(|c| (f64::from(*c) - expected).powi(2) / expected).sum::<f64>()
    };
    assert!(chi(&tenths, 1e4) < 33.7, "{tenths:?}");
    let mut faces = [0u32; 10];
    (0..n).for_each(|_| faces[stream.below(10) as usize] += 1);
    assert!(chi(&faces, 1e4) < 33.7, "{faces:?}");
    let normal: Vec<f64> = (0..n).map(|_| stream.normal()).collect();
    let mean = normal.iter().sum::<f64>() / n as f64;
    let square = normal.iter().map(|z| z * z).sum::<f64>() / n as f64;
    assert!(
        mean.abs() < 5.0 / (n as f64).sqrt()
            && (square - 1.0).abs() < 5.0 * (2.0 / n as f64).sqrt()
    );
    let mean = (0..n).map(|_| stream.exponential()).sum::<f64>() / n as f64;
    assert!((mean - 1.0).abs() < 5.0 / (n as f64).sqrt());
    assert_eq!((stream.below(0), stream.below(1)), (0, 0));
    // For this n a plain multiply and shift would give every third number twice.
    let thirds = (0..1000).filter(|_| stream.below(3 << 62).is_multiple_of(3)).count();
    assert!((258..410).contains(&thirds), "{thirds} of 1000 are multiples of three");
}

/// By volume, `(size / radius)^n` is uniform in `[0, 1]`, and coordinates have known moments.
#[test]
fn starts_fill_their_ball_by_volume() -> Result<()> {
    const WIDTH: usize = 4;
    let (radius, count) = (2.0, 20_000);
    for norm in Norm::ALL {
        let ball = ball(norm, radius);
        let starts = Draws::new(3).uniform_in_ball(
            "start",
            &ids(count),
            0,
            &ball,
            &like(count as usize, WIDTH, DType::F32)?,
        )?;
        let points = rows(&starts)?;
        let mut tenths = [0u32; 10];
        for point in &points {
            let volume = (naive_norm(norm, point) / radius).powi(WIDTH as i32);
            tenths[((volume * 10.0) as usize).min(9)] += 1;
        }
        let chi: f64 = tenths.iter().map(|c| (f64::from(*c) - 2000.0).powi(2) / 2000.0).sum();
        assert!(chi < 33.7, "{norm}: {tenths:?}");
        // E d_i^2: cube r^2 / 3, sphere r^2 / (n + 2), cross-polytope 2 r^2 / ((n + 1)(n + 2)).
        let n = WIDTH as f64;
        let expected = radius
            * radius
            * match norm {
                Norm::L1 => 2.0 / ((n + 1.0) * (n + 2.0)),
                Norm::L2 => 1.0 / (n + 2.0),
                Norm::Linf => 1.0 / 3.0,
            };
        for i in 0..WIDTH {
            let mean = points.iter().map(|p| p[i]).sum::<f64>() / count as f64;
            let square = points.iter().map(|p| p[i] * p[i]).sum::<f64>() / count as f64;
            let error = (expected / count as f64).sqrt();
            assert!(mean.abs() < 5.0 * error, "{norm} coordinate {i}: mean {mean}");
            assert!((square - expected).abs() < 0.06 * expected, "{norm} coordinate {i}: {square}");
        }
    }
    Ok(())
}

#[test]
fn every_order_of_four_is_equally_likely() {
    let draws = Draws::new(4);
    let mut counts = std::collections::BTreeMap::new();
    for epoch in 0..24_000 {
        *counts.entry(draws.permutation("epoch", epoch, 4)).or_insert(0u32) += 1;
    }
    assert_eq!(counts.len(), 24);
    // Chi-squared with 23 degrees of freedom is above 55.6 once in 6,000.
    let chi: f64 = counts.values().map(|c| (f64::from(*c) - 1000.0).powi(2) / 1000.0).sum();
    assert!(chi < 55.6, "{chi}");
}

/// Recorded runs hold only while these bits do: a change here changes every result of the project.
#[test]
fn golden_bits() -> Result<()> {
    let draws = Draws::new(0x005a_dd1e);
    let mut stream = draws.stream("golden", 7, 1, 2, 3);
    let numbers = [stream.uniform(), stream.uniform(), stream.normal(), stream.normal()];
    let numbers = numbers.map(f64::to_bits);
    assert_eq!(numbers, GOLDEN_NUMBERS, "{numbers:#x?}");
    assert_eq!(stream.below(1_000_000), GOLDEN_BELOW);

    let noise = draws.gaussian("golden", &[7], 1, 2, 3, 1.0, &like(1, 784, DType::F32)?)?;
    let noise: Vec<u32> =
        noise.flatten_all()?.to_vec1::<f32>()?.into_iter().map(f32::to_bits).collect();
    let ends = [noise[0], noise[1], noise[391], noise[392], noise[783]];
    assert_eq!(ends, GOLDEN_NOISE, "{ends:#x?}");
    let digest = noise.iter().fold(0u64, |h, w| (h ^ u64::from(*w)).wrapping_mul(0x0100_0000_01b3));
    assert_eq!(digest, GOLDEN_DIGEST, "{digest:#x}");

    for (norm, expected) in Norm::ALL.into_iter().zip(GOLDEN_STARTS) {
        let start =
            draws.uniform_in_ball("golden", &[7], 1, &ball(norm, 0.3), &like(1, 3, DType::F32)?)?;
        let start: Vec<u32> =
            start.flatten_all()?.to_vec1::<f32>()?.into_iter().map(f32::to_bits).collect();
        assert_eq!(start, expected, "{norm}: {start:#x?}");
    }
    assert_eq!(draws.permutation("golden", 5, 8), GOLDEN_ORDER);
    let mut survivors = [0; 64];
    draws.survivors("golden", 7, 1, 2, 3, 0.5, &mut survivors);
    let survivors = survivors.iter().fold(0u64, |bits, one| bits << 1 | u64::from(*one));
    assert_eq!(survivors, GOLDEN_SURVIVORS, "{survivors:#x}");
    Ok(())
}

const GOLDEN_NUMBERS: [u64; 4] =
    [0x3fd1_2727_9881_c834, 0x3fbc_f47c_f642_4a18, 0xbfdb_bc8c_f64e_0d23, 0xbfd3_f49e_cb0c_3eb5];
const GOLDEN_BELOW: u64 = 935832;
const GOLDEN_NOISE: [u32; 5] = [0xbf9d_aa67, 0x3f8a_40db, 0x3e26_4966, 0x3f4b_68ed, 0xbe91_4600];
const GOLDEN_DIGEST: u64 = 0x38b1_8dfb_8843_bdc1;
const GOLDEN_STARTS: [[u32; 3]; 3] = [
    [0xbd96_092f, 0xbb08_dd64, 0x3e3e_3cb0],
    [0x3e29_c5f2, 0x3cbe_0126, 0xbe13_1c53],
    [0x3cd7_0fef, 0xbe92_cdda, 0x3e5f_363a],
];
const GOLDEN_SURVIVORS: u64 = 0x39d6_c6c4_c177_aefe;
const GOLDEN_ORDER: [u32; 8] = [7, 4, 2, 3, 0, 1, 6, 5];
