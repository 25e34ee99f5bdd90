//! An architecture is data: a name, an input shape and a list of layers, as papers print it in their tables.
//!
//! It is kept in the metadata of every weight file that we write, so a network can be rebuilt from its file alone.
//! Since such a file may come from anywhere, [`Architecture::validate`] bounds everything that could make a later
//! allocation large before anything is allocated.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Error, Layer, Parameter, Result, Statistic, architectures};

/// Most values that one image may take between two layers: 64 million, far above any network of the papers.
pub(crate) const LARGEST_ACTIVATION: usize = 1 << 26;

/// What a network computes, without its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Name, e.g. `madry`.
    pub name: String,
    /// Shape of one image: channels, rows, columns.
    pub input: [usize; 3],
    /// Number of logits.
    pub classes: usize,
    /// Layers in the order in which an image passes them.
    pub layers: Vec<Layer>,
}

impl Architecture {
    /// The network of Madry et al. for MNIST: see [`architectures`].
    pub fn madry() -> Self {
        architectures::madry()
    }

    /// Every network for images of 28 x 28 that has a table, `madry` first; names are unique, and so are names and shapes
    /// of parameters, among these and those of [`Architecture::for_cifar10`].
    pub fn all() -> Vec<Self> {
        architectures::all()
    }

    /// Every network for the images of CIFAR-10 that has a table: residual networks, which candle's executor runs.
    pub fn for_cifar10() -> Vec<Self> {
        architectures::for_cifar10()
    }

    /// The architecture of that name.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownNetwork`], which lists the names that exist.
    pub fn by_name(name: &str) -> Result<Self> {
        architectures::by_name(name)
    }

    /// The one known architecture whose parameters have exactly these names and shapes.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownNetwork`] when none fits.
    pub fn infer(parameters: &[Parameter]) -> Result<Self> {
        architectures::infer(parameters)
    }

    /// All parameters, in layer order, weight before bias before running statistics.
    pub fn parameters(&self) -> Vec<Parameter> {
        self.layers.iter().flat_map(Layer::parameters).collect()
    }

    /// The running statistics among the parameters, in order.
    pub fn statistics(&self) -> Vec<Statistic> {
        self.layers.iter().flat_map(Layer::statistics).collect()
    }

    /// Shape of one image before the first layer and after each: one entry more than there are layers.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArchitecture`] naming the first layer that does not fit what comes in.
    pub fn activation_shapes(&self) -> Result<Vec<Vec<usize>>> {
        let mut shapes = vec![self.input.to_vec()];
        let mut shape = self.input.to_vec();
        for (index, layer) in self.layers.iter().enumerate() {
            let next = layer.output_shape(&shape);
            shape = next.map_err(|message| self.invalid(format!("layer {index}: {message}")))?;
            self.check_size(&shape, index)?;
            shapes.push(shape.clone());
        }
        Ok(shapes)
    }

    /// Checks that the layers fit each other and end in [`Architecture::classes`] logits.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArchitecture`], which names the layer and what is wrong with it.
    pub fn validate(&self) -> Result<()> {
        if self.input.contains(&0) {
            return Err(self.invalid(format!("input {:?} has an empty side", self.input)));
        }
        self.check_size(&self.input, 0)?;
        let shapes = self.activation_shapes()?;
        if self.classes < 2 || shapes.last().is_none_or(|shape| *shape != [self.classes]) {
            return Err(self.invalid(format!(
                "the last layer gives {:?} where {} logits (at least 2) are promised",
                shapes.last(),
                self.classes
            )));
        }
        let parameters = self.parameters();
        if parameters.is_empty() {
            return Err(self.invalid("no layer has parameters".to_owned()));
        }
        let mut names = BTreeSet::new();
        for parameter in &parameters {
            if !names.insert(&parameter.name) {
                return Err(self.invalid(format!("two parameters are called `{}`", parameter.name)));
            }
        }
        Ok(())
    }

    fn check_size(&self, shape: &[usize], layer: usize) -> Result<()> {
        let size = shape.iter().try_fold(1usize, |size, &side| size.checked_mul(side));
        match size {
            Some(size) if size <= LARGEST_ACTIVATION => Ok(()),
            _ => Err(self.invalid(format!(
                "an image of {shape:?} at layer {layer} is larger than {LARGEST_ACTIVATION} values"
            ))),
        }
    }

    fn invalid(&self, message: String) -> Error {
        Error::InvalidArchitecture { architecture: self.name.clone(), message }
    }
}
