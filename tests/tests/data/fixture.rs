//! The committed digits are what their README says, and MNIST's constants are what its format says.

use saddle_data::MNIST;
use saddle_tests::data::{digits, fixture, fixture_ids};

#[test]
fn twenty_digits_of_each_class_in_test_order() {
    let data = fixture();
    assert_eq!((data.len(), data.rows, data.cols), (200, 28, 28));
    for class in 0..10 {
        assert_eq!(data.labels.iter().filter(|label| **label == class).count(), 20);
    }
    let ids = fixture_ids();
    assert_eq!(ids.len(), 200);
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]) && ids[199] < 10_000);
    // The first test digits of MNIST are known by heart: 7, 2, 1, 0, 4, 1, 4, 9, 5, 9.
    assert_eq!(&ids[..10], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(&data.labels[..10], &[7, 2, 1, 0, 4, 1, 4, 9, 5, 9]);
}

#[test]
fn the_bytes_have_not_changed() {
    let expected = "66bbf67ee3b9bff887e9307b1d72a59f3314e344ae0141c39cf21f87065116bb";
    assert_eq!(fixture().sha256(), expected);
}

#[test]
fn tensors_carry_pixels_labels_and_ids() {
    let some = digits(12);
    assert_eq!(some.images.dims(), [12, 1, 28, 28]);
    assert_eq!((some.labels.len(), some.ids.len()), (12, 12));
    let pixels = some.images.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert!(pixels.iter().all(|pixel| (0.0..=1.0).contains(pixel)));
    assert_eq!(pixels, fixture().pixels_f32(0..12));
}

#[test]
fn pinned_sizes_are_header_plus_data() {
    let sizes = MNIST.files.map(|file| file.size);
    assert_eq!(sizes, [16 + 60_000 * 784, 8 + 60_000, 16 + 10_000 * 784, 8 + 10_000]);
    for file in MNIST.files {
        assert!(file.sha256.len() == 64 && file.sha256.bytes().all(|b| b.is_ascii_hexdigit()));
    }
}
