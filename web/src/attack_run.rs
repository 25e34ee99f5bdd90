//! An attack under way, asked and told in typed arrays.

use candle_core::Tensor;
use saddle_attacks::{AttackSettings, Examples, Request, Stepwise};
use saddle_ops::Draws;
use wasm_bindgen::{JsError, prelude::wasm_bindgen};

use crate::images::{CLASSES, PIXELS, SIDE, check_count, labels, numbers, points, refuse, whole};
use crate::network::scores;

/// An attack on some digits; knows no network, so it asks.
#[wasm_bindgen]
pub struct AttackRun {
    stepwise: Stepwise,
    steps: u32,
    loss: String,
    /// Points of the open question, and of how many of them it wants the gradient.
    asked: usize,
    gradients: usize,
}

/// What has to be computed before the attack goes on.
#[wasm_bindgen(getter_with_clone)]
pub struct Question {
    /// Of how many points, the first ones, the gradient is wanted; of the others logits alone.
    pub gradients: usize,
    /// Points to look at.
    pub points: Vec<f32>,
    /// Class of the digit that each point belongs to.
    pub labels: Vec<u8>,
}

/// Where every digit stands at a step: see [`saddle_attacks::Standing`].
#[wasm_bindgen(getter_with_clone)]
pub struct StepReport {
    /// Steps taken before these images.
    pub step: u32,
    /// The images.
    pub images: Vec<f32>,
    /// Ten class scores of each.
    pub logits: Vec<f32>,
    /// Loss of each.
    pub losses: Vec<f64>,
    /// Euclidean norm of what the attack saw from each; NaN where it did not look.
    #[wasm_bindgen(js_name = gradientNorms)]
    pub gradient_norms: Vec<f64>,
    /// Euclidean distance from the natural image.
    pub l2: Vec<f64>,
    /// Largest change of a pixel.
    pub linf: Vec<f64>,
    /// Class of each.
    pub predictions: Vec<u8>,
    /// 1 where the image is misclassified; it has been found within the threat model.
    pub fooled: Vec<u8>,
    /// Forward and backward passes spent on each up to the verdict on its image.
    pub passes: Vec<f64>,
}

#[wasm_bindgen]
impl AttackRun {
    /// An attack on digits with pixels in `[0, 1]`; `settings` is an [`AttackSettings`] as JSON.
    ///
    /// `ids` are the digits' indices in their data set: the keys of their noise, with `seed`.
    ///
    /// # Errors
    ///
    /// For settings, digits, labels, ids or seeds that make no sense, and for more points a step than [`crate::MOST_POINTS`].
    #[wasm_bindgen(constructor)]
    pub fn new(
        settings: &str,
        pixels: &[f32],
        classes: &[u8],
        ids: &[f64],
        seed: f64,
        stop_fooled: bool,
    ) -> Result<Self, JsError> {
        let settings: AttackSettings = serde_json::from_str(settings)
            .map_err(|error| JsError::new(&format!("settings of the attack: {error}")))?;
        let (ascent, threat_model) = settings.attack()?;
        let images = points(pixels)?;
        let count = images.dim(0)?;
        let samples = usize::try_from(ascent.direction.points_per_step()).unwrap_or(usize::MAX);
        check_count(count.saturating_mul(samples))?;
        let ids: Vec<u64> = ids.iter().map(|&id| whole("id", id)).collect::<Result<_, _>>()?;
        let examples = Examples::new(images, labels(classes, count)?, ids)?;
        let draws = Draws::new(whole("seed", seed)?);
        let stepwise = Stepwise::new(ascent, examples, threat_model, draws, stop_fooled, CLASSES)?;
        let (steps, loss) = (ascent.steps, ascent.loss.to_string());
        Ok(Self { stepwise, steps, loss, asked: 0, gradients: 0 })
    }

    /// Number of steps: reports come for 0 to this one, unless all digits leave before.
    #[wasm_bindgen(getter)]
    pub fn steps(&self) -> u32 {
        self.steps
    }

    /// Name of the loss that gradients are wanted of.
    #[wasm_bindgen(getter)]
    pub fn loss(&self) -> String {
        self.loss.clone()
    }

    /// The next question; none when the attack is over. Asking again gives the same question.
    ///
    /// # Errors
    ///
    /// Failures of tensor operations.
    pub fn ask(&mut self) -> Result<Option<Question>, JsError> {
        let Some(Request { points, labels, gradients }) = self.stepwise.ask()? else {
            return Ok(None);
        };
        (self.asked, self.gradients) = (labels.len(), gradients);
        let labels = labels.into_iter().map(|label| label as u8).collect();
        Ok(Some(Question { gradients, points: numbers(&points)?, labels }))
    }

    /// The answer to the last question, in the order of its points: logits of all, and the gradient of those of which it was
    /// wanted. A report when a step is complete.
    ///
    /// # Errors
    ///
    /// An answer that does not fit the question or is not finite; an image that left the threat model.
    pub fn tell(
        &mut self,
        logits: &[f32],
        gradient: Option<Vec<f32>>,
    ) -> Result<Option<StepReport>, JsError> {
        let logits = scores(logits, self.asked)?;
        let gradient = match gradient {
            Some(numbers) if numbers.len() != self.gradients * PIXELS => {
                return refuse(&format!(
                    "{} numbers of a gradient at {} points of {PIXELS} pixels",
                    numbers.len(),
                    self.gradients
                ));
            }
            Some(numbers) => {
                let shape = (self.gradients, 1, SIDE, SIDE);
                Some(Tensor::from_vec(numbers, shape, logits.device())?)
            }
            None => None,
        };
        let step = self.stepwise.tell(&logits, gradient)?;
        step.map(|step| self.report(step)).transpose()
    }

    fn report(&self, step: u32) -> Result<StepReport, JsError> {
        let standings = self.stepwise.standings();
        let of = |number: fn(&saddle_attacks::Standing) -> f64| -> Vec<f64> {
            standings.iter().map(number).collect()
        };
        let mut images = Vec::with_capacity(standings.len() * PIXELS);
        for standing in standings {
            images.extend(numbers(&standing.image)?);
        }
        let logits = standings.iter().flat_map(|standing| &standing.logits);
        Ok(StepReport {
            step,
            images,
            logits: logits.map(|&logit| logit as f32).collect(),
            losses: of(|standing| standing.loss),
            gradient_norms: of(|standing| standing.gradient_norm.unwrap_or(f64::NAN)),
            l2: of(|standing| standing.l2),
            linf: of(|standing| standing.linf),
            predictions: standings.iter().map(|standing| standing.prediction as u8).collect(),
            fooled: standings.iter().map(|standing| u8::from(standing.fooled)).collect(),
            passes: of(|standing| standing.passes as f64),
        })
    }
}
