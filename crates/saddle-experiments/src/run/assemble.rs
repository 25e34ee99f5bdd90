//! From surveys to the report: cells, provenance, failures, and every digit's fate beside them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use saddle_attacks::{Judge, Verdict};
use saddle_data::DatasetName;
use saddle_report::bounds::Bound;
use saddle_report::claims::Judged;
use saddle_report::{
    Cell, CellKey, Chart, Choice, DigitFigure, Failure, Figure, Ladder, Provenance, Report,
    RivalRow, Verdicts, adjust,
};

use super::{BoundDetail, Laboratory, LadderDetail, MemberDetail, Run, broken::broken, provenance};
use crate::job::{Bench, Survey, Trial};
use crate::paper::{CellPlan, Work};
use crate::plan::{LadderPlan, VerdictPlan};
use crate::{Error, Key, Result};

/// A cell with the fate of every digit: one line of `cells.jsonl`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Detail {
    /// The cell as the report has it.
    #[serde(flatten)]
    pub cell: Cell,
    /// The sample of digits, as the plan names it.
    pub digits: String,
    /// Index of each digit in its data set.
    pub ids: Vec<u64>,
    /// SHA-256 of the network's weight file.
    pub weights: Option<String>,
    /// Every attack of the cell, with what it did.
    pub attacks: Vec<AttackDetail>,
}

/// What one attack did to every digit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttackDetail {
    /// The key of the job: the hash of all that this result depends on.
    pub key: Key,
    /// Commit of the program that computed it, or a word that says why it is not known.
    pub commit: String,
    /// The attack in words; `natural` for none.
    pub attack: String,
    /// `1` for each digit that was right and stayed right, in the order of the cell's `ids`.
    pub robust: String,
    /// Mean forward and backward passes per digit.
    pub passes_per_example: f64,
    /// Largest distance of a judged image from its digit, in the norm of the threat model. Beyond the radius only for an
    /// attack that looks for the smallest distance, where it found nothing nearer; such a digit stands.
    pub largest_distance: f64,
    /// Gradients that were exactly zero, tiny, or not finite.
    pub zero_tiny_non_finite: [u64; 3],
    /// The attacks of a suite, in their order; empty for a single attack.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<MemberDetail>,
}

impl AttackDetail {
    pub(super) fn of(
        job: &dyn Trial,
        survey: &Survey,
        judge: Judge,
        key: Key,
        commit: String,
    ) -> Self {
        let verdicts = &survey.verdicts;
        let bit = |verdict: &Verdict| if verdict.robust(judge) { '1' } else { '0' };
        Self {
            key,
            commit,
            attack: job.words().unwrap_or_else(|| "natural".to_owned()),
            robust: verdicts.iter().map(bit).collect(),
            passes_per_example: mean_passes(survey),
            largest_distance: verdicts.iter().fold(0.0, |far, v| v.distance.max(far)),
            zero_tiny_non_finite: [
                survey.health.zero,
                survey.health.tiny,
                survey.health.non_finite,
            ],
            members: survey.members.iter().map(MemberDetail::of).collect(),
        }
    }

    /// How many digits survive every one of these attacks on the same digits.
    pub(crate) fn survivors(attacks: &[Self]) -> usize {
        let total = attacks.first().map_or(0, |attack| attack.robust.len());
        let robust =
            |row: usize| attacks.iter().all(|one| one.robust.as_bytes().get(row) == Some(&b'1'));
        (0..total).filter(|&row| robust(row)).count()
    }
}

/// What a run has found so far.
#[derive(Default)]
pub(super) struct Book {
    pub(super) cells: Vec<Cell>,
    pub(super) details: Vec<Detail>,
    failures: Vec<Failure>,
    pub(super) figures: Vec<Figure>,
    pub(super) rivals: Vec<RivalRow>,
    pub(super) ladder: Option<Ladder>,
    /// The rows of the ladder, digit by digit.
    pub(super) rungs: Vec<LadderDetail>,
    pub(super) verdicts: Option<Verdicts>,
    pub(super) bounds: Vec<BoundDetail>,
    /// The contenders of the comparison, digit by digit.
    pub(super) contenders: Vec<Judged>,
    pub(super) curves: Vec<Chart>,
    pub(super) figure2: Option<DigitFigure>,
    /// Curves and Figure 2 that came to their end.
    pub(super) drawn: BTreeSet<String>,
    /// Whether the bounds came to their end.
    pub(super) bounded: bool,
    /// Whether the comparison of rivals came to its end.
    pub(super) compared: bool,
    /// Whether the ladder was climbed to its end.
    pub(super) climbed: bool,
    /// Whether all verdicts were found.
    pub(super) judged: bool,
    /// Why figures and comparisons are missing, and what else a reader must know.
    gaps: Vec<String>,
    /// Whether the paper has no figures for this data set.
    beyond_the_paper: bool,
    /// Why what was asked for is not there; the run was stopped where nothing else is said.
    why: Option<&'static str>,
}

