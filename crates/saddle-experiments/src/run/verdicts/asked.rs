//! What verdicts a plan asks for, and the jobs behind each.

use saddle_attacks::{Disguise, Judge, Method, ThreatModel};
use saddle_ops::{PixelBox, Radius};

use crate::Key;
use crate::agenda::{NetworkId, chosen};
use crate::job::{AttackJob, Attempt, DisguisedJob, SignsJob, Source, TransferJob, Trial};
use crate::plan::{KnownCasePlan, Plan, VerdictPlan, VerdictThreat};

/// One network, as it is or disguised, under one threat.
pub(super) struct Case<'p> {
    pub(super) network: NetworkId,
    pub(super) threat: &'p VerdictThreat,
    /// The known case that it is; none for a network of which nothing is known.
    pub(super) known: Option<&'p KnownCasePlan>,
    /// The network on which images are looked for.
    pub(super) source: Option<NetworkId>,
}

/// The jobs behind one verdict.
pub(super) struct Jobs {
    pub(super) signs: SignsJob,
    pub(super) gradient: Box<dyn Trial>,
    pub(super) more_steps: Box<dyn Trial>,
    pub(super) smoothed: Box<dyn Trial>,
    pub(super) black_box: Box<dyn Trial>,
    /// None while nobody knows the key of the other network.
    pub(super) transfer: Option<TransferJob>,
    pub(super) radii: Vec<(Radius, Box<dyn Trial>)>,
}

/// The verdicts on networks as they are, network by network, then the known cases.
pub(super) fn cases<'p>(plan: &'p Plan, verdicts: &'p VerdictPlan) -> Vec<Case<'p>> {
    let case = |network: &NetworkId, threat, known| {
        let source = verdicts.sources.iter().find(|source| **source != network.name);
        let source = source.map(|name| NetworkId { name: name.clone(), number: 0 });
        Case { network: network.clone(), threat, known, source }
    };
    let mut cases = Vec::new();
    for network in chosen(plan, &verdicts.networks, verdicts.seeds) {
        cases.extend(verdicts.threats.iter().map(|threat| case(&network, threat, None)));
    }
    let Some(calibration) = &verdicts.calibration else { return cases };
    let threat = verdicts.threats.iter().find(|threat| calibration.is_within(threat));
    let Some(threat) = threat else { return cases };
    for network in chosen(plan, &calibration.networks, calibration.seeds) {
        let known = calibration.cases.iter();
        cases.extend(known.map(|known| case(&network, threat, Some(known))));
    }
    cases
}

impl Case<'_> {
    pub(super) fn disguise(&self) -> Disguise {
        self.known.map_or(Disguise::Plain, |known| known.disguise)
    }

    /// The jobs; none if the plan does not hold its attacks. `source` is the key of the other network.
    pub(super) fn jobs(
        &self,
        plan: &Plan,
        verdicts: &VerdictPlan,
        source: Option<&Key>,
    ) -> Option<Jobs> {
        let (threat, cap) = (self.threat, verdicts.cap);
        let attempt = |name: &str, epsilon: Radius, cap: Option<u64>| -> Option<Attempt> {
            let attack = plan.attacks.get(name)?;
            Some(Attempt {
                threat: ThreatModel { norm: threat.norm, epsilon, pixels: PixelBox::UNIT },
                method: attack.at(epsilon),
                restarts: attack.restarts,
                judge: Judge::Any,
                stop_fooled: true,
                cap,
            })
        };
        let own = |name: &str| attempt(name, threat.epsilon, Some(cap));
        let gradient = own(&threat.gradient)?;
        let ascent = plan.attacks.get(&threat.gradient)?.ascent_at(threat.epsilon)?;
        let mut longer = ascent;
        longer.steps = ascent.steps.saturating_mul(2);
        let more_steps = Attempt {
            method: Method::Ascent(longer),
            cap: Some(cap.saturating_mul(2)),
            ..gradient.clone()
        };
        let black_box = attempt(&threat.black_box, threat.epsilon, None)?;
        let (disguise, seed) = (self.disguise(), plan.seed);
        let transfer = self.source.as_ref().zip(source).map(|(network, key)| TransferJob {
            source: Source::new(network.name.clone(), key.clone()),
            threat: gradient.threat,
            ascent,
            disguise,
            seed,
        });
        let radii = threat.radii.iter().map(|&radius| {
            let attempt = attempt(&threat.gradient, radius, Some(cap))?;
            Some((radius, self.trial(attempt, seed)))
        });
        Some(Jobs {
            radii: radii.collect::<Option<_>>()?,
            signs: SignsJob {
                attempt: gradient.clone(),
                disguise,
                directions: verdicts.directions,
                seed,
            },
            more_steps: self.trial(more_steps, seed),
            smoothed: self.trial(own(&threat.smoothed)?, seed),
            black_box: self.trial(black_box, seed),
            gradient: self.trial(gradient, seed),
            transfer,
        })
    }

    /// An attack on the network as this case has it: as it is, the same job as wherever a plan asks for that attack.
    fn trial(&self, attempt: Attempt, seed: u64) -> Box<dyn Trial> {
        match self.disguise() {
            Disguise::Plain => Box::new(AttackJob { attempt: Some(attempt), seed }),
            disguise => Box::new(DisguisedJob { disguise, attempt, seed }),
        }
    }
}

impl Jobs {
    /// All that are surveys of an attack.
    pub(super) fn trials(&self) -> impl Iterator<Item = &dyn Trial> {
        let own = [&self.gradient, &self.more_steps, &self.smoothed, &self.black_box];
        let transfer = self.transfer.iter().map(|job| job as &dyn Trial);
        let radii = self.radii.iter().map(|(_, job)| job.as_ref());
        own.into_iter().map(|job| job.as_ref()).chain(transfer).chain(radii)
    }
}
