//! Verdicts on gradient masking: every indicator of every network, as it is or disguised, and what follows.

use std::collections::BTreeSet;

use saddle_attacks::Purpose;
use saddle_ops::{Norm, Radius};
use saddle_report::Verdicts;
use saddle_report::masking::{AtRadius, Indicators, Standing};
use saddle_report::verdicts::{Calibration, Judged, KnownJudged, Planned, VerdictPlace};

use super::bounds::{self, BoundPlan};
use super::{Run, assemble::Book, curves, tally::JobWords};
use crate::agenda::NetworkId;
use crate::job::{Bench, RunObserver, Sample, SampleJob, SignsJob, Trained, Trial};
use crate::masking::{Signs, standing};
use crate::plan::{Plan, VerdictPlan, VerdictThreat};
use crate::{Error, Key, Result};
use asked::{Case, Jobs, cases};

mod asked;

/// The networks that the verdicts of a plan need, each once.
pub(super) fn networks(plan: &Plan, verdicts: &VerdictPlan) -> Vec<NetworkId> {
    let needed = cases(plan, verdicts);
    let needed = needed.into_iter().flat_map(|case| case.source.into_iter().chain([case.network]));
    needed.collect::<BTreeSet<_>>().into_iter().collect()
}

/// The bounds at the radii of the verdicts; none without bounds in the plan.
pub(super) fn radius_bounds<'a>(
    bench: &Bench<'a>,
    verdicts: &VerdictPlan,
) -> Result<Vec<((Norm, Radius), BoundPlan<'a>)>> {
    let Some(asked) = &bench.plan.bounds else { return Ok(Vec::new()) };
    let mut plans: Vec<((Norm, Radius), BoundPlan<'a>)> = Vec::new();
    for threat in &verdicts.threats {
        for &radius in &threat.radii {
            let place = (threat.norm, radius);
            if plans.iter().all(|(known, _)| *known != place) {
                let row = ("verdicts", format!("{} {radius}", threat.norm));
                let plan = bounds::for_curve(bench, asked, &verdicts.digits, place, row)?;
                plans.push((place, plan));
            }
        }
    }
    Ok(plans)
}

/// Whether anything of one verdict is in the hands of others.
#[derive(Default)]
struct Sight {
    elsewhere: bool,
}

impl Run<'_> {
    /// The verdicts, if they are to be found: asked for, or nothing is left to do; else the book notes that they are missing.
    pub(super) fn verdicts<'p>(
        &self,
        plan: &'p Plan,
        only: &[String],
        reason: &str,
        book: &mut Book,
    ) -> Result<Option<&'p VerdictPlan>> {
        let Some(verdicts) = &plan.verdicts else { return Ok(None) };
        if plan.wants("verdicts", only) {
            return Ok(Some(verdicts));
        }
        if verdicts.on_request {
            return Ok(None);
        }
        let left = self.verdict_passes(verdicts, None, &mut JobWords::new())?;
        if left > 0 {
            book.missing("verdicts", reason);
        }
        Ok((left == 0).then_some(verdicts))
    }

    /// Passes that verdicts are expected to take beyond what is `seen`: all, or those on one network alone.
    pub(super) fn verdict_passes(
        &self,
        verdicts: &VerdictPlan,
        network: Option<&NetworkId>,
        seen: &mut JobWords,
    ) -> Result<u64> {
        let plan = self.bench.plan;
        let mut passes = 0u64;
        let mut add = |more: u64| passes = passes.saturating_add(more);
        for case in cases(plan, verdicts) {
            if network.is_some_and(|network| case.network != *network) {
                continue;
            }
            if let Some(source) = &case.source {
                add(self.training_passes(source, seen)?);
            }
            let Some(jobs) = self.verdict_jobs(&case, verdicts) else { continue };
            for job in jobs.trials() {
                add(self.attack_passes(&case.network, &verdicts.digits, job, seen)?);
            }
            let cost = jobs.signs.passes_per_example();
            let key = |key: &Key, sample: &Sample<'_>| jobs.signs.key(self.bench, key, sample);
            add(self.job_passes(
                "signs of masking",
                &case.network,
                &verdicts.digits,
                cost,
                key,
                seen,
            )?);
        }
        Ok(passes)
    }

    fn verdict_jobs(&self, case: &Case<'_>, verdicts: &VerdictPlan) -> Option<Jobs> {
        let source = case.source.as_ref().and_then(|source| self.keys.get(source));
        case.jobs(self.bench.plan, verdicts, source)
    }

    /// Finds all verdicts; what fails is told and leaves the rest as it is.
    pub(super) fn judge(
        &mut self,
        verdicts: &VerdictPlan,
        book: &mut Book,
        observer: &mut dyn RunObserver,
    ) -> Result<()> {
        let bench = self.bench;
        for name in &verdicts.networks {
            let recipe = bench.plan.networks.get(name);
            if let Some(reason) = recipe.and_then(|recipe| recipe.missing.as_deref()) {
                book.missing(&format!("the verdict on {name}"), reason);
            }
        }
        let cases = cases(bench.plan, verdicts);
        let mut found = empty(bench, verdicts, &cases)?;
        let outcome = self.judge_all(verdicts, &cases, &mut found, book, observer);
        // Verdicts that were stopped are shown as far as they came; what was planned stands beside them.
        let known = found.calibration.as_ref().is_some_and(|known| !known.cases.is_empty());
        if !found.networks.is_empty() || known {
            book.verdicts = Some(found);
        }
        outcome?;
        book.judged = true;
        Ok(())
    }

    fn judge_all(
        &mut self,
        verdicts: &VerdictPlan,
        cases: &[Case<'_>],
        found: &mut Verdicts,
        book: &mut Book,
        observer: &mut dyn RunObserver,
    ) -> Result<()> {
        let mut bounds = Vec::new();
        for (place, plan) in radius_bounds(self.bench, verdicts)? {
            match self.bound(&plan, observer) {
                Ok(detail) => {
                    bounds.push((place, detail.bound.upper_bound));
                    book.bound(detail);
                }
                Err(error) if error.is_fatal() => return Err(error),
                Err(error) => {
                    let (norm, radius) = place;
                    book.failure(&format!("verdicts: bound for {norm} {radius}"), &error);
                }
            }
        }
        for case in cases {
            let indicators = self.indicators(verdicts, case, &bounds, book, observer)?;
            let Some(indicators) = indicators else { continue };
            let place = VerdictPlace {
                network: case.network.name.clone(),
                training_seed: self.seed(&case.network),
                norm: case.threat.norm.to_string(),
                epsilon: case.threat.epsilon.get(),
            };
            let judged = Judged::new(place, indicators, &verdicts.thresholds);
            match (case.known, &mut found.calibration) {
                (Some(known), Some(calibration)) => calibration.cases.push(KnownJudged {
                    name: known.name.clone(),
                    masked: known.masked,
                    held_out: known.purpose == Purpose::HeldOut,
                    judged,
                }),
                _ => found.networks.push(judged),
            }
        }
        Ok(())
    }

    /// What is measured of one case; none where there is no network, or something is in the hands of others.
    fn indicators(
        &mut self,
        verdicts: &VerdictPlan,
        case: &Case<'_>,
        bounds: &[((Norm, Radius), f64)],
        book: &mut Book,
        observer: &mut dyn RunObserver,
    ) -> Result<Option<Indicators>> {
        let what = Self::verdict_in_words(case);
        let told = format!("{what} (seed {})", self.seed(&case.network));
        let mut sight = Sight::default();
        // One word for all jobs of a network that there is none of.
        let trained = self.input(&case.network, observer);
        if sight.of(trained, &told, book)?.is_none() {
            return Ok(None);
        }
        let Some(mut jobs) = self.verdict_jobs(case, verdicts) else { return Ok(None) };
        if let Some(source) = &case.source {
            let from = format!("{told}: images from {}", source.name);
            let trained = self.input(source, observer);
            if sight.of(trained, &from, book)?.is_none() {
                jobs.transfer = None;
            }
        }
        let signs = self.signs(&what, case, verdicts, &jobs.signs, observer);
        let signs = sight.of(signs, &format!("{told}: signs at natural digits"), book)?;
        let mut stand = |run: &mut Self, job: &dyn Trial, book: &mut Book| {
            let survey = run.survey(&what, &case.network, &verdicts.digits, job, observer);
            let words = job.words().unwrap_or_default();
            let survey = sight.of(survey, &format!("{told}: {words}"), book)?;
            Ok::<Option<Standing>, Error>(survey.map(|survey| standing(words, &survey.verdicts)))
        };
        let gradient_attack = stand(self, jobs.gradient.as_ref(), book)?;
        let more_steps = stand(self, jobs.more_steps.as_ref(), book)?;
        let smoothed = stand(self, jobs.smoothed.as_ref(), book)?;
        let black_box = stand(self, jobs.black_box.as_ref(), book)?;
        let transfer = match &jobs.transfer {
            Some(job) => stand(self, job, book)?,
            None => None,
        };
        let mut radii = Vec::new();
        for (radius, job) in &jobs.radii {
            let found = stand(self, job.as_ref(), book)?;
            let place = (case.threat.norm, *radius);
            let bound = bounds.iter().find(|(known, _)| *known == place);
            if let (Some(found), Some((_, bound))) = (found, bound) {
                let (standing, total) = (found.count(), found.robust.len() as u64);
                radii.push(AtRadius { epsilon: radius.get(), standing, total, bound: *bound });
            }
        }
        if radii.len() < jobs.radii.len() {
            // The one that is missing may be the one that speaks.
            radii.clear();
        }
        // Without its natural verdicts no indicator can be held against another.
        let Some(signs) = signs.filter(|_| !sight.elsewhere) else { return Ok(None) };
        Ok(Some(Indicators {
            gradients: Some(signs.gradients()),
            slopes: Some(signs.slopes()),
            natural: signs.right,
            gradient_attack,
            more_steps,
            smoothed,
            black_box,
            transfer,
            radii,
        }))
    }

    fn signs(
        &mut self,
        what: &str,
        case: &Case<'_>,
        verdicts: &VerdictPlan,
        job: &SignsJob,
        observer: &mut dyn RunObserver,
    ) -> Result<Signs> {
        let bench = self.bench;
        let key = |key: &Key, sample: &Sample<'_>| job.key(bench, key, sample);
        let run = |trained: &Trained, sample: &Sample<'_>, observer: &mut dyn RunObserver| {
            job.run(bench, trained, sample, observer)
        };
        self.worked(what, &case.network, &verdicts.digits, key, run, observer)
    }

    fn verdict_in_words(case: &Case<'_>) -> String {
        let (name, VerdictThreat { norm, epsilon, .. }) = (&case.network.name, case.threat);
        let disguised = case.known.map(|known| format!(", {}", known.name)).unwrap_or_default();
        format!("verdict on {name}{disguised}, {norm} {epsilon}")
    }
}

