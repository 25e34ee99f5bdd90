//! The Square Attack against its paper read line by line, and where its answer is known on paper.

use proptest::prelude::*;
use saddle_attacks::{Driver, Examples, Goal, Judge, Objective, Square, ThreatModel};
use saddle_model::Aim;
use saddle_ops::{Draws, Norm, Stream};
use saddle_tests::attacks::{ByRow, Constant, Linear, examples_around_half, relabelled, rows};
use saddle_tests::masked::{laid_out, logged, widened};

fn objective(norm: Norm, epsilon: f64) -> Objective {
    Objective::untargeted(ThreatModel::new(norm, epsilon).expect("a usable radius"))
}

#[test]
fn the_share_is_halved_when_the_paper_says() {
    let long = Square { queries: 10_000, share: 0.8 };
    for (query, halvings) in [
        (1, 0),
        (11, 0),
        (12, 1),
        (51, 1),
        (52, 2),
        (201, 2),
        (202, 3),
        (501, 3),
        (502, 4),
        (1_001, 4),
        (1_002, 5),
        (2_002, 6),
        (4_002, 7),
        (6_002, 8),
        (8_001, 8),
        (8_002, 9),
        (9_999, 9),
    ] {
        assert_eq!(long.share_at(query), 0.8 / f64::from(1 << halvings), "try {query}");
    }
    // Half as many tries: everything twice as early.
    let short = Square::default();
    assert_eq!((short.queries, short.share), (5_000, 0.8));
    for (query, halvings) in [(6, 0), (7, 1), (26, 1), (27, 2), (4_001, 8), (4_002, 9)] {
        assert_eq!(short.share_at(query), 0.8 / f64::from(1 << halvings), "try {query}");
    }
}

#[test]
fn sides_of_windows_by_hand() {
    let square = Square { queries: 10_000, share: 0.8 };
    // Roots of 784 times 0.8, 0.4, 0.2, 0.1, 0.05, 0.025 and 0.8 / 512: 25.04, 17.71, 12.52, 8.85, 6.26, 4.43, 1.11.
    for (query, linf, l2) in [
        (1, 25, 25),
        (12, 18, 19),
        (52, 13, 13),
        (202, 9, 9),
        (502, 6, 7),
        (1_002, 4, 5),
        (8_002, 1, 3),
    ] {
        assert_eq!(square.side(query, Norm::Linf, 28, 28), linf, "try {query}");
        assert_eq!(square.side(query, Norm::L2, 28, 28), l2, "try {query}");
    }
    // Never more than fits, and odd in l2.
    let whole = Square { share: 1.0, ..square };
    assert_eq!([whole.side(1, Norm::Linf, 4, 9), whole.side(1, Norm::L2, 4, 9)], [4, 3]);
    assert_eq!([whole.side(1, Norm::Linf, 1, 9), whole.side(1, Norm::L2, 1, 9)], [1, 1]);
    assert_eq!(whole.side(1, Norm::L2, 2, 2), 1);
}

/// An image of the paper: `[channel][row][column]`.
type Image = Vec<Vec<Vec<f64>>>;

fn image(flat: &[f64], [channels, height, width]: [usize; 3]) -> Image {
    let pixel = |i: usize, r: usize, s: usize| flat[(i * height + r) * width + s];
    let row = |i: usize, r: usize| (0..width).map(|s| pixel(i, r, s)).collect();
    (0..channels).map(|i| (0..height).map(|r| row(i, r)).collect()).collect()
}

fn flat(image: &Image) -> Vec<f64> {
    image.iter().flatten().flatten().copied().collect()
}

fn sign(stream: &mut Stream) -> f64 {
    2.0 * stream.below(2) as f64 - 1.0
}

fn length<'a>(numbers: impl Iterator<Item = &'a f64>) -> f64 {
    numbers.map(|x| x * x).sum::<f64>().sqrt()
}

/// Eq. 2, counting from 1: `sum_{k=0}^{M} 1 / (n + 1 - k)^2`, `M = n - max(|r - h1/2 - 1|, |s - h2/2 - 1|)`, both halves rounded down.
fn eta_rectangle(h1: usize, h2: usize) -> Vec<Vec<f64>> {
    let n = (h1.max(h2) / 2) as i64;
    let entry = |r: usize, s: usize| {
        let apart = |place: usize, length: usize| (place as i64 - (length / 2) as i64 - 1).abs();
        let m = n - apart(r, h1).max(apart(s, h2));
        (0..=m).map(|k| 1.0 / ((n + 1 - k) * (n + 1 - k)) as f64).sum()
    };
    (1..=h1).map(|r| (1..=h2).map(|s| entry(r, s)).collect()).collect()
}

