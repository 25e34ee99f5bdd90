//! The words of the comparison of S-O with its rivals.

use crate::number::{p_value, percent};
use crate::rivals::{McNemar, RivalRow, Role};

pub(crate) fn role(role: Role) -> &'static str {
    match role {
        Role::SecondOrder => "S-O",
        Role::Part => "part of S-O",
        Role::Rival => "rival",
    }
}

/// How to read the comparison, with the passes that each attack was allowed.
pub(crate) fn how_to_read(rivals: &[RivalRow]) -> String {
    let mut caps: Vec<u64> = rivals.iter().filter_map(|row| row.cap).collect();
    caps.sort_unstable();
    caps.dedup();
    let caps: Vec<String> = caps.iter().map(u64::to_string).collect();
    let cap = match caps.as_slice() {
        [] => "the same number of".to_owned(),
        caps => caps.join(" or "),
    };
    format!(
        "Each attack was allowed at most {cap} passes per digit, on the same digits; a fooled digit \
         leaves early, so the mean passes spent are fewer. The p-value (exact McNemar test) asks how \
         likely a difference this large would be if both attacks were equally strong; counts are \
         digits that only one of the two fooled. Beside each p-value stands the same after Holm's \
         adjustment over all tests of this section. Rows are grouped by network, norm, epsilon and \
         training seed."
    )
}

/// One network, threat and training seed of the comparison.
pub(crate) struct Bout<'a> {
    /// Any row of it, for its place.
    pub(crate) at: &'a RivalRow,
    pub(crate) whole: Option<&'a RivalRow>,
    pub(crate) best: Option<&'a RivalRow>,
    parts: Vec<&'a RivalRow>,
}

impl Bout<'_> {
    /// The part of that short name.
    pub(crate) fn part(&self, name: &str) -> Option<&RivalRow> {
        self.parts.iter().copied().find(|row| short(row) == name)
    }
}

/// The comparison, bout by bout, in the order of the table.
pub(crate) fn bouts(rivals: &[RivalRow]) -> Vec<Bout<'_>> {
    let place = |row: &RivalRow| {
        (row.network.clone(), row.norm.clone(), row.epsilon.to_bits(), row.training_seed)
    };
    let rows = sorted(rivals);
    rows.chunk_by(|a, b| place(a) == place(b))
        .map(|rows| {
            let of = |role| rows.iter().copied().find(move |row| row.role == role);
            Bout {
                at: rows[0],
                whole: of(Role::SecondOrder),
                best: rows.iter().copied().find(|row| row.best_rival),
                parts: rows.iter().copied().filter(|row| row.role == Role::Part).collect(),
            }
        })
        .collect()
}

/// The short names of all parts, in the order in which they appear.
pub(crate) fn part_names<'a>(bouts: &[Bout<'a>]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for row in bouts.iter().flat_map(|bout| &bout.parts) {
        if !names.contains(&short(row)) {
            names.push(short(row));
        }
    }
    names.sort_unstable();
    names
}

/// An attack's name without its settings.
fn short(row: &RivalRow) -> &str {
    row.attack.split(": ").next().unwrap_or(&row.attack)
}

/// Accuracies of S-O, its parts and the best rival, a line per bout: head and rows.
pub(crate) fn by_seed(rivals: &[RivalRow]) -> (Vec<String>, Vec<Vec<String>>) {
    let bouts = bouts(rivals);
    let parts = part_names(&bouts);
    let mut head: Vec<String> = ["network", "threat", "seed", "S-O"].map(str::to_owned).into();
    head.extend(parts.iter().map(|name| (*name).to_owned()));
    head.push("best rival".to_owned());
    let share = |row: Option<&RivalRow>| {
        row.map_or_else(|| "–".to_owned(), |row| format!("≤ {} %", percent(row.accuracy)))
    };
    let rows = bouts.iter().map(|bout| {
        let at = bout.at;
        let mut row = vec![at.network.clone(), threat(at), at.training_seed.to_string()];
        row.push(share(bout.whole));
        row.extend(parts.iter().map(|name| share(bout.part(name))));
        let named = bout.best.map(|best| format!(" ({})", short(best))).unwrap_or_default();
        row.push(format!("{}{named}", share(bout.best)));
        row
    });
    (head, rows.collect())
}

/// The comparison in the order of the table: groups, then S-O, its parts, rivals by strength.
pub(crate) fn sorted(rivals: &[RivalRow]) -> Vec<&RivalRow> {
    let mut rows: Vec<&RivalRow> = rivals.iter().collect();
    rows.sort_by(|a, b| {
        let group = |row: &RivalRow| (row.network.clone(), row.norm.clone());
        group(a)
            .cmp(&group(b))
            .then(a.epsilon.total_cmp(&b.epsilon))
            .then(a.training_seed.cmp(&b.training_seed))
            .then(a.role.cmp(&b.role))
            .then(a.accuracy.total_cmp(&b.accuracy))
    });
    rows
}

/// Threat model of a comparison: `l2 ≤ 4`.
pub(crate) fn threat(row: &RivalRow) -> String {
    format!("{} ≤ {}", row.norm, row.epsilon)
}

/// A test of a comparison against `other`: p-value, adjusted p-value and counts.
pub(crate) fn test(test: McNemar, other: &str) -> [String; 2] {
    let adjusted = test.p_holm.map(|p| format!(" (Holm {})", p_value(p))).unwrap_or_default();
    [
        format!("{}{adjusted}", p_value(test.p)),
        format!("only this {}, only {other} {}", test.only_this, test.only_other),
    ]
}

/// What stands in the two columns of tests where there is none.
pub(crate) fn untested(row: &RivalRow) -> [&'static str; 2] {
    [
        if row.best_rival { "the best rival" } else { "–" },
        if row.role == Role::SecondOrder { "S-O itself" } else { "–" },
    ]
}