impl Sight {
    /// What was found; none where it failed, which the book then tells, or is in the hands of others.
    fn of<T>(&mut self, found: Result<T>, what: &str, book: &mut Book) -> Result<Option<T>> {
        match found {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_fatal() => Err(error),
            Err(error) => {
                self.elsewhere |= matches!(error, Error::Elsewhere);
                book.failure(what, &error);
                Ok(None)
            }
        }
    }
}

/// The verdicts without one.
fn empty(bench: &Bench<'_>, verdicts: &VerdictPlan, cases: &[Case<'_>]) -> Result<Verdicts> {
    let planned = |purpose: Purpose| {
        let known = cases.iter().filter_map(|case| case.known);
        let known = known.filter(|known| known.purpose == purpose);
        let (masked, sound): (Vec<bool>, Vec<bool>) =
            known.map(|known| known.masked).partition(|&masked| masked);
        Planned { masked: masked.len() as u64, sound: sound.len() as u64 }
    };
    let calibration = verdicts.calibration.as_ref().map(|_| Calibration {
        planned_thresholds: planned(Purpose::Thresholds),
        planned_held_out: planned(Purpose::HeldOut),
        cases: Vec::new(),
    });
    let mut attacks = Vec::new();
    for threat in &verdicts.threats {
        attacks.extend(attacks_in_words(bench.plan, verdicts, threat));
    }
    Ok(Verdicts {
        caption: curves::sample(bench, &verdicts.digits)?,
        attacks,
        thresholds: verdicts.thresholds,
        planned: cases.iter().filter(|case| case.known.is_none()).count() as u64,
        networks: Vec::new(),
        calibration,
    })
}

/// The attacks within one threat model, those that are no variants of another.
fn attacks_in_words(plan: &Plan, verdicts: &VerdictPlan, threat: &VerdictThreat) -> Vec<String> {
    let network = NetworkId { name: String::new(), number: 0 };
    let case = Case { network, threat, known: None, source: None };
    let Some(jobs) = case.jobs(plan, verdicts, None) else { return Vec::new() };
    let named = [
        ("along gradients", &jobs.gradient),
        ("twice the steps", &jobs.more_steps),
        ("smoothed gradients", &jobs.smoothed),
        ("without gradients", &jobs.black_box),
    ];
    let words =
        named.into_iter().filter_map(|(name, job)| Some(format!("{name}: {}", job.words()?)));
    words.collect()
}
