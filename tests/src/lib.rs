//! Shared support of the test binary: digits, strategies, models whose answers are known on paper.

pub mod attacks;
pub mod curves;
pub mod data;
pub mod defenses;
pub mod experiments;
pub mod kernels;
pub mod masked;
pub mod model;
pub mod ops;
pub mod report;
