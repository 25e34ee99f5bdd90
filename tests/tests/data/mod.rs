//! Fetching, verifying and decoding data sets, without a network.

mod dataset;
mod fetch;
mod fixture;
mod idx;
mod transport;
