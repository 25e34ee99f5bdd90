//! Attacks on models whose answers are known on paper; the driver's counting, cap and judge.

mod accounting;
mod apgd;
mod ascent;
mod ascent_on;
mod beside;
mod budgets;
mod compass;
mod curvature;
mod ddn;
mod disguises;
mod engine;
mod guides;
mod independence;
mod judging;
mod masked;
mod methods;
mod plane;
mod refusals;
mod second_order;
mod settings;
mod slopes;
mod square;
mod stepwise;
mod suite;
mod toward_images;
