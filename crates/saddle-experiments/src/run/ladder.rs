//! The ladder: every row on every network under every threat, with one budget, and the directions beside it.

use saddle_attacks::{Compass, Judge, Method, ThreatModel};
use saddle_ops::PixelBox;
use saddle_report::Ladder;
use saddle_report::ladder::{Climbed, Kind, LadderPlace, Rung, Threat};

use super::{Run, RungDetail, assemble::Book, curves, tally::JobWords};
use crate::agenda::{NetworkId, chosen};
use crate::job::{
    AttackJob, Attempt, CompassJob, Cosines, RunObserver, RungJob, Sample, SampleJob, Trained,
    Trial,
};
use crate::paper::any_rung_in_words;
use crate::plan::{Climb, CompassPlan, LadderPlan, LadderThreat, Plan, Precision, RungPlan};
use crate::{Error, Key, Result};

/// The networks of a ladder, the first seed of each before the second of any: one that is stopped midway has them all.
pub(super) fn networks(plan: &Plan, ladder: &LadderPlan) -> Vec<NetworkId> {
    let mut networks = chosen(plan, &ladder.networks, ladder.seeds);
    networks.sort_by_key(|network| network.number);
    networks
}

/// The attack of a row under one threat: any iterate counts, fooled digits leave. A plain ascent in single precision
/// is the same job wherever a plan asks for it.
fn trial(
    plan: &Plan,
    ladder: &LadderPlan,
    row: &RungPlan,
    threat: &LadderThreat,
) -> Option<Box<dyn Trial>> {
    let attack = row.attack(threat.norm)?;
    let (climb, within) = (attack.at(threat.epsilon), threat_model(threat));
    let (restarts, seed) = (attack.restarts, plan.seed);
    let job: Box<dyn Trial> = match (climb, attack.precision) {
        (Climb::Ascent(ascent), Precision::Single) => {
            let attempt = Attempt {
                threat: within,
                method: Method::Ascent(ascent),
                restarts,
                judge: Judge::Any,
                stop_fooled: true,
                cap: Some(ladder.cap),
            };
            Box::new(AttackJob { attempt: Some(attempt), seed })
        }
        (climb, precision) => {
            let cap = ladder.cap;
            Box::new(RungJob { threat: within, climb, precision, restarts, cap, seed })
        }
    };
    Some(job)
}

/// The directions of a row held against that of S-O; none where the ladder has no S-O of this norm.
fn compass(
    plan: &Plan,
    ladder: &LadderPlan,
    asked: &CompassPlan,
    row: &RungPlan,
    threat: &LadderThreat,
) -> Option<CompassJob> {
    let attack = row.attack(threat.norm)?;
    let subject = ladder.rows.iter().find(|row| row.kind == Kind::SecondOrder)?;
    let Climb::Ascent(reference) = subject.attack(threat.norm)?.climb else { return None };
    let compass = Compass {
        direction: reference.direction.with_samples(asked.samples),
        rule: reference.rule,
        loss: reference.loss,
        steps: asked.steps,
    };
    let (climb, precision) = (attack.at(threat.epsilon), attack.precision);
    Some(CompassJob { threat: threat_model(threat), climb, precision, compass, seed: plan.seed })
}

fn threat_model(threat: &LadderThreat) -> ThreatModel {
    ThreatModel { norm: threat.norm, epsilon: threat.epsilon, pixels: PixelBox::UNIT }
}

/// Whether the directions of this network are looked at.
fn looked_at(asked: &CompassPlan, network: &NetworkId) -> bool {
    asked.seeds.is_none_or(|seeds| network.number < seeds)
}

