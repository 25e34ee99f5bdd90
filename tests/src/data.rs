//! Real digits for tests: 200 of the MNIST test set, 20 of each class, with their original indices.

use std::io::Write;
use std::path::Path;
use std::sync::OnceLock;

use candle_core::{Device, Tensor};
use flate2::Compression;
use flate2::write::GzEncoder;
use saddle_data::{CIFAR10, Dataset, idx};
use sha2::{Digest, Sha256};

use crate::model::hashed;

/// Indices of the 200 digits in the full test set: their example ids.
const IDS: &str = include_str!("../data/digits-200-ids.txt");
const IMAGES: &[u8] = include_bytes!("../data/digits-200-images-idx3-ubyte.gz");
const LABELS: &[u8] = include_bytes!("../data/digits-200-labels-idx1-ubyte.gz");

/// Digits as the attacks and the networks want them.
#[derive(Debug, Clone)]
pub struct Digits {
    /// `(n, 1, 28, 28)` `f32`, pixels in `[0, 1]`, on the CPU.
    pub images: Tensor,
    /// `n` labels, 0 to 9.
    pub labels: Vec<u32>,
    /// `n` indices in the full test set.
    pub ids: Vec<u64>,
}

/// The 200 digits as a data set, in test order.
///
/// # Panics
///
/// When the files under `tests/data` are damaged.
pub fn fixture() -> &'static Dataset {
    static FIXTURE: OnceLock<Dataset> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let images = idx::images(IMAGES).expect("tests/data holds good images");
        let labels = idx::labels(LABELS).expect("tests/data holds good labels");
        Dataset::new("mnist-test-200", images, labels).expect("as many images as labels")
    })
}

/// Example ids of the 200 digits, ascending.
///
/// # Panics
///
/// When `tests/data/digits-200-ids.txt` is damaged.
pub fn fixture_ids() -> Vec<u64> {
    IDS.lines().map(|line| line.parse().expect("one index a line")).collect()
}

/// The first `count` of the 200 digits.
///
/// # Panics
///
/// When `count` is zero or above 200.
pub fn digits(count: usize) -> Digits {
    let data = fixture();
    assert!((1..=data.len()).contains(&count), "1 to {} digits, not {count}", data.len());
    let shape = (count, 1, data.rows, data.cols);
    let images = Tensor::from_vec(data.pixels_f32(0..count), shape, &Device::Cpu)
        .expect("as many pixels as the shape says");
    let labels = data.labels[..count].iter().map(|&label| u32::from(label)).collect();
    Digits { images, labels, ids: fixture_ids()[..count].to_vec() }
}

/// An IDX file of images whose bytes count up.
pub fn idx_images(count: usize, rows: usize, cols: usize) -> Vec<u8> {
    let mut file = vec![0, 0, 8, 3];
    for dimension in [count, rows, cols] {
        file.extend((dimension as u32).to_be_bytes());
    }
    file.extend((0..count * rows * cols).map(|index| index as u8));
    file
}

/// An IDX file of these labels.
pub fn idx_labels(labels: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, 1];
    file.extend((labels.len() as u32).to_be_bytes());
    file.extend(labels);
    file
}

/// A file of the binary version of CIFAR-10: so many records of hashed labels and pixels.
pub fn cifar_records(count: usize, salt: u64) -> Vec<u8> {
    let mut file = Vec::with_capacity(count * 3073);
    for record in 0..count as u64 {
        file.push((hashed(record, salt) % 10) as u8);
        file.extend((0..3072).map(|place| hashed(3072 * record + place, salt + 1) as u8));
    }
    file
}

/// Writes a small CIFAR-10 into a folder: five training files and a test file of so many records each.
///
/// # Panics
///
/// When the folder cannot be written.
pub fn write_small_cifar(folder: &Path, train: usize, test: usize) {
    for (index, file) in CIFAR10.train.iter().enumerate() {
        let records = cifar_records(train, 10 * index as u64);
        std::fs::write(folder.join(file), records).expect("the folder can be written");
    }
    let records = cifar_records(test, 1000);
    std::fs::write(folder.join(CIFAR10.test.name), records).expect("the folder can be written");
}

/// These bytes as a gzip file.
///
/// # Panics
///
/// Never: writing to memory does not fail.
pub fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

/// SHA-256 in lower-case hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
