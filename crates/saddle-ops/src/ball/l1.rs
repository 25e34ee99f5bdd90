//! The nearest point of an l1 ball within a box.
//!
//! With the multiplier of the ball, the conditions of optimality read
//! `d_i = min(max(p_i - threshold, 0), room_i)` for magnitudes `p` and one unknown threshold. Their sum
//! falls from more than the radius at threshold 0 to 0 at the largest magnitude, piecewise linearly.
//! Newton's method inside a shrinking bracket lands on the solution as soon as the bracket holds no
//! kink; every second round halves the bracket, so kinks in unlucky places cannot stall it.
//!
//! Two thresholds bracket the answer in the end, and the point is interpolated between their points:
//! exact on a linear piece, and right even for candidates so far away (`1e30`) that neighbouring
//! thresholds differ by more than the radius.

/// Rounds after which the bracket cannot shrink further in `f64`, with a wide margin.
const ROUNDS: usize = 4000;

/// Lowers `magnitudes`, whose part within `room` sums to more than `radius`, to the nearest point.
pub(super) fn limit(magnitudes: &mut [f64], room: &[f64], radius: f64) {
    let (mut low, mut high) = (0.0, magnitudes.iter().fold(0.0f64, |m, v| m.max(*v)));
    let mut newton = low;
    for round in 0..ROUNDS {
        let middle = low + (high - low) / 2.0;
        let inside = |threshold: f64| threshold > low && threshold < high;
        let threshold = if round == 0 {
            low
        } else if round % 2 == 1 && inside(newton) {
            newton
        } else if inside(middle) {
            middle
        } else {
            break;
        };
        let (sum, slope) = sum_and_slope(magnitudes, room, threshold);
        if sum > radius {
            low = threshold;
        } else {
            high = threshold;
        }
        if (sum - radius).abs() <= 1e-15 * radius {
            break;
        }
        newton = threshold + (sum - radius) / slope;
    }
    let (above, _) = sum_and_slope(magnitudes, room, low);
    let (below, _) = sum_and_slope(magnitudes, room, high);
    let share =
        if above > below { ((radius - below) / (above - below)).clamp(0.0, 1.0) } else { 0.0 };
    for (m, room) in magnitudes.iter_mut().zip(room) {
        let (far, near) = (shrunk(*m, *room, low), shrunk(*m, *room, high));
        *m = near + share * (far - near);
    }
}

/// One coordinate for one threshold.
fn shrunk(magnitude: f64, room: f64, threshold: f64) -> f64 {
    (magnitude - threshold).max(0.0).min(room)
}

/// Sum of all coordinates for one threshold, and how fast it falls there.
fn sum_and_slope(magnitudes: &[f64], room: &[f64], threshold: f64) -> (f64, f64) {
    let (mut sum, mut slope) = (0.0, 0.0);
    for (m, room) in magnitudes.iter().zip(room) {
        let d = shrunk(*m, *room, threshold);
        sum += d;
        slope += f64::from(u8::from(d > 0.0 && d < *room));
    }
    (sum, slope)
}
