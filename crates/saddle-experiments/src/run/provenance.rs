//! What a reader of a report must know of its numbers: data, program, weights, attacks, and why some are missing.

use std::collections::{BTreeMap, BTreeSet};

use saddle_data::DatasetName;
use saddle_report::{AttackNote, Cell, CellKey, DatasetWords, Fact, Status, paper::row_in_words};

use super::{Detail, Laboratory, Run};
use crate::agenda::NetworkId;
use crate::job::Bench;
use crate::key::{canonical_json, sha256_hex};
use crate::paper::CellPlan;
use crate::{Key, Result};

/// The data set for a reader; MNIST goes without saying.
pub(super) fn dataset(name: DatasetName) -> Option<DatasetWords> {
    let classes = name.classes().map(str::to_owned).to_vec();
    (!name.is_mnist()).then(|| DatasetWords { name: name.title().to_owned(), classes })
}

/// Where the numbers come from; nothing in it depends on when or how often the run was interrupted.
pub(super) fn facts(
    laboratory: &Laboratory<'_>,
    bench: &Bench<'_>,
    run: &Run<'_>,
    details: &[Detail],
) -> Result<Vec<Fact>> {
    let fact = |name: &str, value: String| Fact { name: name.to_owned(), value };
    let plan = sha256_hex(canonical_json(laboratory.plan)?.as_bytes());
    let data = laboratory.data;
    let mut facts = vec![
        fact("plan", format!("{}, SHA-256 {plan}", laboratory.plan.about.trim())),
        fact("program", format!("saddle {}", env!("CARGO_PKG_VERSION"))),
        fact("kernels", laboratory.machine.name()),
        fact("training digits", format!("{}, SHA-256 {}", data.train.name, data.train.sha256())),
        fact("test digits", format!("{}, SHA-256 {}", data.test.name, data.test.sha256())),
        fact("digits trained on", format!("the first {}", bench.seen())),
        fact("digits held out", format!("the last {} of them", laboratory.plan.held_out)),
    ];
    for (id, outcome) in &run.networks {
        let Ok(trained) = outcome else { continue };
        let name = format!("weights of {} (seed {})", id.name, run.seed(id));
        let value = match run.outside.given.get(id) {
            Some(given) => format!("given weights, {}, SHA-256 {}", given.file, given.sha256),
            None => format!("SHA-256 {}", sha256_hex(&trained.bytes(bench)?)),
        };
        facts.push(fact(&name, value));
    }
    facts.extend(taken_over(run, details));
    Ok(facts)
}

/// What an earlier run computed: how many attacks, at which commits, on which weights.
fn taken_over(run: &Run<'_>, details: &[Detail]) -> Vec<Fact> {
    let mut commits: BTreeMap<&str, BTreeSet<&Key>> = BTreeMap::new();
    let mut weights: BTreeMap<String, &str> = BTreeMap::new();
    for detail in details {
        for attack in detail.attacks.iter().filter(|attack| run.taken.contains(&attack.key)) {
            commits.entry(&attack.commit).or_default().insert(&attack.key);
            if let Some(hash) = &detail.weights {
                let (network, seed) = (&detail.cell.network, detail.cell.seed);
                weights.insert(format!("weights of {network} (seed {seed})"), hash);
            }
        }
    }
    // Weights that are at hand stand among the facts already.
    let at_hand = |id: &NetworkId| format!("weights of {} (seed {})", id.name, run.seed(id));
    for id in run.networks.keys() {
        weights.remove(&at_hand(id));
    }
    let hashes = weights.into_iter().map(|(name, hash)| Fact {
        name,
        value: format!("SHA-256 {hash}, as the earlier run says"),
    });
    let commits = commits.into_iter().map(|(commit, keys)| Fact {
        name: format!("attacks taken over, computed at commit {commit}"),
        value: keys.len().to_string(),
    });
    hashes.chain(commits).collect()
}

/// The attacks behind each row of each table, once.
pub(super) fn attack_notes(plans: &[CellPlan]) -> Vec<AttackNote> {
    let mut notes: Vec<AttackNote> = Vec::new();
    for plan in plans {
        let Ok(work) = &plan.work else { continue };
        let words: Vec<String> = work.jobs.iter().filter_map(|job| job.words()).collect();
        let words = if words.is_empty() { "no attack".to_owned() } else { words.join("; and ") };
        let CellKey { table, setting, row, .. } = plan.key.clone();
        let note = AttackNote { table, setting, row, words };
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    notes
}

/// Why cells are missing: one line per table and reason, with the networks and, where only some of a
/// network's cells are missing, their rows; `otherwise` where nobody knows. `cells` are those of `plans`, in the same order.
pub(super) fn missing_reasons(plans: &[CellPlan], cells: &[Cell], otherwise: &str) -> Vec<String> {
    let mut lines: Vec<(&str, &str, Vec<&str>)> = Vec::new();
    for plan in missing(plans, cells) {
        let reason = plan.work.as_ref().err().map_or(otherwise, String::as_str);
        let (table, network) = (plan.key.table.as_str(), plan.key.network.as_str());
        let line = lines.iter_mut().find(|line| (line.0, line.1) == (table, reason));
        match line {
            Some((.., networks)) if networks.contains(&network) => {}
            Some((.., networks)) => networks.push(network),
            None => lines.push((table, reason, vec![network])),
        }
    }
    let named = |table: &str, network: &str| {
        let own = |plan: &&CellPlan| plan.key.table == table && plan.key.network == network;
        let rows: Vec<String> = missing(plans, cells)
            .filter(own)
            .map(|plan| format!("{} (seed {})", row_in_words(&plan.key.row), plan.key.seed))
            .collect();
        if plans.iter().filter(own).count() == rows.len() {
            return network.to_owned();
        }
        format!("{network} [{}]", rows.join("; "))
    };
    let line = |(table, reason, networks): &(&str, &str, Vec<&str>)| {
        let networks: Vec<String> = networks.iter().map(|network| named(table, network)).collect();
        format!("Missing in {table}: {}; {reason}.", networks.join(", "))
    };
    lines.iter().map(line).collect()
}

fn missing<'a>(plans: &'a [CellPlan], cells: &[Cell]) -> impl Iterator<Item = &'a CellPlan> {
    let pairs = plans.iter().zip(cells);
    pairs.filter(|(_, cell)| cell.status == Status::Missing).map(|(plan, _)| plan)
}
