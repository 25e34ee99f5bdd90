//! Statistics, and reports as JSON, Markdown, CSV and HTML.

mod bounds;
mod bounds_shown;
mod cells;
mod json;
mod paired;
mod render;
mod rivals;
mod statistics;
