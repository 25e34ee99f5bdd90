//! Maximum matching: as many edges as possible, no two of which share a vertex.
//!
//! Edmonds' algorithm: from a free vertex grow a tree of alternating paths; an edge between two outer
//! vertices closes an odd cycle, which is shrunk to one vertex by a union of sets; an edge to a free
//! vertex ends a path along which the matching grows by one. A tree from which no such path leads
//! never takes part in one later and is set aside, so all failures together read each edge once.
//!
//! # Source
//!
//! Edmonds, "Paths, trees, and flowers", Canadian J. Mathematics 17 (1965); setting trees aside: Lawler,
//! "Combinatorial Optimization: Networks and Matroids" (1976), chapter 6.

use super::graph::ConflictGraph;
use super::witness::Packing;

/// Nobody: no partner, no predecessor.
const NONE: u32 = u32::MAX;

/// Where a vertex stands in the tree that is being grown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Not reached.
    Outside,
    /// At an even distance from the root, or in a shrunk cycle: paths may go on from here.
    Outer,
    /// At an odd distance.
    Inner,
    /// In a tree that came to nothing.
    Aside,
}

/// A maximum matching, grown from a packing that is already there.
///
/// `packing` must be one of this graph; its pairs are kept as a start, and all but one vertex of each
/// of its odd cycles are paired.
pub fn maximum_matching(graph: &ConflictGraph, packing: &Packing) -> Vec<[u32; 2]> {
    let mut search = Search::new(graph, packing);
    for root in 0..graph.len() as u32 {
        if search.partner[root as usize] == NONE {
            search.grow(root);
        }
    }
    let pairs = search.partner.iter().zip(0u32..);
    pairs.filter(|&(&b, a)| b != NONE && a < b).map(|(&b, a)| [a, b]).collect()
}

struct Search<'a> {
    graph: &'a ConflictGraph,
    partner: Vec<u32>,
    side: Vec<Side>,
    /// The vertex before this one on its path from the root, where that is not its partner.
    before: Vec<u32>,
    /// Parents in the sets of shrunk vertices; the root of a set is the base of its cycle.
    base: Vec<u32>,
    queue: Vec<u32>,
    /// When a vertex was last passed on the way to a common base.
    passed: Vec<u64>,
    clock: u64,
}

impl<'a> Search<'a> {
    fn new(graph: &'a ConflictGraph, packing: &Packing) -> Self {
        let mut partner = vec![NONE; graph.len()];
        let halves = packing.odd_cycles.iter().flat_map(|cycle| cycle.chunks_exact(2));
        let halves = halves.map(|pair| [pair[0], pair[1]]);
        for [a, b] in packing.pairs.iter().copied().chain(halves) {
            partner[a as usize] = b;
            partner[b as usize] = a;
        }
        Self {
            graph,
            partner,
            side: vec![Side::Outside; graph.len()],
            before: vec![NONE; graph.len()],
            base: (0..graph.len() as u32).collect(),
            queue: Vec::new(),
            passed: vec![0; graph.len()],
            clock: 0,
        }
    }

    /// Grows a tree from a free vertex until the matching has grown or nothing more can be reached.
    fn grow(&mut self, root: u32) {
        self.queue.clear();
        self.queue.push(root);
        self.side[root as usize] = Side::Outer;
        let mut reached = vec![root];
        let mut place = 0;
        while let Some(&outer) = self.queue.get(place) {
            place += 1;
            for &other in self.graph.neighbours(outer) {
                match self.side[other as usize] {
                    Side::Inner | Side::Aside => {}
                    Side::Outer => self.shrink(outer, other),
                    Side::Outside => {
                        self.before[other as usize] = outer;
                        self.side[other as usize] = Side::Inner;
                        reached.push(other);
                        let partner = self.partner[other as usize];
                        if partner == NONE {
                            self.turn_over(other);
                            self.forget(&reached);
                            return;
                        }
                        self.side[partner as usize] = Side::Outer;
                        reached.push(partner);
                        self.queue.push(partner);
                    }
                }
            }
        }
        for vertex in reached {
            self.side[vertex as usize] = Side::Aside;
        }
    }

    /// Swaps matched and unmatched edges from a free vertex back to the root.
    fn turn_over(&mut self, free: u32) {
        let mut inner = free;
        while inner != NONE {
            let outer = self.before[inner as usize];
            let next = self.partner[outer as usize];
            self.partner[inner as usize] = outer;
            self.partner[outer as usize] = inner;
            inner = next;
        }
    }

    fn forget(&mut self, reached: &[u32]) {
        for &vertex in reached {
            self.side[vertex as usize] = Side::Outside;
            self.before[vertex as usize] = NONE;
            self.base[vertex as usize] = vertex;
        }
    }

    /// Shrinks the odd cycle that an edge between two outer vertices closes, if it is not shrunk yet.
    fn shrink(&mut self, a: u32, b: u32) {
        if self.base_of(a) == self.base_of(b) {
            return;
        }
        let common = self.common_base(a, b);
        self.shrink_side(a, b, common);
        self.shrink_side(b, a, common);
    }

    /// The first base that the paths from both vertices to the root share.
    fn common_base(&mut self, a: u32, b: u32) -> u32 {
        self.clock += 1;
        let (mut here, mut there) = (a, b);
        loop {
            if here != NONE {
                here = self.base_of(here);
                if self.passed[here as usize] == self.clock {
                    return here;
                }
                self.passed[here as usize] = self.clock;
                let inner = self.partner[here as usize];
                here = if inner == NONE { NONE } else { self.before[inner as usize] };
            }
            std::mem::swap(&mut here, &mut there);
        }
    }

    /// Puts one side of a cycle into the set of `common`; its inner vertices become outer, with a path
    /// to the root that goes the other way round.
    fn shrink_side(&mut self, from: u32, across: u32, common: u32) {
        let (mut outer, mut behind) = (from, across);
        while self.base_of(outer) != common {
            self.before[outer as usize] = behind;
            let inner = self.partner[outer as usize];
            if self.side[inner as usize] == Side::Inner {
                self.side[inner as usize] = Side::Outer;
                self.queue.push(inner);
            }
            for vertex in [outer, inner] {
                if self.base[vertex as usize] == vertex {
                    self.base[vertex as usize] = common;
                }
            }
            behind = inner;
            outer = self.before[inner as usize];
        }
    }

    /// The base of the shrunk cycle that holds a vertex; the vertex itself outside of cycles.
    fn base_of(&mut self, vertex: u32) -> u32 {
        let mut at = vertex;
        while self.base[at as usize] != at {
            let above = self.base[self.base[at as usize] as usize];
            self.base[at as usize] = above;
            at = above;
        }
        at
    }
}
