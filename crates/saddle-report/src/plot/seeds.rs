//! The comparison of S-O at a glance: a line per network, radius and seed, a mark per contender.

use plotters::style::RGBColor;

use super::canvas::{Anchor, Theme, color, drawing};
use crate::rivals::RivalRow;
use crate::words::rivals::{self as words, Bout};

const WIDTH: u32 = 800;
/// Pixels of 0 % and 100 %.
const SCALE: (i32, i32) = (250, 770);
const HEAD: i32 = 84;
const LINE: i32 = 28;

/// Accuracy left by S-O, its parts and the best rival in each bout.
pub(crate) fn seeds(rivals: &[RivalRow], theme: Theme) -> String {
    let bouts = words::bouts(rivals);
    let parts = words::part_names(&bouts);
    let lower = HEAD + LINE * bouts.len() as i32;
    drawing(WIDTH, (lower + 34) as u32, theme, |canvas| {
        let title = "Accuracy left by S-O, its parts and the best rival";
        canvas.text((16, 22), Anchor::Start, 18, true, color::INK, title);
        let mut legend = vec![(color::SECOND, "S-O"), (color::FIRST, "best rival")];
        legend.extend(parts.iter().enumerate().map(|(at, name)| (hue(at), *name)));
        let mut x = 16;
        for (hue, name) in legend {
            canvas.bar([(x, 43), (x + 10, 53)], hue);
            canvas.text((x + 18, 48), Anchor::Start, 13, false, color::INK, name);
            x += 46 + 8 * name.chars().count() as i32;
        }
        let at = |share: f64| {
            let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
            SCALE.0 + (share * f64::from(SCALE.1 - SCALE.0)).round() as i32
        };
        for tenth in [0, 25, 50, 75, 100] {
            let x = at(f64::from(tenth) / 100.0);
            canvas.line(vec![(x, HEAD - 10), (x, lower)], 1, color::LINE);
            let label = format!("{tenth} %");
            canvas.text((x, lower + 14), Anchor::Middle, 13, false, color::FAINT, &label);
        }
        for (index, bout) in bouts.iter().enumerate() {
            let y = HEAD + LINE * index as i32 + LINE / 2 - 6;
            let place = label(bout);
            canvas.text((SCALE.0 - 14, y), Anchor::End, 13, false, color::INK, &place);
            canvas.line(vec![(SCALE.0, y), (SCALE.1, y)], 1, color::LINE);
            let named = parts.iter().enumerate().map(|(at, name)| (bout.part(name), hue(at)));
            let ends = [(bout.best, color::FIRST), (bout.whole, color::SECOND)];
            // S-O last, so that no other mark hides it.
            for (row, hue) in named.chain(ends) {
                let Some(row) = row else { continue };
                let [low, high] = row.wilson95.map(at);
                canvas.line(vec![(low, y), (high, y)], 2, hue);
                let x = at(row.accuracy);
                canvas.bar([(x - 5, y - 5), (x + 5, y + 5)], hue);
            }
        }
    })
}

fn label(bout: &Bout<'_>) -> String {
    format!("{} · {} · seed {}", bout.at.network, words::threat(bout.at), bout.at.training_seed)
}

fn hue(part: usize) -> RGBColor {
    [color::THIRD, color::FOURTH, color::NATURAL][part % 3]
}