impl Run<'_> {
    /// The ladder, if it is to be climbed: asked for, or nothing is left to do; else the book notes that it is missing.
    pub(super) fn ladder<'p>(
        &self,
        plan: &'p Plan,
        only: &[String],
        reason: &str,
        book: &mut Book,
    ) -> Result<Option<&'p LadderPlan>> {
        let Some(ladder) = &plan.ladder else { return Ok(None) };
        if plan.wants("ladder", only) {
            return Ok(Some(ladder));
        }
        if ladder.on_request {
            return Ok(None);
        }
        let left = self.ladder_passes(ladder, &networks(plan, ladder), &mut JobWords::new())?;
        if left > 0 {
            book.missing("ladder", reason);
        }
        Ok((left == 0).then_some(ladder))
    }

    /// Passes that a ladder is expected to take beyond what is `seen`, on those networks.
    pub(super) fn ladder_passes(
        &self,
        ladder: &LadderPlan,
        networks: &[NetworkId],
        seen: &mut JobWords,
    ) -> Result<u64> {
        let plan = self.bench.plan;
        let mut passes = 0u64;
        let mut add = |more: u64| passes = passes.saturating_add(more);
        for network in networks {
            for threat in &ladder.threats {
                for row in &ladder.rows {
                    if let Some(job) = trial(plan, ladder, row, threat) {
                        add(self.attack_passes(network, &ladder.digits, job.as_ref(), seen)?);
                    }
                    let asked = ladder.compass.as_ref().filter(|asked| looked_at(asked, network));
                    let Some(asked) = asked else { continue };
                    let Some(job) = compass(plan, ladder, asked, row, threat) else { continue };
                    let cost = job.passes_per_example();
                    let key = |key: &Key, sample: &Sample<'_>| job.key(self.bench, key, sample);
                    let what = format!("ladder: the direction of {}", row.name);
                    add(self.job_passes(&what, network, &asked.digits, cost, key, seen)?);
                }
            }
        }
        Ok(passes)
    }

    /// Climbs the whole ladder; what fails is told and leaves the rest as it is.
    pub(super) fn climb(
        &mut self,
        ladder: &LadderPlan,
        book: &mut Book,
        observer: &mut dyn RunObserver,
    ) -> Result<()> {
        let networks = networks(self.bench.plan, ladder);
        let mut found = empty(self, ladder, networks.len())?;
        for name in &ladder.networks {
            let recipe = self.bench.plan.networks.get(name);
            if let Some(reason) = recipe.and_then(|recipe| recipe.missing.as_deref()) {
                book.missing(&format!("{name} in the ladder"), reason);
            }
        }
        let mut outcome = Ok(());
        'places: for network in &networks {
            // One word for all rows of a network that there is none of.
            let trained = self.input(network, observer);
            for threat in ladder.threats.iter().filter(|_| trained.is_ok()) {
                match self.climb_one(ladder, network, threat, &mut found, book, observer) {
                    Err(error) if error.is_fatal() => {
                        outcome = Err(error);
                        break 'places;
                    }
                    Err(error) => {
                        let (name, seed) = (&network.name, self.seed(network));
                        let (norm, epsilon) = (threat.norm, threat.epsilon.get());
                        let what = format!("ladder on {name} (seed {seed}), {norm} {epsilon}");
                        book.failure(&what, &error);
                    }
                    Ok(()) => {}
                }
            }
            match trained {
                Err(error) if error.is_fatal() => {
                    outcome = Err(error);
                    break;
                }
                Err(error) => {
                    let what = format!("ladder on {} (seed {})", network.name, self.seed(network));
                    book.failure(&what, &error);
                }
                Ok(_) => {}
            }
        }
        // A ladder that was stopped is shown as far as it came; its tests count everything planned.
        found.decide();
        if !found.rows.is_empty() {
            book.ladder = Some(found);
        }
        outcome?;
        book.climbed = true;
        Ok(())
    }

    fn climb_one(
        &mut self,
        ladder: &LadderPlan,
        network: &NetworkId,
        threat: &LadderThreat,
        found: &mut Ladder,
        book: &mut Book,
        observer: &mut dyn RunObserver,
    ) -> Result<()> {
        let plan = self.bench.plan;
        let (mut climbed, mut rungs) = (Vec::new(), Vec::new());
        for row in &ladder.rows {
            let Some(job) = trial(plan, ladder, row, threat) else { continue };
            let what = format!("ladder: {} on {}", row.name, network.name);
            let survey = self.survey(&what, network, &ladder.digits, job.as_ref(), observer);
            let Some(survey) = self.unless_failed(survey, &what, network, threat, book)? else {
                continue;
            };
            let key = self.trained(network, observer)?.key.clone();
            let sample = self.bench.sample(&ladder.digits)?;
            let attack = self.detail(&key, &sample, job.as_ref(), &survey, Judge::Any)?;
            let robust = survey.verdicts.iter().map(|verdict| verdict.robust(Judge::Any));
            climbed.push(Climbed {
                rung: row.name.clone(),
                robust: robust.collect(),
                passes_per_example: attack.passes_per_example,
                cosines: Vec::new(),
            });
            rungs.push(RungDetail { rung: row.name.clone(), attack });
        }
        if climbed.is_empty() {
            // Why is with each row.
            return Ok(());
        }
        let asked = ladder.compass.as_ref().filter(|asked| looked_at(asked, network));
        for one in climbed.iter_mut().filter(|_| asked.is_some()) {
            let row = ladder.rows.iter().find(|row| row.name == one.rung);
            let job = asked
                .zip(row)
                .and_then(|(asked, row)| Some((asked, compass(plan, ladder, asked, row, threat)?)));
            let Some((asked, job)) = job else { continue };
            let what = format!("ladder: the direction of {} on {}", one.rung, network.name);
            let found = self.cosines(&what, network, asked, &job, observer);
            if let Some(found) = self.unless_failed(found, &what, network, threat, book)? {
                one.cosines = found.steps;
            }
        }
        let place = LadderPlace {
            network: network.name.clone(),
            norm: threat.norm.to_string(),
            epsilon: threat.epsilon.get(),
            training_seed: self.seed(network),
            best: threat.best.clone(),
        };
        found.add(&place, &climbed).map_err(|error| Error::format("ladder", error))?;
        let fates = self.fates(network, place, &ladder.digits, rungs)?;
        book.rungs.push(fates);
        Ok(())
    }

    /// What was found; none where it failed, which the book then tells.
    fn unless_failed<T>(
        &self,
        found: Result<T>,
        what: &str,
        network: &NetworkId,
        threat: &LadderThreat,
        book: &mut Book,
    ) -> Result<Option<T>> {
        match found {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_fatal() => Err(error),
            Err(error) => {
                let (seed, epsilon) = (self.seed(network), threat.epsilon.get());
                book.failure(&format!("{what} (seed {seed}), {} {epsilon}", threat.norm), &error);
                Ok(None)
            }
        }
    }

    fn cosines(
        &mut self,
        what: &str,
        network: &NetworkId,
        asked: &CompassPlan,
        job: &CompassJob,
        observer: &mut dyn RunObserver,
    ) -> Result<Cosines> {
        let bench = self.bench;
        let key = |key: &Key, sample: &Sample<'_>| job.key(bench, key, sample);
        let run = |trained: &Trained, sample: &Sample<'_>, observer: &mut dyn RunObserver| {
            job.run(bench, trained, sample, observer)
        };
        self.worked(what, network, &asked.digits, key, run, observer)
    }
}

