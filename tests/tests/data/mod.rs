//! Fetching, verifying and decoding data sets, without a network.

mod cifar10;
mod dataset;
mod fetch;
mod fixture;
mod idx;
mod named;
mod transport;
