//! A table as a picture: a bar per cell with its interval, and a diamond at the paper's figure.

use plotters::style::RGBColor;

use super::canvas::{Anchor, Canvas, Theme, color, drawing};
use crate::cell::{Cell, Shown};
use crate::grid::{Column, Grid, grids};
use crate::paper::{Family, row_in_short};
use crate::report::Report;
use crate::words;

const WIDTH: u32 = 800;
/// Pixels of 0 % and 100 %.
const SCALE: (i32, i32) = (200, 560);
const HEAD: i32 = 92;
const GROUP: i32 = 34;
const LINE: i32 = 22;

impl Report {
    /// The picture for the README: Table 1, ours beside the paper's.
    pub fn summary_svg(&self) -> String {
        summary(self, Theme::Paper)
    }
}

/// The picture for the README: the paper's setting if it is there, else the first table.
fn summary(report: &Report, theme: Theme) -> String {
    let grids = grids(&report.cells);
    match grids.iter().find(|grid| grid.table == "table1").or(grids.first()) {
        Some(grid) => accuracies(report, grid, theme),
        None => drawing(WIDTH, 60, theme, |canvas| {
            canvas.text((16, 30), Anchor::Start, 16, false, color::FAINT, "no cell in this report");
        }),
    }
}

/// All cells of one table.
pub(crate) fn accuracies(report: &Report, grid: &Grid<'_>, theme: Theme) -> String {
    // Columns without any measurement are named at the end instead of drawn.
    let (absent, columns): (Vec<_>, Vec<_>) =
        grid.columns.iter().partition(|column| column.is_missing());
    let absent: Vec<&str> = absent.iter().map(|column| column.network).collect();
    let absent: Vec<&[&str]> = absent.chunks(6).collect();
    let lines: usize = columns.iter().map(|column| column.cells.len()).sum();
    let bars = HEAD + GROUP * columns.len() as i32 + LINE * lines as i32 + 44;
    let height = bars + LINE * absent.len() as i32;
    drawing(WIDTH, height as u32, theme, |canvas| {
        head(canvas, report, grid);
        let (left, right) = SCALE;
        let lower = bars - 36;
        for tenth in [0, 25, 50, 75, 100] {
            let x = left + (right - left) * tenth / 100;
            canvas.line(vec![(x, HEAD - 6), (x, lower)], 1, color::LINE);
            let label = format!("{tenth} %");
            canvas.text((x, lower + 14), Anchor::Middle, 13, false, color::FAINT, &label);
        }
        let mut y = HEAD;
        for column in &columns {
            group(canvas, column, y + GROUP / 2);
            y += GROUP;
            let mut before = "";
            for cell in &column.cells {
                // Further seeds of a row stand under its name.
                let again = cell.row == before;
                let label =
                    if again { format!("seed {}", cell.seed) } else { row_in_short(&cell.row) };
                let shade = if again { color::FAINT } else { color::INK };
                let at = (left - 12, y + LINE / 2);
                canvas.text(at, Anchor::End, 14, false, shade, &label);
                line(canvas, cell, y + LINE / 2);
                before = &cell.row;
                y += LINE;
            }
        }
        for (index, names) in absent.iter().enumerate() {
            let word = if index == 0 { "missing: " } else { "" };
            let words = format!("{word}{}", names.join(", "));
            let at = (16, bars + LINE * index as i32);
            canvas.text(at, Anchor::Start, 13, false, color::FAINT, &words);
        }
    })
}

fn head(canvas: &Canvas<'_>, report: &Report, grid: &Grid<'_>) {
    let title = format!("{}: accuracy on {}", words::table_title(grid), words::dataset(report));
    canvas.text((16, 22), Anchor::Start, 18, true, color::INK, &title);
    let words = "Under attack each bar is an upper bound: a better attack may find more.";
    canvas.text((16, 46), Anchor::Start, 13, false, color::FAINT, words);
    let y = 70;
    let mut x = 16;
    let families = [
        (Family::Natural, "no attack", "natural", 92),
        (Family::Pgd, "PGD", "pgd", 62),
        (Family::SecondOrder, "S-O", "so", 62),
        (Family::Union, "worst of all", "union", 104),
        (Family::Other, "other", "", 68),
    ];
    for (family, words, row, width) in families {
        if !grid.rows.iter().any(|row| Family::of(row) == family) {
            continue;
        }
        let hue = hue(row);
        canvas.bar([(x, y - 5), (x + 16, y + 5)], hue);
        canvas.text((x + 22, y), Anchor::Start, 13, false, color::INK, words);
        x += width + 12;
    }
    interval(canvas, x, x + 24, y);
    canvas.text((x + 32, y), Anchor::Start, 13, false, color::INK, "95 % interval");
    if grid.columns.iter().flat_map(|column| &column.cells).any(|cell| cell.comparable().is_some())
    {
        canvas.diamond((x + 140, y), 5, color::INK);
        canvas.text((x + 152, y), Anchor::Start, 13, false, color::INK, "the paper's figure");
    }
}

fn group(canvas: &Canvas<'_>, column: &Column<'_>, y: i32) {
    let digits = column.cells.iter().find_map(|cell| match cell.shown() {
        Shown::Measured { total, .. } => Some(format!(" · {total} digits")),
        _ => None,
    });
    let words =
        format!("{} · {}{}", column.network, words::training(column), digits.unwrap_or_default());
    // Over the grid lines, so that they do not run through the words.
    canvas.bar([(0, y - 12), (WIDTH as i32, y + 13)], color::GROUND);
    canvas.text((16, y + 2), Anchor::Start, 14, true, color::INK, &words);
}

fn line(canvas: &Canvas<'_>, cell: &Cell, y: i32) {
    let x = |share: f64| {
        let (left, right) = SCALE;
        left + (share.clamp(0.0, 1.0) * f64::from(right - left)).round() as i32
    };
    let paper = cell.comparable();
    let mut words = words::ours(cell);
    if let Shown::Measured { accuracy, interval: [low, high], .. } = cell.shown() {
        canvas.bar([(x(0.0), y - 7), (x(accuracy), y + 7)], hue(&cell.row));
        interval(canvas, x(low), x(high), y);
    }
    if let Some(paper) = paper {
        canvas.diamond((x(paper), y), 5, color::INK);
        words = format!("{words} (paper {}) {}", crate::number::percent(paper), words::mark(cell));
    }
    canvas.text((SCALE.1 + 14, y), Anchor::Start, 14, false, color::INK, words.trim_end());
}

fn interval(canvas: &Canvas<'_>, low: i32, high: i32, y: i32) {
    canvas.line(vec![(low, y), (high, y)], 2, color::INK);
    for end in [low, high] {
        canvas.line(vec![(end, y - 4), (end, y + 4)], 2, color::INK);
    }
}

fn hue(row: &str) -> RGBColor {
    match Family::of(row) {
        Family::Natural => color::NATURAL,
        Family::Pgd => color::FIRST,
        Family::SecondOrder => color::SECOND,
        Family::Union => color::FOURTH,
        Family::Other => color::THIRD,
    }
}
