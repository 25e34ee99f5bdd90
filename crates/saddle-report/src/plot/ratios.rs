//! Ratios as horizontal bars, with a mark at what was aimed at and a line at 1, where both sides are equal.

use super::canvas::{Anchor, Theme, color, drawing};
use crate::ratios::{RatioChart, RatioRow};

const WIDTH: u32 = 800;
/// Pixels of ratio 0 and of the largest one.
const SCALE: (i32, i32) = (400, 690);
const HEAD: i32 = 88;
const LINE: i32 = 24;

impl RatioChart {
    /// The chart as an SVG file. A ratio that is not finite is drawn as not measured.
    pub fn to_svg(&self) -> String {
        let height = HEAD + LINE * self.rows.len() as i32 + 20;
        let numbers = self.rows.iter().flat_map(|row| [measured(row), row.bar]).flatten();
        let largest = numbers.filter(|number| number.is_finite()).fold(1.0, f64::max);
        let x = |ratio: f64| {
            let (left, right) = SCALE;
            left + ((ratio / largest).clamp(0.0, 1.0) * f64::from(right - left)).round() as i32
        };
        drawing(WIDTH, height as u32, Theme::Paper, |canvas| {
            canvas.text((16, 22), Anchor::Start, 18, true, color::INK, &self.title);
            canvas.text((16, 44), Anchor::Start, 13, false, color::FAINT, &self.caption);
            canvas.diamond((22, 66), 5, color::INK);
            let words = "aimed at; the line is at 1, as fast as the other";
            canvas.text((34, 66), Anchor::Start, 13, false, color::FAINT, words);
            for (place, row) in self.rows.iter().enumerate() {
                let y = HEAD + LINE * place as i32 + LINE / 2;
                let label = (SCALE.0 - 10, y);
                canvas.text(label, Anchor::End, 13, false, color::INK, &row.label);
                let end = match measured(row) {
                    Some(ratio) => {
                        canvas.bar([(SCALE.0, y - 7), (x(ratio), y + 7)], hue(ratio, row.bar));
                        (x(ratio).max(row.bar.map_or(0, x)), format!("{ratio:.2}"))
                    }
                    None => (row.bar.map_or(SCALE.0, x), "not measured".to_owned()),
                };
                if let Some(bar) = row.bar.filter(|bar| bar.is_finite()) {
                    canvas.diamond((x(bar), y), 5, color::INK);
                }
                let beside = (end.0 + 12, y);
                canvas.text(beside, Anchor::Start, 13, false, color::INK, &end.1);
            }
            let line = vec![(x(1.0), HEAD - 4), (x(1.0), height - 16)];
            canvas.dashes(line, 1, color::FAINT);
        })
    }
}

fn measured(row: &RatioRow) -> Option<f64> {
    row.ratio.filter(|ratio| ratio.is_finite())
}

fn hue(ratio: f64, bar: Option<f64>) -> plotters::style::RGBColor {
    match bar {
        Some(bar) if ratio >= bar => color::THIRD,
        Some(_) => color::SECOND,
        None => color::NATURAL,
    }
}
