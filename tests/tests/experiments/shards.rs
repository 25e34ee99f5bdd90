//! Several runs on one store: each job is worked on once, whoever is last has the report of a single run, and whoever dies is
//! replaced.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use saddle_experiments::{
    Error, Finished, JobKind, Key, Laboratory, Outside, Patience, Plan, Role, RunObserver, Shard,
    Sharing, Store, sha256_hex,
};
use saddle_tests::experiments::{TINY_PLAN, Witness, tiny_data, tiny_machine, tiny_plan};

/// Where a process of its own finds the store; see [`a_shard_in_a_process_of_its_own`].
const STORE: &str = "SADDLE_TEST_SHARD_STORE";

/// Takes nobody living for dead, however busy the machine is.
const CALM: Patience = Patience {
    beat: Duration::from_millis(20),
    dead_after: Duration::from_secs(60),
    look: Duration::from_millis(10),
};

/// Does not wait long for the dead.
const HASTY: Patience = Patience { dead_after: Duration::from_secs(1), ..CALM };

fn run(
    plan: &Plan,
    store: &Path,
    role: Role,
    patience: Patience,
    observer: &mut dyn RunObserver,
) -> saddle_experiments::Result<Finished> {
    let (data, machine) = (tiny_data(), tiny_machine());
    let store = Store::open(store)?;
    let outside = Outside { sharing: Sharing { role, patience }, ..Outside::default() };
    let laboratory =
        Laboratory { plan, data: &data, store: &store, machine: &machine, commit: "test" };
    laboratory.run_with(&outside, &[], observer)
}

fn shard(index: usize, count: usize) -> Role {
    Role::Shard(Shard::new(index, count).unwrap())
}

/// Report and cells, as text: everything but the times.
fn texts(finished: &Finished) -> [String; 2] {
    let cells = serde_json::to_string(&finished.details).unwrap();
    [finished.report.to_json().unwrap(), cells]
}

/// What a single undisturbed run leaves, and the jobs that it works on.
fn single() -> &'static ([String; 2], Vec<String>) {
    static SINGLE: OnceLock<([String; 2], Vec<String>)> = OnceLock::new();
    SINGLE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let mut witness = Witness::default();
        let role = Role::Everything;
        let finished = run(&tiny_plan(), folder.path(), role, CALM, &mut witness).unwrap();
        witness.began.sort();
        (texts(&finished), witness.began)
    })
}

