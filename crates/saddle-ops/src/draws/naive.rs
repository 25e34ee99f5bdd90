//! The naive twins of [`Draws::gaussian`] and [`Draws::survivors`]: one number after the other, in `f64`, by `libm`.

use super::{Draws, Purpose};

impl Draws {
    /// One row of standard normals, from the words that [`Draws::gaussian`] uses, as a person would
    /// write them; equal to its noise up to the rounding of `f32`.
    #[must_use]
    pub fn gaussian_naive(
        &self,
        label: &str,
        example: u64,
        restart: u32,
        step: u32,
        sample: u32,
        width: usize,
    ) -> Vec<f64> {
        let mut stream = self.open(Purpose::Gaussian, label, example, restart, step, sample);
        let half = width.div_ceil(2);
        let mut uniform = || (f64::from(stream.word()) + 0.5) / 4_294_967_296.0;
        let radii: Vec<f64> = (0..half).map(|_| (-2.0 * libm::log(uniform())).sqrt()).collect();
        // An angle is the word itself, without the half that keeps the logarithm finite.
        let mut turn = || std::f64::consts::TAU * f64::from(stream.word()) / 4_294_967_296.0;
        let angles: Vec<f64> = (0..half).map(|_| turn()).collect();
        let cosines = radii.iter().zip(&angles).map(|(r, a)| r * libm::cos(*a));
        let sines = radii.iter().zip(&angles).map(|(r, a)| r * libm::sin(*a));
        cosines.chain(sines).take(width).collect()
    }

    /// Which of `width` units survive, from the words that [`Draws::survivors`] uses.
    #[must_use]
    pub fn survivors_naive(
        &self,
        label: &str,
        example: u64,
        restart: u32,
        step: u32,
        sample: u32,
        rate: f64,
        width: usize,
    ) -> Vec<bool> {
        let mut stream = self.open(Purpose::Survival, label, example, restart, step, sample);
        (0..width).map(|_| f64::from(stream.word()) / 4_294_967_296.0 >= rate).collect()
    }
}
