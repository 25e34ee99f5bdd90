//! Several attacks in turn, each on what the others have left: the per-example worst case.
//!
//! No single attack is strong against every network, so robustness is claimed against a set of attacks that fail for
//! different reasons. [`Standard`] is one with nothing to choose: APGD on cross-entropy (fast, and blind where the softmax is
//! saturated), APGD-T (which no rescaling of the logits deceives), APGD-DLR from many starts (some images are found from
//! some starts only), Square (which needs no gradient) and S-O (which looks around itself). Croce and Hein (ICML 2020) put
//! theirs, AutoAttack, together in the same way, with FAB where ours has more starts.
//!
//! # Conventions
//!
//! An attack goes on with the examples that all before it have left standing. Any iterate counts. Every attack has the
//! driver's cap for itself, and judges the natural image anew (one pass).
//!
//! # Invariants
//!
//! No example survives the suite that falls to one of its attacks run on it alone: an example's run does not depend on who
//! else is there.

use candle_core::Tensor;
use saddle_model::Classifier;
use saddle_ops::{Draws, GradientHealth, Norm};
use serde::{Deserialize, Serialize};

use crate::{
    apgd::Apgd,
    attack::Attack,
    driver::Driver,
    error::{Error, Result},
    examples::{Examples, select_rows},
    projected_ascent::{ProjectedAscent, Start},
    square::Square,
    threat_model::{Objective, ThreatModel},
    verdict::{Judge, Verdict},
};

/// The suite of APGD-CE, APGD-T, APGD-DLR, Square and S-O, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Standard {
    /// Steps of APGD, of each target too; 100 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u32>,
    /// Classes that APGD-T goes for; 9 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub targets: Option<u32>,
    /// Starts of APGD-CE and of APGD-DLR, one after the other; 5 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restarts: Option<u32>,
    /// Queries of Square; 5,000 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queries: Option<u32>,
    /// S-O; when left out, 400 steps of a quarter of the radius with noise of 0.15 for l2, and 100 sign steps of a thirtieth
    /// with noise of 0.1 from a uniform start for l-infinity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second_order: Option<ProjectedAscent>,
}

/// Starts of APGD-CE and APGD-DLR when nothing is said. An example that survives then costs about as many passes as under
/// AutoAttack.
///
/// They were chosen on training digits that no network had seen: of the 455 closest to the boundary of two robust networks that
/// single starts, APGD-T, Square and S-O had left, five more starts of APGD-CE and five of APGD-DLR took 17, ten of APGD-DLR
/// 15, and a second APGD-T, which costs nearly as much, 5.
const RESTARTS: u32 = 5;

impl Standard {
    fn apgd(&self) -> (Apgd, Apgd, Apgd) {
        let with_steps = |apgd: Apgd| Apgd { steps: self.steps.unwrap_or(apgd.steps), ..apgd };
        let targeted = with_steps(Apgd::targeted());
        let targets = self.targets.or(targeted.targets);
        let again = with_steps(Apgd::dlr());
        (with_steps(Apgd::cross_entropy()), Apgd { targets, ..targeted }, again)
    }

    fn restarts(&self) -> u32 {
        self.restarts.unwrap_or(RESTARTS)
    }

    fn square(&self) -> Square {
        let square = Square::default();
        Square { queries: self.queries.unwrap_or(square.queries), ..square }
    }

    fn second_order(&self, threat_model: ThreatModel) -> ProjectedAscent {
        let (norm, epsilon) = (threat_model.norm, threat_model.epsilon.get());
        self.second_order.unwrap_or_else(|| match norm {
            Norm::Linf => ProjectedAscent {
                start: Start::Uniform,
                ..ProjectedAscent::second_order(norm, epsilon / 30.0, 100, 0.1, 1)
            },
            Norm::L1 | Norm::L2 => ProjectedAscent::second_order(norm, epsilon / 4.0, 400, 0.15, 1),
        })
    }

