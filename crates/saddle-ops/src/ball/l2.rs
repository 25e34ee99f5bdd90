//! The nearest point of a Euclidean ball within a box.
//!
//! With the multiplier of the ball, the conditions of optimality read `d_i = min(s p_i, room_i)` for
//! magnitudes `p` and one unknown factor `s` in (0, 1]. In `t = s^2` the squared length
//!
//! ```text
//! F(t) = sum_i min(t p_i^2, room_i^2)
//! ```
//!
//! is increasing, concave and piecewise linear. Newton's method from the left therefore never
//! overshoots the solution of `F(t) = radius^2`, fixes at least one more coordinate at its room in
//! every round, and stops at the exact answer, usually after two to five rounds. Without a box the
//! first round is the closed form `s = radius / |p|`.

/// Lowers `magnitudes`, whose part within `room` is longer than `radius`, to the nearest point.
pub(super) fn limit(magnitudes: &mut [f64], room: &[f64], radius: f64) {
    // Relative to the largest magnitude: no square overflows, however far the candidate.
    let largest = magnitudes.iter().fold(0.0f64, |m, v| m.max(*v));
    magnitudes.iter_mut().for_each(|m| *m /= largest);

    let squares: f64 = magnitudes.iter().map(|m| m * m).sum();
    let mut t = radius * radius / squares;
    loop {
        let (mut fixed, mut free) = (0.0, 0.0);
        for (m, room) in magnitudes.iter().zip(room) {
            if t * m * m >= room * room {
                fixed += room * room;
            } else {
                free += m * m;
            }
        }
        let next = (radius * radius - fixed) / free;
        // Also leaves when nothing is free, which makes `next` NaN or infinite.
        if !(next > t && next.is_finite()) {
            break;
        }
        t = next;
    }
    let factor = t.sqrt();
    for (m, room) in magnitudes.iter_mut().zip(room) {
        *m = (factor * *m).min(*room);
    }
}
