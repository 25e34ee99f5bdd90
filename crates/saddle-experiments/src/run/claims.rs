//! Claims and causes, decided on every digit's fate.

use saddle_report::bounds::Bound;
use saddle_report::claims::{
    Absent, Decided, Difference, Fates, Judged, Material, decide, differences,
};
use saddle_report::{Cell, Contender, RivalRow, Status};

use super::assemble::{Book, Detail};
use crate::agenda::{networks, roles};
use crate::plan::{BEST_RIVAL, Plan, RIVALS, RivalThreat, Rivals, contender_row};

impl Book {
    /// Decides the claims of a plan and looks for causes of differences.
    pub(super) fn decide(&self, plan: &Plan, bounds: &[Bound]) -> (Vec<Decided>, Vec<Difference>) {
        if plan.claims.is_none() && plan.causes.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let mut judged: Vec<Judged> =
            self.cells.iter().map(|cell| judged(cell, &self.details)).collect();
        judged.extend(self.rivals_judged(plan));
        let figures = &self.figures;
        let material = Material { judged: &judged, bounds, figures, charts: &self.curves };
        let decided = plan.claims.as_ref().map(|claims| decide(claims, &material));
        (decided.unwrap_or_default(), differences(&self.cells, &judged, &plan.causes))
    }

    /// Keeps what the contenders of one comparison did to every digit.
    pub(super) fn judge_rivals(
        &mut self,
        rivals: &Rivals,
        threat: &RivalThreat,
        rows: &[RivalRow],
        contenders: &[Contender],
        ids: &[u64],
    ) {
        for (row, contender) in rows.iter().zip(contenders) {
            // The attack's name in the plan, then the attack in words.
            let own = contender.attack.split(": ").next();
            let names = own.into_iter().chain(row.best_rival.then_some(BEST_RIVAL));
            for name in names {
                self.contenders.push(Judged {
                    table: RIVALS.to_owned(),
                    network: row.network.clone(),
                    row: contender_row(rivals, threat, name),
                    seed: row.training_seed,
                    fates: Ok(Fates { ids: ids.to_vec(), robust: contender.robust.clone() }),
                });
            }
        }
    }

    /// Every contender that was planned, measured or not.
    fn rivals_judged(&self, plan: &Plan) -> Vec<Judged> {
        let Some(rivals) = &plan.rivals else { return Vec::new() };
        let mut all = Vec::new();
        for network in networks(plan, rivals) {
            for threat in &rivals.threats {
                for name in roles(rivals).map(|(name, _)| name).chain([BEST_RIVAL]) {
                    let row = contender_row(rivals, threat, name);
                    let seed = plan.training_seed(network.number);
                    let is = |known: &&Judged| {
                        known.network == network.name && known.row == row && known.seed == seed
                    };
                    let known = self.contenders.iter().find(is).cloned();
                    all.push(known.unwrap_or_else(|| Judged {
                        table: RIVALS.to_owned(),
                        network: network.name.clone(),
                        row: row.clone(),
                        seed,
                        fates: Err(Absent::Missing),
                    }));
                }
            }
        }
        all
    }
}

/// A cell digit by digit: a digit stands if it stands under every attack of the cell.
fn judged(cell: &Cell, details: &[Detail]) -> Judged {
    let detail = details.iter().find(|detail| detail.cell == *cell);
    let fates = match (cell.status, detail.map(fates)) {
        (Status::Measured, Some(fates)) => Ok(fates),
        (Status::Failed, _) => Err(Absent::Failed),
        _ => Err(Absent::Missing),
    };
    Judged {
        table: cell.table.clone(),
        network: cell.network.clone(),
        row: cell.row.clone(),
        seed: cell.seed,
        fates,
    }
}

fn fates(detail: &Detail) -> Fates {
    let mut robust = vec![true; detail.ids.len()];
    for attack in &detail.attacks {
        for (standing, bit) in robust.iter_mut().zip(attack.robust.bytes()) {
            *standing &= bit == b'1';
        }
    }
    Fates { ids: detail.ids.clone(), robust }
}
