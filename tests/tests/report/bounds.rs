//! Bounds on what any classifier can do: against every subset of small graphs, against graphs whose
//! numbers are known, and witnesses that prove nothing.

use proptest::prelude::*;
use saddle_report::bounds::{
    Classifiers, ConflictGraph, Method, Packing, Witness, clique_cover, fractional_packing,
    maximum_matching,
};

fn graph(vertices: usize, edges: &[[u32; 2]]) -> ConflictGraph {
    ConflictGraph::new(vertices, edges).unwrap()
}

fn cycle(length: u32) -> ConflictGraph {
    let edges: Vec<[u32; 2]> = (0..length).map(|v| [v, (v + 1) % length]).collect();
    graph(length as usize, &edges)
}

fn complete(vertices: u32) -> ConflictGraph {
    let edges: Vec<[u32; 2]> = (0..vertices).flat_map(|b| (0..b).map(move |a| [a, b])).collect();
    graph(vertices as usize, &edges)
}

/// The bounds of the witnesses that are found, checked edge by edge.
fn bounds(graph: &ConflictGraph) -> [f64; 3] {
    let witness = Witness::of(graph, 8);
    let found = witness.bounds(graph.len(), |a, b| graph.joined(a, b)).unwrap();
    found.map(|bound| bound.robust_at_most)
}

#[test]
fn graphs_with_known_numbers() {
    // Outer cycle, spokes, inner star: perfect matching, independence number 4.
    let petersen: Vec<[u32; 2]> =
        (0..5).flat_map(|v| [[v, (v + 1) % 5], [v, v + 5], [5 + v, 5 + (v + 2) % 5]]).collect();
    // Two triangles joined by a path of three edges: 0 1 2, 2-3-4-5, 5 6 7.
    let barbell = [[0, 1], [1, 2], [2, 0], [2, 3], [3, 4], [4, 5], [5, 6], [6, 7], [7, 5]];
    let star: Vec<[u32; 2]> = (1..6).map(|leaf| [0, leaf]).collect();
    for (name, graph, expected) in [
        ("no vertex", graph(0, &[]), [0.0, 0.0, 0.0]),
        ("no edge", graph(4, &[]), [4.0, 4.0, 4.0]),
        ("one edge", graph(2, &[[0, 1]]), [1.0, 1.0, 1.0]),
        ("triangle", complete(3), [2.0, 1.5, 1.0]),
        ("all of six joined", complete(6), [3.0, 3.0, 1.0]),
        ("cycle of five", cycle(5), [3.0, 2.5, 3.0]),
        ("cycle of seven", cycle(7), [4.0, 3.5, 4.0]),
        ("cycle of eight", cycle(8), [4.0, 4.0, 4.0]),
        ("star", graph(6, &star), [5.0, 5.0, 5.0]),
        ("Petersen", graph(10, &petersen), [5.0, 5.0, 5.0]),
        ("two triangles and a path", graph(8, &barbell), [4.0, 4.0, 3.0]),
    ] {
        assert_eq!(bounds(&graph), expected, "{name}");
    }
}

