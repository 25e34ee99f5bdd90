//! The nearest point of a cube: each coordinate on its own.

/// Lowers each magnitude to at most `radius` and at most its room.
pub(super) fn limit(magnitudes: &mut [f64], room: &[f64], radius: f64) {
    for (m, room) in magnitudes.iter_mut().zip(room) {
        *m = m.min(radius).min(*room);
    }
}
