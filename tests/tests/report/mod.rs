//! Statistics, and reports as JSON, Markdown, CSV and HTML.

mod cells;
mod json;
mod render;
mod rivals;
mod statistics;
