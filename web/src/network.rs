//! A network behind JavaScript's types: logits, losses and gradients at points.

use candle_core::Tensor;
use saddle_attacks::Request;
use saddle_model::{Classifier as _, Network, load_own_network};
use saddle_ops::Kernels;
use wasm_bindgen::{JsError, prelude::wasm_bindgen};

use crate::images::{CLASSES, SIDE, labels, numbers, points, refuse};

/// Name of the vector instructions that this build uses: `relaxed-simd`, `simd128` or `portable`.
#[wasm_bindgen]
pub fn kernels() -> String {
    Kernels::detect().name().to_owned()
}

/// A trained network that says which digit an image shows, and how that changes with the image.
#[wasm_bindgen]
pub struct DigitNetwork {
    network: Network,
}

/// What a network answers; entry `j` of each list belongs to point `j`.
#[wasm_bindgen(getter_with_clone)]
#[derive(Clone)]
pub struct Answers {
    /// Loss at each point.
    pub losses: Vec<f64>,
    /// Ten class scores for each point.
    pub logits: Vec<f32>,
    /// Gradient of each point's loss, shaped as the points that it was asked for.
    pub gradient: Vec<f32>,
}

#[wasm_bindgen]
impl DigitNetwork {
    /// Reads a safetensors file of ours and prepares the engine with the best kernels of this build.
    ///
    /// # Errors
    ///
    /// In the words of [`saddle_model::Error`] when the bytes are not the weights of a network, and for a network that does
    /// not tell ten classes of 28 x 28 images.
    #[wasm_bindgen(constructor)]
    pub fn new(weights: &[u8]) -> Result<Self, JsError> {
        let (network, _) = load_own_network(weights, Kernels::detect())?;
        let architecture = network.architecture();
        if architecture.input != [1, SIDE, SIDE] || architecture.classes != CLASSES {
            return refuse(&format!(
                "the network `{}` takes images {:?} and knows {} classes; digits are [1, 28, 28] with 10",
                architecture.name, architecture.input, architecture.classes
            ));
        }
        Ok(Self { network })
    }

    /// Name of the network, as its architecture calls itself.
    #[wasm_bindgen(getter)]
    pub fn name(&self) -> String {
        self.network.architecture().name.clone()
    }

    /// Class scores of points, ten for each.
    ///
    /// # Errors
    ///
    /// For pixels that are not whole digits, or not finite.
    pub fn logits(&self, pixels: &[f32]) -> Result<Vec<f32>, JsError> {
        numbers(&self.network.logits(&points(pixels)?)?)
    }

    /// Losses and logits at points.
    ///
    /// # Errors
    ///
    /// As [`DigitNetwork::logits`], for labels that do not fit, and for a loss of another name than `cross_entropy`,
    /// `margin` or `dlr`.
    pub fn losses(&self, pixels: &[f32], labels: &[u8], loss: &str) -> Result<Answers, JsError> {
        self.evaluate(pixels, labels, loss, Some(0))
    }

    /// Losses and logits at points, and the gradient at the first `count` of them, at all when left out.
    ///
    /// # Errors
    ///
    /// As [`DigitNetwork::losses`], and for more gradients than points.
    pub fn gradient(
        &self,
        pixels: &[f32],
        labels: &[u8],
        loss: &str,
        count: Option<usize>,
    ) -> Result<Answers, JsError> {
        self.evaluate(pixels, labels, loss, count)
    }

    fn evaluate(
        &self,
        pixels: &[f32],
        classes: &[u8],
        loss: &str,
        gradients: Option<usize>,
    ) -> Result<Answers, JsError> {
        let points = points(pixels)?;
        let labels = labels(classes, points.dim(0)?)?;
        let gradients = gradients.unwrap_or(labels.len());
        let request = Request { points, labels, gradients };
        let answer = request.answer(&self.network, loss.parse()?)?;
        let gradient = answer.gradient.as_ref().map(numbers).transpose()?.unwrap_or_default();
        Ok(Answers { losses: answer.losses, logits: numbers(&answer.logits)?, gradient })
    }
}

/// Logits from JavaScript, ten for each of `count` points.
pub(crate) fn scores(logits: &[f32], count: usize) -> Result<Tensor, JsError> {
    if logits.len() != count * CLASSES {
        return refuse(&format!("{} logits for {count} points of 10 classes", logits.len()));
    }
    Ok(Tensor::from_slice(logits, (count, CLASSES), &candle_core::Device::Cpu)?)
}
