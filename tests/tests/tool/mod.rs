//! The `saddle` command: what it explains and what it refuses.

mod cifar;
mod export;
mod help;
mod import;
mod refusals;
mod replay;
