//! A network that does not see the image that it is shown.

use candle_core::{DType, Device, Tensor};

use saddle_model::{Classifier, Gradients, Mode, Pullback, Result, Wanted};
use saddle_ops::Draws;

const NOISE: &str = "noise of a disguise";

/// What becomes of an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum PixelMap {
    /// Each pixel to the nearest of so many levels in `[0, 1]`, halves upward. Its derivative is 0 wherever it has one.
    Round { levels: u32 },
    /// Noise is added that is a function of the image's bits. Its derivative is taken to be that of the identity: between one
    /// image and the next there is no slope at all.
    Noise { sigma: f64, seed: u64 },
}

/// A classifier before whose images a map stands.
pub(super) struct OnInput<'a> {
    pub(super) inner: &'a dyn Classifier,
    pub(super) map: PixelMap,
}

impl Classifier for OnInput<'_> {
    fn classes(&self) -> usize {
        self.inner.classes()
    }

    fn judges(&self) -> bool {
        self.inner.judges()
    }

    fn forward<'a>(&'a self, images: &Tensor, mode: Mode<'_>) -> Result<(Tensor, Pullback<'a>)> {
        let (logits, inner) = self.inner.forward(&self.map.seen(images)?, mode)?;
        if matches!(self.map, PixelMap::Noise { .. }) {
            return Ok((logits, inner));
        }
        let shown = images.clone();
        let pullback = move |cotangent: &Tensor, wanted: Wanted| -> Result<Gradients> {
            let weights =
                if wanted.weights { inner(cotangent, Wanted::WEIGHTS)?.weights } else { None };
            let input = wanted.input.then(|| shown.zeros_like()).transpose()?;
            Ok(Gradients { input, weights })
        };
        Ok((logits, Box::new(pullback)))
    }

    fn logits(&self, images: &Tensor) -> Result<Tensor> {
        self.inner.logits(&self.map.seen(images)?)
    }
}

impl PixelMap {
    fn seen(self, images: &Tensor) -> Result<Tensor> {
        let images = images.detach();
        match self {
            Self::Round { levels } => {
                let steps = f64::from(levels - 1);
                // In f64, so that an image of bytes is itself at 256 levels.
                let rounded = images.to_dtype(DType::F64)?.affine(steps, 0.5)?.floor()?;
                Ok(rounded.affine(1.0 / steps, 0.0)?.to_dtype(images.dtype())?)
            }
            Self::Noise { sigma, seed } => {
                let examples = identities(&images)?;
                let draws = Draws::new(seed);
                let noise = draws.gaussian(NOISE, &examples, 0, 0, 0, sigma, &images)?;
                Ok((images + noise)?)
            }
        }
    }
}

/// A number for each image that hardly any other one has: FNV-1a over the bits of its pixels.
fn identities(images: &Tensor) -> Result<Vec<u64>> {
    let rows = images.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.flatten_from(1)?;
    let hash = |row: Vec<f64>| {
        row.iter()
            .flat_map(|pixel| pixel.to_bits().to_le_bytes())
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
            })
    };
    Ok(rows.to_vec2()?.into_iter().map(hash).collect())
}
