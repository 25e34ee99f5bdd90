//! The files of a report: written whole or not at all, each by rename.
//!
//! `report.json` goes first and comes last: while it is there, all files of the folder are of the run
//! that it tells of. After a kill in between it is missing, and the same command, which finds all
//! results in the store, writes everything again. `cells.jsonl` is also written whenever a cell has been
//! measured, `report.json` being gone by then: what is committed there, another clone goes on from.
//!
//! | file | content |
//! | --- | --- |
//! | `report.json` | everything that the run found; the other forms are made of it |
//! | `report.md`, `report.html` | the same to read |
//! | `cells.csv`, `rivals.csv`, `figures.csv`, `curves.csv`, `figure2.csv`, `ladder.csv`, `verdicts.csv` | the same to compute with |
//! | `summary.svg`, `figure1.svg`, `figure2.svg`, `curve-*.svg`, `ladder.svg` | the pictures |
//! | `cells.jsonl` | one line per measured cell, with the fate of every digit |
//! | `bounds.jsonl` | one line per bound, with the digits that prove it |
//! | `ladder.jsonl` | one line per network and threat of the ladder: every row, with the fate of every digit |
//! | `plan.json` | the plan that ran, in full |
//! | `times.json` | how long jobs took, from the store: the only file that depends on the clock |

use std::fs;
use std::io;
use std::path::Path;

use serde::Serialize;

use saddle_report::Report;
use saddle_report::curves::FILE_PREFIX;
use saddle_report::ladder;

use crate::store::{AtomicDisk, Disk, sweep};
use crate::{Detail, Error, Finished, Plan, Result};

/// Every file that a report consists of.
const FILES: [&str; 19] = [
    "report.json",
    "report.md",
    "report.html",
    "cells.csv",
    "rivals.csv",
    "figures.csv",
    "curves.csv",
    "figure2.csv",
    "summary.svg",
    "figure1.svg",
    "figure2.svg",
    "ladder.csv",
    ladder::FILE,
    VERDICTS,
    "cells.jsonl",
    "bounds.jsonl",
    RUNGS,
    "plan.json",
    "times.json",
];

/// The cells, digit by digit.
pub(crate) const CELLS: &str = "cells.jsonl";
/// The verdicts on gradient masking.
const VERDICTS: &str = "verdicts.csv";
/// The rows of the ladder, digit by digit.
const RUNGS: &str = "ladder.jsonl";
/// How long jobs took.
pub(crate) const TIMES: &str = "times.json";

/// What [`check_writable`] writes and takes away again.
const PROBE: &str = ".saddle-can-write-here";

/// Makes sure, before hours of work, that a report can be written into a folder.
///
/// # Errors
///
/// [`Error::Write`] when the folder cannot be made or takes no files.
pub fn check_writable(folder: &Path) -> Result<()> {
    let probe = folder.join(PROBE);
    put(&probe, b"")?;
    remove(&probe)
}

/// Deletes the files of an earlier report and what a killed writer left; all other files stay.
///
/// # Errors
///
/// [`Error::Write`] when the system refuses.
pub fn erase_report(folder: &Path) -> Result<()> {
    sweep(folder);
    remove_charts(folder)?;
    FILES.iter().chain([&PROBE]).try_for_each(|name| remove(&folder.join(name)))
}

/// Writes all files of a finished (or interrupted) run.
///
/// # Errors
///
/// [`Error::Write`]; files that were written before stay, and there is no `report.json`.
pub fn write_all(folder: &Path, plan: &Plan, finished: &Finished) -> Result<()> {
    let json = |what: &str, result: serde_json::Result<String>| {
        result.map_err(|error| Error::format(what, error))
    };
    let text = finished.report.to_json().map_err(|error| Error::format("report.json", error))?;
    sweep(folder);
    remove(&folder.join("report.json"))?;
    remove_charts(folder)?;
    put(
        &folder.join("plan.json"),
        json("plan.json", serde_json::to_string_pretty(plan))?.as_bytes(),
    )?;
    put_lines(folder, CELLS, &finished.details)?;
    put_lines(folder, "bounds.jsonl", &finished.bounds)?;
    match finished.ladder.as_slice() {
        [] => remove(&folder.join(RUNGS))?,
        rungs => put_lines(folder, RUNGS, rungs)?,
    }
    let times = json("times.json", serde_json::to_string_pretty(&finished.times))?;
    put(&folder.join(TIMES), times.as_bytes())?;
    write_forms(folder, &finished.report)?;
    put(&folder.join("report.json"), text.as_bytes())
}