/// The bump of a square window, of norm 1: a rectangle of positive and one of negative entries, or its transpose.
fn eta(h: usize, stream: &mut Stream) -> Vec<Vec<f64>> {
    let k = h / 2;
    let negative = eta_rectangle(h - k, h).into_iter();
    let negative = negative.map(|row| row.into_iter().map(|x| -x).collect::<Vec<f64>>());
    let mut square: Vec<Vec<f64>> = eta_rectangle(k, h).into_iter().chain(negative).collect();
    let size = length(square.iter().flatten());
    square.iter_mut().flatten().for_each(|x| *x /= size);
    if stream.below(2) == 0 {
        return square;
    }
    (0..h).map(|r| (0..h).map(|s| square[s][r]).collect()).collect()
}

/// Brings an image into ball and box: the projection of the paper for l-infinity, a shrinking and a clipping for l2.
fn project(candidate: &mut Image, natural: &Image, norm: Norm, epsilon: f64) {
    let moved: Vec<f64> = flat(candidate).iter().zip(flat(natural)).map(|(z, x)| z - x).collect();
    let factor = if norm == Norm::L2 { (epsilon / length(moved.iter())).min(1.0) } else { 1.0 };
    let bound = if norm == Norm::Linf { epsilon } else { f64::INFINITY };
    let pixels = candidate.iter_mut().flatten().flatten().zip(natural.iter().flatten().flatten());
    for ((pixel, natural), moved) in pixels.zip(moved) {
        *pixel = (natural + (moved * factor).clamp(-bound, bound)).clamp(0.0, 1.0);
    }
}

/// The initial image.
fn start(natural: &Image, norm: Norm, epsilon: f64, stream: &mut Stream) -> Image {
    let mut x = natural.clone();
    let (height, width) = (x[0].len(), x[0][0].len());
    if norm == Norm::Linf {
        for channel in &mut x {
            for s in 0..width {
                let rho = sign(stream);
                channel.iter_mut().for_each(|row| row[s] += rho * epsilon);
            }
        }
        return x;
    }
    // Five tiles a side; what is left over is shared between the edges.
    let h = (height.min(width) / 5).max(1);
    let mut nu: Image =
        natural.iter().map(|c| c.iter().map(|r| vec![0.0; r.len()]).collect()).collect();
    for down in 0..height / h {
        for across in 0..width / h {
            let top = (height - height / h * h) / 2 + down * h;
            let left = (width - width / h * h) / 2 + across * h;
            let bump = eta(h, stream);
            for channel in &mut nu {
                let rho = sign(stream);
                for (row, bumps) in channel[top..].iter_mut().zip(&bump) {
                    for (pixel, bump) in row[left..].iter_mut().zip(bumps) {
                        *pixel = rho * bump;
                    }
                }
            }
        }
    }
    let size = length(nu.iter().flatten().flatten());
    for (x, nu) in x.iter_mut().flatten().flatten().zip(nu.iter().flatten().flatten()) {
        *x += nu / size * epsilon;
    }
    x
}

/// Algorithm 2.
fn step_linf(best: &Image, h: usize, epsilon: f64, stream: &mut Stream) -> Image {
    let mut x = best.clone();
    let (height, width) = (x[0].len(), x[0][0].len());
    let r = stream.below((height - h) as u64 + 1) as usize;
    let s = stream.below((width - h) as u64 + 1) as usize;
    for channel in &mut x {
        let rho = 2.0 * epsilon * sign(stream);
        for row in &mut channel[r..r + h] {
            row[s..s + h].iter_mut().for_each(|pixel| *pixel += rho);
        }
    }
    x
}

