//! What proves a bound: disjoint groups of examples in conflict, and the counting that follows.
//!
//! A witness speaks of vertices alone. [`Witness::bounds`] believes nothing of it: groups must be
//! disjoint and every pair that counts must be in conflict by the caller's own measurement. However a
//! witness was found, and whatever happened to it since, a bound that comes out is true.

use serde::{Deserialize, Serialize};

use super::{Method, MethodBound};
use crate::error::{Error, Result};

/// Edges of weight one and odd cycles of edges of weight one half, all disjoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packing {
    /// Edges of weight one.
    pub pairs: Vec<[u32; 2]>,
    /// Cycles of odd length, from neighbour to neighbour and back to the first; weight one half.
    pub odd_cycles: Vec<Vec<u32>>,
}

/// The groups behind the three bounds on one set of examples.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// Disjoint edges.
    pub matching: Vec<[u32; 2]>,
    /// A fractional packing of edges.
    pub packing: Packing,
    /// Disjoint groups of vertices that are all joined to one another.
    pub cliques: Vec<Vec<u32>>,
}

impl Witness {
    /// The bounds that this witness proves for examples `0..vertices`, one per [`Method`], in its order.
    ///
    /// `conflict` says of two different examples whether no classifier can be robust on both. It is
    /// asked about every pair that a bound rests on.
    ///
    /// # Errors
    ///
    /// [`Error::Witness`] when a group names an example twice or one that does not exist, when two
    /// groups share an example, or when a pair is not in conflict: the witness then proves nothing.
    pub fn bounds(
        &self,
        vertices: usize,
        conflict: impl Fn(u32, u32) -> bool,
    ) -> Result<[MethodBound; 3]> {
        let check = Check { vertices, conflict: &conflict };
        let pairs = |pairs: &[[u32; 2]]| pairs.iter().map(|pair| pair.to_vec()).collect::<Vec<_>>();

        check.groups("matching", &pairs(&self.matching), all_pairs)?;
        let covered = self.matching.len() as f64;

        let packing = &self.packing;
        if let Some(even) = packing.odd_cycles.iter().find(|cycle| cycle.len().is_multiple_of(2)) {
            return Err(wrong("packing", format!("cycle {even:?} is not odd")));
        }
        let mut groups = pairs(&packing.pairs);
        groups.extend(packing.odd_cycles.iter().cloned());
        check.groups("packing", &groups, around)?;
        let cycles: usize = packing.odd_cycles.iter().map(Vec::len).sum();
        let packed = packing.pairs.len() as f64 + cycles as f64 / 2.0;

        check.groups("clique cover", &self.cliques, all_pairs)?;
        let redundant: usize =
            self.cliques.iter().map(|clique| clique.len().saturating_sub(1)).sum();

        let bound = |method, lost: f64| MethodBound::new(method, vertices, lost);
        Ok([
            bound(Method::MaximumMatching, covered),
            bound(Method::FractionalPacking, packed),
            bound(Method::CliqueCover, redundant as f64),
        ])
    }
}

/// Every two members of a group.
fn all_pairs(group: &[u32]) -> Vec<[u32; 2]> {
    let pairs = group.iter().enumerate();
    pairs.flat_map(|(place, &b)| group[..place].iter().map(move |&a| [a, b])).collect()
}

/// The neighbours around a cycle; the two ends of an edge.
fn around(group: &[u32]) -> Vec<[u32; 2]> {
    let next = group.iter().cycle().skip(1);
    group.iter().zip(next).map(|(&a, &b)| [a, b]).collect()
}

struct Check<'a> {
    vertices: usize,
    conflict: &'a dyn Fn(u32, u32) -> bool,
}

impl Check<'_> {
    fn groups(
        &self,
        what: &str,
        groups: &[Vec<u32>],
        pairs: impl Fn(&[u32]) -> Vec<[u32; 2]>,
    ) -> Result<()> {
        let mut seen = vec![false; self.vertices];
        for &vertex in groups.iter().flatten() {
            let Some(seen) = seen.get_mut(vertex as usize) else {
                let count = self.vertices;
                return Err(wrong(what, format!("example {vertex} is not one of {count}")));
            };
            if std::mem::replace(seen, true) {
                return Err(wrong(what, format!("example {vertex} is counted twice")));
            }
        }
        for [a, b] in groups.iter().flat_map(|group| pairs(group)) {
            if a == b || !(self.conflict)(a, b) {
                return Err(wrong(what, format!("examples {a} and {b} are not in conflict")));
            }
        }
        Ok(())
    }
}

fn wrong(what: &str, message: String) -> Error {
    Error::Witness { what: what.to_owned(), message }
}
