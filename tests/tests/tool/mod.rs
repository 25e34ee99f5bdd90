//! The `saddle` command: what it explains and what it refuses.

mod export;
mod help;
mod import;
mod refusals;
mod replay;
