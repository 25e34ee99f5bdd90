//! Curves of accuracy and Figure 2: from the plan through jobs to the report.

use saddle_ops::Radius;
use saddle_report::curves::{AccuracyCurve, BoundPoint, staircase};

use super::bounds::{self, BoundPlan};
use super::{Run, assemble::Book, tally::JobWords, turns::unless_elsewhere};
use crate::agenda::{NetworkId, chosen};
use crate::job::{Bench, RunObserver, Sample, SampleJob, StepJob, StepSurvey, Trained};
use crate::plan::{EpsilonCurve, Plan};
use crate::{Error, Key, Result};
use asked::{absent, at_radius, attacks, judge, step_by_step, with_budget};

mod asked;
mod fooled;
mod words;

pub(super) use asked::{Drawing, drawings};
pub(super) use words::sample;

impl Run<'_> {
    /// The drawings that are to be made: those asked for, and of the others those whose results are in
    /// the store; the book notes the rest.
    pub(super) fn drawings<'p>(
        &self,
        plan: &'p Plan,
        only: &[String],
        reason: &str,
        book: &mut Book,
    ) -> Result<Vec<Drawing<'p>>> {
        let mut wanted = Vec::new();
        for drawing in drawings(plan) {
            if plan.wants(drawing.name(), only)
                || self.drawing_passes(&[drawing], &mut JobWords::new())? == 0
            {
                wanted.push(drawing);
            } else {
                book.missing(drawing.name(), reason);
            }
        }
        Ok(wanted)
    }

    /// Forward and backward passes that they are expected to take beyond what is `seen`.
    pub(super) fn drawing_passes(
        &self,
        drawings: &[Drawing<'_>],
        seen: &mut JobWords,
    ) -> Result<u64> {
        let plan = self.bench.plan;
        let mut passes = 0u64;
        let mut add = |more: u64| passes = passes.saturating_add(more);
        for drawing in drawings {
            let (names, seeds) = drawing.networks();
            for network in chosen(plan, names, seeds) {
                match drawing {
                    Drawing::Epsilon(curve) => {
                        for (_, attack) in attacks(plan, &curve.attacks) {
                            for &radius in &curve.epsilons {
                                let job = at_radius(plan, curve, attack, radius)?;
                                add(self.attack_passes(&network, &curve.digits, &job, seen)?);
                            }
                        }
                    }
                    Drawing::Budget(curve) => {
                        for (_, attack) in attacks(plan, &curve.attacks) {
                            let job = with_budget(plan, curve, attack);
                            add(self.attack_passes(&network, &curve.digits, &job, seen)?);
                        }
                    }
                    Drawing::Steps(curve) => {
                        let Some(job) = step_by_step(plan, curve) else { continue };
                        let cost = job.passes_per_example();
                        let key = |key: &Key, sample: &Sample<'_>| job.key(self.bench, key, sample);
                        add(self.job_passes(
                            drawing.name(),
                            &network,
                            &curve.digits,
                            cost,
                            key,
                            seen,
                        )?);
                    }
                    Drawing::Digits(figure) => {
                        let Some(job) = fooled::job(plan, figure) else { continue };
                        let cost = job.passes_per_example();
                        let key = |key: &Key, sample: &Sample<'_>| job.key(self.bench, key, sample);
                        add(self.job_passes(
                            "figure2",
                            &network,
                            &figure.digits,
                            cost,
                            key,
                            seen,
                        )?);
                    }
                }
            }
        }
        Ok(passes)
    }

    /// Passes of a job that is no [`AttackJob`], with those of its network's training.
    pub(super) fn job_passes(
        &self,
        what: &str,
        network: &NetworkId,
        digits: &str,
        cost: u64,
        job_key: impl Fn(&Key, &Sample<'_>) -> Result<Key>,
        seen: &mut JobWords,
    ) -> Result<u64> {
        let training = self.training_passes(network, seen)?;
        let Some(key) = self.keys.get(network) else { return Ok(training) };
        let sample = self.bench.sample(digits)?;
        let cost = cost.saturating_mul(sample.indices.len() as u64);
        let what = format!("{what} on {} (seed {})", network.name, self.seed(network));
        let own = self.unless_known(job_key(key, &sample)?, cost, what, seen);
        Ok(training.saturating_add(own))
    }

    /// Makes the drawings; each stands in the book once it is whole.
    pub(super) fn draw(
        &mut self,
        drawings: &[Drawing<'_>],
        book: &mut Book,
        observer: &mut dyn RunObserver,
    ) -> Result<()> {
        for &drawing in drawings {
            if let Drawing::Digits(figure) = drawing {
                self.fooled_digits(figure, book, observer)?;
            } else {
                let mut curves = Vec::new();
                let (names, seeds) = drawing.networks();
                for network in chosen(self.bench.plan, names, seeds) {
                    match self.accuracies(drawing, &network, observer) {
                        Ok(found) => curves.extend(found),
                        Err(error) if error.is_fatal() => return Err(error),
                        Err(error) => {
                            let seed = self.seed(&network);
                            let what =
                                format!("{} on {} (seed {seed})", drawing.name(), network.name);
                            book.failure(&what, &error);
                        }
                    }
                }
                let mut chart = words::chart(self.bench, drawing, curves)?;
                if let Drawing::Epsilon(curve) = drawing {
                    chart.bound = self.bound_curve(curve, book, observer)?;
                }
                if let Some(threshold) = &chart.threshold {
                    for curve in &mut chart.curves {
                        curve.crossing = Some(curve.crossing(threshold.accuracy));
                    }
                }
                if !chart.curves.is_empty() {
                    book.curves.push(chart);
                }
            }
            for (name, reason) in absent(self.bench.plan, drawing) {
                book.missing(&format!("{name} in {}", drawing.name()), reason);
            }
            book.drawn.insert(drawing.name().to_owned());
        }
        Ok(())
    }

    /// The curves of one network.
    fn accuracies(
        &mut self,
        drawing: Drawing<'_>,
        network: &NetworkId,
        observer: &mut dyn RunObserver,
    ) -> Result<Vec<AccuracyCurve>> {
        let plan = self.bench.plan;
        let seed = self.seed(network);
        let what = format!("{} on {}", drawing.name(), network.name);
        let curve = |attack: &str, total: usize, counts: &[(f64, u64)]| {
            AccuracyCurve::new(&network.name, attack, seed, total as u64, counts)
                .map_err(|error| Error::format(&what, error))
        };
        let mut curves = Vec::new();
        let mut elsewhere = false;
        match drawing {
            Drawing::Epsilon(asked) => {
                for (label, (_, attack)) in words::labelled(plan, &asked.attacks) {
                    let (mut counts, mut total) = (Vec::new(), 0);
                    for &radius in &asked.epsilons {
                        let job = at_radius(plan, asked, attack, radius)?;
                        let survey = self.survey(&what, network, &asked.digits, &job, observer);
                        let Some(survey) = unless_elsewhere(survey, &mut elsewhere)? else {
                            continue;
                        };
                        let standing = survey.verdicts.iter();
                        let judge = judge(asked.setting);
                        let standing = standing.filter(|verdict| verdict.robust(judge)).count();
                        counts.push((radius, standing as u64));
                        total = survey.verdicts.len();
                    }
                    if !elsewhere {
                        curves.push(curve(&label, total, &counts)?);
                    }
                }
            }
            Drawing::Budget(asked) => {
                for (label, (_, attack)) in words::labelled(plan, &asked.attacks) {
                    let job = with_budget(plan, asked, attack);
                    let survey = self.survey(&what, network, &asked.digits, &job, observer);
                    let Some(survey) = unless_elsewhere(survey, &mut elsewhere)? else { continue };
                    let fallen = survey.verdicts.iter().map(|verdict| {
                        let wrong = (!verdict.natural_correct).then_some(1);
                        let from = wrong.or(verdict.first_fooled_passes);
                        from.map(|from| [from, u64::MAX]).into_iter().collect()
                    });
                    let fallen: Vec<Vec<[u64; 2]>> = fallen.collect();
                    let counts = staircase(1, asked.cap, &fallen);
                    curves.push(curve(&label, fallen.len(), &counts)?);
                }
            }
            Drawing::Steps(asked) => {
                let Some(job) = step_by_step(plan, asked) else { return Ok(curves) };
                let survey = self.step_survey(&what, network, &asked.digits, &job, observer)?;
                let last = u64::from(job.ascent.steps);
                for (label, any) in words::JUDGED {
                    let counts = staircase(0, last, &fallen(&survey, any));
                    curves.push(curve(label, survey.right.len(), &counts)?);
                }
            }
            Drawing::Digits(_) => {}
        }
        if elsewhere { Err(Error::Elsewhere) } else { Ok(curves) }
    }

    fn step_survey(
        &mut self,
        what: &str,
        network: &NetworkId,
        digits: &str,
        job: &StepJob,
        observer: &mut dyn RunObserver,
    ) -> Result<StepSurvey> {
        let bench = self.bench;
        let key = |key: &Key, sample: &Sample<'_>| job.key(bench, key, sample);
        let run = |trained: &Trained, sample: &Sample<'_>, observer: &mut dyn RunObserver| {
            job.run(bench, trained, sample, observer)
        };
        self.worked(what, network, digits, key, run, observer)
    }

    /// One job that is no [`AttackJob`], with its network trained first if need be.
    pub(super) fn worked<T>(
        &mut self,
        what: &str,
        network: &NetworkId,
        digits: &str,
        job_key: impl Fn(&Key, &Sample<'_>) -> Result<Key>,
        run: impl Fn(&Trained, &Sample<'_>, &mut dyn RunObserver) -> Result<T>,
        observer: &mut dyn RunObserver,
    ) -> Result<T> {
        let sample = self.bench.sample(digits)?;
        let trained = self.input(network, observer)?;
        let key = job_key(&trained.key, &sample)?;
        let known = self.bench.store.result(&key).is_some();
        let what = format!("{what} (seed {})", self.seed(network));
        self.work(&what, &key, known, observer, |observer| run(&trained, &sample, observer))
    }

    /// What no classifier can exceed at each radius of a curve, if the plan asks for bounds; their
    /// witnesses go with those of the tables.
    fn bound_curve(
        &mut self,
        curve: &EpsilonCurve,
        book: &mut Book,
        observer: &mut dyn RunObserver,
    ) -> Result<Vec<BoundPoint>> {
        let mut points = Vec::new();
        for (radius, plan) in curve_bounds(self.bench, Drawing::Epsilon(curve))? {
            match self.bound(&plan, observer) {
                Ok(detail) => {
                    points.push(BoundPoint { at: radius, upper_bound: detail.bound.upper_bound });
                    book.bound(detail);
                }
                Err(error) if error.is_fatal() => return Err(error),
                Err(error) => book.failure(&format!("{}: bound at {radius}", curve.name), &error),
            }
        }
        Ok(points)
    }
}

/// The bounds that a drawing shows, each with its radius; none where the plan asks for none.
pub(super) fn curve_bounds<'a>(
    bench: &Bench<'a>,
    drawing: Drawing<'_>,
) -> Result<Vec<(f64, BoundPlan<'a>)>> {
    let (Some(asked), Drawing::Epsilon(curve)) = (&bench.plan.bounds, drawing) else {
        return Ok(Vec::new());
    };
    let mut plans = Vec::new();
    for &radius in curve.epsilons.iter().filter(|&&radius| radius != 0.0) {
        let epsilon = Radius::new(radius)?;
        let place = (curve.name.as_str(), format!("radius {radius}"));
        let plan = bounds::for_curve(bench, asked, &curve.digits, (curve.norm, epsilon), place)?;
        plans.push((radius, plan));
    }
    Ok(plans)
}

/// The stretches of steps in which each digit does not stand, by any iterate so far or by the last.
fn fallen(survey: &StepSurvey, any: bool) -> Vec<Vec<[u64; 2]>> {
    let of = |(right, stretches): (&bool, &Vec<[u64; 2]>)| match stretches.first() {
        _ if !right => vec![[0, u64::MAX]],
        Some([from, _]) if any => vec![[*from, u64::MAX]],
        _ => stretches.clone(),
    };
    survey.right.iter().zip(&survey.fooled).map(of).collect()
}

/// Notes what a stop has cut off.
pub(super) fn stopped(drawings: &[Drawing<'_>], book: &mut Book, reason: &str) {
    for drawing in drawings {
        if !book.drawn.contains(drawing.name()) {
            book.missing(drawing.name(), reason);
        }
    }
}
