//! The ladder at a glance: a line per rung, a panel per network, a mark per threat; S-O's own marks go on as dashes,
//! so that the eye sees at once which rungs reach as far.

use plotters::style::RGBColor;

use super::canvas::{Anchor, Canvas, Theme, color, drawing};
use crate::ladder::{Group, Ladder, Rung};
use crate::words::ladder as words;

const WIDTH: i32 = 860;
/// Where the labels of the rungs end, and where the panels begin and end.
const LABELS: i32 = 246;
const PANELS: (i32, i32) = (256, 852);
/// Above the first rung.
const HEAD: i32 = 124;
const LINE: i32 = 24;
/// Between the marks of two threats on one line.
const APART: i32 = 6;

impl Ladder {
    /// The drawing as an SVG file.
    pub fn to_svg(&self) -> String {
        ladder(self, Theme::Paper)
    }
}

pub(crate) fn ladder(ladder: &Ladder, theme: Theme) -> String {
    let groups = ladder.groups();
    let (mut networks, mut threats): (Vec<&str>, Vec<String>) = (Vec::new(), Vec::new());
    for group in &groups {
        let threat = words::threat(group.norm, group.epsilon);
        if !networks.contains(&group.network) {
            networks.push(group.network);
        }
        if !threats.contains(&threat) {
            threats.push(threat);
        }
    }
    let lower = HEAD + LINE * ladder.rungs.len() as i32;
    drawing(WIDTH as u32, (lower + 34) as u32, theme, |canvas| {
        canvas.text((16, 22), Anchor::Start, 18, true, color::INK, words::TITLE);
        let quantity = format!("% of digits that stand, at most {} passes a digit", ladder.cap);
        canvas.text((16, 44), Anchor::Start, 13, false, color::FAINT, &quantity);
        legend(canvas, &threats);
        if groups.is_empty() {
            let at = (WIDTH / 2, HEAD + LINE);
            canvas.text(at, Anchor::Middle, 15, false, color::FAINT, "nothing was measured");
            return;
        }
        for (index, rung) in ladder.rungs.iter().enumerate() {
            let y = HEAD + LINE * index as i32 + LINE / 2;
            let at = (LABELS, y);
            canvas.text(at, Anchor::End, 13, false, color::INK, &rung.name);
        }
        let wide = (PANELS.1 - PANELS.0) / networks.len() as i32;
        for (place, network) in networks.iter().enumerate() {
            let left = PANELS.0 + wide * place as i32;
            let panel = Panel { left, right: left + wide - 22, lower };
            panel.draw(canvas, network, ladder.rungs.len());
            for group in groups.iter().filter(|group| group.network == *network) {
                let threat = words::threat(group.norm, group.epsilon);
                let number = threats.iter().position(|known| *known == threat).unwrap_or(0);
                panel.marks(canvas, ladder, group, (number, threats.len()));
            }
        }
    })
}

fn legend(canvas: &Canvas<'_>, threats: &[String]) {
    let y = 66;
    let mut x = 16;
    for (number, threat) in threats.iter().enumerate() {
        canvas.bar([(x, y - 4), (x + 9, y + 5)], hue(number));
        canvas.text((x + 16, y), Anchor::Start, 13, false, color::INK, threat);
        x += 40 + 8 * threat.chars().count() as i32;
    }
    canvas.dashes(vec![(x, y), (x + 26, y)], 2, color::FAINT);
    canvas.text((x + 34, y), Anchor::Start, 13, false, color::FAINT, "S-O");
    let words =
        "mark: mean of the seeds; line: from the lowest to the highest end of their 95 % intervals";
    canvas.text((16, y + 22), Anchor::Start, 13, false, color::FAINT, words);
}

/// The frame of one network.
struct Panel {
    left: i32,
    right: i32,
    lower: i32,
}

impl Panel {
    fn x(&self, share: f64) -> Option<i32> {
        let wide = f64::from(self.right - self.left);
        share.is_finite().then(|| self.left + (share.clamp(0.0, 1.0) * wide).round() as i32)
    }

    fn draw(&self, canvas: &Canvas<'_>, network: &str, rungs: usize) {
        canvas.text((self.left, HEAD - 16), Anchor::Start, 14, true, color::INK, network);
        for percent in [0, 50, 100] {
            let Some(x) = self.x(f64::from(percent) / 100.0) else { continue };
            canvas.line(vec![(x, HEAD - 4), (x, self.lower)], 1, color::LINE);
            let at = (x, self.lower + 14);
            canvas.text(at, Anchor::Middle, 12, false, color::FAINT, &percent.to_string());
        }
        for index in 0..=rungs {
            let y = HEAD + LINE * index as i32;
            canvas.line(vec![(self.left, y), (self.right, y)], 1, color::LINE);
        }
    }

    /// The marks of one threat on every line, and the dashes at S-O's.
    fn marks(
        &self,
        canvas: &Canvas<'_>,
        ladder: &Ladder,
        group: &Group<'_>,
        (number, of): (usize, usize),
    ) {
        let hue = hue(number);
        let subject = ladder.subject().and_then(|rung| self.x(mean(group, rung)?));
        if let Some(x) = subject {
            canvas.dashes(vec![(x, HEAD), (x, self.lower)], 1, hue);
        }
        let shift = APART * (2 * number as i32 - (of as i32 - 1)) / 2;
        for (index, rung) in ladder.rungs.iter().enumerate() {
            let y = HEAD + LINE * index as i32 + LINE / 2 + shift;
            let rows = group.of(&rung.name);
            let end = |side: usize, pick: fn(f64, f64) -> f64| {
                rows.iter().map(|row| row.wilson95[side]).reduce(pick).and_then(|end| self.x(end))
            };
            if let (Some(low), Some(high)) = (end(0, f64::min), end(1, f64::max)) {
                canvas.line(vec![(low, y), (high, y)], 2, hue);
            }
            if let Some(x) = mean(group, rung).and_then(|mean| self.x(mean)) {
                canvas.bar([(x - 3, y - 3), (x + 4, y + 4)], hue);
            }
        }
    }
}

/// Mean accuracy of a rung over the seeds.
fn mean(group: &Group<'_>, rung: &Rung) -> Option<f64> {
    let shares: Vec<f64> = group.of(&rung.name).iter().map(|row| row.accuracy).collect();
    crate::statistics::mean(&shares)
}

fn hue(number: usize) -> RGBColor {
    color::SERIES[number % color::SERIES.len()]
}