/// Algorithm 3.
fn step_l2(best: &Image, natural: &Image, h: usize, epsilon: f64, stream: &mut Stream) -> Image {
    let (height, width) = (best[0].len(), best[0][0].len());
    let mut nu = best.clone();
    for (nu, x) in nu.iter_mut().flatten().flatten().zip(natural.iter().flatten().flatten()) {
        *nu -= x;
    }
    let mut corner = || {
        let r = stream.below((height - h) as u64 + 1) as usize;
        (r, stream.below((width - h) as u64 + 1) as usize)
    };
    let ((r1, s1), (r2, s2)) = (corner(), corner());
    let window = |r: usize, s: usize| -> Vec<(usize, usize)> {
        (r..r + h).flat_map(|row| (s..s + h).map(move |column| (row, column))).collect()
    };
    let (w1, w2) = (window(r1, s1), window(r2, s2));
    let mut union = w1.clone();
    union.extend(w2.iter().filter(|place| !w1.contains(place)));
    let used = length(nu.iter().flatten().flatten());
    let unused = (epsilon * epsilon - used * used).max(0.0);
    let bump = eta(h, stream);
    let channels = nu.len() as f64;
    for channel in &mut nu {
        let rho = sign(stream);
        let at = |channel: &Vec<Vec<f64>>, places: &[(usize, usize)]| -> Vec<f64> {
            places.iter().map(|&(r, s)| channel[r][s]).collect()
        };
        let old = at(channel, &w1);
        let size = length(old.iter());
        let share = |old: f64| if size > 0.0 { old / size } else { 0.0 };
        let bumps = bump.iter().flatten();
        let temp: Vec<f64> = bumps.zip(&old).map(|(bump, &old)| rho * bump + share(old)).collect();
        let held = length(at(channel, &union).iter());
        let available = (held * held + unused / channels).sqrt();
        w2.iter().for_each(|&(r, s)| channel[r][s] = 0.0);
        let size = length(temp.iter());
        for (&(r, s), temp) in w1.iter().zip(&temp) {
            channel[r][s] = temp / size * available;
        }
    }
    for (nu, x) in nu.iter_mut().flatten().flatten().zip(natural.iter().flatten().flatten()) {
        *nu += x;
    }
    nu
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_try_is_that_of_the_paper(
        seed in 0u64..10_000,
        norm in prop_oneof![Just(Norm::L2), Just(Norm::Linf)],
        channels in 1..=3usize,
        height in 5..=12usize,
        width in 5..=12usize,
        epsilon in 0.05..0.9f64,
        share in 0.02..=1.0f64,
    ) {
        let shape = [channels, height, width];
        let pixels = channels * height * width;
        let classifier = ByRow(Linear::random(seed, 3, pixels));
        let examples = relabelled(&examples_around_half(seed, 2, pixels, 0.5), &classifier).unwrap();
        let examples = laid_out(&widened(&examples), shape);
        let square = Square { queries: 40, share };
        let (to, draws) = (objective(norm, epsilon), Draws::new(seed));
        let log = logged(&classifier, &square, &examples, &to, draws).unwrap();
        prop_assert_eq!(log.points.len(), 40);
        for (row, natural) in rows(examples.images()).unwrap().iter().enumerate() {
            let natural = image(natural, shape);
            let (mut best, mut best_loss) = (natural.clone(), f64::NEG_INFINITY);
            for query in 0..square.queries {
                let id = examples.ids()[row];
                let mut stream = draws.stream("square", id, 0, query, 0);
                let side = square.side(query, norm, height, width);
                let mut candidate = match (query, norm) {
                    (0, _) => start(&natural, norm, epsilon, &mut stream),
                    (_, Norm::Linf) => step_linf(&best, side, epsilon, &mut stream),
                    _ => step_l2(&best, &natural, side, epsilon, &mut stream),
                };
                project(&mut candidate, &natural, norm, epsilon);
                let found = &log.points[query as usize][row];
                let apart = found.iter().zip(flat(&candidate)).map(|(a, b)| (a - b).abs());
                // Projections aim a millionth inside.
                prop_assert!(apart.fold(0.0, f64::max) < 1e-5 * epsilon, "try {} of row {}", query, row);
                let loss = log.losses[query as usize][row];
                if loss > best_loss {
                    (best, best_loss) = (image(found, shape), loss);
                }
            }
            prop_assert_eq!(&log.end[row], &flat(&best));
        }
    }
}

