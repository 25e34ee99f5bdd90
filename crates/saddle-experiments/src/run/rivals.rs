//! One attack against its parts and its rivals: one budget, the same digits, a paired test.

use saddle_report::{Contender, Place, compare};

use super::{Run, assemble::Book, turns::unless_elsewhere};
use crate::agenda::{NetworkId, contender, networks, roles};
use crate::job::RunObserver;
use crate::paper::in_words;
use crate::plan::{RivalThreat, Rivals};
use crate::{Error, Result};

impl Run<'_> {
    pub(super) fn compare(
        &mut self,
        rivals: &Rivals,
        book: &mut Book,
        observer: &mut dyn RunObserver,
    ) -> Result<()> {
        for network in networks(self.bench.plan, rivals) {
            for threat in &rivals.threats {
                match self.compare_one(rivals, &network, threat, book, observer) {
                    Err(error) if error.is_fatal() => return Err(error),
                    Err(error) => {
                        let epsilon = threat.epsilon.get();
                        let (name, seed) = (&network.name, self.seed(&network));
                        let what =
                            format!("rivals on {name} (seed {seed}), {} {epsilon}", rivals.norm);
                        book.failure(&what, &error);
                    }
                    Ok(()) => {}
                }
            }
        }
        Ok(())
    }

    fn compare_one(
        &mut self,
        rivals: &Rivals,
        network: &NetworkId,
        threat: &RivalThreat,
        book: &mut Book,
        observer: &mut dyn RunObserver,
    ) -> Result<()> {
        let plan = self.bench.plan;
        let mut contenders = Vec::new();
        let mut ids = Vec::new();
        let mut best = None;
        let mut elsewhere = false;
        for (name, role) in roles(rivals) {
            let Some(job) = contender(plan, rivals, name, threat.epsilon) else { continue };
            let what = format!("rivals: {name} on {}", network.name);
            let survey = self.survey(&what, network, &rivals.digits, &job, observer);
            let Some(survey) = unless_elsewhere(survey, &mut elsewhere)? else { continue };
            ids = survey.verdicts.iter().map(|verdict| verdict.id).collect();
            let words = job.attempt.as_ref().map_or_else(String::new, in_words);
            let attack = format!("{name}: {words}");
            if threat.best.as_deref() == Some(name) {
                best = Some(attack.clone());
            }
            let passes: u64 = survey.verdicts.iter().map(|verdict| verdict.passes()).sum();
            contenders.push(Contender {
                attack,
                role,
                robust: survey
                    .verdicts
                    .iter()
                    .map(|v| v.robust(saddle_attacks::Judge::Any))
                    .collect(),
                passes_per_example: passes as f64 / survey.verdicts.len() as f64,
            });
        }
        if elsewhere {
            return Err(Error::Elsewhere);
        }
        let norm = rivals.norm.to_string();
        let place = Place {
            network: &network.name,
            norm: &norm,
            epsilon: threat.epsilon.get(),
            training_seed: self.seed(network),
            cap: Some(rivals.cap),
        };
        let rows = compare(place, &contenders, best.as_deref())
            .map_err(|error| Error::format("comparison of rivals", error))?;
        book.judge_rivals(rivals, threat, &rows, &contenders, &ids);
        book.rivals.extend(rows);
        Ok(())
    }
}