/// Runs the plan in these roles at the same time; what each has found and worked on.
fn together(plan: &Plan, store: &Path, roles: Vec<Role>) -> Vec<(Finished, Witness)> {
    std::thread::scope(|scope| {
        let started: Vec<_> = roles
            .into_iter()
            .map(|role| {
                scope.spawn(move || {
                    let mut witness = Witness::default();
                    let finished = run(plan, store, role, CALM, &mut witness).unwrap();
                    (finished, witness)
                })
            })
            .collect();
        started.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn worked_on(outcomes: &[(Finished, Witness)]) -> Vec<String> {
    let mut began: Vec<String> =
        outcomes.iter().flat_map(|(_, witness)| witness.began.clone()).collect();
    began.sort();
    began
}

fn left_behind(store: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(store.join("leases")).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn shards_do_each_job_once_and_the_last_has_the_report_of_a_single_run() {
    for count in [2, 3] {
        let folder = tempfile::tempdir().unwrap();
        let roles = (1..=count).map(|index| shard(index, count)).collect();
        let outcomes = together(&tiny_plan(), folder.path(), roles);
        assert_eq!(worked_on(&outcomes), single().1, "{count} shards");
        let whole: Vec<&Finished> =
            outcomes.iter().map(|(found, _)| found).filter(|found| found.left == 0).collect();
        assert!(!whole.is_empty(), "none of {count} shards was last");
        for finished in whole {
            assert_eq!(texts(finished), single().0, "{count} shards");
        }
        assert_eq!(left_behind(folder.path()), Vec::<PathBuf>::new());
    }
}

#[test]
fn runs_that_know_nothing_of_each_other_share_the_work_and_all_have_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let outcomes = together(&tiny_plan(), folder.path(), vec![Role::Everything; 2]);
    assert_eq!(worked_on(&outcomes), single().1);
    for (finished, _) in &outcomes {
        assert_eq!(texts(finished), single().0);
    }
}

#[test]
fn a_shard_that_is_alone_does_the_work_of_all() {
    let folder = tempfile::tempdir().unwrap();
    let mut witness = Witness::default();
    let finished = run(&tiny_plan(), folder.path(), shard(2, 3), CALM, &mut witness).unwrap();
    assert_eq!((finished.left, finished.interrupted), (0, false));
    assert_eq!(texts(&finished), single().0);
    witness.began.sort();
    assert_eq!(witness.began, single().1);
}

#[test]
fn a_shard_that_is_done_helps_with_all_that_nobody_works_on() {
    struct Passes(usize);
    impl RunObserver for Passes {
        fn planned(&mut self, _passes: u64) {
            self.0 += 1;
        }
    }
    let (folder, plan) = (tempfile::tempdir().unwrap(), tiny_plan());
    // With the networks there, each share can be worked off in one pass over the plan.
    for training in jobs(&plan, folder.path()).iter().filter(|job| job.kind == JobKind::Train) {
        let role = Role::Jobs(BTreeSet::from([training.key.clone()]));
        run(&plan, folder.path(), role, CALM, &mut Witness::default()).unwrap();
    }
    assert!(jobs(&plan, folder.path()).len() > 9, "too few jobs: this test has lost its point");
    let mut passes = Passes(0);
    let finished = run(&plan, folder.path(), shard(1, 2), CALM, &mut passes).unwrap();
    assert_eq!(finished.left, 0);
    // One for its own and one for the others', which leaves nothing out.
    assert_eq!(passes.0, 2);
}

#[test]
fn a_shard_that_is_stopped_again_and_again_ends_at_the_same_report() {
    let folder = tempfile::tempdir().unwrap();
    let mut stops = 0;
    loop {
        let mut witness =
            Witness { stop_after: Some(3), checkpoints: stops % 2 == 0, ..Witness::default() };
        let role = shard(1 + stops % 2, 2);
        let finished = run(&tiny_plan(), folder.path(), role, CALM, &mut witness).unwrap();
        if !finished.interrupted {
            assert_eq!(texts(&finished), single().0);
            break;
        }
        stops += 1;
        assert!(stops < 60, "the shards do not get ahead");
    }
    assert!(stops >= 3, "only {stops} stops: this test has lost its point");
}

/// The jobs that a store has left to do.
fn jobs(plan: &Plan, store: &Path) -> Vec<saddle_experiments::JobEntry> {
    let (data, machine) = (tiny_data(), tiny_machine());
    let store = Store::open(store).unwrap();
    let laboratory =
        Laboratory { plan, data: &data, store: &store, machine: &machine, commit: "test" };
    laboratory.jobs_with(&Outside::default(), &[]).unwrap()
}

#[test]
fn jobs_handed_out_one_by_one_and_gathered_make_the_report_of_a_single_run() {
    let folder = tempfile::tempdir().unwrap();
    let plan = tiny_plan();
    let list = jobs(&plan, folder.path());
    let trainings: Vec<(&str, usize)> = list
        .iter()
        .filter(|job| job.kind == JobKind::Train)
        .map(|job| (job.what.as_str(), job.wave))
        .collect();
    assert_eq!(trainings, [("train natural (seed 3)", 0), ("train madry_linf (seed 3)", 1)]);
    assert!(list[2..].iter().all(|job| job.kind == JobKind::Attack && job.wave == 2));
    assert!(list[2..].iter().all(|job| job.what.contains(" (seed 3)")), "{list:?}");
    assert_eq!(list.len(), single().1.len());

    // Out of turn: what it needs is not there, and nothing is computed for it.
    let alone = |key: &Key| Role::Jobs(BTreeSet::from([key.clone()]));
    let mut witness = Witness::default();
    let error = run(&plan, folder.path(), alone(&list[1].key), CALM, &mut witness).unwrap_err();
    assert!(
        matches!(&error, Error::Plan(words) if words.contains(list[1].key.as_str())),
        "{error}"
    );
    assert_eq!(witness.began, Vec::<String>::new());

    for job in &list {
        let mut witness = Witness::default();
        run(&plan, folder.path(), alone(&job.key), CALM, &mut witness).unwrap();
        assert_eq!(witness.began.len(), 1, "{:?}", witness.began);
        assert!(job.result.is_file() && !job.failure.exists());
    }
    assert!(jobs(&plan, folder.path()).is_empty());
    let mut witness = Witness::default();
    let finished = run(&plan, folder.path(), Role::Gather, CALM, &mut witness).unwrap();
    assert_eq!((witness.began, witness.planned), (Vec::new(), 0));
    assert_eq!(texts(&finished), single().0);
}

#[test]
fn gathering_too_early_computes_nothing_and_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let mut witness = Witness { stop_after: Some(9), ..Witness::default() };
    let begun = run(&tiny_plan(), folder.path(), Role::Everything, CALM, &mut witness).unwrap();
    assert!(begun.interrupted);
    let mut witness = Witness::default();
    let finished = run(&tiny_plan(), folder.path(), Role::Gather, CALM, &mut witness).unwrap();
    assert_eq!(witness.began, Vec::<String>::new());
    for (cell, known) in finished.report.cells.iter().zip(&begun.report.cells) {
        assert_eq!(cell, known);
    }
    let notes = &finished.report.provenance.notes;
    for part in ["table1_strong", "figure1", "rivals on madry_linf"] {
        let told =
            |note: &String| note.contains(part) && note.contains("nothing was computed here");
        assert!(notes.iter().any(told), "{part}: {notes:?}");
    }
    assert_eq!(finished.report.provenance.failures.len(), 0);
}

/// The plan with a training that diverges.
fn diverging() -> Plan {
    let (head, tail) = TINY_PLAN.split_once("[networks.madry_linf.training]").unwrap();
    let tail = tail.replacen("learning_rate = 1e-3", "learning_rate = 1e30", 1);
    Plan::parse(&format!("{head}[networks.madry_linf.training]{tail}")).unwrap()
}

#[test]
fn a_failure_is_told_to_the_others_and_tried_again_by_a_later_run() {
    let alone = tempfile::tempdir().unwrap();
    let plan = diverging();
    let expected =
        run(&plan, alone.path(), Role::Everything, CALM, &mut Witness::default()).unwrap();
    assert!(!expected.report.provenance.failures.is_empty());

    let folder = tempfile::tempdir().unwrap();
    let roles = (1..=3).map(|index| shard(index, 3)).collect();
    let outcomes = together(&plan, folder.path(), roles);
    let failed =
        |began: &[String]| began.iter().filter(|job| job.starts_with("train madry_linf")).count();
    assert_eq!(failed(&worked_on(&outcomes)), 1, "it is not tried once by each");
    let last = outcomes.iter().map(|(found, _)| found).find(|found| found.left == 0).unwrap();
    assert_eq!(texts(last), texts(&expected));
    let gathered = run(&plan, folder.path(), Role::Gather, CALM, &mut Witness::default()).unwrap();
    assert_eq!(texts(&gathered), texts(&expected));

    let mut witness = Witness::default();
    run(&plan, folder.path(), Role::Everything, CALM, &mut witness).unwrap();
    assert_eq!(failed(&witness.began), 1, "{:?}", witness.began);
}

/// A lease on the first training, as a process on some other machine would leave it.
struct Stranger {
    leases: PathBuf,
}

impl Stranger {
    fn with_lease(store: &Path, plan: &Plan, lease: &[u8]) -> Self {
        let key = jobs(plan, store)[0].key.clone();
        let leases = store.join("leases");
        fs::create_dir_all(&leases).unwrap();
        fs::write(leases.join(format!("{key}.0")), lease).unwrap();
        Self { leases }
    }

    fn beat(&self, number: u32) {
        let process = r#"{"host":"far","place":"there","id":1,"started":1}"#;
        let text = format!("{number:020}\n{{\"process\":{process},\"machine\":\"another\"}}\n");
        fs::write(self.leases.join("worker-far"), text).unwrap();
    }
}

const FAR: &[u8] = br#"{"worker":"worker-far","job":"train natural (seed 3)"}"#;

/// Keeps what it was told while waiting.
#[derive(Default)]
struct Waiting {
    told: Vec<String>,
    began: usize,
}

impl RunObserver for Waiting {
    fn begin(&mut self, _job: &str) {
        self.began += 1;
    }

    fn waiting(&mut self, detail: &str) {
        self.told.push(detail.to_owned());
    }
}

#[test]
fn a_lease_that_is_silent_is_taken_over_after_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let stranger = Stranger::with_lease(folder.path(), &tiny_plan(), FAR);
    stranger.beat(7);
    let started = Instant::now();
    let mut waiting = Waiting::default();
    let finished = run(&tiny_plan(), folder.path(), Role::Everything, HASTY, &mut waiting).unwrap();
    assert!(started.elapsed() >= HASTY.dead_after);
    assert_eq!(texts(&finished), single().0);
    assert_eq!(waiting.began, single().1.len());
    let told = &waiting.told[0];
    assert!(told.contains("train natural (seed 3)") && told.contains("process 1 on far"), "{told}");
    assert_eq!(left_behind(folder.path()), Vec::<PathBuf>::new());
}

#[test]
fn a_lease_is_waited_for_as_long_as_its_owner_lives() {
    let folder = tempfile::tempdir().unwrap();
    let plan = tiny_plan();
    let stranger = Stranger::with_lease(folder.path(), &plan, FAR);
    stranger.beat(0);
    let dead = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let born = Instant::now();
            for number in 1.. {
                stranger.beat(number);
                std::thread::sleep(HASTY.beat);
                if 2 * born.elapsed() > 3 * HASTY.dead_after {
                    break;
                }
            }
            dead.store(true, Ordering::SeqCst);
        });
        let mut watch = WatchingBegin { dead: &dead, early: false };
        let finished = run(&plan, folder.path(), Role::Everything, HASTY, &mut watch).unwrap();
        assert!(!watch.early, "worked on in spite of a living owner");
        assert_eq!(texts(&finished), single().0);
    });
}

