//! The IDX format: a magic number, dimensions, bytes. Raw or gzipped, from memory.
//!
//! # Conventions
//!
//! A file is `00 00 08 d`, where 08 says unsigned bytes and `d` is the number of dimensions, then `d`
//! big-endian 32-bit dimensions, then the data in row-major order. Images have three dimensions,
//! labels one. Gzip is recognised by its first two bytes, never by a name.
//!
//! # Invariants
//!
//! No input makes these functions panic. What they allocate is bounded by the length of the input:
//! for a raw file by that length, for a gzipped one by [`DEFLATE_RATIO`] times it, which is the most
//! that deflate can pack into a byte. Dimensions are checked before anything is allocated.
//!
//! # Deliberately absent
//!
//! Other element types and more dimensions: no data set of this project has them.
//!
//! # Source
//!
//! Format description on the MNIST page of `LeCun`, Cortes and Burges.

use std::io::Read;

use flate2::read::GzDecoder;

use crate::error::{Error, Result};

/// Most bytes that one byte of a deflate stream can unpack to (258 bytes from two bits).
pub const DEFLATE_RATIO: u64 = 1032;

const IMAGES: (u32, &str) = (0x0000_0803, "images: unsigned bytes, three dimensions");
const LABELS: (u32, &str) = (0x0000_0801, "labels: unsigned bytes, one dimension");

/// Images of one IDX file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    /// How many.
    pub count: usize,
    /// Height in pixels, at least one.
    pub rows: usize,
    /// Width in pixels, at least one.
    pub cols: usize,
    /// `count * rows * cols` bytes, image after image, row after row; 255 is full ink.
    pub pixels: Vec<u8>,
}

/// Reads a file of images, raw or gzipped.
///
/// # Errors
///
/// [`Error::WrongMagic`], [`Error::Truncated`], [`Error::TrailingBytes`], [`Error::ImpossibleSize`]
/// (also for images without a pixel) or [`Error::Gzip`].
pub fn images(bytes: &[u8]) -> Result<Images> {
    let ([count, rows, cols], pixels) = read::<3>(bytes, IMAGES)?;
    if rows == 0 || cols == 0 {
        let dimensions = vec![count, rows, cols];
        return Err(Error::ImpossibleSize { dimensions, length: bytes.len() });
    }
    Ok(Images { count: count as usize, rows: rows as usize, cols: cols as usize, pixels })
}

/// Reads a file of labels, raw or gzipped.
///
/// # Errors
///
/// As [`images`].
pub fn labels(bytes: &[u8]) -> Result<Vec<u8>> {
    let ([_], labels) = read::<1>(bytes, LABELS)?;
    Ok(labels)
}

/// Whether these bytes begin like a gzip file.
pub fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// Unpacks a gzip file of exactly `size` bytes, or says why it is not one.
///
/// At most `size + 1` bytes are unpacked, whatever the stream holds.
///
/// # Errors
///
/// [`Error::Gzip`] when the stream is damaged or unpacks to another size.
pub fn gunzip(bytes: &[u8], size: u64) -> Result<Vec<u8>> {
    if size > DEFLATE_RATIO * bytes.len() as u64 {
        return Err(Error::Gzip(format!("{} bytes cannot unpack to {size}", bytes.len())));
    }
    let mut raw = Vec::new();
    let read = GzDecoder::new(bytes).take(size + 1).read_to_end(&mut raw);
    read.map_err(|error| Error::Gzip(error.to_string()))?;
    match raw.len() as u64 {
        found if found == size => Ok(raw),
        found if found < size => Err(Error::Gzip(format!("unpacks to {found} bytes, not {size}"))),
        _ => Err(Error::Gzip(format!("unpacks to more than {size} bytes"))),
    }
}

fn read<const D: usize>(bytes: &[u8], kind: (u32, &'static str)) -> Result<([u32; D], Vec<u8>)> {
    if is_gzip(bytes) {
        let most = DEFLATE_RATIO * bytes.len() as u64;
        read_stream(GzDecoder::new(bytes), most, bytes.len(), kind)
    } else {
        read_stream(bytes, bytes.len() as u64, bytes.len(), kind)
    }
}

/// `most`: how many bytes the stream can hold at most; `length`: of the file, for messages.
fn read_stream<const D: usize>(
    mut stream: impl Read,
    most: u64,
    length: usize,
    (expected, what): (u32, &'static str),
) -> Result<([u32; D], Vec<u8>)> {
    let header = 4 + 4 * D as u64;
    let mut word = |already: u64| -> Result<u32> {
        let mut bytes = [0; 4];
        let found = fill(&mut stream, &mut bytes)?;
        match found {
            4 => Ok(u32::from_be_bytes(bytes)),
            _ => Err(Error::Truncated { promised: header, found: already + found as u64 }),
        }
    };
    let found = word(0)?;
    if found != expected {
        return Err(Error::WrongMagic { expected, found, what });
    }
    let mut dimensions = [0; D];
    for (index, dimension) in dimensions.iter_mut().enumerate() {
        *dimension = word(4 + 4 * index as u64)?;
    }

    let impossible = || Error::ImpossibleSize { dimensions: dimensions.to_vec(), length };
    let size = dimensions.iter().try_fold(1u64, |size, &d| size.checked_mul(u64::from(d)));
    let promised = size.and_then(|size| size.checked_add(header)).ok_or_else(impossible)?;
    let size = promised - header;
    if promised > most {
        // A raw file is simply cut short; a gzipped one could not hold it even at best.
        let raw = most == length as u64;
        return Err(if raw { Error::Truncated { promised, found: most } } else { impossible() });
    }

    let mut data = Vec::new();
    let read = stream.by_ref().take(size).read_to_end(&mut data);
    read.map_err(|error| Error::Gzip(error.to_string()))?;
    if (data.len() as u64) < size {
        return Err(Error::Truncated { promised, found: header + data.len() as u64 });
    }
    // Reading on to the end also makes the gzip decoder check its checksum.
    match fill(&mut stream, &mut [0])? {
        0 => Ok((dimensions, data)),
        _ => Err(Error::TrailingBytes { promised }),
    }
}

/// Reads until `buffer` is full or the stream ends; returns how much came.
fn fill(stream: &mut impl Read, buffer: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match stream.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::Gzip(error.to_string())),
        }
    }
    Ok(filled)
}