    /// The attacks with their short names, for one threat model.
    pub fn suite(&self, threat_model: ThreatModel) -> Suite {
        let (climb, rounds, again) = self.apgd();
        let mut suite = Suite::default();
        suite.push_from("apgd-ce", self.restarts(), climb);
        suite.push("apgd-t", rounds);
        suite.push_from("apgd-dlr", self.restarts(), again);
        suite.push("square", self.square());
        suite.push("so", self.second_order(threat_model));
        suite
    }

    /// Forward and backward passes on an example that survives everything, for one threat model.
    pub fn passes(&self, threat_model: ThreatModel) -> u64 {
        let (climb, rounds, again) = self.apgd();
        let second_order = self.second_order(threat_model);
        let ProjectedAscent { direction, steps, start, .. } = second_order;
        let steps = u64::from(steps);
        let walk = steps.saturating_mul(2).saturating_mul(direction.points_per_step());
        // Who looks beside the iterate pays for a verdict on each, a moved start included.
        let on_the_way = steps + u64::from(start != Start::Natural);
        let judging = 2 * 2 + 3 + if direction.is_at_iterate() { 1 } else { on_the_way };
        let square = u64::from(self.square().queries);
        // Each start is judged where it ends.
        let restarts = u64::from(self.restarts());
        let starts = |apgd: Apgd| restarts.saturating_mul(apgd.passes().saturating_add(1));
        [starts(climb), rounds.passes(), starts(again), square, walk, judging]
            .into_iter()
            .fold(0, u64::saturating_add)
    }

    /// Refuses settings that make no sense.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSetting`], which names the setting.
    pub fn check(&self) -> Result<()> {
        let (climb, rounds, again) = self.apgd();
        climb.check()?;
        rounds.check()?;
        again.check()?;
        if self.restarts() == 0 {
            return Err(Error::setting("restarts", "0 starts find nothing; take at least one"));
        }
        self.square().check()?;
        self.second_order.map_or(Ok(()), |second_order| second_order.check())
    }
}

/// Attacks in the order in which they are run.
#[derive(Default)]
pub struct Suite {
    members: Vec<Member>,
}

struct Member {
    name: String,
    restarts: u32,
    attack: Box<dyn Attack>,
}

impl Suite {
    /// Adds an attack with a short name.
    pub fn push(&mut self, name: &str, attack: impl Attack + 'static) {
        self.push_from(name, 1, attack);
    }

    /// Adds an attack that is run so many times, each from a start of its own.
    pub fn push_from(&mut self, name: &str, restarts: u32, attack: impl Attack + 'static) {
        let (name, attack) = (name.to_owned(), Box::new(attack));
        self.members.push(Member { name, restarts, attack });
    }

    /// Runs all attacks; of the driver's settings only batch and cap count.
    ///
    /// # Errors
    ///
    /// As [`Driver::run`], and [`Error::InvalidSetting`] for a suite without attacks.
    pub fn run(
        &self,
        driver: &Driver,
        classifier: &dyn Classifier,
        guide: Option<&dyn Classifier>,
        examples: &Examples,
        objective: &Objective,
        draws: Draws,
    ) -> Result<SuiteOutcome> {
        if self.members.is_empty() {
            return Err(Error::setting("suite", "no attacks in it; add at least one"));
        }
        let (batch, cap) = (driver.batch, driver.cap);
        let mut tally = Tally::new(examples.len());
        for Member { name, restarts, attack } in &self.members {
            let driver = Driver {
                batch,
                cap,
                judge: Judge::Any,
                stop_fooled: true,
                restarts: *restarts,
                trace: false,
            };
            let rows = tally.standing();
            let mut member = MemberOutcome::new(name, examples.len());
            if !rows.is_empty() {
                let (some, aim) = (examples.select(&rows)?, objective.select(&rows)?);
                let outcome =
                    driver.attack(classifier, guide, attack.as_ref(), &some, &aim, draws)?;
                for (place, (&row, verdict)) in rows.iter().zip(outcome.verdicts).enumerate() {
                    member.passes[row] = verdict.passes();
                    member.tried[row] = verdict.natural_correct;
                    member.took[row] = verdict.natural_correct && verdict.fooled_any;
                    tally.take(row, verdict, select_rows(&outcome.images, &[place])?);
                }
                tally.health += outcome.health;
            }
            tally.members.push(member);
        }
        tally.outcome()
    }
}

