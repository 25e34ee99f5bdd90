//! Crops and flips: the definition, written out, and nothing but seed, example and step in it.

use candle_core::{DType, Device, Tensor};
use saddle_attacks::Examples;
use saddle_defenses::{Augmentation, DefensePlan, Error, Natural, Trainer, TrainingPlan};
use saddle_model::Executor;
use saddle_ops::Draws;
use saddle_tests::defenses::{small_architecture, small_digits, small_plan};
use saddle_tests::model::{flat, hashed_tensor};

const SHAPE: [usize; 3] = [3, 5, 7];

fn examples(ids: &[u64]) -> Examples {
    let [channels, rows, columns] = SHAPE;
    let all = hashed_tensor(&[40, channels, rows, columns], 1, 0.0, 1.0, DType::F32);
    let rows: Vec<u32> = ids.iter().map(|&id| id as u32).collect();
    let rows = Tensor::from_vec(rows, ids.len(), &Device::Cpu).unwrap();
    let images = all.index_select(&rows, 0).unwrap();
    Examples::new(images, vec![1; ids.len()], ids.to_vec()).unwrap()
}

/// One number of an image as it looks in a step, by the definition.
fn naive(image: &[f64], augmentation: Augmentation, draws: Draws, id: u64, step: u32) -> Vec<f64> {
    let [channels, rows, columns] = SHAPE;
    let padding = augmentation.padding as i64;
    let mut stream = draws.stream("augmentation", id, 0, step, 0);
    let top = stream.below(2 * augmentation.padding as u64 + 1) as i64 - padding;
    let left = stream.below(2 * augmentation.padding as u64 + 1) as i64 - padding;
    let mirrored = augmentation.flip && stream.below(2) == 1;
    let mut found = Vec::new();
    for channel in 0..channels {
        for y in 0..rows as i64 {
            for x in 0..columns as i64 {
                let x = if mirrored { columns as i64 - 1 - x } else { x };
                let (y, x) = (y + top, x + left);
                let inside = (0..rows as i64).contains(&y) && (0..columns as i64).contains(&x);
                let place = (channel * rows) as i64 * columns as i64 + y * columns as i64 + x;
                found.push(if inside { image[place as usize] } else { 0.0 });
            }
        }
    }
    found
}

#[test]
fn every_image_is_cut_and_mirrored_as_defined() {
    let ids: Vec<u64> = (0..40).collect();
    let examples = examples(&ids);
    let (draws, size) = (Draws::new(11), SHAPE.iter().product::<usize>());
    for augmentation in [
        Augmentation::cifar10(),
        Augmentation { padding: 4, flip: false },
        Augmentation { padding: 0, flip: true },
        Augmentation { padding: 0, flip: false },
    ] {
        for step in [0, 7] {
            let found = augmentation.apply(&examples, draws, step).unwrap();
            assert_eq!((found.labels(), found.ids()), (examples.labels(), examples.ids()));
            let (own, seen) = (flat(examples.images()), flat(found.images()));
            for (row, image) in own.chunks_exact(size).enumerate() {
                let expected = naive(image, augmentation, draws, row as u64, step);
                assert_eq!(seen[row * size..][..size], expected, "{augmentation:?} {row} {step}");
            }
        }
    }
}

#[test]
fn an_example_looks_the_same_in_any_batch_and_another_way_in_another_step() {
    let draws = Draws::new(5);
    let apply = |ids: &[u64], step| {
        let found = Augmentation::cifar10().apply(&examples(ids), draws, step).unwrap();
        flat(found.images())
    };
    let size = SHAPE.iter().product::<usize>();
    let together = apply(&[3, 9, 30], 4);
    assert_eq!(together[size..2 * size], apply(&[9], 4));
    let views: Vec<Vec<f64>> = (0..8).map(|step| apply(&[9], step)).collect();
    assert!(views.iter().any(|view| *view != views[0]));
}

#[test]
fn half_are_mirrored_and_every_place_is_cut_out_about_as_often() {
    // One bright pixel in the middle of 1 x 3: where it went says how the image was cut and turned.
    let count = 2000;
    let images = Tensor::new(&[0.0f32, 1.0, 0.0], &Device::Cpu).unwrap();
    let images = images.reshape((1, 1, 1, 3)).unwrap().repeat((count, 1, 1, 1)).unwrap();
    let ids = (0..count as u64).collect();
    let padded = Tensor::cat(&[&images, &images, &images], 2).unwrap();
    let examples = Examples::new(padded, vec![0; count], ids).unwrap();
    let cut = Augmentation { padding: 1, flip: false };
    let found = flat(cut.apply(&examples, Draws::new(1), 0).unwrap().images());
    let mut places = [0; 3];
    for image in found.chunks_exact(9) {
        // The middle row is inside the image whatever the cut.
        places[image[3..6].iter().position(|pixel| *pixel == 1.0).unwrap()] += 1;
    }
    assert!(places.iter().all(|place| (570..770).contains(place)), "{places:?}");

    let slope = Tensor::new(&[0.0f32, 1.0], &Device::Cpu).unwrap();
    let slope = slope.reshape((1, 1, 1, 2)).unwrap().repeat((count, 1, 1, 1)).unwrap();
    let examples = Examples::new(slope, vec![0; count], (0..count as u64).collect()).unwrap();
    let flip = Augmentation { padding: 0, flip: true };
    let found = flat(flip.apply(&examples, Draws::new(1), 0).unwrap().images());
    let mirrored = found.chunks_exact(2).filter(|image| image[0] == 1.0).count();
    assert!((900..1100).contains(&mirrored), "{mirrored}");
}

#[test]
fn a_training_sees_other_views_and_refuses_a_padding_that_leaves_nothing() {
    let plan = small_plan(DefensePlan::Natural(Natural {}), 3);
    let trained = |augmentation| {
        let plan = TrainingPlan { augmentation, ..plan.clone() };
        let examples = small_digits(32, DType::F32);
        Trainer::new(plan, small_architecture(), Executor::Candle, examples, None)
    };
    let bias = |augmentation| {
        let mut trainer = trained(augmentation).unwrap();
        for _ in 0..3 {
            trainer.step().unwrap();
        }
        flat(trainer.weights().get("fc2.bias").unwrap())
    };
    assert_ne!(bias(None), bias(Some(Augmentation::cifar10())));
    let nothing = Augmentation { padding: 0, flip: false };
    assert_eq!(bias(None), bias(Some(nothing)));
    let wide = Augmentation { padding: 12, flip: false };
    let Err(Error::InvalidPlan { field, message }) = trained(Some(wide)) else {
        panic!("a padding of a whole side was accepted")
    };
    assert!(field == "augmentation" && message.contains("12 x 12"), "{message}");
}
