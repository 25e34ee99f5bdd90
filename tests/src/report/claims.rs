//! Made-up claims and digits whose fate is known. No number in it was measured.

use saddle_report::claims::{Absent, Against, Claim, Claims, Fates, Judged, Needs, Test};

/// A cell of `table1` on 1,000 digits, of which those stand that `stands` says.
pub fn judged(network: &str, row: &str, seed: u64, stands: impl Fn(u64) -> bool) -> Judged {
    let ids: Vec<u64> = (0..1000).collect();
    let robust = ids.iter().map(|id| stands(*id)).collect();
    Judged {
        table: "table1".to_owned(),
        network: network.to_owned(),
        row: row.to_owned(),
        seed,
        fates: Ok(Fates { ids, robust }),
    }
}

/// The same cell without digits.
pub fn absent(network: &str, row: &str, seed: u64, absent: Absent) -> Judged {
    Judged { fates: Err(absent), ..judged(network, row, seed, |_| false) }
}

/// A claim that needs all of these tests.
pub fn claim(id: &str, tests: Vec<Test>) -> Claim {
    Claim {
        id: id.to_owned(),
        words: format!("{id} in words."),
        why: "Thresholds are made up.".to_owned(),
        needs: Needs::All,
        undecidable: None,
        tests,
    }
}

/// Claims at the usual level with a margin of three points.
pub fn claims(claims: Vec<Claim>) -> Claims {
    Claims { alpha: 0.05, margin: 3.0, claims }
}

/// `row` of these networks is at least so high.
pub fn at_least(networks: &[&str], row: &str, percent: f64) -> Test {
    Test::AtLeast {
        table: "table1".into(),
        networks: owned(networks),
        rows: owned(&[row]),
        percent,
    }
}

/// `row` of these networks is at most so high.
pub fn at_most(networks: &[&str], row: &str, percent: f64) -> Test {
    Test::AtMost { table: "table1".into(), networks: owned(networks), rows: owned(&[row]), percent }
}

/// `row` lies below `other`.
pub fn below(networks: &[&str], row: &str, other: &str) -> Test {
    let (networks, against) = (owned(networks), in_row(other));
    Test::Below { table: "table1".into(), networks, row: row.into(), against }
}

/// `row` equals `other`.
pub fn equal(networks: &[&str], row: &str, other: &str) -> Test {
    let (networks, against) = (owned(networks), in_row(other));
    Test::Equal { table: "table1".into(), networks, row: row.into(), against }
}

/// Another row of the same network and table.
pub fn in_row(row: &str) -> Against {
    Against { row: Some(row.to_owned()), ..Against::default() }
}

/// Owned names.
pub fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
