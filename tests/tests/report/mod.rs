//! Statistics, and reports as JSON, Markdown, CSV and HTML.

mod bounds;
mod bounds_shown;
mod causes;
mod cells;
mod claims;
mod claims_shown;
mod curves;
mod json;
mod ladder;
mod masking;
mod paired;
mod render;
mod rivals;
mod statistics;
mod verdicts;
