//! A network behind JavaScript's types.

use candle_core::{Device, Tensor};
use saddle_model::{Architecture, Classifier as _, Executor, Network, load_network};
use saddle_ops::Kernels;
use wasm_bindgen::{JsError, prelude::wasm_bindgen};

/// A trained network that says which digit an image shows.
#[wasm_bindgen]
pub struct DigitClassifier {
    network: Network,
}

#[wasm_bindgen]
impl DigitClassifier {
    /// Reads a safetensors file, ours or foreign, and prepares the engine with the best kernels of this build.
    ///
    /// # Errors
    ///
    /// A JavaScript `Error` in the words of [`saddle_model::Error`] when the bytes are not the weights of a known
    /// network.
    #[wasm_bindgen(constructor)]
    pub fn new(weights: &[u8]) -> Result<Self, JsError> {
        let (network, _) = load_network(weights, None, Executor::Engine(Kernels::detect()))?;
        Ok(Self { network })
    }

    /// Name of the network, as its architecture calls itself.
    #[wasm_bindgen(getter)]
    pub fn name(&self) -> String {
        self.architecture().name.clone()
    }

    /// Numbers that [`DigitClassifier::classify`] expects: channels * rows * columns.
    #[wasm_bindgen(getter)]
    pub fn pixels(&self) -> usize {
        self.architecture().input.iter().product()
    }

    /// Probabilities of the classes for one image of pixels in `[0, 1]`, row by row.
    ///
    /// # Errors
    ///
    /// A JavaScript `Error` when the number of pixels is wrong or one of them is not in `[0, 1]`.
    pub fn classify(&self, pixels: &[f32]) -> Result<Vec<f32>, JsError> {
        if pixels.len() != self.pixels() {
            let message =
                format!("classify: {} pixels where {} are expected", pixels.len(), self.pixels());
            return Err(JsError::new(&message));
        }
        if let Some(wrong) = pixels.iter().find(|pixel| !(0.0..=1.0).contains(*pixel)) {
            return Err(JsError::new(&format!("classify: a pixel is {wrong}, not in [0, 1]")));
        }
        let [channels, rows, columns] = self.architecture().input;
        let image = Tensor::from_slice(pixels, (1, channels, rows, columns), &Device::Cpu)?;
        let logits = self.network.logits(&image)?.flatten_all()?.to_vec1::<f32>()?;
        Ok(softmax(&logits))
    }

    fn architecture(&self) -> &Architecture {
        self.network.architecture()
    }
}

/// Probabilities of logits; the largest is subtracted first, so that no exponential overflows.
fn softmax(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponentials: Vec<f32> = logits.iter().map(|logit| (logit - largest).exp()).collect();
    let sum: f32 = exponentials.iter().sum();
    exponentials.iter().map(|exponential| exponential / sum).collect()
}
