//! A network with a wrong way back through its pools.

use candle_core::Tensor;

use saddle_model::{
    Architecture, Classifier, Gradients, Layer, Mode, Network, Pullback, Result, Wanted, Weights,
};
use saddle_ops::max_pool2d;

/// A network in pieces between its max-pools: forward as ever, back through each pool as through an average.
///
/// For attacks, in evaluation. In training a layer that draws does so by its place in its piece.
pub(super) struct EvenPools {
    pieces: Vec<Piece>,
}

/// The layers up to a pool, flattened at their end, and that pool.
struct Piece {
    network: Network,
    pool: Option<Pool>,
}

struct Pool {
    /// Channels, rows and columns that come in.
    input: [usize; 3],
    window: usize,
}

impl EvenPools {
    /// Takes a network apart; the pieces run on its executor with its weights.
    ///
    /// # Errors
    ///
    /// [`saddle_model::Error::InvalidArchitecture`] for a piece that no weights belong to, as between two pools.
    pub(super) fn new(network: &Network) -> Result<Self> {
        let architecture = network.architecture();
        let shapes = architecture.activation_shapes()?;
        let mut pieces = Vec::new();
        let mut first = 0;
        for (place, layer) in architecture.layers.iter().enumerate() {
            if let Layer::MaxPool2d { window } = *layer {
                let mut layers = architecture.layers[first..place].to_vec();
                layers.push(Layer::Flatten);
                let pool = Pool { input: image(&shapes[place])?, window };
                pieces.push(Piece::new(network, layers, &shapes[first], Some(pool))?);
                first = place + 1;
            }
        }
        let last = architecture.layers[first..].to_vec();
        pieces.push(Piece::new(network, last, &shapes[first], None)?);
        Ok(Self { pieces })
    }
}

impl Piece {
    fn new(
        whole: &Network,
        layers: Vec<Layer>,
        input: &[usize],
        pool: Option<Pool>,
    ) -> Result<Self> {
        let classes =
            pool.as_ref().map_or(whole.architecture().classes, |pool| pool.input.iter().product());
        let name = format!("a piece of {}", whole.architecture().name);
        let architecture = Architecture { name, input: image(input)?, classes, layers };
        architecture.validate()?;
        let own = architecture.parameters().into_iter().map(|parameter| {
            let tensor = whole.weights().get(&parameter.name).cloned();
            // The whole network was made of these weights.
            let tensor = tensor.ok_or_else(|| {
                saddle_model::Error::Classifier(format!("`{}` has no weights", parameter.name))
            })?;
            Ok((parameter.name, tensor))
        });
        let weights = Weights::new(own.collect::<Result<_>>()?)?;
        Ok(Self { network: Network::new(architecture, weights, whole.executor())?, pool })
    }
}

impl Pool {
    fn forward(&self, flat: &Tensor) -> Result<Tensor> {
        let [channels, rows, columns] = self.input;
        let images = flat.reshape((flat.dims()[0], channels, rows, columns))?;
        Ok(max_pool2d(&images, self.window)?.detach())
    }

    /// The cotangent of each window in equal parts to its places, `(n, features)` as the piece gave them.
    fn spread(&self, cotangent: &Tensor) -> Result<Tensor> {
        let (n, window) = (cotangent.dims()[0], self.window);
        let [channels, rows, columns] = self.input;
        let (down, across) = (rows / window, columns / window);
        let share = cotangent.affine(1.0 / (window * window) as f64, 0.0)?;
        let windows = share.reshape(&[n, channels, down, 1, across, 1])?;
        let windows = windows.broadcast_as(&[n, channels, down, window, across, window])?;
        Ok(windows.contiguous()?.reshape((n, channels * rows * columns))?)
    }
}

impl Classifier for EvenPools {
    fn classes(&self) -> usize {
        self.pieces.last().map_or(0, |piece| piece.network.classes())
    }

    fn judges(&self) -> bool {
        self.pieces.iter().all(|piece| piece.network.judges())
    }

    fn forward<'a>(&'a self, images: &Tensor, mode: Mode<'_>) -> Result<(Tensor, Pullback<'a>)> {
        let mut hidden = images.clone();
        let mut pullbacks = Vec::with_capacity(self.pieces.len());
        for piece in &self.pieces {
            let (out, pullback) = piece.network.forward(&hidden, mode)?;
            pullbacks.push(pullback);
            hidden = match &piece.pool {
                Some(pool) => pool.forward(&out)?,
                None => out,
            };
        }
        let pullback = move |cotangent: &Tensor, wanted: Wanted| -> Result<Gradients> {
            let mut cotangent = cotangent.clone();
            let mut weights = Vec::new();
            let mut input = None;
            for (place, (piece, back)) in self.pieces.iter().zip(pullbacks).enumerate().rev() {
                if let Some(pool) = &piece.pool {
                    cotangent = pool.spread(&cotangent)?;
                }
                // The piece before this one needs its cotangent, whoever wants the images'.
                let here = Wanted { input: wanted.input || place > 0, ..wanted };
                let found = back(&cotangent, here)?;
                if let Some(own) = found.weights {
                    let own = own.iter().map(|(name, tensor)| (name.to_owned(), tensor.clone()));
                    weights.push(own.collect::<Vec<_>>());
                }
                if let Some(next) = &found.input {
                    cotangent = next.clone();
                }
                input = found.input;
            }
            let weights = weights.into_iter().rev().flatten().collect();
            let weights = wanted.weights.then(|| Weights::new(weights)).transpose()?;
            Ok(Gradients { input: input.filter(|_| wanted.input), weights })
        };
        Ok((hidden, Box::new(pullback)))
    }
}

/// Channels, rows and columns of a shape before [`Layer::Flatten`].
fn image(shape: &[usize]) -> Result<[usize; 3]> {
    shape.try_into().map_err(|_| saddle_model::Error::Shape {
        operation: "taking a network apart at its pools",
        expected: "images between its pools".to_owned(),
        found: format!("{shape:?}"),
    })
}
