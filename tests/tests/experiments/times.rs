//! How long jobs took, and the files that tell of it: added up over stops and kills, forgotten with
//! the rest when a run starts afresh.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use saddle_experiments::{
    Key, RunObserver, Store, Unobserved, check_writable, erase_report, write_all,
};
use saddle_tests::experiments::{Witness, files_called, run_tiny, tiny_plan};

/// The keys of all jobs that a store knows the time of.
fn timed(folder: &Path) -> Vec<Key> {
    let paths = files_called("seconds", folder);
    let names = paths.iter().map(|path| path.parent().unwrap().file_name().unwrap());
    names.map(|name| serde_json::from_value(name.to_str().into()).unwrap()).collect()
}

#[test]
fn the_stretches_of_a_stopped_training_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut witness = Witness { stop_after: Some(3), ..Witness::default() };
    assert!(run_tiny(&tiny_plan(), &store, &["large"], &mut witness).unwrap().interrupted);
    let [key] = &timed(folder.path())[..] else { panic!("one job was worked on") };
    assert!(store.seconds(key).unwrap() > 0.0);
    store.put_seconds(key, 1_000.0).unwrap();
    let finished = run_tiny(&tiny_plan(), &store, &["large"], &mut Unobserved).unwrap();
    let seconds: Vec<bool> = finished.times.iter().map(|time| time.seconds > 1_000.0).collect();
    assert_eq!(seconds, [true, false]);
    assert_eq!(&finished.times[0].key, key);
}

#[test]
fn a_job_that_starts_from_nothing_counts_from_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let finished = run_tiny(&tiny_plan(), &store, &["large"], &mut Unobserved).unwrap();
    let key = &finished.times[1].key;
    store.put_seconds(key, 1_000.0).unwrap();
    fs::write(store.result_path(key), b"damaged").unwrap();
    let again = run_tiny(&tiny_plan(), &store, &["large"], &mut Unobserved).unwrap();
    assert!(again.times[1].seconds < 1_000.0);
}

/// Dies in the middle of a training, some steps after a checkpoint.
struct Killed {
    steps: usize,
}

impl RunObserver for Killed {
    fn advance(&mut self, _passes: u64, _detail: &str) {
        self.steps += 1;
        assert!(self.steps < 4, "killed on purpose");
    }

    fn wants_checkpoint(&mut self) -> bool {
        true
    }
}

#[test]
fn a_kill_loses_no_more_time_than_work() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut killed = Killed { steps: 0 };
    let run = || run_tiny(&tiny_plan(), &store, &["large"], &mut killed).map(|_| ());
    assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
    let [key] = &timed(folder.path())[..] else { panic!("one job was worked on") };
    assert!(store.seconds(key).unwrap() > 0.0);
}

#[test]
fn starting_afresh_forgets_times_and_report_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (root, out) = (folder.path().join("store"), folder.path().join("report"));
    let times = || {
        let store = Store::open(&root).unwrap();
        let finished = run_tiny(&tiny_plan(), &store, &[], &mut Unobserved).unwrap();
        check_writable(&out).unwrap();
        write_all(&out, &tiny_plan(), &finished).unwrap();
        let text = fs::read_to_string(out.join("times.json")).unwrap();
        let times: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        assert_eq!(times.len(), finished.times.len());
        let sum: f64 = times.iter().map(|time| time["seconds"].as_f64().unwrap()).sum();
        sum
    };
    times();
    // The same results again take no time: what is told comes from the store.
    let told = times();
    assert_eq!(times(), told);
    let store = Store::open(&root).unwrap();
    for key in timed(&root) {
        store.put_seconds(&key, 1_000.0).unwrap();
    }
    fs::write(out.join("thesis.txt"), b"years of work").unwrap();
    fs::write(out.join(".unfinished-abc"), b"half of a rep").unwrap();
    Store::erase(&root).unwrap();
    erase_report(&out).unwrap();
    let left: Vec<_> = fs::read_dir(&out).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["thesis.txt"]);
    assert!(times() < 1_000.0);
}

#[test]
fn a_report_that_breaks_off_has_no_json_of_another_run() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("store")).unwrap();
    let out = folder.path().join("report");
    let finished = run_tiny(&tiny_plan(), &store, &["large"], &mut Unobserved).unwrap();
    write_all(&out, &tiny_plan(), &finished).unwrap();
    assert!(out.join("report.json").is_file());
    let scrap = out.join(".unfinished-abc");
    fs::write(&scrap, b"half of a rep").unwrap();
    // A folder in the place of a file: the writing breaks off there.
    fs::remove_file(out.join("summary.svg")).unwrap();
    fs::create_dir(out.join("summary.svg")).unwrap();
    write_all(&out, &tiny_plan(), &finished).unwrap_err();
    assert!(!out.join("report.json").exists());
    assert!(!scrap.exists());
}
