//! The networks of the papers, one table a file. A new network is a new table, not new code.
//!
//! # Invariant
//!
//! No two tables have the same names and shapes of parameters, so a file's tensors say which network they belong to.

mod atda;
mod madry;
mod residual;
mod trades;
mod tramer;

pub(crate) use madry::madry;

use crate::weights::MOST_NAMED;
use crate::{Architecture, Error, Layer, Parameter, Result};

/// Every known architecture for images of 28 x 28.
pub(crate) fn all() -> Vec<Architecture> {
    vec![
        madry(),
        trades::trades(),
        tramer::tramer_a(),
        tramer::tramer_b(),
        tramer::tramer_c(),
        tramer::tramer_d(),
        atda::atda(),
    ]
}

/// Every known architecture for the images of CIFAR-10.
pub(crate) fn for_cifar10() -> Vec<Architecture> {
    vec![
        residual::madry_cifar10(),
        residual::madry_cifar10_narrow(),
        residual::madry_cifar10_tiny(),
    ]
}

/// All of both; names are unique.
fn every() -> impl Iterator<Item = Architecture> {
    all().into_iter().chain(for_cifar10())
}

fn convolution(
    name: &str,
    [in_channels, out_channels]: [usize; 2],
    kernel: usize,
    stride: usize,
    padding: usize,
) -> Layer {
    let (name, bias) = (name.to_owned(), true);
    Layer::Conv2d { name, in_channels, out_channels, kernel, stride, padding, bias }
}

fn linear(name: &str, inputs: usize, outputs: usize) -> Layer {
    Layer::Linear { name: name.to_owned(), inputs, outputs }
}

fn known() -> String {
    every().map(|known| known.name).collect::<Vec<_>>().join(", ")
}

pub(crate) fn by_name(name: &str) -> Result<Architecture> {
    let found = every().find(|architecture| architecture.name == name);
    found.ok_or_else(|| Error::UnknownNetwork { name: name.to_owned(), known: known() })
}

pub(crate) fn infer(parameters: &[Parameter]) -> Result<Architecture> {
    let fits = |architecture: &Architecture| {
        let expected = architecture.parameters();
        expected.len() == parameters.len() && expected.iter().all(|one| parameters.contains(one))
    };
    every().find(fits).ok_or_else(|| {
        let some = parameters.iter().take(MOST_NAMED);
        let mut described: Vec<_> =
            some.map(|one| format!("{} {:?}", one.name, one.shape)).collect();
        let unnamed = parameters.len() - described.len();
        if unnamed > 0 {
            described.push(format!("and {unnamed} more"));
        }
        Error::UnknownNetwork { name: format!("with {}", described.join(", ")), known: known() }
    })
}

/// The known network that shares most tensors with these, if that is at least half of its own.
pub(crate) fn closest(parameters: &[Parameter]) -> Option<Architecture> {
    let shared = |architecture: &Architecture| {
        architecture.parameters().iter().filter(|one| parameters.contains(one)).count()
    };
    let half =
        |architecture: &Architecture| 2 * shared(architecture) >= architecture.parameters().len();
    every().filter(half).max_by_key(shared)
}
