//! Attacks: what they may do, how they are run, and who says that they succeeded.
//!
//! An adversarial example is a claim: *this image is close to that one, and the classifier gets it
//! wrong*. This crate keeps the three people behind such a claim apart.
//!
//! - The **threat model** says what is allowed: a norm, a radius and the pixel box
//!   ([`ThreatModel`], [`Goal`], [`Objective`]).
//! - The **attack** looks for the image. It never calls a model: it *asks* for gradients or losses
//!   at points of its choosing and is *told* the answers ([`Attack`], [`Run`], [`Query`],
//!   [`Answer`]). FGSM, PGD and the Second-Order attack are one projected ascent
//!   ([`ProjectedAscent`]) that differs in where it looks ([`Direction`]); along the curvature of the
//!   loss, which S-O is said to follow, climbs a [`CurvatureAscent`]; [`Apgd`] chooses its own step, [`Square`]
//!   asks for no gradient, [`Ddn`] looks for the nearest image, and [`Standard`] is several of them in turn.
//! - The **driver** answers, counts every forward and backward pass, stops at the cap and judges
//!   ([`Driver`], [`Verdict`]). Nobody judges their own attack: distances are measured again, in
//!   64 bits, on the very images that count, and one infeasible image fails the whole run.
//!
//! Because an attack only asks, the same run can be stepped by a test, by a training loop
//! ([`perturb`]) or by a browser that wants one step per message ([`Stepwise`]).
//!
//! # Auditing a network of your own
//!
//! 1. Put it behind [`Classifier`](saddle_model::Classifier): one method, `forward`, which returns logits and the way back. Known
//!    weight files need no code ([`load_network`](saddle_model::load_network)).
//! 2. [`Examples`]: images in the range of the threat model's pixels, labels, and an id each, which keys its noise.
//! 3. How many stand: [`Standard::suite`] for the [`ThreatModel`], then [`Suite::run`]. Attacks of your own go into a [`Suite`] beside
//!    them; a single one goes through [`Driver::run`]. Each [`Verdict`] says what fooled, when, how far away and for how many passes.
//! 4. Whether to believe it: `measure_masking` of `saddle-experiments` and `judge` of `saddle-report`, as its example
//!    `audit_your_own_network` does.
//!
//! The examples `attack_your_own_classifier` and `write_your_own_attack` show the first and the third step and nothing else.
//!
//! # Conventions
//!
//! - Images are `(n, c, h, w)` tensors; row `i` of any result depends on row `i` of the arguments
//!   only. Losses are per example and summed, never averaged, before they are differentiated.
//! - Every random number is a pure function of a seed, a purpose, the example's id, the restart,
//!   the step and the sample. So the same example meets the same noise in any batch, whoever left.
//! - One gradient costs one forward and one backward pass; so does judging cost its forward pass.
//!
//! # What is deliberately absent
//!
//! Files, clocks, global random sources, threads of our own (they are inside the classifier) and
//! any change to the model under attack.

mod apgd;
mod ascent_on;
mod attack;
mod attack_settings;
mod compass;
mod curvature;
mod ddn;
mod diagnostics;
mod direction;
mod driver;
mod error;
mod examples;
mod fgsm;
mod masked;
mod method;
mod per_row;
mod pgd;
mod plane;
mod projected_ascent;
mod second_order;
mod slopes;
mod smallest;
mod square;
mod suite;
mod threat_model;
mod toward_images;
mod trace;
mod verdict;

pub use apgd::Apgd;
pub use ascent_on::{AscentOn, WhenFlat};
pub use attack::{Answer, Attack, Perturbed, Query, Run, answer, perturb};
pub use attack_settings::{AttackKind, AttackSettings, RuleKind, SettingsLoss, StartKind};
pub use compass::Compass;
pub use curvature::{Curvature, CurvatureAscent, Sign};
pub use ddn::Ddn;
pub use diagnostics::{GradientInspection, inspect_gradients};
pub use direction::Direction;
pub use driver::{Driver, Request, Standing, Stepwise};
pub use error::{Error, Result};
pub use examples::{Examples, select_rows};
pub use masked::{Disguise, KNOWN_CASES, KnownCase, Purpose};
pub use method::{Found, Method};
pub use plane::Plane;
pub use projected_ascent::{ProjectedAscent, Start};
pub use slopes::{SlopeInspection, SlopeLook, inspect_slopes};
pub use smallest::SmallestDistances;
pub use square::Square;
pub use suite::{MemberOutcome, Standard, Suite, SuiteOutcome};
pub use threat_model::{Goal, Objective, ThreatModel};
pub use toward_images::TowardImages;
pub use trace::StepTrace;
pub use verdict::{Judge, Outcome, Verdict};
