//! Plans, keys, the store, and runs that are interrupted, damaged and resumed.

mod choice_of_digits;
mod end_to_end;
mod keys;
mod plans;
mod refusals;
mod stores;
mod times;
