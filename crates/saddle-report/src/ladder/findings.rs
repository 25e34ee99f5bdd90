//! What a ladder says of the claim that S-O works because it is second order, network by network and threat by threat.
//!
//! The claim needs a gain to explain: S-O must leave fewer digits standing than the best first-order row. Then the
//! gain is put to S-O's even part, in which the Hessian's term cancels. If that does as much, curvature explains
//! nothing; if it does less, and something that looks at the curvature alone beats first order too, curvature does.
//! Everything must hold in every seed.

use super::{Compared, Kind, Ladder, LadderRow};

/// Where a gain of S-O comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// There is no gain: in no seed does S-O leave fewer digits than the best first-order row, and in each that is
    /// sure.
    NoGain,
    /// A gain that the part without curvature has as well.
    NotCurvature,
    /// A gain that the part without curvature lacks, while curvature alone has one.
    Curvature,
    /// The tests do not decide, or a row is missing.
    Undecided,
}

/// One network under one threat, over all seeds.
#[derive(Debug, Clone, PartialEq)]
pub struct Group<'a> {
    /// Name of the network.
    pub network: &'a str,
    /// `l2` or `linf`.
    pub norm: &'a str,
    /// Radius of the threat model.
    pub epsilon: f64,
    /// Its seeds, ascending.
    pub seeds: Vec<u64>,
    rows: Vec<&'a LadderRow>,
    ladder: &'a Ladder,
}

impl Ladder {
    /// All pairs of network and threat, in the order of the rows.
    pub fn groups(&self) -> Vec<Group<'_>> {
        let mut groups: Vec<Group<'_>> = Vec::new();
        for row in &self.rows {
            let place = (row.network.as_str(), row.norm.as_str(), row.epsilon.to_bits());
            let known = groups
                .iter_mut()
                .find(|group| (group.network, group.norm, group.epsilon.to_bits()) == place);
            match known {
                Some(group) => group.rows.push(row),
                None => groups.push(Group {
                    network: &row.network,
                    norm: &row.norm,
                    epsilon: row.epsilon,
                    seeds: Vec::new(),
                    rows: vec![row],
                    ladder: self,
                }),
            }
        }
        for group in &mut groups {
            group.seeds = group.rows.iter().map(|row| row.training_seed).collect();
            group.seeds.sort_unstable();
            group.seeds.dedup();
        }
        groups
    }
}

impl<'a> Group<'a> {
    /// The rows of one rung, one for each seed that has it.
    pub fn of(&self, rung: &str) -> Vec<&'a LadderRow> {
        self.rows.iter().copied().filter(|row| row.rung == rung).collect()
    }

    /// The first-order rows that the others were held against, one for each seed.
    pub fn best(&self) -> Vec<&'a LadderRow> {
        self.rows.iter().copied().filter(|row| row.best_first_order).collect()
    }

    /// Whether a rung left fewer digits than the best first-order row in every seed.
    pub fn gains(&self, rung: &str) -> bool {
        self.always(rung, LadderRow::vs_first_order, &[Compared::Fewer])
    }

    /// The rungs that look at the curvature alone and gain.
    pub fn curvature_that_gains(&self) -> Vec<&'a str> {
        let curved = self.ladder.rungs.iter().filter(|rung| rung.kind == Kind::Curvature);
        curved.map(|rung| rung.name.as_str()).filter(|name| self.gains(name)).collect()
    }

    /// Where the gain of S-O comes from.
    pub fn cause(&self) -> Cause {
        let Some(subject) = self.ladder.subject() else { return Cause::Undecided };
        let none = [Compared::Equal, Compared::More];
        if self.always(&subject.name, LadderRow::vs_first_order, &none) {
            return Cause::NoGain;
        }
        // The even part says something of S-O only if it is held against S-O.
        let even = self.ladder.rungs.iter().find(|rung| rung.kind == Kind::Even);
        let even = even.filter(|rung| rung.against.as_deref() == Some(subject.name.as_str()));
        let (true, Some(even)) = (self.gains(&subject.name), even) else { return Cause::Undecided };
        let suffices = [Compared::Equal, Compared::Fewer];
        if self.always(&even.name, LadderRow::vs_rung, &suffices) {
            Cause::NotCurvature
        } else if self.always(&even.name, LadderRow::vs_rung, &[Compared::More])
            && !self.curvature_that_gains().is_empty()
        {
            Cause::Curvature
        } else {
            Cause::Undecided
        }
    }

    /// Whether a comparison of a rung came out as one of these in every seed.
    fn always(
        &self,
        rung: &str,
        compared: fn(&LadderRow) -> Option<Compared>,
        outcomes: &[Compared],
    ) -> bool {
        let rows = self.of(rung);
        let among = |row: &&LadderRow| compared(row).is_some_and(|one| outcomes.contains(&one));
        !rows.is_empty() && rows.len() == self.seeds.len() && rows.iter().all(among)
    }
}

impl LadderRow {
    /// What the comparison with the best first-order row says; none for that row itself.
    pub fn vs_first_order(&self) -> Option<Compared> {
        self.against_first_order.as_ref().map(|comparison| comparison.outcome)
    }

    /// What the comparison with the rung below says.
    pub fn vs_rung(&self) -> Option<Compared> {
        self.against_rung.as_ref().map(|comparison| comparison.outcome)
    }
}