/// Whether anything began before somebody was dead.
struct WatchingBegin<'a> {
    dead: &'a AtomicBool,
    early: bool,
}

impl RunObserver for WatchingBegin<'_> {
    fn begin(&mut self, _job: &str) {
        self.early |= !self.dead.load(Ordering::SeqCst);
    }
}

#[test]
fn a_damaged_lease_is_somebody_unknown_who_dies_in_silence() {
    let elsewhere = br#"{"worker":"worker-/../../report.md","job":"mischief"}"#;
    for lease in [&b"half of a le"[..], b"", b"\xff\xfe\x00", b"{\"worker\":7}", elsewhere] {
        let folder = tempfile::tempdir().unwrap();
        Stranger::with_lease(folder.path(), &tiny_plan(), lease);
        let mut waiting = Waiting::default();
        let finished =
            run(&tiny_plan(), folder.path(), Role::Everything, HASTY, &mut waiting).unwrap();
        assert_eq!(texts(&finished), single().0);
        assert!(waiting.told[0].contains("cannot be read"), "{:?}", waiting.told);
    }
}

/// Takes the job over in the name of somebody else, in the midst of it, and lets the heartbeat notice.
struct Robbed {
    leases: PathBuf,
    steps: usize,
    began: Vec<String>,
}

impl RunObserver for Robbed {
    fn begin(&mut self, job: &str) {
        self.began.push(job.to_owned());
    }

