//! Ratios as a picture: a chart as JSON on standard input, SVG on standard output.

use anyhow::{Context as _, Result};
use saddle_report::RatioChart;

pub(crate) fn run() -> Result<()> {
    let chart: RatioChart =
        serde_json::from_reader(std::io::stdin().lock()).context("a chart of ratios as JSON")?;
    print!("{}", chart.to_svg());
    Ok(())
}
