//! A chart of accuracies: a panel per network on common axes, a colour per attack, a line per seed.

use plotters::style::RGBColor;

use super::canvas::{Anchor, Canvas, Point, Theme, color, drawing};
use crate::curves::{AccuracyCurve, Axis, Chart};
use crate::words::curves as words;

const WIDTH: i32 = 780;
/// Space around the panels: left, right.
const MARGIN: (i32, i32) = (16, 8);
/// Of a panel: room for its labels at the left, its name above, and ticks and axis title below.
const LABELS: (i32, i32, i32) = (44, 30, 52);
/// Height of a panel's frame.
const TALL: i32 = 176;
const LINE: i32 = 20;

impl Chart {
    /// The chart as an SVG file.
    pub fn to_svg(&self) -> String {
        accuracy(self, Theme::Paper)
    }
}

pub(crate) fn accuracy(chart: &Chart, theme: Theme) -> String {
    let (panels, attacks) = (words::panels(chart), words::attacks(chart));
    let keys = attacks.len()
        + usize::from(!chart.bound.is_empty())
        + usize::from(chart.threshold.is_some());
    let head = 62 + LINE * keys as i32;
    let across = match panels.len() {
        0 | 1 => 1,
        2 | 4 => 2,
        _ => 3,
    };
    let down = panels.len().div_ceil(across).max(1) as i32;
    let tall = LABELS.1 + TALL + LABELS.2;
    let height = (head + down * tall + 8) as u32;
    drawing(WIDTH as u32, height, theme, |canvas| {
        canvas.text((16, 22), Anchor::Start, 18, true, color::INK, &chart.title);
        let quantity = words::quantity(chart);
        canvas.text((16, 44), Anchor::Start, 13, false, color::FAINT, &quantity);
        legend(canvas, chart, &attacks);
        let Some(scale) = Scale::of(chart) else {
            let words = "no finite value to draw";
            let at = (WIDTH / 2, head + tall / 2);
            canvas.text(at, Anchor::Middle, 15, false, color::FAINT, words);
            return;
        };
        let wide = (WIDTH - MARGIN.0 - MARGIN.1) / across as i32;
        for (place, network) in panels.iter().enumerate() {
            let x = MARGIN.0 + wide * (place % across) as i32;
            let y = head + tall * (place / across) as i32;
            let frame = Frame {
                left: x + LABELS.0,
                right: x + wide - 18,
                upper: y + LABELS.1,
                lower: y + LABELS.1 + TALL,
            };
            panel(canvas, chart, &Panel { frame, scale }, network, &attacks);
        }
    })
}

fn legend(canvas: &Canvas<'_>, chart: &Chart, attacks: &[&str]) {
    let mut y = 66;
    let mut entry = |mark: &dyn Fn(i32), words: &str| {
        mark(y);
        canvas.text((50, y), Anchor::Start, 12, false, color::INK, words);
        y += LINE;
    };
    for (index, attack) in attacks.iter().enumerate() {
        let mark = |y: i32| canvas.bar([(16, y - 4), (42, y + 4)], hue(index));
        entry(&mark, &words::key(chart, attack));
    }
    let dashes = |y: i32, hue: RGBColor| canvas.dashes(vec![(16, y), (42, y)], 2, hue);
    if !chart.bound.is_empty() {
        entry(&|y| dashes(y, color::INK), "no classifier can be above (bound for these digits)");
    }
    if let Some(threshold) = &chart.threshold {
        let words = format!("{}: {:.2} %", threshold.label, 100.0 * threshold.accuracy);
        entry(&|y| dashes(y, color::THIRD), &words);
    }
}

fn hue(index: usize) -> RGBColor {
    color::SERIES[index % color::SERIES.len()]
}

/// From places to shares of the width; common to all panels.
#[derive(Clone, Copy)]
struct Scale {
    axis: Axis,
    first: f64,
    last: f64,
}

impl Scale {
    /// None when no curve has a finite place.
    fn of(chart: &Chart) -> Option<Self> {
        let places = chart.curves.iter().flat_map(|curve| &curve.points).map(|point| point.at);
        let last = places.filter(|place| place.is_finite()).fold(f64::NEG_INFINITY, f64::max);
        let first = if chart.axis == Axis::Passes { 1.0 } else { 0.0 };
        (last > f64::NEG_INFINITY).then(|| Self {
            axis: chart.axis,
            first,
            last: last.max(if chart.axis == Axis::Epsilon { 1e-9 } else { first + 1.0 }),
        })
    }

    fn share(&self, place: f64) -> Option<f64> {
        let share = match self.axis {
            Axis::Passes => place.max(self.first).ln() / self.last.ln(),
            _ => (place - self.first) / (self.last - self.first),
        };
        place.is_finite().then(|| share.clamp(0.0, 1.0))
    }

