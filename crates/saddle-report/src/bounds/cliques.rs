//! Clique cover: vertices in groups whose members are all joined to one another.
//!
//! At most one member of a group is robust, so no more examples are robust than there are groups. A
//! smallest cover is as hard to find as a colouring; any cover proves its bound. Here groups are made
//! greedily and then made again and again from the groups of the last round in another order, which
//! never takes more of them.
//!
//! # Source
//!
//! Culberson and Luo, "Exploring the k-colorable landscape with iterated greedy", DIMACS Series 26
//! (1996): colouring the complement of a graph is covering the graph by cliques.

use super::graph::ConflictGraph;

/// No group.
const NONE: usize = usize::MAX;

/// Covers the graph by cliques; each is ascending, single vertices are left out.
///
/// Starts from the edges of `matching`, which must be one of this graph, and improves in `rounds` rounds:
/// the cover never has more groups than the matching leaves. The result is a function of the arguments
/// alone.
pub fn clique_cover(graph: &ConflictGraph, matching: &[[u32; 2]], rounds: u32) -> Vec<Vec<u32>> {
    let mut groups: Vec<Vec<u32>> = matching.iter().map(|pair| pair.to_vec()).collect();
    let mut covered = vec![false; graph.len()];
    for &vertex in groups.iter().flatten() {
        covered[vertex as usize] = true;
    }
    groups.extend((0..graph.len() as u32).filter(|&v| !covered[v as usize]).map(|v| vec![v]));
    let mut regroup = Regroup::new(graph);
    for round in 0..rounds {
        order(&mut groups, round);
        groups = regroup.round(&groups);
    }
    groups.retain(|group| group.len() > 1);
    for group in &mut groups {
        group.sort_unstable();
    }
    groups.sort_unstable();
    groups
}

/// The order in which the groups are taken apart in a round: large ones first, in reverse, scrambled.
fn order(groups: &mut [Vec<u32>], round: u32) {
    match round % 4 {
        0 => groups.sort_by_key(|group| std::cmp::Reverse(group.len())),
        1 => groups.reverse(),
        _ => groups.sort_by_cached_key(|group| scrambled(u64::from(round), group[0])),
    }
}

/// A number without visible pattern: the finaliser of splitmix64 (Steele, Lea and Flood, OOPSLA 2014).
fn scrambled(round: u64, vertex: u32) -> u64 {
    let mut x = (round << 32 | u64::from(vertex)).wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// Greedy grouping, with its tables kept from round to round.
struct Regroup<'a> {
    graph: &'a ConflictGraph,
    /// The new group of each vertex, or [`NONE`] yet.
    group_of: Vec<usize>,
    /// How many neighbours of the vertex at hand are in each group; zero between vertices.
    joined: Vec<u32>,
}

impl<'a> Regroup<'a> {
    fn new(graph: &'a ConflictGraph) -> Self {
        let n = graph.len();
        Self { graph, group_of: vec![NONE; n], joined: vec![0; n] }
    }

    /// Puts each vertex, old group by old group, into the first group all of whose members are its
    /// neighbours, or into a new one.
    ///
    /// When an old group is taken apart, a group opened by one of its members holds nothing else, so the
    /// others fit there: each old group opens at most one new one.
    fn round(&mut self, old: &[Vec<u32>]) -> Vec<Vec<u32>> {
        self.group_of.fill(NONE);
        let mut groups: Vec<Vec<u32>> = Vec::with_capacity(old.len());
        for &vertex in old.iter().flatten() {
            let group_of = &self.group_of;
            let near = self.graph.neighbours(vertex).iter().map(|&other| group_of[other as usize]);
            let near = near.filter(|&group| group != NONE);
            for group in near.clone() {
                self.joined[group] += 1;
            }
            let fits = |group: &usize| self.joined[*group] as usize == groups[*group].len();
            let fitting = near.clone().filter(fits).min();
            for group in near {
                self.joined[group] = 0;
            }
            let group = fitting.unwrap_or(groups.len());
            if group == groups.len() {
                groups.push(Vec::new());
            }
            groups[group].push(vertex);
            self.group_of[vertex as usize] = group;
        }
        groups
    }
}
