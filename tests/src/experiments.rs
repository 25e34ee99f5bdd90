//! Test support: experiments.
