//! Attacks on models whose answers are known on paper; the driver's counting, cap and judge.

mod accounting;
mod ascent;
mod ascent_on;
mod beside;
mod budgets;
mod engine;
mod guides;
mod independence;
mod judging;
mod plane;
mod refusals;
mod second_order;
mod settings;
mod stepwise;
mod toward_images;
