//! Fractional packing of edges: weights on edges, at most one in all at each vertex.
//!
//! The largest total is the smallest fractional vertex cover, by duality, and both are half-integral.
//! It is half of a maximum matching of the *bipartite double cover*, in which vertex `v` has a left
//! and a right copy and each edge `a b` joins left `a` to right `b` and left `b` to right `a`.
//!
//! # Sources
//!
//! Nemhauser and Trotter, "Vertex packings: structural properties and algorithms", Mathematical
//! Programming 8 (1975), for half-integrality; Hopcroft and Karp, "An n^(5/2) algorithm for maximum
//! matchings in bipartite graphs", SIAM J. Computing 2 (1973), for the matching.

use super::graph::ConflictGraph;
use super::witness::Packing;

/// Nobody: no partner, no layer.
const NONE: u32 = u32::MAX;

/// A largest fractional packing: edges of weight one and odd cycles whose edges weigh one half.
pub fn fractional_packing(graph: &ConflictGraph) -> Packing {
    let right_of = double_cover_matching(graph);
    let mut entered = vec![false; graph.len()];
    for &right in right_of.iter().filter(|&&right| right != NONE) {
        entered[right as usize] = true;
    }
    // An arrow from each left copy to its partner: every vertex has at most one arrow in and one out,
    // so they make paths and cycles, each arrow worth one half. Paths first, from their heads; what
    // is left are cycles.
    let mut packing = Packing::default();
    let mut seen = vec![false; graph.len()];
    let heads = (0..graph.len() as u32).filter(|&vertex| !entered[vertex as usize]);
    for trail in heads.map(|head| follow(&right_of, head, &mut seen)) {
        // An even number of arrows, which every second edge makes up for; with an odd number these
        // edges would be worth more, and the matching could not be maximum.
        add_pairs(&mut packing, &trail);
    }
    for first in 0..graph.len() as u32 {
        if seen[first as usize] {
            continue;
        }
        let cycle = follow(&right_of, first, &mut seen);
        if cycle.len().is_multiple_of(2) {
            add_pairs(&mut packing, &cycle);
        } else {
            packing.odd_cycles.push(cycle);
        }
    }
    packing
}

/// The vertices along the arrows from `first` to the end or back to where it began.
fn follow(right_of: &[u32], first: u32, seen: &mut [bool]) -> Vec<u32> {
    let mut trail = Vec::new();
    let mut at = first;
    while at != NONE && !seen[at as usize] {
        seen[at as usize] = true;
        trail.push(at);
        at = right_of[at as usize];
    }
    trail
}

fn add_pairs(packing: &mut Packing, trail: &[u32]) {
    packing.pairs.extend(trail.chunks_exact(2).map(|pair| [pair[0], pair[1]]));
}

/// A maximum matching of the double cover: the right partner of each left copy.
fn double_cover_matching(graph: &ConflictGraph) -> Vec<u32> {
    let mut right_of = vec![NONE; graph.len()];
    let mut left_of = vec![NONE; graph.len()];
    while let Some(mut layer) = layers(graph, &right_of, &left_of) {
        let mut next = vec![0; graph.len()];
        for root in 0..graph.len() as u32 {
            if right_of[root as usize] == NONE {
                augment(graph, root, &mut layer, &mut next, &mut right_of, &mut left_of);
            }
        }
    }
    right_of
}

/// Steps from the free left copies to each left copy, as far as the nearest free right copy is away;
/// none when no free right copy can be reached, and so nothing gained.
fn layers(graph: &ConflictGraph, right_of: &[u32], left_of: &[u32]) -> Option<Vec<u32>> {
    let mut layer = vec![NONE; graph.len()];
    let free = (0..graph.len() as u32).filter(|&left| right_of[left as usize] == NONE);
    let mut queue: Vec<u32> = free.collect();
    for &left in &queue {
        layer[left as usize] = 0;
    }
    let mut last = NONE;
    let mut place = 0;
    while let Some(&left) = queue.get(place) {
        place += 1;
        let here = layer[left as usize];
        if here >= last {
            break;
        }
        for &right in graph.neighbours(left) {
            let partner = left_of[right as usize];
            if partner == NONE {
                last = here + 1;
            } else if layer[partner as usize] == NONE {
                layer[partner as usize] = here + 1;
                queue.push(partner);
            }
        }
    }
    (last != NONE).then_some(layer)
}

/// Looks for a path through the layers from a free left copy to a free right one and turns it over.
fn augment(
    graph: &ConflictGraph,
    root: u32,
    layer: &mut [u32],
    next: &mut [usize],
    right_of: &mut [u32],
    left_of: &mut [u32],
) {
    let mut path = vec![root];
    while let Some(&left) = path.last() {
        let neighbours = graph.neighbours(left);
        let Some(&right) = neighbours.get(next[left as usize]) else {
            layer[left as usize] = NONE;
            path.pop();
            continue;
        };
        next[left as usize] += 1;
        let partner = left_of[right as usize];
        if partner == NONE {
            for &left in &path {
                let right = graph.neighbours(left)[next[left as usize] - 1];
                right_of[left as usize] = right;
                left_of[right as usize] = left;
            }
            return;
        }
        if layer[partner as usize] != NONE && layer[partner as usize] == layer[left as usize] + 1 {
            path.push(partner);
        }
    }
}
