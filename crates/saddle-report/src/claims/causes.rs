//! Cells that differ from the paper, and changed choices that may be the cause.
//!
//! A choice is accepted as cause if the same cell, run again with that one choice changed, lies closer to
//! the paper's figure by at least half the gap, and the 95 % interval of the move excludes zero; both on
//! the digits that the two cells share. Everything else stays unexplained.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::claim::Against;
use super::evidence::{Fates, Judged, Share, discordant, in_words, seeds};
use crate::cell::{Cell, Shown};
use crate::report::Finding;
use crate::statistics::paired_difference;

/// Part of the gap that a cause has to close.
const ENOUGH: f64 = 0.5;

/// A choice that was made differently in another cell of the same plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cause {
    /// What was changed, in words: `normalised in place of raw inner steps`.
    pub choice: String,
    /// Table of the cells that it may explain.
    pub table: String,
    /// Their networks.
    pub networks: Vec<String>,
    /// Their rows.
    pub rows: Vec<String>,
    /// Where the same cell stands with that choice changed; what is left out is that of the cell.
    pub changed: Against,
}

/// A cell whose 95 % interval excludes the paper's figure: one entry of `differences` in `report.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Table of the cell.
    pub table: String,
    /// Its network.
    pub network: String,
    /// Its row.
    pub row: String,
    /// Its seed.
    pub seed: u64,
    /// What we measured.
    pub ours: Share,
    /// What the paper prints, as a fraction.
    pub paper: f64,
    /// Ours less the paper's.
    pub gap: f64,
    /// Whether one of the choices is its cause.
    pub explained: bool,
    /// Every changed choice that was named for it.
    pub tried: Vec<Tried>,
}

/// A changed choice and what it did to the cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// What was changed.
    pub choice: String,
    /// The cell with the change, in words.
    pub changed: String,
    /// Its accuracy; none if it was not measured.
    pub share: Option<Share>,
    /// How far it moved; positive is up.
    pub moved: Option<f64>,
    /// Tango's 95 % interval of the move.
    pub interval95: Option<[f64; 2]>,
    /// Part of the gap that is gone; negative if it grew.
    pub closed: Option<f64>,
    /// Whether this is accepted as cause.
    pub accepted: bool,
    /// Why there is nothing to compare; empty if there is.
    #[serde(default)]
    pub absent: String,
}

/// Every cell that differs from the paper, in the order of the cells, with what was tried to explain it.
pub fn differences(cells: &[Cell], judged: &[Judged], causes: &[Cause]) -> Vec<Difference> {
    let rows = cells.iter().filter_map(Finding::of).filter_map(|finding| {
        let cell = finding.cell;
        let Shown::Measured { correct, total, .. } = cell.shown() else { return None };
        let place = [cell.table.as_str(), &cell.network, &cell.row];
        let named = |cause: &&Cause| {
            cause.table == cell.table
                && cause.networks.contains(&cell.network)
                && cause.rows.contains(&cell.row)
        };
        let tried: Vec<Tried> = causes
            .iter()
            .filter(named)
            .map(|cause| tried(cause, place, cell.seed, finding.paper, judged))
            .collect();
        Some(Difference {
            table: cell.table.clone(),
            network: cell.network.clone(),
            row: cell.row.clone(),
            seed: cell.seed,
            ours: Share::new(correct, total)?,
            paper: finding.paper,
            gap: finding.ours - finding.paper,
            explained: tried.iter().any(|tried| tried.accepted),
            tried,
        })
    });
    rows.collect()
}

fn tried(cause: &Cause, place: [&str; 3], seed: u64, paper: f64, judged: &[Judged]) -> Tried {
    let changed = cause.changed.place(place);
    let mut tried = Tried {
        choice: cause.choice.clone(),
        changed: in_words(changed),
        share: None,
        moved: None,
        interval95: None,
        closed: None,
        accepted: false,
        absent: String::new(),
    };
    let fates = |place| {
        let own = seeds(judged, place).into_iter().find(|cell| cell.seed == seed);
        own.and_then(|cell| cell.fates.as_ref().ok())
    };
    let (Some(before), Some(after)) = (fates(place), fates(changed)) else {
        tried.absent = "not measured".to_owned();
        return tried;
    };
    let [before, after] = on_shared_digits(before, after);
    let pair = discordant(&after, &before).and_then(|[only_after, only_before, total]| {
        paired_difference(only_after, only_before, total)
    });
    let (Some(pair), Some(ours), Some(share)) = (pair, Share::of(&before), Share::of(&after))
    else {
        tried.absent = "measured on other digits".to_owned();
        return tried;
    };
    tried.share = Some(share);
    let gap = ours.accuracy - paper;
    let [low, high] = pair.interval95;
    // A cell that moves past the paper's figure has to end closer to it than it began.
    let closed =
        if gap == 0.0 { 0.0 } else { (gap.abs() - (share.accuracy - paper).abs()) / gap.abs() };
    let towards = if gap > 0.0 { high < 0.0 } else { low > 0.0 };
    tried.moved = Some(pair.difference);
    tried.interval95 = Some(pair.interval95);
    tried.closed = Some(closed);
    // Exactly half is enough, whatever the last bit says.
    tried.accepted = closed >= ENOUGH - 1e-9 && towards;
    tried
}

/// Both cells on the digits that they share, in the order of the first: one sample may be part of another.
fn on_shared_digits(first: &Fates, second: &Fates) -> [Fates; 2] {
    let other: BTreeMap<u64, bool> =
        second.ids.iter().copied().zip(second.robust.iter().copied()).collect();
    let mut both = [(); 2].map(|()| Fates { ids: Vec::new(), robust: Vec::new() });
    for (id, robust) in first.ids.iter().zip(&first.robust) {
        let Some(other) = other.get(id) else { continue };
        for (fates, robust) in both.iter_mut().zip([robust, other]) {
            fates.ids.push(*id);
            fates.robust.push(*robust);
        }
    }
    both
}