/// Writes the cells of a run that goes on, so that they can be taken away before its end.
///
/// # Errors
///
/// [`Error::Write`]; the file is then as it was.
pub(crate) fn write_cells(folder: &Path, details: &[Detail]) -> Result<()> {
    remove(&folder.join("report.json"))?;
    put_lines(folder, CELLS, details)
}

/// How many cells a folder's `cells.jsonl` holds.
pub(crate) fn count_cells(folder: &Path) -> usize {
    fs::read(folder.join(CELLS)).map_or(0, |text| text.iter().filter(|&&b| b == b'\n').count())
}

/// Makes the forms to read and to compute with again from a folder's `report.json`.
///
/// # Errors
///
/// [`Error::Read`] or [`Error::Format`] when there is no such report, [`Error::Write`] when the
/// folder refuses.
pub fn render(folder: &Path) -> Result<Report> {
    let path = folder.join("report.json");
    let text =
        fs::read_to_string(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
    let report = Report::from_json(&text)
        .map_err(|error| Error::format(path.display().to_string(), error))?;
    write_forms(folder, &report)?;
    Ok(report)
}

fn write_forms(folder: &Path, report: &Report) -> Result<()> {
    put(&folder.join("report.md"), report.to_markdown().as_bytes())?;
    put(&folder.join("report.html"), report.to_html().as_bytes())?;
    put(&folder.join("cells.csv"), report.cells_csv().as_bytes())?;
    put(&folder.join("rivals.csv"), report.rivals_csv().as_bytes())?;
    put(&folder.join("figures.csv"), report.figures_csv().as_bytes())?;
    put(&folder.join("curves.csv"), report.curves_csv().as_bytes())?;
    put(&folder.join("figure2.csv"), report.digits_csv().as_bytes())?;
    put(&folder.join("summary.svg"), report.summary_svg().as_bytes())?;
    for figure in &report.figures {
        put(&folder.join(format!("{}.svg", figure.id)), figure.to_svg().as_bytes())?;
    }
    for chart in &report.curves {
        put(&folder.join(chart.file()), chart.to_svg().as_bytes())?;
    }
    if let Some(figure) = &report.figure2 {
        put(&folder.join(format!("{}.svg", figure.id)), figure.to_svg().as_bytes())?;
    }
    if let Some(climbed) = &report.ladder {
        put(&folder.join("ladder.csv"), report.ladder_csv().as_bytes())?;
        put(&folder.join(ladder::FILE), climbed.to_svg().as_bytes())?;
    } else {
        remove(&folder.join("ladder.csv"))?;
        remove(&folder.join(ladder::FILE))?;
    }
    let verdicts = folder.join(VERDICTS);
    match report.verdicts {
        Some(_) => put(&verdicts, report.verdicts_csv().as_bytes()),
        None => remove(&verdicts),
    }
}

/// Removes the drawings of charts, whose names are the plan's.
fn remove_charts(folder: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(FILE_PREFIX) && name.ends_with(".svg") {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Writes a file of JSON, one line per item.
fn put_lines(folder: &Path, name: &str, items: &[impl Serialize]) -> Result<()> {
    let mut lines = String::new();
    for item in items {
        let line = serde_json::to_string(item).map_err(|error| Error::format(name, error))?;
        lines.push_str(&line);
        lines.push('\n');
    }
    put(&folder.join(name), lines.as_bytes())
}

fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    AtomicDisk.write(path, bytes).map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// Removes a file; one that is not there is fine.
fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(Error::Write { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}
