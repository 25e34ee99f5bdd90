//! A plane of losses around a digit, in typed arrays.

use saddle_attacks::Plane;
use saddle_ops::Draws;
use wasm_bindgen::{JsError, prelude::wasm_bindgen};

use crate::images::{check_count, numbers, points, refuse, whole};

/// Positions around a digit at which its loss is looked at: see [`Plane`].
#[wasm_bindgen]
pub struct Landscape {
    plane: Plane,
}

/// Losses at positions.
#[wasm_bindgen(getter_with_clone)]
pub struct Surfaces {
    /// The loss itself.
    pub plain: Vec<f64>,
    /// Its mean over noise.
    pub smoothed: Vec<f64>,
}

#[wasm_bindgen]
impl Landscape {
    /// The plane through one digit along `direction`, such as the gradient there.
    ///
    /// # Errors
    ///
    /// For anything but one digit and one direction of 784 finite numbers, and for settings that make no sense.
    #[wasm_bindgen(constructor)]
    pub fn new(
        pixels: &[f32],
        direction: &[f32],
        extent: f64,
        resolution: u32,
        sigma: f64,
        samples: u32,
        seed: f64,
    ) -> Result<Self, JsError> {
        let (center, direction) = (points(pixels)?, points(direction)?);
        if center.dim(0)? != 1 {
            return refuse("a landscape has one digit in its middle");
        }
        check_count((samples as usize).saturating_add(1))?;
        let draws = Draws::new(whole("seed", seed)?);
        let smoothing = (sigma, samples);
        let plane = Plane::new(&center, &direction, extent, resolution as usize, smoothing, draws)?;
        Ok(Self { plane })
    }

    /// Number of positions.
    #[wasm_bindgen(getter)]
    pub fn positions(&self) -> usize {
        self.plane.len()
    }

    /// Points for each position.
    #[wasm_bindgen(getter, js_name = pointsPerPosition)]
    pub fn points_per_position(&self) -> usize {
        self.plane.points_per_position()
    }

    /// Whether the direction was exactly zero, so that both axes are noise.
    #[wasm_bindgen(getter)]
    pub fn flat(&self) -> bool {
        self.plane.is_flat()
    }

    /// The first axis, of length 1.
    ///
    /// # Errors
    ///
    /// Failures of tensor operations.
    #[wasm_bindgen(js_name = alongGradient)]
    pub fn along_gradient(&self) -> Result<Vec<f32>, JsError> {
        numbers(self.plane.along_gradient())
    }

    /// The second axis, of length 1.
    ///
    /// # Errors
    ///
    /// Failures of tensor operations.
    #[wasm_bindgen(js_name = alongNoise)]
    pub fn along_noise(&self) -> Result<Vec<f32>, JsError> {
        numbers(self.plane.along_noise())
    }

    /// Points of the positions from `start` to before `end`.
    ///
    /// # Errors
    ///
    /// For positions that do not exist and for more points than [`crate::MOST_POINTS`].
    pub fn points(&self, start: usize, end: usize) -> Result<Vec<f32>, JsError> {
        let positions = end.saturating_sub(start);
        check_count(positions.saturating_mul(self.plane.points_per_position()))?;
        numbers(&self.plane.points(start..end)?)
    }

    /// Plain and smoothed losses from the losses at points of whole positions, in their order.
    ///
    /// # Errors
    ///
    /// For a number of losses that belongs to no whole positions.
    pub fn surfaces(&self, losses: &[f64]) -> Result<Surfaces, JsError> {
        let (plain, smoothed) = self.plane.surfaces(losses)?;
        Ok(Surfaces { plain, smoothed })
    }
}
