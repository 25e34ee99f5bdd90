//! Balls around natural images, and the way back into them.
//!
//! Every iterative attack alternates a step that raises the loss with a projection that brings the
//! point back into the threat model. This module owns the second move.
//!
//! # Conventions
//!
//! - Images are tensors `(n, ...)` of `f32` or `f64`; a *perturbation* is `candidate - natural`,
//!   flattened. Radii are in pixel units (0.3 is 30 % of the range of [`PixelBox::UNIT`]).
//! - Rows never interact, and no gradient flows through a projection.
//!
//! # Why the result is feasible, not nearly so
//!
//! All mathematics is done in `f64` and aims at `radius * (1 - TOLERANCE)`. The result is then stored
//! in the format of the images, each coordinate rounded *toward the natural pixel*: rounding to
//! nearest would move 784 pixels near 1 by up to `8e-7` in l2, more than a radius of 0.1 allows.
//! So a judge who measures the stored images in `f64` finds at most `radius`, for every radius.
//!
//! # Invariants
//!
//! The result lies in the ball; projecting twice gives the bits of projecting once; a candidate that
//! lies within the aim comes back with its own bits; no two points move apart (but for rounding).
//!
//! # The shape of the three solvers
//!
//! A nearest point never turns a coordinate's sign, so each solver sees magnitudes `|candidate -
//! natural|` and, beside them, the *room*: how far a coordinate may go that way before it leaves the
//! pixel box, infinite when there is no box. It lowers the magnitudes to the nearest point with
//! every magnitude at most its room and the norm at most the radius.

mod ascend;
mod l1;
mod l2;
mod linf;
mod pixel_box;

pub use ascend::ascend_composed;
use candle_core::Tensor;
pub use pixel_box::PixelBox;

use crate::norm::{row, widened};
use crate::rows::{Batch, Entry, by_dtype};
use crate::{Error, Norm, Radius, Result};

/// Relative slack between aim and judgement: projections aim at `radius * (1 - TOLERANCE)`, the judge
/// accepts `radius * (1 + TOLERANCE)`.
pub const TOLERANCE: f64 = 1e-6;

/// The solvers stop this much (relatively) before the aim, more than their sums can be wrong, so that
/// their results count as inside when they are projected again.
const ROUNDING: f64 = 1e-12;

/// All perturbations whose norm is at most a radius.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LpBall {
    norm: Norm,
    radius: Radius,
}

impl LpBall {
    /// The ball of `radius` in `norm`.
    #[must_use]
    pub fn new(norm: Norm, radius: Radius) -> Self {
        Self { norm, radius }
    }

    /// The norm that measures perturbations.
    #[must_use]
    pub fn norm(&self) -> Norm {
        self.norm
    }

    /// The largest norm that is allowed.
    #[must_use]
    pub fn radius(&self) -> Radius {
        self.radius
    }

    /// Moves each candidate to the nearest point of the ball around its natural image.
    ///
    /// Solves `argmin |z - candidate|_2` subject to `|z - natural| <= radius * (1 - TOLERANCE)`, the
    /// second norm being the ball's. Pixels may leave their box; see
    /// [`project_then_clip`](Self::project_then_clip) and [`project_into`](Self::project_into).
    ///
    /// # Errors
    ///
    /// [`Error::NonFinite`] names the first row with NaN or infinity;
    /// [`Error::ShapeMismatch`], [`Error::DtypeMismatch`], [`Error::UnsupportedDtype`],
    /// [`Error::EmptyBatch`] and [`Error::InvalidShape`] refuse what is not a pair of batches.
    ///
    /// # Source
    ///
    /// l-infinity and l2 are closed forms; l1 is the threshold of Duchi et al., Efficient Projections
    /// onto the l1-Ball, ICML 2008.
    pub fn project(&self, natural: &Tensor, candidate: &Tensor) -> Result<Tensor> {
        self.run("project", natural, candidate, None)
    }

    /// Projects onto the ball, then clips every pixel to the box: what the papers' PGD does.
    ///
    /// The result is feasible: the natural pixel lies in the box, so clipping moves a coordinate only
    /// toward it, and no norm grows when coordinates shrink. It is exact for l-infinity; for l1 and l2
    /// it is a point of ball and box, in general not the nearest one
    /// ([`project_into`](Self::project_into) finds that).
    ///
    /// # Errors
    ///
    /// As [`project`](Self::project), and [`Error::OutsideBox`] when a natural image leaves the box,
    /// for then the argument above fails.
    pub fn project_then_clip(
        &self,
        natural: &Tensor,
        candidate: &Tensor,
        pixels: PixelBox,
    ) -> Result<Tensor> {
        self.run("project then clip", natural, candidate, Some((pixels, Exact(false))))
    }

    /// Moves each candidate to the nearest point that lies in the ball and in the pixel box.
    ///
    /// # Errors
    ///
    /// As [`project_then_clip`](Self::project_then_clip).
    ///
    /// # Source
    ///
    /// The conditions of optimality leave one unknown per image, the multiplier of the ball; `l2.rs`
    /// and `l1.rs` say how it is found.
    pub fn project_into(
        &self,
        natural: &Tensor,
        candidate: &Tensor,
        pixels: PixelBox,
    ) -> Result<Tensor> {
        self.run("project into", natural, candidate, Some((pixels, Exact(true))))
    }

