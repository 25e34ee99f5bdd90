//! A whole plan on real digits: straight through, stopped again and again, on a disk that fills up,
//! from damaged entries — always the same report, bit for bit.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use saddle_experiments::{AtomicDisk, Disk, Error, Plan, Store, Unobserved, render, write_all};
use saddle_report::{Report, Status};
use saddle_tests::experiments::{TINY_PLAN, Witness, files_called, run_tiny, tiny_plan};

/// The report of an undisturbed run, as JSON; made once for all tests of this file.
fn undisturbed() -> &'static str {
    static REPORT: OnceLock<String> = OnceLock::new();
    REPORT.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let finished = run_tiny(&tiny_plan(), &store, &[], &mut Unobserved).unwrap();
        assert!(!finished.interrupted);
        finished.report.to_json().unwrap()
    })
}

#[test]
fn the_report_holds_every_planned_cell_and_says_what_is_missing() {
    let report = Report::from_json(undisturbed()).unwrap();
    let statuses: Vec<_> = report
        .cells
        .iter()
        .map(|cell| (cell.table.as_str(), cell.network.as_str(), cell.row.as_str(), cell.status))
        .collect();
    use Status::{Measured, Missing};
    assert_eq!(
        statuses,
        [
            ("table1", "natural", "natural", Measured),
            ("table1", "natural", "so_l2", Measured),
            ("table1", "madry_linf", "natural", Measured),
            ("table1", "madry_linf", "so_l2", Measured),
            ("table1", "trades_linf", "natural", Missing),
            ("table1", "trades_linf", "so_l2", Missing),
            ("table1_strong", "madry_linf", "pgd_l2", Measured),
            ("large", "natural", "natural", Measured),
        ]
    );
    assert!(report.provenance.notes.iter().any(|note| note.contains("nobody can train it yet")));
    assert_eq!(report.figures.len(), 1);
    assert_eq!(report.figures[0].series[0].examples, 12);
    assert_eq!(report.rivals.len(), 3);
    assert!(report.rivals.iter().all(|row| row.passes_per_example.is_some_and(|p| p <= 12.0)));
    assert!(report.cells.iter().all(|cell| cell.seed == 3));
}

#[test]
fn a_second_run_works_on_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut first = Witness::default();
    let times = run_tiny(&tiny_plan(), &store, &[], &mut first).unwrap().times;
    assert!(first.planned > 0 && !first.began.is_empty());
    let mut second = Witness::default();
    let finished = run_tiny(&tiny_plan(), &store, &[], &mut second).unwrap();
    assert_eq!((second.planned, second.began), (0, Vec::new()));
    assert_eq!(times.len(), first.began.len());
    assert!(times.iter().all(|time| time.seconds > 0.0));
    assert_eq!(finished.times, times);
    assert_eq!(finished.report.to_json().unwrap(), undisturbed());
}

#[test]
fn a_run_that_is_stopped_every_few_steps_ends_at_the_same_report() {
    let folder = tempfile::tempdir().unwrap();
    let mut stops = 0;
    loop {
        let store = Store::open(folder.path()).unwrap();
        let mut witness =
            Witness { stop_after: Some(4), checkpoints: stops % 2 == 0, ..Witness::default() };
        let finished = run_tiny(&tiny_plan(), &store, &[], &mut witness).unwrap();
        if !finished.interrupted {
            assert_eq!(finished.report.to_json().unwrap(), undisturbed());
            break;
        }
        // An interrupted report claims nothing that was not measured.
        let all = Report::from_json(undisturbed()).unwrap();
        for (cell, whole) in finished.report.cells.iter().zip(&all.cells) {
            assert!(cell == whole || cell.status == Status::Missing);
        }
        let notes = &finished.report.provenance.notes;
        assert!(notes.iter().any(|note| note.contains("the run was stopped before")), "{notes:?}");
        stops += 1;
        assert!(stops < 40, "the run does not get ahead");
    }
    assert!(stops >= 3, "only {stops} stops: this test has lost its point");
}

/// A disk that takes so many writes and then none.
struct FillingUp(AtomicUsize);

impl Disk for FillingUp {
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let left = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        left.map_err(|_| io::Error::new(io::ErrorKind::StorageFull, "no space left on device"))?;
        AtomicDisk.write(path, bytes)
    }
}

#[test]
fn a_full_disk_ends_the_run_with_an_error_and_the_finished_work_counts() {
    let folder = tempfile::tempdir().unwrap();
    let mut writes = 5;
    loop {
        let disk = Box::new(FillingUp(AtomicUsize::new(writes)));
        let store = Store::with_disk(folder.path(), disk).unwrap();
        let mut witness = Witness { checkpoints: true, ..Witness::default() };
        match run_tiny(&tiny_plan(), &store, &["table1"], &mut witness) {
            Ok(finished) => {
                let all = Report::from_json(undisturbed()).unwrap();
                assert_eq!(finished.report.cells[..6], all.cells[..6]);
                assert!(finished.report.cells[6..].iter().all(|c| c.status == Status::Missing));
                break;
            }
            Err(error) => assert!(matches!(error, Error::Write { .. }), "{error}"),
        }
        writes += 3;
        assert!(writes < 60, "the run does not get ahead");
    }
}

