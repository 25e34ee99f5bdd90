//! The networks of the papers, one table a file. A new network is a new table, not new code.
//!
//! # Invariant
//!
//! No two tables have the same names and shapes of parameters, so a file's tensors say which network they belong to.

mod atda;
mod madry;
mod trades;
mod tramer;

pub(crate) use madry::madry;

use crate::{Architecture, Error, Layer, Parameter, Result};

/// Every known architecture; names are unique.
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

fn convolution(
    name: &str,
    [in_channels, out_channels]: [usize; 2],
    kernel: usize,
    stride: usize,
    padding: usize,
) -> Layer {
    Layer::Conv2d { name: name.to_owned(), in_channels, out_channels, kernel, stride, padding }
}

fn linear(name: &str, inputs: usize, outputs: usize) -> Layer {
    Layer::Linear { name: name.to_owned(), inputs, outputs }
}

fn known() -> String {
    all().iter().map(|known| known.name.clone()).collect::<Vec<_>>().join(", ")
}

pub(crate) fn by_name(name: &str) -> Result<Architecture> {
    let found = all().into_iter().find(|architecture| architecture.name == name);
    found.ok_or_else(|| Error::UnknownNetwork { name: name.to_owned(), known: known() })
}

pub(crate) fn infer(parameters: &[Parameter]) -> Result<Architecture> {
    let fits = |architecture: &Architecture| {
        let expected = architecture.parameters();
        expected.len() == parameters.len() && expected.iter().all(|one| parameters.contains(one))
    };
    all().into_iter().find(fits).ok_or_else(|| {
        let described: Vec<_> =
            parameters.iter().map(|one| format!("{} {:?}", one.name, one.shape)).collect();
        Error::UnknownNetwork { name: format!("with {}", described.join(", ")), known: known() }
    })
}
