//! Plans, keys, the store, and runs that are interrupted, damaged and resumed.

mod bounds;
mod choice_of_digits;
mod claims;
mod conflicts;
mod curves;
mod datasets;
mod end_to_end;
mod given;
mod gradient_free;
mod keys;
mod known;
mod ladder;
mod masking;
mod methods;
mod nearest;
mod plans;
mod profiles;
mod refusals;
mod shards;
mod sources;
mod stages;
mod stores;
mod times;
mod verdicts;
mod worst_of;
