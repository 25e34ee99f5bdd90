//! The networks of the papers, one table a file. A new network is a new table, not new code.

mod madry;

pub(crate) use madry::madry;

use crate::{Architecture, Error, Parameter, Result};

/// Every known architecture; names are unique.
fn all() -> Vec<Architecture> {
    vec![madry()]
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
