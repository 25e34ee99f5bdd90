//! The plane through an image: its axes, its points, and what is made of their losses.

use candle_core::{Device, Tensor};
use saddle_attacks::Plane;
use saddle_ops::{Draws, Norm};
use saddle_tests::attacks::rows;

const SHAPE: (usize, usize, usize, usize) = (1, 1, 3, 4);

fn image(value: f64) -> Tensor {
    let pixels: Vec<f64> = (0..12).map(|pixel| value + f64::from(pixel) / 100.0).collect();
    Tensor::from_vec(pixels, SHAPE, &Device::Cpu).expect("fits")
}

fn plane(direction: &Tensor, resolution: usize, samples: u32) -> Plane {
    Plane::new(&image(0.4), direction, 2.0, resolution, (0.1, samples), Draws::new(7))
        .expect("sound settings")
}

fn dot(a: &Tensor, b: &Tensor) -> f64 {
    let (a, b) = (rows(a).expect("numbers"), rows(b).expect("numbers"));
    a[0].iter().zip(&b[0]).map(|(a, b)| a * b).sum()
}

#[test]
fn axes_have_length_one_and_are_orthogonal() {
    for direction in [image(1.0), (image(1.0) * 1e-200).expect("fits"), image(-3.0)] {
        let plane = plane(&direction, 5, 1);
        let (along, across) = (plane.along_gradient(), plane.along_noise());
        for axis in [along, across] {
            assert!((Norm::L2.sizes(axis).expect("norms")[0] - 1.0).abs() < 1e-12);
        }
        assert!(dot(along, across).abs() < 1e-12);
        assert!(!plane.is_flat());
        let size = Norm::L2.sizes(&direction).expect("norms")[0];
        assert!(
            (dot(along, &direction) / size - 1.0).abs() < 1e-12,
            "it points along the direction"
        );
    }
}

#[test]
fn a_direction_of_zeros_is_replaced_and_said_so() {
    let plane = plane(&image(0.0).zeros_like().expect("fits"), 5, 1);
    assert!(plane.is_flat());
    assert!((Norm::L2.sizes(plane.along_gradient()).expect("norms")[0] - 1.0).abs() < 1e-12);
    assert!(dot(plane.along_gradient(), plane.along_noise()).abs() < 1e-12);
}

#[test]
fn points_lie_where_rows_and_columns_say() {
    let plane = plane(&image(1.0), 5, 2);
    assert_eq!((plane.len(), plane.points_per_position()), (25, 3));
    let points = rows(&plane.points(0..25).expect("points")).expect("numbers");
    let natural = rows(&image(0.4)).expect("numbers").remove(0);
    let along = rows(plane.along_gradient()).expect("numbers").remove(0);
    let across = rows(plane.along_noise()).expect("numbers").remove(0);
    for position in 0..25 {
        let (a, b) = ((position % 5) as f64 - 2.0, (position / 5) as f64 - 2.0);
        for pixel in 0..12 {
            let expected = natural[pixel] + a * along[pixel] + b * across[pixel];
            assert!((points[3 * position][pixel] - expected).abs() < 1e-12);
            // The same draws at every position.
            for sample in 1..3 {
                let noise = points[3 * position + sample][pixel] - points[3 * position][pixel];
                let first = points[sample][pixel] - points[0][pixel];
                assert!((noise - first).abs() < 1e-12 && noise != 0.0);
            }
        }
    }
    // Any part of the positions gives the same points.
    let part = rows(&plane.points(7..9).expect("points")).expect("numbers");
    assert_eq!(part, points[21..27]);
}

#[test]
fn surfaces_are_the_first_loss_and_the_mean_of_the_others() {
    let plane = plane(&image(1.0), 2, 2);
    let (plain, smoothed) =
        plane.surfaces(&[1.0, 2.0, 4.0, -1.0, 0.5, 0.0]).expect("two positions");
    assert_eq!((plain, smoothed), (vec![1.0, -1.0], vec![3.0, 0.25]));
    assert!(plane.surfaces(&[1.0, 2.0]).is_err());
    assert!(plane.surfaces(&[]).is_err());
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let new = |direction: &Tensor, extent, resolution, smoothing| {
        Plane::new(&image(0.4), direction, extent, resolution, smoothing, Draws::new(7))
    };
    let sound = image(1.0);
    assert!(new(&sound, 2.0, 5, (0.1, 1)).is_ok());
    for extent in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(new(&sound, extent, 5, (0.1, 1)).is_err());
        assert!(new(&sound, 1.0, 5, (extent, 1)).is_err());
    }
    for resolution in [0, 1, 202] {
        assert!(new(&sound, 1.0, resolution, (0.1, 1)).is_err());
    }
    assert!(new(&sound, 1.0, 5, (0.1, 0)).is_err());
    assert!(new(&(sound.clone() * f64::NAN).expect("fits"), 1.0, 5, (0.1, 1)).is_err());
    assert!(new(&sound.reshape((1, 1, 4, 3)).expect("fits"), 1.0, 5, (0.1, 1)).is_err());
    let plane = plane(&sound, 2, 1);
    assert!(plane.points(3..5).is_err() && plane.points(2..2).is_err());
}
