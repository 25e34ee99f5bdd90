//! Attack a classifier of your own: `cargo run -p saddle-attacks --example attack_your_own_classifier`.
fn main() { let _ = saddle_attacks::ProjectedAscent::raw_pgd(1.0, 1); }
