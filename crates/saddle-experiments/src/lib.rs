//! From a plan to a report: what is trained and attacked, where it is kept, how it goes on after a
//! power cut.
//!
//! A [`Plan`] says in plain text which networks are trained, which attacks try them and which tables
//! come out. [`Laboratory::run`] turns it into jobs — train, attack, curve, steps, fooled digits, signs of masking, bound — and keeps every result
//! and every half-finished one in a [`Store`], under a [`Key`] that is the hash of all that it
//! depends on: the plan's part, the keys of its inputs, the data, the revision of the algorithm,
//! the program's version and what `Cargo.lock` says of its dependencies, and the kernels. So the same work is never done twice, a changed setting never meets an old result,
//! and a run that was killed goes on where it was.
//!
//! Several processes may share a store, on one machine or on many: each job is worked on by one of them, whoever dies is
//! replaced, and the report is that of a single run ([`Sharing`]).
//!
//! # Auditing a network of your own
//!
//! Without a plan: [`measure_masking`] measures on any classifier what a verdict on gradient masking rests on, and
//! [`judge`](saddle_report::masking::judge) gives it; the example `audit_your_own_network` runs a suite of attacks before. With
//! one: a plan whose columns are filled from weight files ([`Outside`], `--weights-dir`) gives tables, intervals, curves, bounds
//! ([`conflicts`] finds the images that none can keep) and verdicts, beside the hash of the weights that they are about.
//!
//! # Invariants
//!
//! - The report is a pure function of plan, data, program and kernels. Times are kept apart.
//! - A cell that failed or was not reached says so and why; the other cells are measured all the same.
//! - Settings of attacks are chosen on training digits that no network saw, never on test digits.
//!
//! # What is deliberately absent
//!
//! Nothing is printed: an observer ([`RunObserver`]) hears of everything. No environment variable is
//! read. The clock is read only to write down how long jobs took, to say how long they may take, and to tell a dead process
//! from a living one.

mod agenda;
mod card;
mod conflicts;
mod digits;
mod error;
mod foreign;
mod given;
mod job;
mod key;
mod known;
mod leases;
mod lock;
mod masking;
mod methods;
mod nearest;
mod paper;
mod plan;
mod run;
mod share;
mod store;
mod validate;
mod write;

pub use card::model_card;
pub use conflicts::{ClosePair, closest_conflicts, conflicts, in_conflict};
pub use digits::{Digits, Part};
pub use error::{Error, Result};
pub use foreign::name_map;
pub use given::Given;
pub use job::{Data, Machine, RunObserver, Unobserved};
pub use key::{Key, Program, canonical_json, sha256_hex};
pub use known::Known;
pub use leases::Patience;
pub use lock::locked;
pub use masking::{RadiusTrial, Trials, measure_masking};
pub use nearest::{Among, TowardNearest, nearest_of_other_classes, toward_nearest};
pub use plan::{
    AttackPlan, BoundThreat, Bounds, BudgetCurve, CalibrationPlan, Choice, Climb, CompassPlan,
    Curve, EpsilonCurve, Figure1, Figure2, GradientFree, KnownCasePlan, LadderPlan, LadderThreat,
    NetworkPlan, PROFILES, Plan, Precision, RivalThreat, Rivals, Row, RungAttack, RungPlan,
    StepCurve, Table, VerdictPlan, VerdictThreat,
};
pub use run::{
    AttackDetail, BoundDetail, Detail, Finished, JobEntry, JobKind, JobTime, Laboratory,
    LadderDetail, MemberDetail, Outside, RungDetail, Stage, Stages,
};
pub use share::{Role, Shard, Sharing};
pub use store::{AtomicDisk, Disk, Store};
pub use write::{check_writable, erase_report, render, write_all};
