//! `saddle digits`: test digits for the browser demo.

use anyhow::{Context, Result};
use serde::Serialize;

use saddle_data::{Dataset, DatasetName, Split};
use saddle_experiments::{Digits as Sample, Part, closest_conflicts, sha256_hex};
use saddle_ops::{Norm, Radius};

use crate::Ended;
use crate::archive::write_file;
use crate::arguments::Digits;
use crate::environment;

/// Radius within which pairs are in conflict: the paper's l2 rows.
const EPSILON: f64 = 4.0;

/// `digits.json`.
#[derive(Serialize)]
struct Index {
    count: usize,
    /// Indices in the test set, ascending.
    ids: Vec<usize>,
    labels: Vec<u8>,
    /// Of `digits.bin`.
    sha256: String,
    pairs: Vec<Pair>,
}

/// Two digits whose balls meet.
#[derive(Serialize)]
struct Pair {
    first: usize,
    second: usize,
    labels: [u8; 2],
    distance: f64,
    /// Places of both images in `digits.bin`.
    pixels: [usize; 2],
}

pub(crate) fn run(arguments: &Digits) -> Result<Ended> {
    let digits = environment::digits(&arguments.computing, DatasetName::Mnist, Split::Test)?;
    let (index, bytes) = choose(arguments, &digits)?;
    std::fs::create_dir_all(&arguments.out)
        .with_context(|| format!("cannot make the folder {}", arguments.out.display()))?;
    write_file(&arguments.out.join("digits.bin"), &bytes)?;
    write_file(&arguments.out.join("digits.json"), &serde_json::to_vec(&index)?)?;
    let (count, pairs) = (index.count, index.pairs.len());
    println!("{count} digits and {pairs} pairs in {}", arguments.out.display());
    Ok(Ended::Done)
}

/// The index, and the images in its order.
fn choose(arguments: &Digits, digits: &Dataset) -> Result<(Index, Vec<u8>)> {
    let count = arguments.count as usize;
    let (part, seed) = (Part::Test, arguments.seed);
    let sample = Sample { part, from: 0, to: None, count: Some(count), seed };
    let ids = sample.select("page", &digits.labels)?;
    let radius = Radius::new(EPSILON)?;
    let close = closest_conflicts(digits, Norm::L2, radius, arguments.pairs as usize);
    let mut places = ids.clone();
    let mut place = |id: usize| {
        places.iter().position(|&known| known == id).unwrap_or_else(|| {
            places.push(id);
            places.len() - 1
        })
    };
    let pairs = close.into_iter().map(|pair| Pair {
        first: pair.first,
        second: pair.second,
        labels: [digits.labels[pair.first], digits.labels[pair.second]],
        distance: pair.distance,
        pixels: [place(pair.first), place(pair.second)],
    });
    let pairs = pairs.collect();
    let bytes: Vec<u8> = places.iter().flat_map(|&id| digits.image(id)).copied().collect();
    let labels = ids.iter().map(|&id| digits.labels[id]).collect();
    Ok((Index { count, ids, labels, sha256: sha256_hex(&bytes), pairs }, bytes))
}