    fn advance(&mut self, _passes: u64, _detail: &str) {
        self.steps += 1;
        if self.steps == 3 {
            let names = fs::read_dir(&self.leases).unwrap();
            let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let own: Vec<String> = names.filter(|name| name.ends_with(".0")).collect();
            assert_eq!(own.len(), 1, "{own:?}");
            let next = own[0].replace(".0", ".1");
            fs::write(self.leases.join(next), FAR).unwrap();
            // Long enough for a heartbeat to notice.
            std::thread::sleep(40 * HASTY.beat);
        }
    }

    fn wants_checkpoint(&mut self) -> bool {
        true
    }
}

#[test]
fn whoever_loses_a_lease_lets_go_and_goes_on_when_the_robber_is_dead() {
    let folder = tempfile::tempdir().unwrap();
    let leases = folder.path().join("leases");
    let mut robbed = Robbed { leases, steps: 0, began: Vec::new() };
    let finished = run(&tiny_plan(), folder.path(), Role::Everything, HASTY, &mut robbed).unwrap();
    assert_eq!(texts(&finished), single().0);
    let trained = |job: &&String| job.starts_with("train natural");
    assert_eq!(robbed.began.iter().filter(trained).count(), 2, "{:?}", robbed.began);
}

/// Slow enough to be killed in the midst of a job.
struct Slow;

impl RunObserver for Slow {
    fn advance(&mut self, _passes: u64, _detail: &str) {
        std::thread::sleep(Duration::from_millis(50));
    }

