//! Cells sorted the way every table shows them: tables, in them networks, in them rows, in them seeds.

use crate::cell::{Cell, Setting, Shown};
use crate::paper;

/// All cells of one table.
pub(crate) struct Grid<'a> {
    pub(crate) table: &'a str,
    pub(crate) setting: Setting,
    /// In the order in which the networks first appear.
    pub(crate) columns: Vec<Column<'a>>,
    /// The paper's rows first, then others as they appear.
    pub(crate) rows: Vec<&'a str>,
}

/// All cells of one network in one table.
pub(crate) struct Column<'a> {
    pub(crate) network: &'a str,
    /// By row, then by seed; never empty.
    pub(crate) cells: Vec<&'a Cell>,
}

impl<'a> Column<'a> {
    /// Whether nothing of it was measured, nor tried and failed.
    pub(crate) fn is_missing(&self) -> bool {
        self.cells.iter().all(|cell| cell.shown() == Shown::Missing)
    }

    /// The cells of one row, one per seed.
    pub(crate) fn row(&self, row: &str) -> impl Iterator<Item = &'a Cell> {
        self.cells.iter().copied().filter(move |cell| cell.row == row)
    }
}

/// Sorts cells into tables; nothing is dropped, not even a cell that comes twice.
pub(crate) fn grids(cells: &[Cell]) -> Vec<Grid<'_>> {
    let mut tables: Vec<(&str, Setting)> = Vec::new();
    for cell in cells {
        let key = (cell.table.as_str(), cell.setting);
        if !tables.contains(&key) {
            tables.push(key);
        }
    }
    let grid = |(table, setting)| {
        let inside = cells.iter().filter(|cell| cell.table == table && cell.setting == setting);
        let inside: Vec<&Cell> = inside.collect();
        let mut rows: Vec<&str> = distinct(inside.iter().map(|cell| cell.row.as_str()));
        rows.sort_by_key(|row| place(row));
        let networks = distinct(inside.iter().map(|cell| cell.network.as_str()));
        let column = |network| {
            let own = inside.iter().copied().filter(|cell| cell.network == network);
            let mut cells: Vec<&Cell> = own.collect();
            let order = |cell: &Cell| rows.iter().position(|row| *row == cell.row);
            cells.sort_by_key(|cell| (order(cell), cell.seed));
            Column { network, cells }
        };
        let columns = networks.into_iter().map(column).collect();
        Grid { table, setting, columns, rows }
    };
    tables.into_iter().map(grid).collect()
}

/// How many cells are measured, missing and failed.
pub(crate) fn tally(cells: &[Cell]) -> [usize; 3] {
    cells.iter().fold([0; 3], |mut counts, cell| {
        counts[match cell.shown() {
            Shown::Measured { .. } => 0,
            Shown::Missing => 1,
            Shown::Failed => 2,
        }] += 1;
        counts
    })
}

fn place(row: &str) -> usize {
    paper::ROWS.iter().position(|known| *known == row).unwrap_or(paper::ROWS.len())
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    names.fold(Vec::new(), |mut seen, name| {
        if !seen.contains(&name) {
            seen.push(name);
        }
        seen
    })
}
