//! The same updates, one number at a time, in the notation of their sources: the twin that a person
//! can read and that the fast pass is held against.

/// Adam on one weight after a history of gradients, by Algorithm 1 of Kingma and Ba (ICLR 2015).
///
/// Starts at `weight` and returns the weight after each gradient; `rates` are the step sizes alpha,
/// one per gradient.
pub fn adam(
    weight: f64,
    gradients: &[f64],
    rates: &[f64],
    beta1: f64,
    beta2: f64,
    stabilizer: f64,
) -> Vec<f64> {
    let (mut theta, mut m, mut v) = (weight, 0.0, 0.0);
    let mut history = Vec::new();
    for (t, (g, alpha)) in (1..).zip(gradients.iter().zip(rates)) {
        m = beta1 * m + (1.0 - beta1) * g;
        v = beta2 * v + (1.0 - beta2) * g * g;
        let m_hat = m / (1.0 - beta1.powi(t));
        let v_hat = v / (1.0 - beta2.powi(t));
        theta -= alpha * m_hat / (v_hat.sqrt() + stabilizer);
        history.push(theta);
    }
    history
}

/// Gradient descent with momentum on one weight: `b = momentum * b + g`, `weight -= rate * b`.
///
/// Returns the weight after each gradient.
pub fn momentum(weight: f64, gradients: &[f64], rates: &[f64], momentum: f64) -> Vec<f64> {
    let (mut theta, mut b) = (weight, 0.0);
    let mut history = Vec::new();
    for (g, rate) in gradients.iter().zip(rates) {
        b = momentum * b + g;
        theta -= rate * b;
        history.push(theta);
    }
    history
}
