//! Figure 1: the size of the input gradient along attacks.

use saddle_report::{Figure, Series};

use super::{Run, curves, turns::unless_elsewhere};
use crate::agenda;
use crate::job::{RunObserver, SampleJob};
use crate::paper::ascent_in_words;
use crate::plan::Figure1;
use crate::{Error, Result};

impl Run<'_> {
    /// The curves of the figure, each taken from the store or by work.
    pub(super) fn curves(
        &mut self,
        figure: &Figure1,
        observer: &mut dyn RunObserver,
    ) -> Result<Figure> {
        let mut series = Vec::new();
        let mut attacks: Vec<String> = Vec::new();
        let mut elsewhere = false;
        for (label, network, job) in agenda::curves(self.bench.plan, figure) {
            let bench = self.bench;
            let sample = bench.sample(&figure.digits)?;
            let trained = self.input(&network, observer);
            let Some(trained) = unless_elsewhere(trained, &mut elsewhere)? else { continue };
            let what = format!("figure1: {label}");
            let key = job.key(bench, &trained.key, &sample)?;
            let known = bench.store.result(&key).is_some();
            let curve = self.work(&what, &key, known, observer, |observer| {
                job.run(bench, &trained, &sample, observer)
            });
            let Some(curve) = unless_elsewhere(curve, &mut elsewhere)? else { continue };
            let (norm, epsilon) = (job.threat.norm, job.threat.epsilon.get());
            let words = format!("{} ({norm} within {epsilon})", ascent_in_words(&job.ascent, 1));
            if !attacks.contains(&words) {
                attacks.push(words);
            }
            let label = format!("{label} ({} of {} digits stand)", curve.robust, curve.total);
            series.push(Series::from_steps(label, self.bench.plan.seed, &curve.steps));
        }
        if elsewhere {
            return Err(Error::Elsewhere);
        }
        let caption = format!(
            "{} {} No early stop: fooled digits stay to the last step. Seed of the attacks: {}. {}.",
            figure.note.trim(),
            curves::sample(self.bench, &figure.digits)?,
            self.bench.plan.seed,
            attacks.join("; ")
        );
        Ok(Figure {
            id: "figure1".to_owned(),
            title: "Size of the input gradient along the attack".to_owned(),
            caption,
            quantity: "l2 norm of the gradient of the cross-entropy".to_owned(),
            series,
        })
    }
}