/// The ladder without a row.
fn empty(run: &Run<'_>, ladder: &LadderPlan, networks: usize) -> Result<Ladder> {
    let attacks = |row: &RungPlan| -> Vec<String> {
        let norms = [("l2", &row.l2), ("linf", &row.linf)];
        let known = norms.into_iter().filter_map(|(norm, attack)| {
            Some(format!("{norm}: {}", any_rung_in_words(attack.as_ref()?)))
        });
        known.collect()
    };
    let rung = |row: &RungPlan| Rung {
        name: row.name.clone(),
        question: row.question.clone(),
        kind: row.kind,
        against: row.against.clone(),
        attacks: attacks(row),
    };
    let threat = |threat: &LadderThreat| {
        let rows = ladder.rows.iter().filter(|row| row.attack(threat.norm).is_some()).count();
        let (norm, epsilon) = (threat.norm.to_string(), threat.epsilon.get());
        Threat { norm, epsilon, planned: (networks * rows) as u64 }
    };
    Ok(Ladder {
        caption: curves::sample(run.bench, &ladder.digits)?,
        cap: ladder.cap,
        alpha: ladder.alpha,
        margin: ladder.margin,
        threats: ladder.threats.iter().map(threat).collect(),
        rungs: ladder.rows.iter().map(rung).collect(),
        rows: Vec::new(),
    })
}