    fn wants_checkpoint(&mut self) -> bool {
        true
    }
}

#[test]
#[ignore = "another test starts it in a process of its own"]
fn a_shard_in_a_process_of_its_own() {
    let Ok(store) = std::env::var(STORE) else { return };
    run(&tiny_plan(), Path::new(&store), shard(1, 2), Patience::default(), &mut Slow).unwrap();
}

#[test]
#[cfg_attr(
    not(target_os = "linux"),
    ignore = "elsewhere a dead process is known by its silence alone"
)]
fn a_shard_that_is_killed_is_replaced_at_once_on_its_own_machine() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "experiments::shards::a_shard_in_a_process_of_its_own", "--ignored"])
        .env(STORE, folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // A checkpoint of the first training: it is in the midst of a job.
    let key = jobs(&tiny_plan(), folder.path())[0].key.clone();
    let checkpoint = Store::open(folder.path()).unwrap().part_path(&key, "checkpoint.safetensors");
    let started = Instant::now();
    while !checkpoint.is_file() {
        assert!(started.elapsed() < Duration::from_secs(60), "it does not get to a checkpoint");
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was killed");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!left_behind(folder.path()).is_empty());

    let killed = Instant::now();
    let patience = Patience::default();
    let mut witness = Witness::default();
    let finished = run(&tiny_plan(), folder.path(), shard(2, 2), patience, &mut witness).unwrap();
    assert!(killed.elapsed() < patience.dead_after, "it waited for a dead process");
    assert_eq!(texts(&finished), single().0);
    assert!(witness.steps > 0);
}

fn keys(prefix: &str, count: usize) -> Vec<Key> {
    let name = |number: usize| sha256_hex(format!("{prefix} {number}").as_bytes());
    (0..count).map(|number| name(number).parse().unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn shares_are_a_partition_and_even(
        passes in proptest::collection::vec(0u64..1000, 0..12),
        others in 0usize..60,
        count in 1usize..6,
    ) {
        let trainings: BTreeMap<Key, u64> =
            keys("train", passes.len()).into_iter().zip(passes.iter().copied()).collect();
        let others = keys("attack", others);
        // As the run does: trainings are among all jobs.
        let all: BTreeSet<Key> = trainings.keys().chain(&others).cloned().collect();
        let shares: Vec<BTreeSet<Key>> = (1..=count)
            .map(|index| Shard::new(index, count).unwrap().own(&trainings, all.iter().cloned()))
            .collect();
        prop_assert_eq!(shares.iter().map(BTreeSet::len).sum::<usize>(), all.len());
        let union: BTreeSet<Key> = shares.iter().flatten().cloned().collect();
        prop_assert_eq!(union, all);
        let load = |share: &BTreeSet<Key>| -> u64 {
            share.iter().filter_map(|key| trainings.get(key)).map(|passes| passes.max(&1)).sum()
        };
        let loads: Vec<u64> = shares.iter().map(load).collect();
        // Longest first to the least loaded: nobody is ahead by more than one training.
        let longest = passes.iter().copied().max().unwrap_or(0).max(1);
        prop_assert!(loads.iter().max().unwrap() - loads.iter().min().unwrap() <= longest);
        let dealt = |share: &BTreeSet<Key>| share.len() - share.iter().filter(|k| trainings.contains_key(k)).count();
        let dealt: Vec<usize> = shares.iter().map(dealt).collect();
        prop_assert!(dealt.iter().max().unwrap() - dealt.iter().min().unwrap() <= 1);
    }
}

#[test]
fn shards_are_counted_from_one() {
    assert_eq!("2/3".parse::<Shard>().unwrap().to_string(), "2/3");
    for text in ["0/3", "4/3", "1/0", "1", "a/b", "1/2/3", "-1/2", ""] {
        let words = text.parse::<Shard>().unwrap_err();
        assert!(words.contains("2/3"), "{text}: {words}");
    }
}

#[test]
fn a_key_is_64_hexadecimal_digits() {
    let key = &keys("some", 1)[0];
    assert_eq!(key.as_str().parse::<Key>().unwrap(), *key);
    for text in ["", "abc", &key.as_str().to_uppercase(), &format!("{key}0")] {
        assert!(text.parse::<Key>().is_err(), "{text}");
    }
}
