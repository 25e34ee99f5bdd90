//! The vocabulary in which a plan states claims.

use serde::{Deserialize, Serialize};

/// All claims of a plan, and how strict their tests are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// Level of all tests together, between 0 and 1.
    pub alpha: f64,
    /// Points of accuracy by which two cells may differ and still be called equal.
    pub margin: f64,
    /// The claims, in the order of the report.
    #[serde(rename = "claim")]
    pub claims: Vec<Claim>,
}

/// One claim: words for a reader, tests that decide it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Short name, such as `C1`.
    pub id: String,
    /// What is claimed, in one sentence.
    pub words: String,
    /// Where the thresholds come from.
    #[serde(default)]
    pub why: String,
    /// Whether all tests have to hold or one is enough.
    #[serde(default)]
    pub needs: Needs,
    /// Why no run of this plan can decide it; then it has no tests and stays open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undecidable: Option<String>,
    /// What decides it.
    #[serde(default, rename = "test")]
    pub tests: Vec<Test>,
}

/// How many of its tests a claim needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Needs {
    /// All of them; it is refuted if one contradicts it.
    #[default]
    All,
    /// One of them; it is refuted if all contradict it.
    Any,
}

/// One test; the module's page says when it holds. Percentages run from 0 to 100.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Test {
    /// Every one of these cells is at least so high.
    AtLeast {
        /// Table of the cells.
        table: String,
        /// Their networks.
        networks: Vec<String>,
        /// Their rows.
        rows: Vec<String>,
        /// Threshold in percent.
        percent: f64,
    },
    /// Every one of these cells is at most so high.
    AtMost {
        /// Table of the cells.
        table: String,
        /// Their networks.
        networks: Vec<String>,
        /// Their rows.
        rows: Vec<String>,
        /// Threshold in percent.
        percent: f64,
    },
    /// On the same digits the row of each network lies below another cell.
    Below {
        /// Table of the first cell.
        table: String,
        /// Networks, each a comparison of its own.
        networks: Vec<String>,
        /// Row of the first cell.
        row: String,
        /// The other cell.
        against: Against,
    },
    /// On the same digits the row of each network and another cell differ by less than the margin.
    Equal {
        /// Table of the first cell.
        table: String,
        /// Networks, each a comparison of its own.
        networks: Vec<String>,
        /// Row of the first cell.
        row: String,
        /// The other cell.
        against: Against,
    },
    /// No cell is higher than any classifier can be on its digits.
    WithinBound {
        /// Table of the cells.
        table: String,
        /// Their networks.
        networks: Vec<String>,
        /// Their rows.
        rows: Vec<String>,
    },
    /// The mean of one curve of a figure is so many times another's at this share of the steps.
    CurveAbove {
        /// The figure's short name.
        figure: String,
        /// Label of the upper curve.
        curve: String,
        /// Label of the lower curve.
        other: String,
        /// How many times higher.
        factor: f64,
        /// At which share of the steps, above one half and at most 1.
        share: f64,
    },
    /// The accuracy of these networks falls to this level as the attack takes more steps.
    Crosses {
        /// The short name of the curve.
        curve: String,
        /// The networks.
        networks: Vec<String>,
        /// Level in percent.
        percent: f64,
    },
}

/// The other cell of a comparison; what is left out is that of the first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Against {
    /// Its table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Its network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// Its row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<String>,
}

impl Against {
    /// Table, network and row of the other cell, given those of the first.
    pub fn place<'a>(&'a self, first: [&'a str; 3]) -> [&'a str; 3] {
        let [table, network, row] = first;
        [
            self.table.as_deref().unwrap_or(table),
            self.network.as_deref().unwrap_or(network),
            self.row.as_deref().unwrap_or(row),
        ]
    }
}

impl Test {
    /// Table, network and row of every cell that the test looks at; none for tests of curves.
    pub fn places(&self) -> Vec<[&str; 3]> {
        match self {
            Self::AtLeast { table, networks, rows, .. }
            | Self::AtMost { table, networks, rows, .. }
            | Self::WithinBound { table, networks, rows } => networks
                .iter()
                .flat_map(|network| rows.iter().map(move |row| [&**table, &**network, &**row]))
                .collect(),
            Self::Below { table, networks, row, against }
            | Self::Equal { table, networks, row, against } => networks
                .iter()
                .flat_map(|network| {
                    let first = [&**table, &**network, &**row];
                    [first, against.place(first)]
                })
                .collect(),
            Self::CurveAbove { .. } | Self::Crosses { .. } => Vec::new(),
        }
    }
}
