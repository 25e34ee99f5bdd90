//! The files of a report: written whole or not at all, each by rename.
//!
//! | file | content |
//! | --- | --- |
//! | `report.json` | everything that the run found; the other forms are made of it |
//! | `report.md`, `report.html` | the same to read |
//! | `cells.csv`, `rivals.csv`, `figures.csv` | the same to compute with |
//! | `summary.svg`, `figure1.svg` | the pictures |
//! | `cells.jsonl` | one line per measured cell, with the fate of every digit |
//! | `plan.json` | the plan that ran, in full |
//! | `times.json` | how long jobs took: the only file that differs from run to run |

use std::fs;
use std::path::Path;

use saddle_report::Report;

use crate::run::JobTime;
use crate::store::{AtomicDisk, Disk};
use crate::{Error, Finished, Plan, Result};

/// Makes sure, before hours of work, that a report can be written into a folder.
///
/// # Errors
///
/// [`Error::Write`] when the folder cannot be made or takes no files.
pub fn check_writable(folder: &Path) -> Result<()> {
    let probe = folder.join(".saddle-can-write-here");
    put(&probe, b"")?;
    fs::remove_file(&probe).map_err(|source| Error::Write { path: probe, source })
}

/// Writes all files of a finished (or interrupted) run.
///
/// # Errors
///
/// [`Error::Write`]; files that were written before stay.
pub fn write_all(folder: &Path, plan: &Plan, finished: &Finished) -> Result<()> {
    let json = |what: &str, result: serde_json::Result<String>| {
        result.map_err(|error| Error::format(what, error))
    };
    put(
        &folder.join("plan.json"),
        json("plan.json", serde_json::to_string_pretty(plan))?.as_bytes(),
    )?;
    let mut lines = String::new();
    for detail in &finished.details {
        lines.push_str(&json("cells.jsonl", serde_json::to_string(detail))?);
        lines.push('\n');
    }
    put(&folder.join("cells.jsonl"), lines.as_bytes())?;
    let times = merged_times(&folder.join("times.json"), &finished.times);
    let times = json("times.json", serde_json::to_string_pretty(&times))?;
    put(&folder.join("times.json"), times.as_bytes())?;
    let text = finished.report.to_json().map_err(|error| Error::format("report.json", error))?;
    put(&folder.join("report.json"), text.as_bytes())?;
    write_forms(folder, &finished.report)
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
    put(&folder.join("summary.svg"), report.summary_svg().as_bytes())?;
    for figure in &report.figures {
        put(&folder.join(format!("{}.svg", figure.id)), figure.to_svg().as_bytes())?;
    }
    Ok(())
}

fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    AtomicDisk.write(path, bytes).map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// The times of earlier runs in this folder with those of this one added: a resumed training shows
/// the sum of its stretches.
fn merged_times(path: &Path, new: &[JobTime]) -> Vec<JobTime> {
    let old = fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let mut times: Vec<JobTime> = old.unwrap_or_default();
    for time in new {
        match times.iter_mut().find(|known| known.job == time.job) {
            Some(known) => known.seconds += time.seconds,
            None => times.push(time.clone()),
        }
    }
    times
}