/// What one attack of a suite did; entry `i` of each list belongs to example `i`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberOutcome {
    /// Its short name.
    pub name: String,
    /// Whether the example was still standing, right on the natural image.
    pub tried: Vec<bool>,
    /// Whether this attack fooled the classifier on it.
    pub took: Vec<bool>,
    /// Forward and backward passes that it spent on the example.
    pub passes: Vec<u64>,
}

impl MemberOutcome {
    fn new(name: &str, examples: usize) -> Self {
        let (tried, took) = (vec![false; examples], vec![false; examples]);
        Self { name: name.to_owned(), tried, took, passes: vec![0; examples] }
    }

    /// How many examples it took.
    pub fn taken(&self) -> usize {
        self.took.iter().filter(|&&took| took).count()
    }

    /// Mean forward and backward passes over all examples of the suite, those that it did not meet included.
    pub fn passes_per_example(&self) -> f64 {
        self.passes.iter().sum::<u64>() as f64 / self.passes.len().max(1) as f64
    }

    /// Adds what the same attack did on further examples.
    pub fn extend(&mut self, next: Self) {
        self.tried.extend(next.tried);
        self.took.extend(next.took);
        self.passes.extend(next.passes);
    }
}

/// What became of all examples, in their order.
#[derive(Clone, Debug)]
pub struct SuiteOutcome {
    /// One verdict per example, all attacks together. Passes are sums. Image, prediction and distance are those of the attack that
    /// fooled, else of the last; `first_fooled_step` counts within that attack, `first_fooled_passes` over all of them.
    pub verdicts: Vec<Verdict>,
    /// The images of the verdicts, `(n, c, h, w)`.
    pub images: Tensor,
    /// Zero, tiny and non-finite gradients that all attacks met.
    pub health: GradientHealth,
    /// The attacks, in their order.
    pub members: Vec<MemberOutcome>,
}

/// What a suite has found so far.
struct Tally {
    /// Verdict and image of each example, from the first attack on.
    found: Vec<Option<(Verdict, Tensor)>>,
    members: Vec<MemberOutcome>,
    health: GradientHealth,
}

impl Tally {
    fn new(examples: usize) -> Self {
        Self { found: vec![None; examples], members: Vec::new(), health: GradientHealth::default() }
    }

    /// The examples that the next attack meets: everybody at first, then whoever is robust so far.
    fn standing(&self) -> Vec<usize> {
        let robust = |found: &Option<(Verdict, Tensor)>| {
            found.as_ref().is_none_or(|(verdict, _)| verdict.robust(Judge::Any))
        };
        (0..self.found.len()).filter(|&row| robust(&self.found[row])).collect()
    }

    fn take(&mut self, row: usize, verdict: Verdict, image: Tensor) {
        let (forward, backward) = match &self.found[row] {
            Some((known, _)) => (known.forward, known.backward),
            None => (0, 0),
        };
        let passes = verdict.first_fooled_passes.map(|passes| passes + forward + backward);
        let together = Verdict {
            forward: verdict.forward + forward,
            backward: verdict.backward + backward,
            first_fooled_passes: passes,
            ..verdict
        };
        self.found[row] = Some((together, image));
    }

    fn outcome(self) -> Result<SuiteOutcome> {
        let (verdicts, images): (Vec<Verdict>, Vec<Tensor>) =
            self.found.into_iter().flatten().unzip();
        let images = Tensor::cat(&images, 0)?;
        Ok(SuiteOutcome { verdicts, images, health: self.health, members: self.members })
    }
}
