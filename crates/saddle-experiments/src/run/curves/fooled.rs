//! Figure 2: of each class the first digit of the sample that falls.

use saddle_report::DigitFigure;
use saddle_report::curves::{DigitPair, Picture};

use super::asked::threat;
use super::words;
use crate::agenda::chosen;
use crate::job::{FooledDigit, FooledJob, RunObserver, Sample, SampleJob, Trained};
use crate::plan::{Figure2, Plan};
use crate::run::{Run, assemble::Book};
use crate::{Error, Key, Result};

/// The job behind the figure; none for an attack that the plan does not hold or that is no ascent.
pub(super) fn job(plan: &Plan, figure: &Figure2) -> Option<FooledJob> {
    let attack = plan.attacks.get(&figure.attack)?;
    Some(FooledJob {
        threat: threat(figure.norm, figure.epsilon),
        ascent: attack.ascent_at(figure.epsilon)?,
        restarts: attack.restarts,
        seed: plan.seed,
    })
}

impl Run<'_> {
    pub(super) fn fooled_digits(
        &mut self,
        figure: &Figure2,
        book: &mut Book,
        observer: &mut dyn RunObserver,
    ) -> Result<()> {
        match self.figure2(figure, observer) {
            Ok(found) => book.figure2 = found,
            Err(error) if error.is_fatal() => return Err(error),
            Err(error) => book.failure("figure2", &error),
        }
        Ok(())
    }

    /// None when the plan cannot train the network.
    fn figure2(
        &mut self,
        figure: &Figure2,
        observer: &mut dyn RunObserver,
    ) -> Result<Option<DigitFigure>> {
        let bench = self.bench;
        let names = std::slice::from_ref(&figure.network);
        let network = chosen(bench.plan, names, Some(1)).into_iter().next();
        let (Some(network), Some(job)) = (network, job(bench.plan, figure)) else {
            return Ok(None);
        };
        let key = |key: &Key, sample: &Sample<'_>| job.key(bench, key, sample);
        let run = |trained: &Trained, sample: &Sample<'_>, observer: &mut dyn RunObserver| {
            job.run(bench, trained, sample, observer)
        };
        let what = format!("figure2 on {}", network.name);
        let found = self.worked(&what, &network, &figure.digits, key, run, observer)?;
        let (rows, cols) = (bench.data.test.rows as u32, bench.data.test.cols as u32);
        let pair = |digit: &FooledDigit| {
            let picture = |pixels: &[u8]| {
                Picture::new(cols, rows, pixels).map_err(|error| Error::format("figure2", error))
            };
            Ok(DigitPair {
                id: digit.id,
                label: digit.label,
                natural_prediction: digit.natural_prediction,
                prediction: digit.prediction,
                distance: digit.distance,
                natural: picture(&digit.natural)?,
                attacked: picture(&digit.attacked)?,
            })
        };
        Ok(Some(DigitFigure {
            id: "figure2".to_owned(),
            title: words::figure2_title(figure, &job),
            caption: words::figure2(bench, figure, &job)?,
            network: network.name.clone(),
            training_seed: self.seed(&network),
            norm: figure.norm.to_string(),
            epsilon: figure.epsilon.get(),
            examined: found.examined as u64,
            fooled: found.fooled as u64,
            pairs: found.first.iter().map(pair).collect::<Result<_>>()?,
        }))
    }
}
