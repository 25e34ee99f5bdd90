//! Attacks that one without gradients outdoes.

use saddle_report::Cell;

use crate::paper::CellPlan;

/// The cells whose attack leaves more digits standing than a gradient-free one on the same network and digits under the
/// same threat, each with the row of that one. `cells` are those of `plans`, in the same order.
pub(super) fn broken(plans: &[CellPlan], cells: &[Cell]) -> Vec<(usize, String)> {
    let pairs = || plans.iter().zip(cells);
    let outdone = |(place, (plan, cell)): (usize, (&CellPlan, &Cell))| {
        let same = |other: &Cell| {
            (&other.table, &other.network, other.seed) == (&cell.table, &cell.network, cell.seed)
        };
        let own = cell.correct.filter(|_| plan.threat.is_some() && !plan.gradient_free)?;
        let mut free = pairs().filter(|(other, found)| {
            other.gradient_free && other.threat == plan.threat && same(found)
        });
        let (_, fewer) = free.find(|(_, found)| found.correct.is_some_and(|left| left < own))?;
        Some((place, fewer.row.clone()))
    };
    pairs().enumerate().filter_map(outdone).collect()
}