#[test]
fn two_examples_that_are_the_same_image_cannot_both_be_robust() {
    // Four copies of one image under three labels: 0 and 1 share theirs.
    let graph = graph(4, &[[0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]);
    assert_eq!(bounds(&graph), [2.0, 2.0, 2.0]);
}

#[test]
fn edges_count_once_whatever_way_they_are_named() {
    let graph = graph(3, &[[0, 1], [1, 0], [0, 1], [2, 1]]);
    assert_eq!((graph.len(), graph.edges()), (3, 2));
    assert_eq!(graph.neighbours(1), [0, 2]);
    assert!(graph.joined(2, 1) && !graph.joined(2, 0));
    let words = |edges: &[[u32; 2]]| ConflictGraph::new(3, edges).unwrap_err().to_string();
    assert!(words(&[[0, 1], [2, 2]]).contains("edge 2 to 2 among 3 vertices"));
    assert!(words(&[[0, 3]]).contains("edge 0 to 3"));
}

#[test]
fn each_method_says_for_which_classifiers_it_holds() {
    let triangle = complete(3);
    let found = Witness::of(&triangle, 1).bounds(3, |a, b| triangle.joined(a, b)).unwrap();
    let told = found.map(|bound| (bound.method, bound.classifiers, bound.upper_bound));
    assert_eq!(
        told,
        [
            (Method::MaximumMatching, Classifiers::All, 2.0 / 3.0),
            // A coin for each label is robust on half of each: the clique's bound is not its.
            (Method::FractionalPacking, Classifiers::All, 0.5),
            (Method::CliqueCover, Classifiers::Deterministic, 1.0 / 3.0),
        ]
    );
}

#[test]
fn a_witness_that_proves_nothing_is_refused() {
    let graph = graph(6, &[[0, 1], [1, 2], [2, 0], [3, 4]]);
    let refusal = |witness: Witness| {
        let outcome = witness.bounds(6, |a, b| graph.joined(a, b));
        outcome.expect_err("this witness must be refused").to_string()
    };
    let matching = |matching: &[[u32; 2]]| {
        refusal(Witness { matching: matching.to_vec(), ..Witness::default() })
    };
    assert!(matching(&[[0, 1], [1, 2]]).contains("matching: example 1 is counted twice"));
    assert!(matching(&[[0, 3]]).contains("examples 0 and 3 are not in conflict"));
    assert!(matching(&[[0, 6]]).contains("example 6 is not one of 6"));
    assert!(matching(&[[5, 5]]).contains("counted twice"));

    let cliques = |cliques: &[&[u32]]| {
        let cliques = cliques.iter().map(|clique| clique.to_vec()).collect();
        refusal(Witness { cliques, ..Witness::default() })
    };
    assert!(cliques(&[&[0, 1, 2, 3]]).contains("clique cover: examples 0 and 3"));
    assert!(cliques(&[&[0, 1], &[1, 2]]).contains("counted twice"));

    let packing = |pairs: &[[u32; 2]], cycles: &[&[u32]]| {
        let odd_cycles = cycles.iter().map(|cycle| cycle.to_vec()).collect();
        let packing = Packing { pairs: pairs.to_vec(), odd_cycles };
        refusal(Witness { packing, ..Witness::default() })
    };
    assert!(packing(&[[3, 4]], &[&[0, 1, 2, 3, 4]]).contains("counted twice"));
    assert!(packing(&[], &[&[0, 1, 3]]).contains("examples 1 and 3"));
    assert!(packing(&[], &[&[0, 1]]).contains("is not odd"));
    assert!(packing(&[], &[&[]]).contains("is not odd"));
    // A loop would count one half for nothing.
    assert!(packing(&[], &[&[5]]).contains("examples 5 and 5"));
}

/// Graphs of all densities; every pair is an edge with the same chance.
fn any_graph(vertices: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = ConflictGraph> {
    (vertices, 0.0..1.0f64).prop_flat_map(|(n, density)| {
        let pairs = n * n.saturating_sub(1) / 2;
        prop::collection::vec(prop::bool::weighted(density), pairs).prop_map(move |drawn| {
            let all = (0..n as u32).flat_map(|b| (0..b).map(move |a| [a, b]));
            let edges: Vec<[u32; 2]> =
                all.zip(drawn).filter(|(_, drawn)| *drawn).map(|(edge, _)| edge).collect();
            graph(n, &edges)
        })
    })
}

fn edges(graph: &ConflictGraph) -> Vec<[u32; 2]> {
    let ends = 0..graph.len() as u32;
    ends.flat_map(|a| graph.neighbours(a).iter().map(move |&b| [a, b]))
        .filter(|[a, b]| a < b)
        .collect()
}

/// Largest independent set, by trying every subset.
fn independence(graph: &ConflictGraph) -> usize {
    let edges = edges(graph);
    let holds = |set: u32| edges.iter().all(|[a, b]| set >> a & 1 == 0 || set >> b & 1 == 0);
    let sets = 0..1u32 << graph.len();
    sets.filter(|&set| holds(set)).map(u32::count_ones).max().unwrap_or(0) as usize
}

/// Largest matching: leave the first edge or take it.
fn matching_number(edges: &[[u32; 2]]) -> usize {
    let Some((&[a, b], rest)) = edges.split_first() else { return 0 };
    let apart: Vec<[u32; 2]> =
        rest.iter().copied().filter(|edge| !edge.contains(&a) && !edge.contains(&b)).collect();
    matching_number(rest).max(1 + matching_number(&apart))
}

/// Most that robustness of 0, 1/2 or 1 adds up to when no edge holds more than 1: the linear program of
/// a randomised classifier, which is half-integral.
fn randomised(graph: &ConflictGraph) -> f64 {
    let edges = edges(graph);
    let n = graph.len() as u32;
    let halves = |code: u32, vertex: u32| code / 3u32.pow(vertex) % 3;
    let codes = 0..3u32.pow(n);
    let sound = codes
        .filter(|&code| edges.iter().all(|&[a, b]| halves(code, a) + halves(code, b) <= 2))
        .map(|code| (0..n).map(|vertex| halves(code, vertex)).sum::<u32>());
    f64::from(sound.max().unwrap_or(0)) / 2.0
}

/// The graph without one vertex, whose number no edge names any more.
fn without(graph: &ConflictGraph, vertex: u32) -> ConflictGraph {
    let edges: Vec<[u32; 2]> =
        edges(graph).into_iter().filter(|edge| !edge.contains(&vertex)).collect();
    self::graph(graph.len(), &edges)
}

fn size(graph: &ConflictGraph) -> usize {
    maximum_matching(graph, &Packing::default()).len()
}

/// How many components of odd size are left when `removed` are taken out.
fn odd_components(graph: &ConflictGraph, removed: &[bool]) -> usize {
    let mut seen = removed.to_vec();
    let mut odd = 0;
    for first in 0..graph.len() as u32 {
        let mut stack = vec![first];
        let mut members = 0;
        while let Some(vertex) = stack.pop() {
            if !std::mem::replace(&mut seen[vertex as usize], true) {
                members += 1;
                stack.extend(graph.neighbours(vertex));
            }
        }
        odd += members % 2;
    }
    odd
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_bound_is_below_the_largest_independent_set(graph in any_graph(0..=12)) {
        let [matching, packing, cliques] = bounds(&graph);
        let most = independence(&graph) as f64;
        prop_assert!(matching >= most && packing >= most && cliques >= most);
        prop_assert!(packing <= matching && cliques <= matching);
    }

    #[test]
    fn a_matching_is_as_large_as_any(graph in any_graph(0..=10)) {
        let expected = matching_number(&edges(&graph));
        prop_assert_eq!(maximum_matching(&graph, &fractional_packing(&graph)).len(), expected);
        prop_assert_eq!(size(&graph), expected, "without a start");
    }

    #[test]
    fn a_packing_is_what_a_randomised_classifier_can_reach(graph in any_graph(0..=8)) {
        prop_assert_eq!(bounds(&graph)[1], randomised(&graph));
    }

    #[test]
    fn a_large_matching_comes_with_a_proof_that_it_is_maximum(graph in any_graph(20..=40)) {
        // Tutte and Berge: whatever is removed, an unmatched vertex is left for each odd component
        // beyond the removed. The neighbours of the vertices that some maximum matching misses reach
        // equality (Gallai and Edmonds), so equality here proves the size without believing any of it.
        let found = size(&graph);
        prop_assert_eq!(maximum_matching(&graph, &fractional_packing(&graph)).len(), found);
        let missed: Vec<bool> =
            (0..graph.len() as u32).map(|v| size(&without(&graph, v)) == found).collect();
        let beside = |v: u32| graph.neighbours(v).iter().any(|&w| missed[w as usize]);
        let removed: Vec<bool> =
            (0..graph.len() as u32).map(|v| !missed[v as usize] && beside(v)).collect();
        let count = removed.iter().filter(|removed| **removed).count();
        prop_assert_eq!(2 * found + odd_components(&graph, &removed), graph.len() + count);
    }

    #[test]
    fn more_rounds_never_need_more_groups(graph in any_graph(0..=40), rounds in 0u32..12) {
        let matching = maximum_matching(&graph, &Packing::default());
        let saved = |rounds| -> usize {
            let cover = clique_cover(&graph, &matching, rounds);
            cover.iter().map(|clique| clique.len() - 1).sum()
        };
        prop_assert!(saved(rounds + 1) >= saved(rounds));
        prop_assert_eq!(saved(0), matching.len());
    }

    #[test]
    fn a_witness_goes_to_json_and_comes_back(graph in any_graph(0..=20)) {
        let witness = Witness::of(&graph, 2);
        let text = serde_json::to_string(&witness).unwrap();
        prop_assert_eq!(serde_json::from_str::<Witness>(&text).unwrap(), witness);
    }
}
