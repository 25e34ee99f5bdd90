//! Batches, balls and naive projections for the tests of `saddle-ops`.
//!
//! A case is drawn by numbers (seed, shape, scale) and filled by [`Draws`], so that a failing case
//! shrinks to few numbers and can be typed into a test of its own.

use candle_core::{DType, Device, Result, Tensor};
use proptest::prelude::*;
use saddle_ops::{Draws, LpBall, Norm, Radius};

/// Natural images in the unit box, half of their pixels at its ends, and candidates around them.
#[derive(Clone, Debug)]
pub struct Case {
    /// Seed of all numbers.
    pub seed: u64,
    /// Images in the batch.
    pub rows: usize,
    /// Side of the square images.
    pub side: usize,
    /// Standard deviation of `candidate - natural`.
    pub step: f64,
}

/// Any case: 1 to 3 images of 1 to 784 pixels, steps from 1e-4 to 1e8.
pub fn any_case() -> impl Strategy<Value = Case> {
    let side = prop_oneof![Just(1usize), Just(2), Just(5), Just(28)];
    (any::<u64>(), 1..=3usize, side, -4.0..8.0f64).prop_map(|(seed, rows, side, exponent)| Case {
        seed,
        rows,
        side,
        step: 10f64.powf(exponent),
    })
}

/// Any norm.
pub fn any_norm() -> impl Strategy<Value = Norm> {
    prop_oneof![Just(Norm::L1), Just(Norm::L2), Just(Norm::Linf)]
}

/// Either format of numbers.
pub fn any_dtype() -> impl Strategy<Value = DType> {
    prop_oneof![Just(DType::F32), Just(DType::F64)]
}

/// Any ball, with a radius from 1e-3 to 30.
pub fn any_ball() -> impl Strategy<Value = LpBall> {
    (any_norm(), -3.0..1.477f64).prop_map(|(norm, exponent)| ball(norm, 10f64.powf(exponent)))
}

/// The ball of `radius` in `norm`.
pub fn ball(norm: Norm, radius: f64) -> LpBall {
    LpBall::new(norm, Radius::new(radius).expect("tests use positive radii"))
}

impl Case {
    /// The same case with another seed.
    pub fn reseeded(&self, seed: u64) -> Self {
        Self { seed, ..self.clone() }
    }

    /// Natural images, each pixel 0, 1 or uniform between them.
    pub fn natural(&self, dtype: DType) -> Result<Tensor> {
        self.tensor("natural", dtype, |stream| match stream.below(4) {
            0 => 0.0,
            1 => 1.0,
            _ => stream.uniform(),
        })
    }

    /// Points around the natural images; one pixel in eight stays where it is.
    pub fn candidate(&self, dtype: DType) -> Result<Tensor> {
        let move_by = self.tensor("candidate", dtype, |stream| match stream.below(8) {
            0 => 0.0,
            _ => self.step * stream.normal(),
        })?;
        self.natural(dtype)? + move_by
    }

    /// Identities of the rows.
    pub fn ids(&self) -> Vec<u64> {
        (0..self.rows as u64).collect()
    }

    fn tensor(
        &self,
        label: &str,
        dtype: DType,
        number: impl Fn(&mut saddle_ops::Stream) -> f64,
    ) -> Result<Tensor> {
        let draws = Draws::new(self.seed);
        let mut values = Vec::new();
        for row in self.ids() {
            let mut stream = draws.stream(label, row, 0, 0, 0);
            values.extend((0..self.side * self.side).map(|_| number(&mut stream)));
        }
        let shape = (self.rows, 1, self.side, self.side);
        Tensor::from_vec(values, shape, &Device::Cpu)?.to_dtype(dtype)
    }
}

/// The rows of a tensor in `f64`.
pub fn rows(tensor: &Tensor) -> Result<Vec<Vec<f64>>> {
    tensor.flatten_from(1)?.to_dtype(DType::F64)?.to_vec2()
}

/// Bits of every number, so that equality means the same bits; -0 and 0 differ.
pub fn bits(tensor: &Tensor) -> Result<Vec<u64>> {
    // f32 to f64 is exact and keeps the sign of zero.
    Ok(rows(tensor)?.concat().into_iter().map(f64::to_bits).collect())
}

/// Euclidean inner product.
pub fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `a - b`, entry by entry.
pub fn minus(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// The norm as its formula says it.
pub fn naive_norm(norm: Norm, row: &[f64]) -> f64 {
    match norm {
        Norm::L1 => row.iter().map(|v| v.abs()).sum(),
        Norm::L2 => inner(row, row).sqrt(),
        Norm::Linf => row.iter().fold(0.0, |m, v| v.abs().max(m)),
    }
}

/// The nearest point of the ball around 0: closed forms, and for l1 the sorted magnitudes.
pub fn naive_projection(norm: Norm, radius: f64, point: &[f64]) -> Vec<f64> {
    let size = naive_norm(norm, point);
    if size <= radius {
        return point.to_vec();
    }
    match norm {
        Norm::L2 => point.iter().map(|p| p * radius / size).collect(),
        Norm::Linf => point.iter().map(|p| p.clamp(-radius, radius)).collect(),
        Norm::L1 => {
            let mut sorted: Vec<f64> = point.iter().map(|p| p.abs()).collect();
            sorted.sort_by(|a, b| b.total_cmp(a));
            let (mut sum, mut threshold) = (0.0, 0.0);
            for (i, magnitude) in sorted.iter().enumerate() {
                sum += magnitude;
                let candidate = (sum - radius) / (i + 1) as f64;
                if *magnitude > candidate {
                    threshold = candidate;
                }
            }
            point.iter().map(|p| (p.abs() - threshold).max(0.0).copysign(*p)).collect()
        }
    }
}

/// The nearest point of ball and box around `natural`: two hundred halvings of the multiplier.
pub fn naive_projection_into(
    norm: Norm,
    radius: f64,
    natural: &[f64],
    candidate: &[f64],
    (low, high): (f64, f64),
) -> Vec<f64> {
    let at = |multiplier: f64| -> Vec<f64> {
        let move_one = |(x, y): (&f64, &f64)| {
            let wanted = y - x;
            let kept = match norm {
                Norm::L1 => (wanted.abs() - multiplier).max(0.0).copysign(wanted),
                Norm::L2 => wanted / (1.0 + multiplier),
                Norm::Linf => wanted.clamp(-radius, radius),
            };
            kept.clamp(low - x, high - x)
        };
        natural.iter().zip(candidate).map(move_one).collect()
    };
    // Above any ratio of a candidate's distance, 1e8 a pixel, to a radius of 1e-3.
    let (mut left, mut right) = (0.0, 1e18);
    if naive_norm(norm, &at(left)) <= radius {
        right = left;
    }
    for _ in 0..200 {
        let middle = (left + right) / 2.0;
        if naive_norm(norm, &at(middle)) > radius {
            left = middle;
        } else {
            right = middle;
        }
    }
    natural.iter().zip(at(right)).map(|(x, d)| x + d).collect()
}
