//! A made-up report that has everything a report can have. No number in it was measured.

pub mod claims;

use saddle_report::{
    AttackNote, Cell, CellKey, Choice, Contender, Fact, Failure, Figure, Place, Provenance, Report,
    Role, Series, Setting, TrainingNorm, adjust, compare,
};

/// Where a made-up cell belongs.
pub fn key(network: &str, norm: Option<TrainingNorm>, row: &str, setting: Setting) -> CellKey {
    let (defense, table) = (
        norm.map_or("natural", |_| "madry"),
        match setting {
            Setting::Paper => "table1",
            Setting::Strong => "table1_strong",
        },
    );
    CellKey {
        table: table.to_owned(),
        setting,
        network: network.to_owned(),
        defense: defense.to_owned(),
        training_norm: norm,
        inner_steps: norm.map(|norm| {
            let l2 = if network.ends_with("_raw") { "raw" } else { "unit" };
            match norm {
                TrainingNorm::L2 => l2.to_owned(),
                TrainingNorm::Linf => "sign".to_owned(),
                TrainingNorm::Mix => format!("{l2}+sign"),
            }
        }),
        row: row.to_owned(),
        seed: 7,
        kernels: "avx2".to_owned(),
    }
}

/// The made-up report: two settings, a missing and a failed cell, two seeds, a figure, a comparison.
///
/// # Panics
///
/// Never: its counts are sound.
pub fn sample() -> Report {
    let mut cells = Vec::new();
    let networks: [(&str, Option<TrainingNorm>, [u64; 5]); 4] = [
        ("natural", None, [991, 70, 0, 52, 0]),
        ("madry_l2", Some(TrainingNorm::L2), [983, 970, 15, 604, 4]),
        ("madry_linf", Some(TrainingNorm::Linf), [985, 951, 928, 6, 917]),
        ("madry_mix", Some(TrainingNorm::Mix), [980, 735, 800, 190, 790]),
    ];
    for setting in [Setting::Paper, Setting::Strong] {
        for (network, norm, counts) in networks {
            for (row, correct) in saddle_report::paper::ROWS.into_iter().zip(counts) {
                let key = key(network, norm, row, setting);
                let passes = if row == "natural" { 1.0 } else { 82.5 };
                let measured = Cell::measured(key.clone(), correct, 1000, passes);
                cells.push(match (setting, network, row) {
                    (Setting::Strong, "madry_mix", "so_l2") => Cell::missing(key),
                    (Setting::Strong, "madry_mix", "so_linf") => Cell::failed(key),
                    _ => measured.expect("sound counts"),
                });
            }
        }
    }
    let second =
        CellKey { seed: 8, ..key("madry_linf", Some(TrainingNorm::Linf), "so_l2", Setting::Paper) };
    cells.push(Cell::measured(second, 0, 1000, 82.5).expect("sound counts"));
    for (row, correct) in [("union_l2", 0), ("union_l2_2", 87)] {
        let place = key("madry_linf", Some(TrainingNorm::Linf), row, Setting::Strong);
        cells.push(Cell::measured(place, correct, 1000, 165.0).expect("sound counts"));
    }
    for row in saddle_report::paper::ROWS {
        let place = key("madry_l2_raw", Some(TrainingNorm::L2), row, Setting::Paper);
        cells.push(Cell::missing(place));
    }

    Report {
        profile: "quick".to_owned(),
        dataset: None,
        seed: 7,
        commit: "0123abc".to_owned(),
        cells,
        figures: vec![figure()],
        rivals: rivals(),
        bounds: Vec::new(),
        claims: Vec::new(),
        differences: Vec::new(),
        curves: Vec::new(),
        figure2: None,
        ladder: None,
        verdicts: None,
        provenance: provenance(),
    }
}

fn figure() -> Figure {
    let series = |label: &str, start: f64, growth: f64| {
        let steps: Vec<Vec<f64>> = (0..=40)
            .map(|step| {
                let level = start * growth.powi(step);
                (0..40).map(|example| level * 1.12f64.powi(example - 20)).collect()
            })
            .collect();
        Series::from_steps(label, 7, &steps)
    };
    Figure {
        id: "figure1".to_owned(),
        title: "Input gradients along the attack".to_owned(),
        caption: "The paper's Figure 1 with the Madry network in TRADES' place.".to_owned(),
        quantity: "l2 norm of the gradient of the loss with respect to the image".to_owned(),
        series: vec![
            series("natural network, PGD", 0.02, 1.15),
            series("madry_linf, PGD", 0.003, 1.02),
            series("madry_linf, S-O", 0.003, 1.16),
        ],
    }
}

fn rivals() -> Vec<saddle_report::RivalRow> {
    let contender = |attack: &str, role, fooled: usize| Contender {
        attack: attack.to_owned(),
        role,
        robust: (0..500).map(|digit| digit * 37 % 500 >= fooled).collect(),
        passes_per_example: 398.0,
    };
    let contenders = [
        contender("PGD, unit steps of 0.4, 4 restarts", Role::Rival, 300),
        contender("PGD, momentum 0.75, DLR loss", Role::Rival, 341),
        contender("S-O, sigma 1, 16 samples", Role::SecondOrder, 410),
        contender("even: the even part of S-O", Role::Part, 390),
        contender("odd: the odd part of S-O", Role::Part, 350),
    ];
    let seeds = [1, 2].into_iter();
    let place =
        Place { network: "madry_linf", norm: "l2", epsilon: 2.0, training_seed: 1, cap: Some(400) };
    let rows = seeds.map(|seed| compare(Place { training_seed: seed, ..place }, &contenders, None));
    let mut rows: Vec<_> = rows.flat_map(|rows| rows.expect("sound contenders")).collect();
    adjust(&mut rows);
    rows
}

fn provenance() -> Provenance {
    let fact = |name: &str, value: &str| Fact { name: name.to_owned(), value: value.to_owned() };
    Provenance {
        facts: vec![
            fact("test digits", "1000 of 10,000, stratified, seed 7"),
            fact(
                "data SHA-256",
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            ),
        ],
        attacks: vec![
            AttackNote {
                table: "table1".to_owned(),
                setting: Setting::Paper,
                row: "so_l2".to_owned(),
                words: "40 steps of 0.5, sigma 1, 20 samples".to_owned(),
            },
            AttackNote {
                table: "selection".to_owned(),
                setting: Setting::Paper,
                row: "so_l2".to_owned(),
                words: "an attack of another table".to_owned(),
            },
        ],
        choices: vec![Choice {
            name: "sigma of S-O".to_owned(),
            value: "1.0".to_owned(),
            evidence: "lowest accuracy of 0.3, 1 and 3 on the last 5,000 training digits"
                .to_owned(),
        }],
        failures: vec![Failure {
            what: "table1_strong, madry_mix, so_linf".to_owned(),
            reason: "example 17: gradient is not a number".to_owned(),
        }],
        notes: vec!["Every number on this page is made up.".to_owned()],
    }
}
