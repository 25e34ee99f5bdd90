//! Typed arrays to tensors, with every length checked.

use candle_core::{Device, Tensor};
use wasm_bindgen::JsError;

/// Rows and columns of a digit.
pub(crate) const SIDE: usize = 28;
/// Pixels of a digit.
pub(crate) const PIXELS: usize = SIDE * SIDE;
/// Classes of digits.
pub(crate) const CLASSES: usize = 10;

/// Most points of one question: 25 MB of pixels. More would not be an answer that anybody waits for in a browser.
pub const MOST_POINTS: usize = 8192;

/// Points `(n, 1, 28, 28)`: any finite numbers, since an attack may look beyond the pixel box.
pub(crate) fn points(pixels: &[f32]) -> Result<Tensor, JsError> {
    let count = pixels.len() / PIXELS;
    if count == 0 || pixels.len() != count * PIXELS {
        return refuse(&format!(
            "{} pixels are no digits; each has {SIDE} x {SIDE} = {PIXELS}",
            pixels.len()
        ));
    }
    check_count(count)?;
    if let Some(place) = pixels.iter().position(|pixel| !pixel.is_finite()) {
        return refuse(&format!(
            "pixel {} of digit {} is NaN or infinite",
            place % PIXELS,
            place / PIXELS
        ));
    }
    Ok(Tensor::from_slice(pixels, (count, 1, SIDE, SIDE), &Device::Cpu)?)
}

/// One class for each of `count` digits.
pub(crate) fn labels(labels: &[u8], count: usize) -> Result<Vec<u32>, JsError> {
    if labels.len() != count {
        return refuse(&format!("{} labels for {count} digits", labels.len()));
    }
    if let Some(label) = labels.iter().find(|&&label| usize::from(label) >= CLASSES) {
        return refuse(&format!("label {label}; digits have the classes 0 to {}", CLASSES - 1));
    }
    Ok(labels.iter().map(|&label| u32::from(label)).collect())
}

/// Refuses more points than fit into one question.
pub(crate) fn check_count(points: usize) -> Result<(), JsError> {
    if points > MOST_POINTS {
        return refuse(&format!(
            "{points} points at once; a browser is asked for {MOST_POINTS} at most: take fewer digits or samples"
        ));
    }
    Ok(())
}

/// A whole number that JavaScript holds exactly.
pub(crate) fn whole(name: &str, number: f64) -> Result<u64, JsError> {
    /// The first whole number whose successor JavaScript cannot tell apart from it.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if (0.0..EXACT).contains(&number) && number.fract() == 0.0 {
        return Ok(number as u64);
    }
    refuse(&format!("{name} {number} is not a whole number from 0 to 9007199254740991"))
}

/// The numbers of a tensor, row after row.
pub(crate) fn numbers(tensor: &Tensor) -> Result<Vec<f32>, JsError> {
    Ok(tensor.flatten_all()?.to_vec1()?)
}

/// A JavaScript `Error`.
pub(crate) fn refuse<T>(message: &str) -> Result<T, JsError> {
    Err(JsError::new(message))
}
