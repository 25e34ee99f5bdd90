//! Figure 2: natural digits above, attacked ones below, with what the network reads in each.

use std::fmt::Write as _;

use super::canvas::{Anchor, Canvas, Theme, color, drawing};
use crate::curves::{DigitFigure, Picture};
use crate::words::curves as words;

const WIDTH: i32 = 780;
/// Side of a picture and distance from one to the next.
const SIDE: (i32, i32) = (60, 68);
/// Where the pictures begin, and how many stand in a line.
const LEFT: i32 = 92;
const ACROSS: usize = 10;
/// Upper edges of the natural and the attacked picture within a line of digits, and its height.
const ROWS: (i32, i32, i32) = (0, 106, 222);
const HEAD: i32 = 66;

impl DigitFigure {
    /// The figure as an SVG file that needs no other.
    pub fn to_svg(&self) -> String {
        digits(self, Theme::Paper)
    }
}

pub(crate) fn digits(figure: &DigitFigure, theme: Theme) -> String {
    let lines = figure.pairs.len().div_ceil(ACROSS).max(1) as i32;
    let mut pictures = String::new();
    let text = drawing(WIDTH as u32, (HEAD + ROWS.2 * lines) as u32, theme, |canvas| {
        canvas.text((16, 22), Anchor::Start, 18, true, color::INK, &figure.title);
        let words = format!(
            "{} of the {} digits tried were fooled; network {} (seed {})",
            figure.fooled, figure.examined, figure.network, figure.training_seed
        );
        canvas.text((16, 44), Anchor::Start, 13, false, color::FAINT, &words);
        if figure.pairs.is_empty() {
            let words = "no digit was fooled, so there is none to show";
            canvas.text((WIDTH / 2, HEAD + 60), Anchor::Middle, 15, false, color::FAINT, words);
        }
        for (index, pair) in figure.pairs.iter().enumerate() {
            let x = LEFT + SIDE.1 * (index % ACROSS) as i32;
            let y = HEAD + ROWS.2 * (index / ACROSS) as i32;
            if index % ACROSS == 0 {
                beside(canvas, y + ROWS.0 + SIDE.0 / 2, "natural");
                beside(canvas, y + ROWS.1 + SIDE.0 / 2, "attacked");
            }
            image(&mut pictures, x, y + ROWS.0, &pair.natural);
            image(&mut pictures, x, y + ROWS.1, &pair.attacked);
            let below = y + ROWS.0 + SIDE.0;
            under(canvas, x, below + 12, &format!("label {}", pair.label));
            under(canvas, x, below + 28, &format!("read as {}", pair.natural_prediction));
            let below = y + ROWS.1 + SIDE.0;
            under(canvas, x, below + 12, &format!("read as {}", pair.prediction));
            under(canvas, x, below + 28, &words::distance(figure, pair));
        }
    });
    match text.rfind("</svg>") {
        Some(end) => format!("{}{pictures}{}", &text[..end], &text[end..]),
        None => text,
    }
}

fn beside(canvas: &Canvas<'_>, y: i32, words: &str) {
    canvas.text((LEFT - 12, y), Anchor::End, 14, true, color::INK, words);
}

fn under(canvas: &Canvas<'_>, x: i32, y: i32, words: &str) {
    canvas.text((x + SIDE.0 / 2, y), Anchor::Middle, 12, false, color::INK, words);
}

/// What is no picture leaves its place empty.
fn image(to: &mut String, x: i32, y: i32, picture: &Picture) {
    if let Some(uri) = picture.uri() {
        let side = SIDE.0;
        let _ = writeln!(
            to,
            "<image x=\"{x}\" y=\"{y}\" width=\"{side}\" height=\"{side}\" \
             style=\"image-rendering: pixelated\" href=\"{uri}\"/>"
        );
    }
}
