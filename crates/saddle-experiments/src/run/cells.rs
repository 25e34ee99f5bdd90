//! The parts that the paper has, measured in the order of the report; above all the cells of its tables.

use saddle_attacks::Judge;

use super::{AttackDetail, Run, assemble::Book, bounds::BoundPlan, turns::unless_elsewhere};
use crate::agenda::{self, NetworkId};
use crate::job::{RunObserver, Sample, Survey, Trial};
use crate::paper::{CellPlan, Work};
use crate::plan::{Figure1, Rivals};
use crate::{Error, Key, Result};

impl Run<'_> {
    /// Everything that was asked for, in the order of the report but for bounds, which cost little and
    /// come first; the book takes it down.
    pub(super) fn all(
        &mut self,
        cells: &[CellPlan],
        bounds: &[BoundPlan<'_>],
        figure: Option<&Figure1>,
        rivals: Option<&Rivals>,
        book: &mut Book,
        observer: &mut dyn RunObserver,
    ) -> Result<()> {
        self.bounds(bounds, book, observer)?;
        book.bounded = true;
        // First what is known, so that the file of cells never has fewer than it had.
        let mut left = Vec::new();
        for cell in cells {
            let Ok(work) = &cell.work else { continue };
            match self.known(work)? {
                Some((attacks, weights)) => {
                    book.cell(cell, work, self.ids(&work.sample)?, attacks, weights)?;
                }
                None => left.push((cell, work)),
            }
        }
        for (cell, work) in left {
            let before = self.worked;
            match self.attacks(cell, work, observer) {
                Ok(attacks) => {
                    let weights = self.weights_hash(&work.network)?;
                    book.cell(cell, work, self.ids(&work.sample)?, attacks, weights)?;
                    if let Some(folder) = self.outside.out.as_ref().filter(|_| self.worked > before)
                    {
                        self.turns.write_cells(folder, book.details())?;
                    }
                }
                Err(error) if error.is_fatal() => return Err(error),
                Err(error) => book.failed_cell(cell, &error),
            }
        }
        if let Some(figure) = figure {
            for (label, reason) in agenda::absent_curves(self.bench.plan, figure) {
                book.missing(&format!("figure1, curve `{label}`,"), reason);
            }
            match self.curves(figure, observer) {
                Ok(figure) => book.figures.push(figure),
                Err(error) if error.is_fatal() => return Err(error),
                Err(error) => book.failure("figure1", &error),
            }
        }
        if let Some(rivals) = rivals {
            self.compare(rivals, book, observer)?;
            book.compared = true;
        }
        Ok(())
    }

    /// Index of each digit of a sample in its data set.
    pub(super) fn ids(&self, sample: &str) -> Result<Vec<u64>> {
        let sample = self.bench.sample(sample)?;
        Ok(sample.indices.iter().map(|&index| index as u64).collect())
    }

    /// The attacks of a cell, each taken over or run.
    fn attacks(
        &mut self,
        cell: &CellPlan,
        work: &Work,
        observer: &mut dyn RunObserver,
    ) -> Result<Vec<AttackDetail>> {
        let what = format!("{} {} on {}", cell.key.table, cell.key.row, cell.key.network);
        let sample = self.bench.sample(&work.sample)?;
        let mut attacks = Vec::new();
        let mut elsewhere = false;
        for job in &work.jobs {
            if let Some(known) = self.known_attack(&work.network, &sample, job.as_ref())? {
                attacks.push(known.detail);
                continue;
            }
            let survey = self.survey(&what, &work.network, &work.sample, job.as_ref(), observer);
            let Some(survey) = unless_elsewhere(survey, &mut elsewhere)? else { continue };
            let key = self.trained(&work.network, observer)?.key.clone();
            attacks.push(self.detail(&key, &sample, job.as_ref(), &survey, work.judge)?);
        }
        if elsewhere { Err(Error::Elsewhere) } else { Ok(attacks) }
    }

    /// What an attack on the network of this key did, with its own key and whoever computed it.
    pub(super) fn detail(
        &self,
        network: &Key,
        sample: &Sample<'_>,
        job: &dyn Trial,
        survey: &Survey,
        judge: Judge,
    ) -> Result<AttackDetail> {
        let key = job.key(self.bench, network, sample)?;
        let commit = self.bench.commit_of(&key);
        Ok(AttackDetail::of(job, survey, judge, key, commit))
    }

    /// One attack job, with its network trained first if need be.
    pub(super) fn survey(
        &mut self,
        what: &str,
        network: &NetworkId,
        sample: &str,
        job: &dyn Trial,
        observer: &mut dyn RunObserver,
    ) -> Result<Survey> {
        let bench = self.bench;
        let sample = bench.sample(sample)?;
        let trained = self.input(network, observer)?;
        let key = job.key(bench, &trained.key, &sample)?;
        let known = bench.store.result(&key).is_some();
        self.worked += usize::from(!known);
        let detail = job.words().unwrap_or_else(|| "natural accuracy".to_owned());
        let what = format!("{what} (seed {}): {detail}", self.seed(network));
        self.work(&what, &key, known, observer, |observer| {
            job.run(bench, &trained, &sample, observer)
        })
    }
}
