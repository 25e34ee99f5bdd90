//! What no classifier can do on the digits of the tables and on all test digits.

use serde::Serialize;

use saddle_ops::{Norm, Radius};
use saddle_report::bounds::{Bound, Subject, TableRow, Witness};

use super::{Run, assemble::Book};
use crate::Result;
use crate::job::{Bench, BoundJob, RunObserver, Sample};
use crate::plan::{Bounds, Table};
use crate::{Error, Key};

/// A bound with the digits that prove it: one line of `bounds.jsonl`.
#[derive(Clone, Debug, Serialize)]
pub struct BoundDetail {
    /// The bound as the report has it.
    #[serde(flatten)]
    pub bound: Bound,
    /// Index of each digit in its data set.
    pub ids: Vec<usize>,
    /// Groups of digits in conflict, by their positions in `ids`.
    pub witness: Witness,
}

/// A bound that the plan asks for.
pub(super) struct BoundPlan<'a> {
    job: BoundJob,
    sample: Sample<'a>,
    all_test_digits: bool,
    rows: Vec<TableRow>,
}

/// The bounds for the digits and threats of these tables, and for all test digits under all threats;
/// each once, in the order of the tables.
pub(super) fn planned<'a>(
    bench: &Bench<'a>,
    bounds: &Bounds,
    tables: &[&Table],
) -> Result<Vec<BoundPlan<'a>>> {
    let mut plans: Vec<BoundPlan<'a>> = Vec::new();
    let all = bench.all_test_digits();
    let mut threats = Vec::new();
    for table in tables {
        for row in &table.rows {
            let (Some(norm), Some(epsilon)) = (row.norm, row.epsilon) else { continue };
            let job = BoundJob { norm, epsilon, rounds: bounds.rounds };
            let sample = bench.sample(&table.digits)?;
            let place = TableRow { table: table.name.clone(), row: row.name.clone() };
            threats.push(job.clone());
            let known =
                plans.iter_mut().find(|plan| plan.job == job && plan.sample.is_same(&sample));
            match known {
                Some(plan) => plan.rows.push(place),
                None => plans.push(BoundPlan {
                    job,
                    all_test_digits: sample.is_same(&all),
                    sample,
                    rows: vec![place],
                }),
            }
        }
    }
    threats.extend(bounds.threats.iter().map(|threat| BoundJob {
        norm: threat.norm,
        epsilon: threat.epsilon,
        rounds: bounds.rounds,
    }));
    for job in threats {
        if !plans.iter().any(|plan| plan.all_test_digits && plan.job == job) {
            let sample = bench.all_test_digits();
            plans.push(BoundPlan { job, sample, all_test_digits: true, rows: Vec::new() });
        }
    }
    Ok(plans)
}

/// The bound for one radius of a curve; `place` names the curve and the radius.
pub(super) fn for_curve<'a>(
    bench: &Bench<'a>,
    bounds: &Bounds,
    digits: &str,
    (norm, epsilon): (Norm, Radius),
    (table, row): (&str, String),
) -> Result<BoundPlan<'a>> {
    let sample = bench.sample(digits)?;
    let all_test_digits = sample.is_same(&bench.all_test_digits());
    let job = BoundJob { norm, epsilon, rounds: bounds.rounds };
    let rows = vec![TableRow { table: table.to_owned(), row }];
    Ok(BoundPlan { job, sample, all_test_digits, rows })
}

impl BoundPlan<'_> {
    pub(super) fn key(&self) -> Result<Key> {
        self.job.key(&self.sample)
    }

    /// The bound as a job in words.
    pub(super) fn words(&self) -> String {
        let BoundJob { norm, epsilon, .. } = self.job;
        format!("bound for {} digits, {norm} within {epsilon}", self.sample.indices.len())
    }
}

impl Run<'_> {
    /// Leaves the bounds that are in the store; says whether others had to go.
    pub(super) fn keep_known_bounds(&self, plans: &mut Vec<BoundPlan<'_>>) -> Result<bool> {
        let planned = plans.len();
        let mut known = Vec::new();
        for plan in plans.drain(..) {
            if plan.job.known(self.bench, &plan.sample)?.is_some() {
                known.push(plan);
            }
        }
        *plans = known;
        Ok(plans.len() < planned)
    }

    pub(super) fn bounds(
        &mut self,
        plans: &[BoundPlan<'_>],
        book: &mut Book,
        observer: &mut dyn RunObserver,
    ) -> Result<()> {
        for plan in plans {
            match self.bound(plan, observer) {
                Ok(detail) => book.bounds.push(detail),
                Err(error) if error.is_fatal() => return Err(error),
                Err(error) => book.failure(&plan.words(), &error),
            }
        }
        Ok(())
    }

    pub(super) fn bound(
        &mut self,
        plan: &BoundPlan<'_>,
        observer: &mut dyn RunObserver,
    ) -> Result<BoundDetail> {
        let (what, key) = (plan.words(), plan.key()?);
        let bench = self.bench;
        let found = plan.job.known(bench, &plan.sample)?;
        if found.is_none() && observer.interrupted() {
            return Err(Error::Interrupted);
        }
        let known = found.is_some();
        let proof = self.work(&what, &key, known, observer, |_| match found {
            Some(proof) => Ok(proof),
            // Somebody may have found it since.
            None => match plan.job.known(bench, &plan.sample)? {
                Some(proof) => Ok(proof),
                None => plan.job.run(bench, &plan.sample),
            },
        })?;
        let about = Subject {
            norm: plan.job.norm.to_string(),
            epsilon: plan.job.epsilon.get(),
            digits_hash: plan.sample.digits_hash(),
            digits: plan.sample.indices.len() as u64,
            all_test_digits: plan.all_test_digits,
            rows: plan.rows.clone(),
        };
        Ok(BoundDetail {
            bound: Bound::new(about, proof.conflicts, proof.by_method),
            ids: plan.sample.indices.clone(),
            witness: proof.witness,
        })
    }
}
