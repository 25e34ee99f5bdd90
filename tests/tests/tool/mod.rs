//! The `saddle` command: what it explains and what it refuses.

mod help;
mod import;
mod refusals;
