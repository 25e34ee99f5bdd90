//! The one test binary, a module per room; what they share stands in the library of this package.

mod attacks;
mod data;
mod defenses;
mod experiments;
mod kernels;
mod model;
mod ops;
mod report;
mod tool;