    /// Where the axis is labelled.
    fn ticks(&self) -> Vec<f64> {
        if self.axis == Axis::Passes {
            let powers = (0..19).map(|power| 10f64.powi(power));
            return powers.take_while(|place| *place <= self.last).collect();
        }
        let nice =
            (-9..18).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power)));
        let every = nice.clone().find(|every| self.last / every <= 5.001).unwrap_or(self.last);
        (0..=5)
            .map(|count| f64::from(count) * every)
            .filter(|at| *at <= self.last * 1.001)
            .collect()
    }
}

struct Frame {
    left: i32,
    right: i32,
    upper: i32,
    lower: i32,
}

/// One network's frame on the common scale.
struct Panel {
    frame: Frame,
    scale: Scale,
}

impl Panel {
    fn x(&self, place: f64) -> Option<i32> {
        let Frame { left, right, .. } = self.frame;
        let share = self.scale.share(place)?;
        Some(left + (share * f64::from(right - left)).round() as i32)
    }

    fn y(&self, share: f64) -> Option<i32> {
        let Frame { upper, lower, .. } = self.frame;
        let height = f64::from(lower - upper);
        share.is_finite().then(|| lower - (share.clamp(0.0, 1.0) * height).round() as i32)
    }

    fn at(&self, place: f64, share: f64) -> Option<Point> {
        Some((self.x(place)?, self.y(share)?))
    }

    /// Corners of a line through values; a staircase where points hold until the next.
    fn path(&self, values: impl Iterator<Item = (f64, f64)>) -> Vec<Point> {
        let mut path: Vec<Point> = Vec::new();
        for (x, y) in values.filter_map(|(place, share)| self.at(place, share)) {
            if let Some(&(_, before)) = path.last()
                && self.scale.axis != Axis::Epsilon
            {
                path.push((x, before));
            }
            path.push((x, y));
        }
        path
    }
}

fn panel(canvas: &Canvas<'_>, chart: &Chart, panel: &Panel, network: &str, attacks: &[&str]) {
    axes(canvas, chart, panel, network);
    let own = || chart.curves.iter().filter(|curve| curve.network == network);
    for curve in own() {
        let band = |end: usize| curve.points.iter().map(move |p| (p.at, p.wilson95[end]));
        let mut outline = panel.path(band(1));
        outline.extend(panel.path(band(0)).into_iter().rev());
        if outline.len() > 2 {
            canvas.area(outline, hue(place(attacks, curve)));
        }
    }
    let bound = panel.path(chart.bound.iter().map(|point| (point.at, point.upper_bound)));
    if bound.len() > 1 {
        canvas.dashes(bound, 2, color::INK);
    }
    if let Some(y) = chart.threshold.as_ref().and_then(|threshold| panel.y(threshold.accuracy)) {
        canvas.dashes(vec![(panel.frame.left, y), (panel.frame.right, y)], 2, color::THIRD);
    }
    for curve in own() {
        let line = panel.path(curve.points.iter().map(|point| (point.at, point.accuracy)));
        let hue = hue(place(attacks, curve));
        if chart.axis == Axis::Epsilon {
            for &(x, y) in &line {
                canvas.bar([(x - 2, y - 2), (x + 3, y + 3)], hue);
            }
        }
        if line.len() > 1 {
            canvas.line(line, 2, hue);
        }
    }
}

fn place(attacks: &[&str], curve: &AccuracyCurve) -> usize {
    attacks.iter().position(|attack| *attack == curve.attack).unwrap_or(0)
}

fn axes(canvas: &Canvas<'_>, chart: &Chart, panel: &Panel, network: &str) {
    let Frame { left, right, upper, lower } = panel.frame;
    canvas.text((left, upper - 16), Anchor::Start, 14, true, color::INK, network);
    for quarter in [0, 25, 50, 75, 100] {
        let Some(y) = panel.y(f64::from(quarter) / 100.0) else { continue };
        canvas.line(vec![(left, y), (right, y)], 1, color::LINE);
        let label = quarter.to_string();
        canvas.text((left - 7, y), Anchor::End, 12, false, color::FAINT, &label);
    }
    for tick in panel.scale.ticks() {
        let Some(x) = panel.x(tick) else { continue };
        canvas.line(vec![(x, lower), (x, lower + 5)], 1, color::FAINT);
        // Sums of decimal steps carry a tail that nobody wants to read.
        let label = format!("{}", (tick * 1e6).round() / 1e6);
        canvas.text((x, lower + 15), Anchor::Middle, 12, false, color::FAINT, &label);
    }
    canvas.line(vec![(left, upper), (left, lower), (right, lower)], 1, color::FAINT);
    let middle = ((left + right) / 2, lower + 34);
    canvas.text(middle, Anchor::Middle, 12, false, color::FAINT, &words::axis(chart));
}
