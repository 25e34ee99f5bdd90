//! Tests of the geometry and the draws of `saddle-ops`.

mod arithmetic;
mod ascent;
mod draws;
mod norms;
mod projections;
mod refusals;