#[test]
fn in_l2_every_try_uses_the_whole_radius() {
    let pixels = 100;
    let classifier = ByRow(Linear::random(3, 3, pixels));
    let examples = relabelled(&examples_around_half(3, 3, pixels, 0.1), &classifier).unwrap();
    let examples = laid_out(&widened(&examples), [1, 10, 10]);
    // Far from the box, so that nothing is clipped.
    let (square, epsilon) = (Square { queries: 200, share: 0.5 }, 0.3);
    let to = objective(Norm::L2, epsilon);
    let log = logged(&classifier, &square, &examples, &to, Draws::new(1)).unwrap();
    let natural = rows(examples.images()).unwrap();
    for points in &log.points {
        for (point, natural) in points.iter().zip(&natural) {
            let moved: Vec<f64> = point.iter().zip(natural).map(|(z, x)| z - x).collect();
            assert!((length(moved.iter()) / epsilon - 1.0).abs() < 1e-5);
        }
    }
    let gained = |row: usize| log.losses[199][row] - log.losses[0][row];
    assert!((0..3).any(|row| gained(row) != 0.0), "nothing moves");
}

#[test]
fn a_linear_loss_in_linf_is_maximised_exactly() {
    let slope = [0.9, -0.4, 0.3, -0.8, 0.2, 0.7, -0.1, 0.5, -0.6];
    let classifier = ByRow(Linear::two_classes(slope.to_vec(), -9.0));
    let examples = laid_out(&examples_around_half(1, 3, 9, 0.1), [1, 3, 3]);
    let square = Square { queries: 600, share: 0.1 };
    let epsilon = 0.2;
    let to = objective(Norm::Linf, epsilon);
    let log = logged(&classifier, &square, &examples, &to, Draws::new(1)).unwrap();
    for (end, natural) in log.end.iter().zip(rows(examples.images()).unwrap()) {
        for ((z, x), w) in end.iter().zip(natural).zip(slope) {
            assert!((z - x - epsilon * w.signum()).abs() < 1e-5, "{z} from {x} along {w}");
        }
    }
}

#[test]
fn no_gradient_is_asked_for_and_every_query_is_a_verdict() {
    let classifier = ByRow(Constant(vec![1.0, 0.0]));
    let examples = laid_out(&examples_around_half(2, 3, 25, 0.2), [1, 5, 5]);
    for norm in [Norm::L2, Norm::Linf] {
        for judge in [Judge::Final, Judge::Any] {
            let driver = Driver { judge, ..Driver::default() };
            let square = Square { queries: 30, share: 0.3 };
            let to = objective(norm, 0.2);
            let outcome = driver.run(&classifier, &square, &examples, &to, Draws::new(1)).unwrap();
            for verdict in outcome.verdicts {
                // The natural and the last image are judged besides.
                assert_eq!((verdict.forward, verdict.backward), (30 + 2, 0));
            }
        }
    }
}

#[test]
fn a_targeted_search_climbs_toward_its_target() {
    let classifier = ByRow(Linear::random(6, 4, 16));
    let examples = relabelled(&examples_around_half(6, 10, 16, 0.2), &classifier).unwrap();
    let examples = laid_out(&examples, [1, 4, 4]);
    let targets: Vec<u32> = examples.labels().iter().map(|label| (label + 1) % 4).collect();
    let to = Objective::targeted(ThreatModel::new(Norm::Linf, 0.4).unwrap(), targets);
    let driver = Driver { judge: Judge::Any, stop_fooled: true, ..Driver::default() };
    let square = Square { queries: 300, share: 0.3 };
    let outcome = driver.run(&classifier, &square, &examples, &to, Draws::new(1)).unwrap();
    assert!(outcome.verdicts.iter().any(|verdict| verdict.fooled_any), "it hits nothing");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let classifier = ByRow(Constant(vec![1.0, 0.0, 0.0]));
    let examples: Examples = examples_around_half(1, 2, 4, 0.1);
    let refusal = |square: Square, to: &Objective| {
        let outcome = Driver::default().run(&classifier, &square, &examples, to, Draws::new(1));
        outcome.expect_err("must be refused").to_string()
    };
    let within = |norm| objective(norm, 0.5);
    let usual = Square::default();
    assert!(refusal(Square { queries: 0, ..usual }, &within(Norm::L2)).starts_with("queries"));
    for share in [0.0, -0.1, 1.1, f64::NAN] {
        assert!(refusal(Square { share, ..usual }, &within(Norm::L2)).starts_with("share"));
    }
    assert!(refusal(usual, &within(Norm::L1)).contains("made for l2 and linf"));
    let smallest = Objective { goal: Goal::Smallest(Norm::L2), aim: Aim::Untargeted };
    assert!(refusal(usual, &smallest).contains("threat model with an epsilon"));
}
