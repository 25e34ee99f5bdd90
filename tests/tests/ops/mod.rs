//! Tests of the geometry and the draws of `saddle-ops`.

mod arithmetic;
mod ascent;
mod draws;
mod eigen;
mod norms;
mod projections;
mod refusals;
