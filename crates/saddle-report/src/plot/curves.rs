//! A figure: mean, median and band of each series over the steps, on a logarithmic axis.

use plotters::style::RGBColor;

use super::canvas::{Anchor, Canvas, Point, Theme, color, drawing};
use crate::figure::{Figure, Series};

const SIZE: (u32, u32) = (760, 470);
/// Left, upper, right and lower edge of the plot itself.
const FRAME: [i32; 4] = [84, 70, 744, 372];
/// Decades below the largest value that the axis shows at most.
const DECADES: i32 = 14;

impl Figure {
    /// The figure as an SVG file.
    pub fn to_svg(&self) -> String {
        curves(self, Theme::Paper)
    }
}

pub(crate) fn curves(figure: &Figure, theme: Theme) -> String {
    let legend = 22 * figure.series.len() as u32;
    drawing(SIZE.0, SIZE.1 + legend.saturating_sub(22), theme, |canvas| {
        canvas.text((16, 22), Anchor::Start, 18, true, color::INK, &figure.title);
        canvas.text((16, 44), Anchor::Start, 13, false, color::FAINT, &figure.quantity);
        match Axes::around(figure) {
            Some(axes) => {
                axes.draw(canvas);
                for (index, series) in figure.series.iter().enumerate() {
                    draw_series(canvas, &axes, series, hue(index));
                }
            }
            None => {
                let words = "no finite value to draw";
                canvas.text((414, 216), Anchor::Middle, 15, false, color::FAINT, words);
            }
        }
        for (index, series) in figure.series.iter().enumerate() {
            let at = (FRAME[0], 438 + 22 * index as i32);
            canvas.bar([(at.0, at.1 - 5), (at.0 + 22, at.1 + 5)], hue(index));
            canvas.text((at.0 + 30, at.1), Anchor::Start, 14, false, color::INK, &series.label);
        }
    })
}

fn hue(index: usize) -> RGBColor {
    color::SERIES[index % color::SERIES.len()]
}

/// From steps and values to pixels.
struct Axes {
    steps: usize,
    /// First and last power of ten.
    decades: (i32, i32),
}

impl Axes {
    /// Axes that hold every positive value of the figure, or none if there is none.
    fn around(figure: &Figure) -> Option<Self> {
        let series = &figure.series;
        let steps = series.iter().map(|series| series.mean.len()).max()?;
        let values = series.iter().flat_map(|s| [&s.mean, &s.median, &s.low, &s.high]).flatten();
        let positive = values.copied().filter(|value| value.is_finite() && *value > 0.0);
        let (low, high) = positive
            .fold((f64::INFINITY, 0.0f64), |(low, high), value| (low.min(value), high.max(value)));
        if high <= 0.0 || steps == 0 {
            return None;
        }
        let last = high.log10().ceil() as i32;
        let first = (low.log10().floor() as i32).max(last - DECADES);
        Some(Self { steps, decades: (first, last.max(first + 1)) })
    }

    fn x(&self, step: usize) -> i32 {
        let [left, _, right, _] = FRAME;
        let share = step as f64 / (self.steps - 1).max(1) as f64;
        left + (share * f64::from(right - left)).round() as i32
    }

    /// None for what is not finite; what is too small lies on the lower edge.
    fn y(&self, value: f64) -> Option<i32> {
        let [_, upper, _, lower] = FRAME;
        let (first, last) = (f64::from(self.decades.0), f64::from(self.decades.1));
        if !value.is_finite() {
            return None;
        }
        let decade = if value > 0.0 { value.log10().clamp(first, last) } else { first };
        let share = (decade - first) / (last - first);
        Some(lower - (share * f64::from(lower - upper)).round() as i32)
    }

    fn draw(&self, canvas: &Canvas<'_>) {
        let [left, upper, right, lower] = FRAME;
        let (first, last) = self.decades;
        let every = ((last - first) / 7 + 1).max(1) as usize;
        for decade in (first..=last).step_by(every) {
            if let Some(y) = self.y(10f64.powi(decade)) {
                canvas.line(vec![(left, y), (right, y)], 1, color::LINE);
                let label = match decade {
                    -2..=3 => format!("{}", 10f64.powi(decade)),
                    _ => format!("1e{decade}"),
                };
                canvas.text((left - 8, y), Anchor::End, 13, false, color::FAINT, &label);
            }
        }
        let most = self.steps - 1;
        let every = [1, 2, 5, 10, 20, 25, 50, 100, 200, 500];
        let every = every.into_iter().find(|every| most / every <= 10).unwrap_or(most / 10);
        for step in (0..=most).step_by(every.max(1)) {
            let x = self.x(step);
            canvas.line(vec![(x, lower), (x, lower + 5)], 1, color::FAINT);
            canvas.text(
                (x, lower + 16),
                Anchor::Middle,
                13,
                false,
                color::FAINT,
                &step.to_string(),
            );
        }
        canvas.line(vec![(left, upper), (left, lower), (right, lower)], 1, color::FAINT);
        let middle = (left + right) / 2;
        canvas.text((middle, lower + 38), Anchor::Middle, 13, false, color::FAINT, "attack step");
    }
}

fn draw_series(canvas: &Canvas<'_>, axes: &Axes, series: &Series, hue: RGBColor) {
    let band = series.low.iter().zip(&series.high).map(|(low, high)| (*low, *high));
    let band = pieces(band.map(|(low, high)| Some((axes.y(low)?, axes.y(high)?))));
    for piece in band.into_iter().filter(|piece| piece.len() > 1) {
        let above = piece.iter().map(|(step, (_, high))| (axes.x(*step), *high));
        let below = piece.iter().rev().map(|(step, (low, _))| (axes.x(*step), *low));
        canvas.area(above.chain(below).collect(), hue);
    }
    let line = |values: &[f64]| -> Vec<Vec<Point>> {
        let pieces = pieces(values.iter().map(|value| axes.y(*value)));
        let points = |piece: Vec<(usize, i32)>| {
            piece.into_iter().map(|(step, y)| (axes.x(step), y)).collect()
        };
        pieces.into_iter().map(points).collect()
    };
    for points in line(&series.median) {
        canvas.dashes(points, 2, hue);
    }
    for points in line(&series.mean) {
        // A point without neighbours still has to be seen.
        let (x, y) = points[0];
        canvas.bar([(x - 2, y - 2), (x + 2, y + 2)], hue);
        canvas.line(points, 3, hue);
    }
}

/// Runs of present values with their positions, none empty; an absent value ends a run.
fn pieces<T>(values: impl Iterator<Item = Option<T>>) -> Vec<Vec<(usize, T)>> {
    let mut pieces = vec![Vec::new()];
    for (position, value) in values.enumerate() {
        match (value, pieces.last_mut()) {
            (Some(value), Some(piece)) => piece.push((position, value)),
            _ => pieces.push(Vec::new()),
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}
