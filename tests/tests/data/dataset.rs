//! A data set keeps images and labels together; a stratified choice keeps the classes' shares.

use proptest::prelude::*;
use saddle_data::idx::Images;
use saddle_data::{Dataset, Error, stratified};

fn three() -> Dataset {
    let images = Images { count: 3, rows: 1, cols: 2, pixels: vec![0, 51, 102, 153, 204, 255] };
    Dataset::new("three", images, vec![4, 5, 6]).unwrap()
}

#[test]
fn pixels_are_bytes_over_255() {
    let data = three();
    assert_eq!(data.pixels_f32(0..3), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
    assert_eq!(data.pixels_f32(1..2), [0.4, 0.6]);
    assert_eq!(data.pixels_at(&[2, 0]), [0.8, 1.0, 0.0, 0.2]);
    assert_eq!(data.image(1), [102, 153]);
}

#[test]
fn refuses_images_without_their_labels() {
    let images = |count| Images { count, rows: 1, cols: 1, pixels: vec![9; count] };
    let message = Dataset::new("odd", images(3), vec![1, 2]).unwrap_err().to_string();
    assert_eq!(message, "data set odd: 3 images and 2 labels; one label per image, at least one");
    assert!(matches!(Dataset::new("none", images(0), vec![]), Err(Error::Mismatch { .. })));
}

#[test]
fn the_hash_sees_pixels_labels_and_shape_but_no_name() {
    let base = three();
    let mut named = three();
    named.name = "other".to_owned();
    assert_eq!(base.sha256(), named.sha256());
    let mut pixel = three();
    pixel.images[3] ^= 1;
    let mut label = three();
    label.labels[0] = 9;
    let mut shape = three();
    (shape.rows, shape.cols) = (2, 1);
    // The same bytes as one column of two planes.
    let mut colored = three();
    (colored.channels, colored.cols) = (2, 1);
    for changed in [pixel, label, shape, colored] {
        assert_ne!(base.sha256(), changed.sha256());
    }
    assert_eq!(base.sha256().len(), 64);
}

#[test]
fn stratified_takes_the_first_of_each_class_in_the_given_order() {
    let labels = [0, 0, 0, 0, 1, 1, 1, 1];
    let order = [7, 3, 0, 5, 1, 2, 4, 6];
    assert_eq!(stratified(&labels, &order, 4).unwrap(), [0, 3, 5, 7]);
    // A pool of a part of the set: two zeros and one one.
    assert_eq!(stratified(&labels, &[2, 6, 1], 3).unwrap(), [1, 2, 6]);
}

#[test]
fn stratified_refuses_what_cannot_be() {
    let labels = [0, 1, 2];
    for (order, count, words) in [
        (&[0, 1][..], 3, "cannot take 3 of a pool of 2"),
        (&[0, 1], 0, "cannot take 0"),
        (&[0, 3], 1, "index 3 in a set of 3"),
        (&[1, 1], 1, "index 1 comes twice"),
    ] {
        let message = stratified(&labels, order, count).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    }
}

proptest! {
    #[test]
    fn stratified_keeps_every_share(
        labels in prop::collection::vec(0u8..10, 1..300),
        share in 0.0..1.0f64,
    ) {
        let order: Vec<u32> = (0..labels.len() as u32).rev().collect();
        let count = ((share * labels.len() as f64) as usize).max(1);
        let chosen = stratified(&labels, &order, count)?;
        prop_assert_eq!(chosen.len(), count);
        prop_assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]), "ascending and distinct");
        for class in 0..10 {
            let of = |members: &mut dyn Iterator<Item = u8>| members.filter(|l| *l == class).count();
            let all = of(&mut labels.iter().copied());
            let taken = of(&mut chosen.iter().map(|index| labels[*index]));
            let exact = all as f64 * count as f64 / labels.len() as f64;
            prop_assert!((taken as f64 - exact).abs() < 1.0, "class {}: {} of {}", class, taken, exact);
        }
    }
}
