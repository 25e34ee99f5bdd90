//! The geometry of an attack step, without a network: `cargo bench -p saddle-benches --bench ops`.

use divan::{Bencher, counter::ItemsCount};
use saddle_benches::{SEED, noise};
use saddle_ops::{Draws, LpBall, Norm, PixelBox, Radius, ascent_direction, steepest};

fn main() {
    divan::main();
}

const NORMS: [Norm; 3] = [Norm::L1, Norm::L2, Norm::Linf];
const BATCH: usize = 100;

fn ball(norm: Norm) -> LpBall {
    let radius = match norm {
        Norm::L1 => 20.0,
        Norm::L2 => 2.0,
        Norm::Linf => 0.3,
    };
    LpBall::new(norm, Radius::new(radius).expect("a positive radius"))
}

/// 784 normals for each of 100 rows: one sample of a smoothed gradient.
#[divan::bench(sample_count = 20)]
fn gaussian(bencher: Bencher<'_, '_>) {
    let (images, _) = noise(BATCH).expect("uniform images always exist");
    let examples: Vec<u64> = (0..BATCH as u64).collect();
    let draws = Draws::new(SEED);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        draws.gaussian("bench", &examples, 0, 0, 0, 0.2, &images).expect("one example for each row")
    });
}

/// 784 uniforms in a ball for each of 100 rows: a random start.
#[divan::bench(args = NORMS, sample_count = 20)]
fn uniform_in_ball(bencher: Bencher<'_, '_>, norm: Norm) {
    let (images, _) = noise(BATCH).expect("uniform images always exist");
    let examples: Vec<u64> = (0..BATCH as u64).collect();
    let (draws, ball) = (Draws::new(SEED), ball(norm));
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        draws
            .uniform_in_ball("bench", &examples, 0, &ball, &images)
            .expect("one example for each row")
    });
}

/// Clip after project: what PGD does in every step.
#[divan::bench(args = NORMS, sample_count = 20)]
fn project_then_clip(bencher: Bencher<'_, '_>, norm: Norm) {
    let (images, _) = noise(BATCH).expect("uniform images always exist");
    let candidate = images.affine(1.5, -0.2).expect("a scalar map of any tensor");
    let ball = ball(norm);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        ball.project_then_clip(&images, &candidate, PixelBox::UNIT).expect("the shapes agree")
    });
}

/// The exact projection onto ball and box.
#[divan::bench(args = NORMS, sample_count = 20)]
fn project_into(bencher: Bencher<'_, '_>, norm: Norm) {
    let (images, _) = noise(BATCH).expect("uniform images always exist");
    let candidate = images.affine(1.5, -0.2).expect("a scalar map of any tensor");
    let ball = ball(norm);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        ball.project_into(&images, &candidate, PixelBox::UNIT).expect("the shapes agree")
    });
}

/// The steepest direction of each norm.
#[divan::bench(args = NORMS, sample_count = 20)]
fn direction(bencher: Bencher<'_, '_>, norm: Norm) {
    let (images, _) = noise(BATCH).expect("uniform images always exist");
    let gradient = images.affine(2.0, -1.0).expect("a scalar map of any tensor");
    let rule = steepest(norm);
    bencher
        .counter(ItemsCount::new(BATCH))
        .bench_local(|| ascent_direction(rule, &gradient).expect("rows of equal length"));
}
