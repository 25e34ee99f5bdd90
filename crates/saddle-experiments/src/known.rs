//! Cells that an earlier run has left in its `cells.jsonl`: what another clone goes on from.
//!
//! A line says of every attack of its cell under which key it ran and what became of each digit. An attack whose key the
//! plan asks for is taken over, and its network is not trained for it: the key is a hash of everything that the result
//! depends on, so what it names is the same work. A line is a claim of whoever wrote the file, though. One that does not
//! parse, that contradicts itself or another one is not believed, and is named with the reason.
//!
//! Not covered: figures, the comparison of rivals, the ladder and bounds. They are computed again, and networks are trained for them
//! where the store has none.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use saddle_report::Shown;

use crate::run::{AttackDetail, Detail, JobTime};
use crate::write::{CELLS, TIMES};
use crate::{Error, Key, Result};

/// How far sums of printed numbers may be off, relative.
const TOLERANCE: f64 = 1e-9;

/// Attacks of earlier runs by their keys; none by default.
#[derive(Debug, Default)]
pub struct Known {
    attacks: BTreeMap<Key, KnownAttack>,
    times: BTreeMap<Key, JobTime>,
    /// Keys of which two lines say different things.
    disputed: BTreeSet<Key>,
    remarks: Vec<String>,
}

/// One attack that an earlier run has finished.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KnownAttack {
    pub(crate) detail: AttackDetail,
    /// The digits that it ran on, shared by the attacks of a line.
    ids: Arc<[u64]>,
    /// SHA-256 of the weights that it ran on.
    pub(crate) weights: Option<String>,
}

impl Known {
    /// Takes in what an earlier run has left in the folder of its report. A folder without cells holds nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] when the system refuses. Lines that cannot be believed are no error but
    /// [remarks](Known::remarks).
    pub fn read(&mut self, folder: &Path) -> Result<()> {
        let path = folder.join(CELLS);
        let Some(bytes) = read(&path)? else { return Ok(()) };
        // Bytes that are no text spoil their own line, no other.
        for (number, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
            if let Err(reason) = self.line(line) {
                let place = format!("{}, line {}", path.display(), number + 1);
                self.remarks.push(format!("{place} is not used: {reason}"));
            }
        }
        let times = read(&folder.join(TIMES))?;
        let times: Vec<JobTime> =
            times.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        self.times.extend(times.into_iter().map(|time| (time.key.clone(), time)));
        Ok(())
    }

    /// Lines that were not believed, and why.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// How many attacks are known.
    pub fn len(&self) -> usize {
        self.attacks.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.attacks.is_empty()
    }

    /// The attack of this key, if it is known of exactly these digits.
    pub(crate) fn get(&self, key: &Key, digits: &[usize]) -> Option<&KnownAttack> {
        let known = self.attacks.get(key)?;
        let same = known.ids.iter().copied().eq(digits.iter().map(|&index| index as u64));
        same.then_some(known)
    }

    /// How long the job of this key took where it ran.
    pub(crate) fn time(&self, key: &Key) -> Option<&JobTime> {
        self.times.get(key)
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        let detail: Detail = serde_json::from_str(line).map_err(|error| error.to_string())?;
        check(&detail)?;
        let ids: Arc<[u64]> = detail.ids.into();
        let mut dispute = None;
        for attack in detail.attacks {
            let key = attack.key.clone();
            let (ids, weights) = (Arc::clone(&ids), detail.weights.clone());
            let known = KnownAttack { detail: attack, ids, weights };
            if self.disputed.contains(&key) {
                continue;
            }
            match self.attacks.get(&key) {
                // Who computed it, and what the network is called there, is no part of a result.
                Some(other) if !same_result(other, &known) => {
                    dispute = Some(format!("another line says something else of the job {key}"));
                    self.attacks.remove(&key);
                    self.disputed.insert(key);
                }
                Some(_) => {}
                None => {
                    self.attacks.insert(key, known);
                }
            }
        }
        dispute.map_or(Ok(()), Err)
    }
}

/// Whether a line's numbers agree with each other.
fn check(detail: &Detail) -> Result<(), String> {
    let Shown::Measured { correct, total, .. } = detail.cell.shown() else {
        return Err("it is no measured cell, or its accuracy is not that of its counts".to_owned());
    };
    if detail.attacks.is_empty() {
        return Err("it names no attack".to_owned());
    }
    let mut seen = BTreeSet::new();
    if !detail.ids.iter().all(|id| seen.insert(id)) {
        return Err("a digit comes twice".to_owned());
    }
    for attack in &detail.attacks {
        let digits = attack.robust.bytes().filter(|digit| matches!(digit, b'0' | b'1')).count();
        if digits != detail.ids.len() || attack.robust.len() != digits {
            return Err("its attacks tell of other digits than its own".to_owned());
        }
        if ![attack.passes_per_example, attack.largest_distance].iter().all(|x| *x >= 0.0) {
            return Err("passes or distances below zero".to_owned());
        }
    }
    let left = AttackDetail::survivors(&detail.attacks) as u64;
    if (left, detail.ids.len() as u64) != (correct, total) {
        return Err(format!(
            "it counts {correct} of {total} digits and tells of {left} of {}",
            detail.ids.len()
        ));
    }
    let passes: f64 = detail.attacks.iter().map(|attack| attack.passes_per_example).sum();
    match detail.cell.passes_per_example {
        Some(all) if (all - passes).abs() <= TOLERANCE * passes.max(1.0) => Ok(()),
        _ => Err("its passes are not the sum of its attacks'".to_owned()),
    }
}

fn same_result(one: &KnownAttack, other: &KnownAttack) -> bool {
    let same_digits = one.ids == other.ids;
    let (one, other) = (&one.detail, &other.detail);
    same_digits
        && one.robust == other.robust
        && one.passes_per_example == other.passes_per_example
        && one.largest_distance == other.largest_distance
}

fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Read { path: path.to_owned(), source }),
    }
}
