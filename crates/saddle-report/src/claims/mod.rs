//! Claims about the cells of a report, decided by rules that stand in the plan before anything runs.
//!
//! A [`Claim`] is a list of [`Test`]s. A test looks at cells of named tables, networks and rows, seed by
//! seed, and holds, contradicts or leaves the claim undecided; [`decide`] makes a [`Verdict`] of that.
//! [`differences`] lists the cells that differ from the paper and says which changed choice, run again,
//! closes the gap.
//!
//! # Rules
//!
//! | test | a seed holds | a seed contradicts |
//! | --- | --- | --- |
//! | `at_least`, `at_most` | its 95 % Wilson interval lies on the claimed side of the threshold | it lies on the other side |
//! | `below` | exact McNemar test, adjusted by Holm, is significant and the sign is the claimed one | it is significant with the other sign, or the 95 % interval of the difference lies within the margin |
//! | `equal` | two one-sided tests, adjusted by Holm, put the difference within the margin | its 95 % interval lies wholly beyond the margin |
//! | `within_bound` | no more digits stand than any classifier can have robust | more do |
//! | `curve_above` | the curve lies so many times above the other at the stated share of steps | it does so at no more than the rest of the steps |
//! | `crosses` | by any iterate, the 95 % interval falls wholly to or below the level at some number of steps | it ends wholly above it, and no step reached it |
//!
//! A test holds if every seed of every network holds, and contradicts if all seeds of one network do.
//! So a single seed with another sign leaves it undecided. All p-values of all claims are one family of
//! Holm's method; a planned comparison that was not measured counts as a member.
//!
//! A claim of which anything is missing is open, whatever the rest says.

mod causes;
mod claim;
mod curves;
mod evidence;
mod verdict;

pub(crate) use verdict::contradicted_everywhere;

pub use causes::{Cause, Difference, Tried, differences};
pub use claim::{Against, Claim, Claims, Needs, Test};
pub use evidence::{Absent, Evidence, Fates, Judged, Material, Share};
pub use verdict::{Decided, Outcome, Tested, Verdict, decide};