    fn run(
        &self,
        operation: &'static str,
        natural: &Tensor,
        candidate: &Tensor,
        pixels: Option<(PixelBox, Exact)>,
    ) -> Result<Tensor> {
        fn rows<T: Entry>(
            operation: &'static str,
            ball: LpBall,
            natural: &Batch,
            candidate: &Batch,
            pixels: Option<(PixelBox, Exact)>,
        ) -> Result<Tensor> {
            let (values, failures) = natural.read(|from: &[T]| {
                candidate.read(|to: &[T]| {
                    natural.fill(|i, out: &mut [T]| {
                        let (from, to) = (row(from, i, natural.width), row(to, i, natural.width));
                        out.copy_from_slice(to);
                        ball.project_row(from, out, pixels).map_err(|fault| fault.at(operation, i))
                    })
                })
            })??;
            failures.into_iter().collect::<Result<()>>()?;
            natural.tensor(values)
        }
        let (natural, candidate) = Batch::pair(operation, natural, candidate)?;
        by_dtype!(natural, rows(operation, *self, &natural, &candidate, pixels))
    }

    /// Projects one image in place.
    fn project_row<T: Entry>(
        self,
        natural: &[T],
        image: &mut [T],
        pixels: Option<(PixelBox, Exact)>,
    ) -> Result<(), Fault> {
        if !perturbation(natural, image).fold(true, |finite, d| finite & d.is_finite()) {
            return Err(Fault::NonFinite);
        }
        let limits = pixels.map(|(pixels, exact)| (pixels.limits::<T>(), exact));
        if let Some(((low, high), _)) = limits
            && !natural.iter().fold(true, |inside, x| inside & (low..=high).contains(x))
        {
            return Err(Fault::Outside { low: low.double(), high: high.double() });
        }
        match limits {
            // Without a room each coordinate of the cube is on its own.
            None | Some((_, Exact(false))) if self.norm == Norm::Linf => {
                let aim = self.aim();
                for (pixel, &center) in image.iter_mut().zip(natural) {
                    // Which pixels are out no processor guesses: all are moved, and those that are in stay.
                    let wanted = pixel.double() - center.double();
                    let moved = center.moved(aim.copysign(wanted));
                    *pixel = if wanted.abs() > aim { moved } else { *pixel };
                }
            }
            _ => {
                let wanted: Vec<f64> = perturbation(natural, image).collect();
                let room: Vec<f64> = match limits {
                    Some(((low, high), Exact(true))) => {
                        let (low, high) = (low.double(), high.double());
                        let room = |(d, x): (&f64, f64)| if *d > 0.0 { high - x } else { x - low };
                        wanted.iter().zip(widened(natural)).map(room).collect()
                    }
                    _ => vec![f64::INFINITY; wanted.len()],
                };
                let mut magnitudes: Vec<f64> = wanted.iter().map(|d| d.abs()).collect();
                self.limit(&mut magnitudes, &room);
                for (i, pixel) in image.iter_mut().enumerate() {
                    if magnitudes[i] != wanted[i].abs() {
                        *pixel = natural[i].moved(magnitudes[i].copysign(wanted[i]));
                    }
                }
            }
        }
        if let Some(((low, high), _)) = limits {
            image.iter_mut().for_each(|pixel| *pixel = clamp(*pixel, low, high));
        }
        Ok(())
    }

    /// Lowers `magnitudes` to the nearest point within `room` and the aim of this ball.
    fn limit(self, magnitudes: &mut [f64], room: &[f64]) {
        let wanted: Vec<f64> = magnitudes.to_vec();
        for (m, room) in magnitudes.iter_mut().zip(room) {
            *m = m.min(*room);
        }
        let aim = self.aim();
        if self.norm.size(magnitudes.iter().copied()) <= aim {
            return;
        }
        magnitudes.copy_from_slice(&wanted);
        match self.norm {
            Norm::L1 => l1::limit(magnitudes, room, aim * (1.0 - ROUNDING)),
            Norm::L2 => l2::limit(magnitudes, room, aim * (1.0 - ROUNDING)),
            Norm::Linf => linf::limit(magnitudes, room, aim),
        }
    }

    /// The radius that projections and draws aim at.
    pub(crate) fn aim(self) -> f64 {
        self.radius.get() * (1.0 - TOLERANCE)
    }
}

/// Whether the nearest point of ball and box is wanted, or the clipped nearest point of the ball.
#[derive(Clone, Copy)]
struct Exact(bool);

/// Why one row could not be projected.
enum Fault {
    NonFinite,
    Outside { low: f64, high: f64 },
}

impl Fault {
    /// The error of an operation that met this fault in a row.
    fn at(self, operation: &'static str, row: usize) -> Error {
        match self {
            Self::NonFinite => Error::NonFinite { operation, row },
            Self::Outside { low, high } => Error::OutsideBox { operation, row, low, high },
        }
    }
}

/// `image - natural`, number by number.
fn perturbation<T: Entry>(natural: &[T], image: &[T]) -> impl Iterator<Item = f64> {
    widened(image).zip(widened(natural)).map(|(to, from)| to - from)
}

/// `value` moved into `[low, high]`; NaN stays NaN.
fn clamp<T: Entry>(value: T, low: T, high: T) -> T {
    if value < low {
        low
    } else if value > high {
        high
    } else {
        value
    }
}
