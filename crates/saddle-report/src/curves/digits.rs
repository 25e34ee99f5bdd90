//! Digits before and after an attack: the paper's Figure 2.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Natural digits above, what an attack made of them below.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DigitFigure {
    /// Short name without spaces; names the file.
    pub id: String,
    /// What is shown, in one line.
    pub title: String,
    /// By which rule the digits were chosen, from how many, and the attack in words.
    pub caption: String,
    /// Name of the network that reads them.
    pub network: String,
    /// Seed of its training.
    pub training_seed: u64,
    /// `l2`, `linf` or `l1`: the norm of the distances.
    pub norm: String,
    /// Radius of the threat model.
    pub epsilon: f64,
    /// Digits that were tried.
    pub examined: u64,
    /// Those among them that the network read rightly until the attack.
    pub fooled: u64,
    /// The digits shown.
    pub pairs: Vec<DigitPair>,
}

/// One digit before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DigitPair {
    /// Its index in the data set.
    pub id: u64,
    /// What it is.
    pub label: u32,
    /// What the network reads in the natural image.
    pub natural_prediction: u32,
    /// What the network reads in the attacked image.
    pub prediction: u32,
    /// Distance of the two images, in 64 bits, before the attacked one was rounded for display.
    pub distance: f64,
    /// The natural image.
    pub natural: Picture,
    /// The attacked image.
    pub attacked: Picture,
}

/// A small picture, grey or coloured: a PNG file as base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Picture(String);

impl Picture {
    /// A picture of `width` by `height` pixels from their brightness, row by row; 255 is white. Three times as many numbers
    /// are planes of red, green and blue.
    ///
    /// # Errors
    ///
    /// [`Error::Picture`] when the sides are zero or do not fit the number of pixels.
    pub fn new(width: u32, height: u32, pixels: &[u8]) -> Result<Self> {
        let refuse = |message: String| Error::Picture { width, height, message };
        let places = u64::from(width) * u64::from(height);
        let planes = [1, 3].into_iter().find(|planes| places * planes == pixels.len() as u64);
        let Some(planes) = planes.filter(|_| places > 0) else {
            return Err(refuse(format!("{} pixels do not fill it", pixels.len())));
        };
        let color = if planes == 1 { png::ColorType::Grayscale } else { png::ColorType::Rgb };
        // PNG wants the colours of a place side by side.
        let places = places as usize;
        let of_place = |place: usize| pixels[place..].iter().step_by(places).copied();
        let data: Vec<u8> = (0..places).flat_map(of_place).collect();
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(color);
        encoder.set_depth(png::BitDepth::Eight);
        let written = encoder.write_header().and_then(|mut writer| {
            writer.write_image_data(&data)?;
            writer.finish()
        });
        written.map_err(|error| refuse(error.to_string()))?;
        Ok(Self(STANDARD.encode(bytes)))
    }

    /// The picture as a data URI, or none when what was read is no base64.
    pub(crate) fn uri(&self) -> Option<String> {
        let sound = self.0.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b));
        sound.then(|| format!("data:image/png;base64,{}", self.0))
    }
}
