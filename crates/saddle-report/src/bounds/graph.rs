//! The conflict graph: which examples cannot both be robust.

use crate::error::{Error, Result};

/// An undirected graph on the vertices `0..len`, without loops and without double edges.
///
/// A vertex is an example, an edge joins two that no classifier gets right throughout both balls:
/// their labels differ and some image lies within the radius of both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictGraph {
    /// The neighbours of vertex `v` are `neighbours[starts[v]..starts[v + 1]]`.
    starts: Vec<usize>,
    /// Ascending for each vertex.
    neighbours: Vec<u32>,
}

impl ConflictGraph {
    /// Builds a graph; an edge may be named more than once and in either direction.
    ///
    /// # Errors
    ///
    /// [`Error::Edge`] when an edge leaves the vertices or joins a vertex with itself.
    pub fn new(vertices: usize, edges: &[[u32; 2]]) -> Result<Self> {
        let wrong = |[a, b]: &[u32; 2]| a == b || (*a).max(*b) as usize >= vertices;
        if let Some(&[a, b]) = edges.iter().find(|edge| wrong(edge)) {
            return Err(Error::Edge { ends: [a, b], vertices });
        }
        let mut arcs: Vec<[u32; 2]> = edges.iter().flat_map(|&[a, b]| [[a, b], [b, a]]).collect();
        arcs.sort_unstable();
        arcs.dedup();
        let mut starts = vec![0; vertices + 1];
        for &[from, _] in &arcs {
            starts[from as usize + 1] += 1;
        }
        for vertex in 0..vertices {
            starts[vertex + 1] += starts[vertex];
        }
        Ok(Self { starts, neighbours: arcs.into_iter().map(|[_, to]| to).collect() })
    }

    /// Number of vertices.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether there is no vertex.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of edges.
    pub fn edges(&self) -> usize {
        self.neighbours.len() / 2
    }

    /// Neighbours of a vertex, ascending.
    ///
    /// # Panics
    ///
    /// When `vertex` is not below [`ConflictGraph::len`], as for a slice.
    pub fn neighbours(&self, vertex: u32) -> &[u32] {
        &self.neighbours[self.starts[vertex as usize]..self.starts[vertex as usize + 1]]
    }

    /// Whether two vertices are joined.
    ///
    /// # Panics
    ///
    /// As [`ConflictGraph::neighbours`], for `a`.
    pub fn joined(&self, a: u32, b: u32) -> bool {
        self.neighbours(a).binary_search(&b).is_ok()
    }
}