#[test]
fn damaged_entries_are_computed_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    run_tiny(&tiny_plan(), &store, &[], &mut Unobserved).unwrap();
    let results = files_called("result", folder.path());
    assert!(results.len() >= 8);
    for (number, path) in results.iter().enumerate() {
        let bytes = std::fs::read(path).unwrap();
        match number % 3 {
            0 => std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap(),
            1 => std::fs::write(path, b"").unwrap(),
            _ => {}
        }
    }
    let finished = run_tiny(&tiny_plan(), &store, &[], &mut Unobserved).unwrap();
    assert_eq!(finished.report.to_json().unwrap(), undisturbed());
}

#[test]
fn a_network_that_diverges_fails_its_cells_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let (head, tail) = TINY_PLAN.split_once("[networks.madry_linf.training]").unwrap();
    let tail = tail.replacen("learning_rate = 1e-3", "learning_rate = 1e30", 1);
    let plan = Plan::parse(&format!("{head}[networks.madry_linf.training]{tail}")).unwrap();
    let mut witness = Witness::default();
    let report = run_tiny(&plan, &store, &["table1"], &mut witness).unwrap().report;
    for cell in report.cells.iter().filter(|cell| cell.table == "table1") {
        let expected = match cell.network.as_str() {
            "natural" => Status::Measured,
            "madry_linf" => Status::Failed,
            _ => Status::Missing,
        };
        assert_eq!(cell.status, expected, "{} {}", cell.network, cell.row);
    }
    assert_eq!(report.provenance.failures.len(), 2);
    assert!(report.provenance.failures[0].reason.contains("diverged"));
    assert_eq!(witness.failures.len(), 1, "the training is not tried once per cell");
}

#[test]
fn only_restricts_the_work_and_shows_what_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut witness = Witness::default();
    let selection = run_tiny(&tiny_plan(), &store, &["selection"], &mut witness).unwrap().report;
    assert_eq!(witness.began.len(), 2, "{:?}", witness.began);
    assert_eq!(selection.cells.len(), 9, "the other cells are shown as missing");
    assert_eq!(selection.cells[8].total, Some(6));
    assert!(selection.cells[..8].iter().all(|cell| cell.status == Status::Missing));
    let notes = &selection.provenance.notes;
    let reason = "not measured: the run was restricted to selection";
    for part in [
        "Missing in table1: natural, madry_linf; ",
        "Missing in large: natural; ",
        "figure1 is missing: ",
        "rivals is missing: ",
    ] {
        assert!(notes.contains(&format!("{part}{reason}.")), "{part} {notes:?}");
    }
    // A table on request is not shown by a command that does not name it, measured or not.
    let report = run_tiny(&tiny_plan(), &store, &["large"], &mut Unobserved).unwrap().report;
    let tables: BTreeSet<_> = report.cells.iter().map(|cell| cell.table.as_str()).collect();
    assert_eq!(Vec::from_iter(tables), ["large", "table1", "table1_strong"]);
    let measured: Vec<_> = report.cells.iter().filter(|c| c.status == Status::Measured).collect();
    assert_eq!(measured.len(), 1, "{measured:?}");
    run_tiny(&tiny_plan(), &store, &[], &mut Unobserved).unwrap();
    let report = run_tiny(&tiny_plan(), &store, &[], &mut Unobserved).unwrap().report;
    assert_eq!(report.to_json().unwrap(), undisturbed());
    // What the store knows is shown although it was not asked for.
    let report = run_tiny(&tiny_plan(), &store, &["large"], &mut Unobserved).unwrap().report;
    assert_eq!(report.to_json().unwrap(), undisturbed());
}

#[test]
fn the_files_of_a_report_can_be_made_again_from_its_json() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("store")).unwrap();
    let finished = run_tiny(&tiny_plan(), &store, &["table1"], &mut Unobserved).unwrap();
    let out = folder.path().join("report");
    write_all(&out, &tiny_plan(), &finished).unwrap();
    let html = std::fs::read(out.join("report.html")).unwrap();
    std::fs::remove_file(out.join("report.html")).unwrap();
    assert_eq!(render(&out).unwrap(), finished.report);
    assert_eq!(std::fs::read(out.join("report.html")).unwrap(), html);
    let lines = std::fs::read_to_string(out.join("cells.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 4);
    for line in lines.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let robust = line["attacks"][0]["robust"].as_str().unwrap();
        assert_eq!(robust.matches('1').count() as u64, line["correct"].as_u64().unwrap());
    }
}

#[test]
fn a_report_that_is_none_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let message = render(folder.path()).unwrap_err().to_string();
    assert!(message.contains("report.json"), "{message}");
    std::fs::write(folder.path().join("report.json"), "{\"profile\": ").unwrap();
    let message = render(folder.path()).unwrap_err().to_string();
    assert!(message.contains("report.json"), "{message}");
}
