//! What no classifier can do: upper bounds on robust accuracy that hold whatever the network.
//!
//! Take two examples with different labels whose balls of radius epsilon share an image. A classifier
//! that is right throughout both balls would have to give that image two labels. So each such pair is
//! an edge of a [`ConflictGraph`], the examples on which a deterministic classifier is robust are an
//! independent set of it, and anything that limits independent sets limits robust accuracy *on exactly
//! these examples*. A measured accuracy above such a limit says that the attack was too weak.
//!
//! | method | why no more are robust | classifiers |
//! | --- | --- | --- |
//! | [`Method::MaximumMatching`] | of each of m disjoint edges at most one end | all |
//! | [`Method::FractionalPacking`] | the same with weights: an odd cycle of k edges counts k / 2 | all |
//! | [`Method::CliqueCover`] | of each group of mutual conflicts at most one member | deterministic |
//!
//! # Randomised classifiers
//!
//! Let `q(a)` be the least probability, over the ball of `a`, that a randomised classifier gives the
//! label of `a`; the mean of `q` is its robust accuracy. At the image that the balls of `a` and `b`
//! share, the probabilities of their two labels sum to at most one, so `q(a) + q(b) <= 1` on every
//! edge. Sum these with the weights of a fractional packing, at most one at each example: the sum of
//! all `q` is at most the number of examples less the total weight. Cliques allow no such step: three
//! balls that meet two by two need not share one image, and `q = 1/2` on all three breaks no edge.
//!
//! # Invariants
//!
//! A fractional packing weighs at least as much as a matching and a clique cover starts from one, so
//! neither bound of [`Witness::of`] is above that of the matching. Every bound is checked against its
//! witness by [`Witness::bounds`], which believes nothing.
//!
//! # What is deliberately absent
//!
//! Images and distances: whoever has them says which pairs are in conflict. Smallest vertex covers
//! and clique covers: both are NP-hard, and a bound need not be the best to be true.
//!
//! # Sources
//!
//! Bhagoji, Cullina and Mittal, "Lower bounds on adversarial robustness from optimal transport"
//! (NeurIPS 2019), for conflict graphs of two classes and their matchings; Dai, Ding, Bhagoji, Cullina,
//! Zhao, Zheng and Mittal, "Characterizing the optimal 0-1 loss for multi-class classification with a
//! test-time attacker" (arXiv 2302.10722, 2023), for more classes.

mod cliques;
mod fractional;
mod graph;
mod matching;
mod row;
mod witness;

use serde::{Deserialize, Serialize};

pub use cliques::clique_cover;
pub use fractional::fractional_packing;
pub use graph::ConflictGraph;
pub use matching::maximum_matching;
pub use row::{Bound, Held, Subject, TableRow};
pub use witness::{Packing, Witness};

/// How a bound was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Disjoint edges.
    MaximumMatching,
    /// Edges with weights.
    FractionalPacking,
    /// Groups of mutual conflicts.
    CliqueCover,
}

/// Which classifiers a bound holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Classifiers {
    /// Those that always give an image the same label.
    Deterministic,
    /// Randomised ones as well.
    All,
}

impl Method {
    /// Which classifiers its bounds hold for; why, says the page of this module.
    pub fn classifiers(self) -> Classifiers {
        match self {
            Self::MaximumMatching | Self::FractionalPacking => Classifiers::All,
            Self::CliqueCover => Classifiers::Deterministic,
        }
    }
}

/// What one method proves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MethodBound {
    /// The method.
    pub method: Method,
    /// Classifiers for which it holds.
    pub classifiers: Classifiers,
    /// At most so many examples are robust; a multiple of one half.
    pub robust_at_most: f64,
    /// The same as a share of the examples.
    pub upper_bound: f64,
}

impl MethodBound {
    /// At least `lost` of `examples` are not robust; without examples the bound says nothing.
    fn new(method: Method, examples: usize, lost: f64) -> Self {
        let robust_at_most = examples as f64 - lost;
        let upper_bound = if examples == 0 { 1.0 } else { robust_at_most / examples as f64 };
        Self { method, classifiers: method.classifiers(), robust_at_most, upper_bound }
    }
}

impl Witness {
    /// Looks for good witnesses; `rounds` of improvement go into the clique cover.
    pub fn of(graph: &ConflictGraph, rounds: u32) -> Self {
        let packing = fractional_packing(graph);
        let matching = maximum_matching(graph, &packing);
        let cliques = clique_cover(graph, &matching, rounds);
        Self { matching, packing, cliques }
    }
}