/// What a run says of a cell that it never reached.
pub(super) const STOPPED: &str = "not measured: the run was stopped before it came to an end";
/// What is said of a cell by a run that only gathers.
pub(super) const NOT_THERE: &str =
    "not measured: the store does not hold it, and nothing was computed here";

/// Why a part that was not asked for is missing.
pub(super) fn restricted(only: &[String]) -> String {
    format!("not measured: the run was restricted to {}", only.join(", "))
}

impl Book {
    /// An empty book about a data set.
    pub(super) fn about(dataset: DatasetName) -> Self {
        Self { beyond_the_paper: !dataset.is_mnist(), ..Self::default() }
    }

    /// A book about a data set with nothing but remarks in it; `gathers` where nothing is to be computed.
    pub(super) fn with(dataset: DatasetName, remarks: Vec<String>, gathers: bool) -> Self {
        Self { gaps: remarks, why: gathers.then_some(NOT_THERE), ..Self::about(dataset) }
    }

    /// What a reader must know so far.
    pub(super) fn remarks(&self) -> &[String] {
        &self.gaps
    }

    fn why(&self) -> &'static str {
        self.why.unwrap_or(STOPPED)
    }

    /// Takes down a measured cell: a digit survives if it survives every attack.
    pub(super) fn cell(
        &mut self,
        plan: &CellPlan,
        work: &Work,
        ids: Vec<u64>,
        attacks: Vec<AttackDetail>,
        weights: Option<String>,
    ) -> Result<()> {
        let total = ids.len() as u64;
        let correct = AttackDetail::survivors(&attacks) as u64;
        let passes = attacks.iter().map(|attack| attack.passes_per_example).sum();
        let cell = Cell::measured(plan.key.clone(), correct, total, passes)
            .map_err(|error| Error::format("cell", error))?;
        let cell = self.held(cell);
        self.cells.push(cell.clone());
        self.details.push(Detail { cell, digits: work.sample.clone(), ids, weights, attacks });
        Ok(())
    }

    /// The cell beside the paper's figure, or without where the paper is about other data.
    fn held(&self, cell: Cell) -> Cell {
        Cell { paper: cell.paper.filter(|_| !self.beyond_the_paper), ..cell }
    }

    /// The cells so far, digit by digit.
    pub(super) fn details(&self) -> &[Detail] {
        &self.details
    }

    /// Takes down a cell whose job failed; one that is in other hands is not there yet.
    pub(super) fn failed_cell(&mut self, plan: &CellPlan, error: &Error) {
        if matches!(error, Error::Elsewhere) {
            return;
        }
        let cell = self.held(Cell::failed(plan.key.clone()));
        self.cells.push(cell);
        self.failure(&name(&plan.key), error);
    }

    pub(super) fn failure(&mut self, what: &str, error: &Error) {
        if matches!(error, Error::Elsewhere) {
            return self.missing(what, self.why());
        }
        self.failures.push(Failure { what: what.to_owned(), reason: error.to_string() });
    }

    /// Takes down a bound; one for the same digits and threat gains its rows.
    pub(super) fn bound(&mut self, detail: BoundDetail) {
        let same = |known: &&mut BoundDetail| {
            let (known, new) = (&known.bound, &detail.bound);
            (&known.norm, known.epsilon, &known.digits_hash)
                == (&new.norm, new.epsilon, &new.digits_hash)
        };
        match self.bounds.iter_mut().find(same) {
            Some(known) => known.bound.rows.extend(detail.bound.rows),
            None => self.bounds.push(detail),
        }
    }

    /// Notes something that a reader must know.
    pub(super) fn note(&mut self, note: String) {
        self.gaps.push(note);
    }

    /// Notes that a figure or a comparison is not in the report, and why.
    pub(super) fn missing(&mut self, what: &str, reason: &str) {
        let gap = format!("{what} is missing: {reason}.");
        if !self.gaps.contains(&gap) {
            self.gaps.push(gap);
        }
    }

    /// Notes what of the planned bounds, figure and comparison a stop has cut off.
    pub(super) fn stopped(&mut self, bounds: bool, figure: bool, rivals: bool) {
        if bounds && !self.bounded {
            self.gaps.push(format!("bounds, at least in part: {STOPPED}."));
        }
        let failed = |what: &str| self.failures.iter().any(|failure| failure.what == what);
        if figure && self.figures.is_empty() && !failed("figure1") {
            self.missing("figure1", STOPPED);
        }
        if rivals && !self.compared {
            self.gaps.push(format!("rivals, at least in part: {STOPPED}."));
        }
    }

    /// Notes what of a planned ladder a stop has cut off.
    pub(super) fn stopped_on_the_ladder(&mut self, ladder: Option<&LadderPlan>) {
        if ladder.is_some() && !self.climbed {
            self.gaps.push(format!("ladder, at least in part: {STOPPED}."));
        }
    }

    /// Notes what of planned verdicts a stop has cut off.
    pub(super) fn stopped_before_verdicts(&mut self, verdicts: Option<&VerdictPlan>) {
        if verdicts.is_some() && !self.judged {
            self.gaps.push(format!("verdicts, at least in part: {STOPPED}."));
        }
    }

    /// Adds the cells that nobody measured, as missing, and puts all into the plan's order.
    pub(super) fn fill_up(&mut self, plans: &[CellPlan]) {
        let found = std::mem::take(&mut self.cells);
        for plan in plans {
            let known = found.iter().find(|cell| is(cell, &plan.key)).cloned();
            let cell = known.unwrap_or_else(|| self.held(Cell::missing(plan.key.clone())));
            self.cells.push(cell);
        }
        let place = |detail: &Detail| plans.iter().position(|plan| is(&detail.cell, &plan.key));
        self.details.sort_by_key(place);
    }

    /// Marks the cells of attacks that an attack without gradients outdoes, once all are in the plan's order.
    pub(super) fn mark_broken(&mut self, plans: &[CellPlan]) {
        for (place, row) in broken(plans, &self.cells) {
            let cell = &mut self.cells[place];
            cell.weaker_than = Some(row);
            let detail = self.details.iter_mut().find(|detail| is(&detail.cell, &plans[place].key));
            if let Some(detail) = detail {
                detail.cell = cell.clone();
            }
        }
    }

    pub(super) fn close(
        mut self,
        laboratory: &Laboratory<'_>,
        bench: &Bench<'_>,
        run: &Run<'_>,
        plans: &[CellPlan],
    ) -> Result<(Report, Vec<Detail>, Vec<BoundDetail>)> {
        let plan = laboratory.plan;
        let mut notes = plan.notes.clone();
        notes.extend(provenance::missing_reasons(plans, &self.cells, self.why()));
        notes.append(&mut self.gaps);
        adjust(&mut self.rivals);
        let bounds: Vec<Bound> = self.bounds.iter().map(|detail| detail.bound.clone()).collect();
        let (claims, differences) = self.decide(plan, &bounds);
        let own = plan.choices.iter().cloned();
        let choices = own.map(|c| Choice { name: c.name, value: c.value, evidence: c.evidence });
        let report = Report {
            profile: plan.name.clone(),
            dataset: provenance::dataset(plan.dataset),
            seed: plan.seed,
            commit: laboratory.commit.to_owned(),
            cells: self.cells,
            figures: self.figures,
            curves: self.curves,
            figure2: self.figure2,
            rivals: self.rivals,
            ladder: self.ladder,
            verdicts: self.verdicts,
            bounds,
            claims,
            differences,
            provenance: Provenance {
                facts: provenance::facts(laboratory, bench, run, &self.details)?,
                attacks: provenance::attack_notes(plans),
                choices: choices.collect(),
                failures: self.failures,
                notes,
            },
        };
        Ok((report, self.details, self.bounds))
    }
}

fn mean_passes(survey: &Survey) -> f64 {
    let passes: u64 = survey.verdicts.iter().map(|verdict| verdict.passes()).sum();
    passes as f64 / survey.verdicts.len().max(1) as f64
}

fn name(key: &CellKey) -> String {
    format!("{}: {} on {} (seed {})", key.table, key.row, key.network, key.seed)
}

fn is(cell: &Cell, key: &CellKey) -> bool {
    cell.table == key.table
        && cell.network == key.network
        && cell.row == key.row
        && cell.seed == key.seed
}
