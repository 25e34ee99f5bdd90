//! The IDX reader takes what is right, refuses the rest in words, and never allocates on a promise.

use proptest::prelude::*;
use saddle_data::Error;
use saddle_data::idx::{self, DEFLATE_RATIO, Images};
use saddle_tests::data::{gzipped, idx_images, idx_labels};

#[test]
fn reads_two_images_by_hand() {
    let file = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 255];
    let expected = Images { count: 2, rows: 1, cols: 3, pixels: vec![1, 2, 3, 4, 5, 255] };
    assert_eq!(idx::images(&file).unwrap(), expected);
    assert_eq!(idx::images(&gzipped(&file)).unwrap(), expected);
}

#[test]
fn refuses_another_kind_of_file() {
    let labels = idx_labels(&[1, 2, 3]);
    let message = idx::images(&labels).unwrap_err().to_string();
    assert!(message.contains("wrong magic number 0x00000801"), "{message}");
    assert!(message.contains("expected 0x00000803 (images"), "{message}");
    assert!(matches!(idx::labels(&idx_images(1, 2, 2)), Err(Error::WrongMagic { .. })));
}

#[test]
fn refuses_every_truncation() {
    let file = idx_images(3, 4, 5);
    for length in 0..file.len() {
        let refused = idx::images(&file[..length]);
        assert!(matches!(refused, Err(Error::Truncated { .. })), "{length}: {refused:?}");
    }
    let packed = gzipped(&file);
    for length in 2..packed.len() {
        assert!(idx::images(&packed[..length]).is_err(), "gzip cut after {length} bytes was read");
    }
}

#[test]
fn refuses_bytes_after_the_end() {
    let mut file = idx_labels(&[7; 10]);
    file.push(0);
    for bytes in [file.clone(), gzipped(&file)] {
        assert!(matches!(idx::labels(&bytes), Err(Error::TrailingBytes { promised: 18 })));
    }
}

#[test]
fn refuses_sizes_that_cannot_be() {
    // 2^32 - 1 in every dimension: the product does not fit 64 bits.
    let mut file = vec![0, 0, 8, 3];
    file.extend([0xff; 12]);
    assert!(matches!(idx::images(&file), Err(Error::ImpossibleSize { .. })));
    // 4 GiB of labels promised by 9 bytes, raw and gzipped: refused before anything is allocated.
    let labels = [0, 0, 8, 1, 0xff, 0xff, 0xff, 0xff, 5];
    assert!(matches!(idx::labels(&labels), Err(Error::Truncated { .. })));
    assert!(matches!(idx::labels(&gzipped(&labels)), Err(Error::ImpossibleSize { .. })));
    // Images without a pixel.
    let message = idx::images(&idx_images(4, 0, 5)).unwrap_err().to_string();
    assert!(message.contains("impossible size [4, 0, 5]"), "{message}");
}

#[test]
fn stops_unpacking_at_the_promised_end() {
    // One label promised, a million zeros packed: the reader stops after one byte too many.
    let mut bomb = idx_labels(&[1]);
    bomb.resize(1_000_000, 0);
    assert!(matches!(idx::labels(&gzipped(&bomb)), Err(Error::TrailingBytes { promised: 9 })));
    let message = idx::gunzip(&gzipped(&bomb), 9).unwrap_err().to_string();
    assert!(message.contains("more than 9 bytes"), "{message}");
}

#[test]
fn notices_a_flipped_checksum() {
    let mut packed = gzipped(&idx_labels(&[1, 2, 3]));
    let checksum = packed.len() - 8;
    packed[checksum] ^= 1;
    assert!(matches!(idx::labels(&packed), Err(Error::Gzip(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_images_come_back(count in 0usize..5, rows in 1usize..6, cols in 1usize..6, packed: bool) {
        let raw = idx_images(count, rows, cols);
        let file = if packed { gzipped(&raw) } else { raw.clone() };
        let images = idx::images(&file)?;
        prop_assert_eq!((images.count, images.rows, images.cols), (count, rows, cols));
        prop_assert_eq!(&images.pixels[..], &raw[16..]);
    }

    #[test]
    fn any_bytes_are_survived(
        start in prop::sample::select(vec![&[][..], &[0, 0, 8, 1], &[0, 0, 8, 3], &[0x1f, 0x8b, 8, 0]]),
        rest in prop::collection::vec(any::<u8>(), 0..80),
        pack: bool,
    ) {
        let mut file = start.to_vec();
        file.extend(rest);
        let file = if pack { gzipped(&file) } else { file };
        let most = DEFLATE_RATIO as usize * file.len();
        // What is accepted fits in the bound; what is not is refused, not a panic.
        if let Ok(images) = idx::images(&file) {
            prop_assert!(images.pixels.capacity() <= most);
            prop_assert_eq!(images.pixels.len(), images.count * images.rows * images.cols);
        }
        if let Ok(labels) = idx::labels(&file) {
            prop_assert!(labels.capacity() <= most);
        }
    }

    #[test]
    fn a_damaged_gzip_is_never_read_as_something_else(at in 0usize..1000, flip in 1u8..) {
        let raw = idx_images(6, 5, 5);
        let mut packed = gzipped(&raw);
        // Bytes 3 to 9 of the header carry flags, time and system: they may change without harm.
        let at = 10 + at % (packed.len() - 10);
        packed[at] ^= flip;
        if let Ok(images) = idx::images(&packed) {
            prop_assert_eq!(&images.pixels[..], &raw[16..]);
        }
    }
}
