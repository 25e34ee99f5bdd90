//! One step of projected ascent, row by row.
//!
//! Direction, step, projection and clipping read and write a row of 3 KB while it lies in the first-level cache; the
//! only memory that a step asks for in proportion to the batch is its result (l1 and l2 need three rows of `f64` per
//! thread besides).
//!
//! [`ascend_composed`] does the same with one tensor for each move; the two agree to the last bit.

use candle_core::Tensor;

use super::{Exact, LpBall, PixelBox};
use crate::ascent::direction;
use crate::norm::row;
use crate::rows::{Batch, Entry, by_dtype};
use crate::{Result, RowHealth, StepRule, ascent_direction};

impl LpBall {
    /// `iterate + step_size * direction`, projected onto the ball around `natural`, then clipped to the box; and what
    /// each row of the gradient looked like.
    ///
    /// The direction is that of [`ascent_direction`], the way back that of
    /// [`project_then_clip`](Self::project_then_clip). All tensors are `(n, ...)`; so is the result.
    ///
    /// # Errors
    ///
    /// As [`project_then_clip`](Self::project_then_clip).
    pub fn ascend(
        &self,
        natural: &Tensor,
        iterate: &Tensor,
        gradient: &Tensor,
        (rule, step_size): (StepRule, f64),
        pixels: PixelBox,
    ) -> Result<(Tensor, Vec<RowHealth>)> {
        fn step<T: Entry>(
            ball: LpBall,
            [natural, iterate, gradient]: [&Batch; 3],
            (rule, step_size): (StepRule, f64),
            pixels: PixelBox,
        ) -> Result<(Tensor, Vec<RowHealth>)> {
            let (step_size, zero) = (T::rounded(step_size), T::rounded(0.0));
            let width = natural.width;
            let one = |[natural, iterate, gradient]: [&[T]; 3], i: usize, out: &mut [T]| {
                let health = direction(rule, row(gradient, i, width), out);
                let natural = row(natural, i, width);
                for (out, here) in out.iter_mut().zip(row(iterate, i, width)) {
                    // A tensor times a number is an affine map, whose `+ 0` makes -0 a 0.
                    *out = *here + (*out * step_size + zero);
                }
                ball.project_row(natural, out, Some((pixels, Exact(false))))
                    .map_err(|fault| fault.at("ascend", i))?;
                Ok(health)
            };
            let (values, healths) = natural.read(|natural_rows: &[T]| {
                iterate.read(|iterate: &[T]| {
                    gradient.read(|gradient: &[T]| {
                        natural
                            .fill(|i, out: &mut [T]| one([natural_rows, iterate, gradient], i, out))
                    })
                })
            })???;
            let healths = healths.into_iter().collect::<Result<_>>()?;
            Ok((natural.tensor(values)?, healths))
        }
        let (natural, iterate) = Batch::pair("ascend", natural, iterate)?;
        let (_, gradient) = Batch::pair("ascend", iterate.host(), gradient)?;
        let batches = [&natural, &iterate, &gradient];
        by_dtype!(natural, step(*self, batches, (rule, step_size), pixels))
    }
}

/// [`LpBall::ascend`] by a tensor for each move: the twin that it is held against.
///
/// # Errors
///
/// As [`LpBall::ascend`].
pub fn ascend_composed(
    ball: &LpBall,
    natural: &Tensor,
    iterate: &Tensor,
    gradient: &Tensor,
    (rule, step_size): (StepRule, f64),
    pixels: PixelBox,
) -> Result<(Tensor, Vec<RowHealth>)> {
    let (direction, health) = ascent_direction(rule, gradient)?;
    let candidate = (iterate + (direction * step_size)?)?;
    Ok((ball.project_then_clip(natural, &candidate, pixels)?, health))
}
