//! The embedded plans hold the whole paper: every column by the protocol of its authors, in both settings, and nothing
//! that a table does not show.

use std::collections::BTreeSet;

use saddle_defenses::{Atda, DefensePlan, Ensemble, RadiusSchedule, Trades, TrainingPlan};
use saddle_experiments::{Plan, Store, Table};
use saddle_ops::StepRule;
use saddle_report::{Cell, Setting, TrainingNorm, paper};
use saddle_tests::experiments::{Witness, run_tiny};

fn table<'a>(plan: &'a Plan, name: &str) -> &'a Table {
    plan.tables.iter().find(|table| table.name == name).unwrap()
}

fn training(plan: &Plan, network: &str) -> TrainingPlan {
    plan.networks[network].training.clone().unwrap()
}

fn defense(plan: &Plan, network: &str) -> DefensePlan {
    training(plan, network).defense
}

#[test]
fn both_settings_show_every_column_of_the_paper_by_the_papers_network() {
    for name in ["cpu", "paper"] {
        let plan = Plan::profile(name).unwrap();
        for (table_name, setting, l2) in [
            ("table1", Setting::Paper, StepRule::Raw),
            ("table1_strong", Setting::Strong, StepRule::Unit),
        ] {
            let table = table(&plan, table_name);
            assert_eq!((table.setting, table.networks[0].as_str()), (setting, "natural"));
            let shown = table.networks[1..].iter().map(|name| &plan.networks[name]);
            let columns: Vec<_> = shown
                .clone()
                .map(|own| (own.defense.as_str(), own.training_norm.unwrap()))
                .collect();
            assert_eq!(columns, paper::columns().collect::<Vec<_>>(), "{name} {table_name}");
            assert!(shown.clone().all(|own| own.architecture == "madry"));
            for network in shown {
                let inner = network.training.as_ref().unwrap().defense.inner_attacks();
                let rules: Vec<StepRule> = inner.iter().map(|attack| attack.rule).collect();
                let single = matches!(network.defense.as_str(), "ensemble" | "atda");
                assert!(inner.iter().all(|attack| (attack.steps == 1) == single));
                assert!(inner.iter().all(|a| [4.0, 0.3].contains(&a.epsilon.get())));
                match network.training_norm.unwrap() {
                    TrainingNorm::L2 => assert_eq!(rules, [l2]),
                    TrainingNorm::Linf => assert_eq!(rules, [StepRule::Sign]),
                    TrainingNorm::Mix => assert_eq!(rules, [l2, StepRule::Sign]),
                }
            }
            let rows: Vec<&str> = table.rows.iter().map(|row| row.name.as_str()).collect();
            assert!(paper::ROWS.iter().all(|row| rows.contains(row)), "{rows:?}");
        }
    }
}

#[test]
fn every_network_but_the_sources_stands_in_both_settings() {
    for name in ["cpu", "paper"] {
        let plan = Plan::profile(name).unwrap();
        // The other tables show a network again, under one choice changed or on more digits.
        let whole = ["table1", "table1_strong", "table1_more", "table1_more_strong"];
        let shown = |setting| {
            let tables = plan.tables.iter().filter(|table| whole.contains(&table.name.as_str()));
            let tables = tables.filter(|table| table.setting == setting && !table.on_request);
            let names: Vec<&String> = tables.flat_map(|table| &table.networks).collect();
            let distinct: BTreeSet<&String> = names.iter().copied().collect();
            assert_eq!(distinct.len(), names.len(), "{name}: a network stands in two tables");
            distinct
        };
        let sources = ["tramer_a", "tramer_c", "tramer_d"];
        let columns = plan.networks.keys().filter(|own| !sources.contains(&own.as_str()));
        let columns: BTreeSet<&String> = columns.collect();
        assert_eq!(shown(Setting::Paper), columns, "{name}");
        assert_eq!(shown(Setting::Strong), columns, "{name}");
        assert_eq!(columns.len(), 28);
        assert!(plan.networks.values().all(|network| network.missing.is_none()));
        for (own, network) in &plan.networks {
            let three = name == "paper" || ["madry_linf", "trades_linf"].contains(&own.as_str());
            assert_eq!(network.seeds, if three { 3 } else { 1 }, "{name} {own}");
            assert_eq!(own.starts_with("ensemble"), network_sources(&plan, own) == sources);
        }
    }
}

fn network_sources(plan: &Plan, name: &str) -> Vec<String> {
    defense(plan, name).sources().to_vec()
}

#[test]
fn the_plan_of_the_paper_trains_as_published() {
    let plan = Plan::profile("paper").unwrap();
    for (suffix, form) in [
        ("l2", Trades::l2()),
        ("linf", Trades::linf()),
        ("mix", Trades::mix()),
        ("l2_raw", Trades::l2_raw()),
        ("mix_raw", Trades::mix_raw()),
        ("linf_small", Trades::linf()),
    ] {
        let published = form.unwrap().published(0);
        assert_eq!(training(&plan, &format!("trades_{suffix}")), published, "{suffix}");
    }
    let ramp = RadiusSchedule::Ramp { fraction: 0.4 };
    for (suffix, form, many) in [
        ("l2", Atda::l2(), Some(ramp)),
        ("linf", Atda::linf(), Some(RadiusSchedule::Constant)),
        ("mix", Atda::mix(), Some(ramp)),
        ("l2_raw", Atda::l2_raw(), None),
        ("mix_raw", Atda::mix_raw(), None),
    ] {
        let form = form.unwrap();
        let published = form.published(0);
        assert_eq!(training(&plan, &format!("atda_{suffix}")), published, "{suffix}");
        if let Some(radius) = many {
            let many = Atda { radius, ..form.multi_step() }.published(0);
            assert_eq!(training(&plan, &format!("atda_{suffix}_multi")), many, "{suffix}");
        }
    }
    for (suffix, form, many) in [
        ("l2", Ensemble::l2(), true),
        ("linf", Ensemble::linf(), true),
        ("mix", Ensemble::mix(), true),
        ("l2_raw", Ensemble::l2_raw(), false),
        ("mix_raw", Ensemble::mix_raw(), false),
    ] {
        let form = form.unwrap();
        let own = defense(&plan, &format!("ensemble_{suffix}"));
        assert_eq!(own, DefensePlan::Ensemble(form.clone()), "{suffix}");
        if many {
            let own = defense(&plan, &format!("ensemble_{suffix}_multi"));
            assert_eq!(own, DefensePlan::Ensemble(form.multi_step().unwrap()), "{suffix}");
        }
    }
}

/// The cells that a plan asks for: those of a run on the 200 digits that is stopped before it starts.
fn planned_cells(profile: &str) -> Vec<Cell> {
    let mut plan = Plan::profile(profile).unwrap();
    plan.held_out = 100;
    for digits in plan.digits.values_mut() {
        (digits.from, digits.count) = (0, Some(10));
    }
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut witness = Witness { stop_after: Some(0), ..Witness::default() };
    let finished = run_tiny(&plan, &store, &[], &mut witness).unwrap();
    assert!(finished.interrupted);
    finished.report.cells
}

#[test]
fn sixty_cells_have_a_figure_of_the_paper_and_all_say_how_they_were_trained() {
    let cells = planned_cells("cpu");
    let of =
        |table: &str| cells.iter().filter(|c| c.table == table && c.seed == 1).collect::<Vec<_>>();
    for name in ["table1", "table1_strong"] {
        let own = of(name);
        let papers = own
            .iter()
            .filter(|cell| paper::accuracy(&cell.defense, cell.training_norm, &cell.row).is_some());
        assert_eq!(papers.count(), 60, "{name}");
        assert!(
            paper::ROWS.iter().all(|row| {
                own.iter().any(|cell| cell.network == "natural" && cell.row == *row)
            })
        );
    }
    for cell in &cells {
        let l2 = if cell.network.ends_with("_raw") { "raw" } else { "unit" };
        let expected = match cell.training_norm {
            None => None,
            Some(TrainingNorm::L2) => Some(l2.to_owned()),
            Some(TrainingNorm::Linf) => Some("sign".to_owned()),
            Some(TrainingNorm::Mix) => Some(format!("{l2}+sign")),
        };
        assert_eq!(cell.inner_steps, expected, "{}", cell.network);
    }
}

#[test]
fn quick_shows_what_it_trains_and_the_rest_as_missing() {
    let cells = planned_cells("quick");
    let columns: BTreeSet<(&str, Option<TrainingNorm>)> = cells
        .iter()
        .filter(|cell| cell.table == "table1")
        .map(|cell| (cell.defense.as_str(), cell.training_norm))
        .collect();
    assert_eq!(columns.len(), 13);
    let plan = Plan::profile("quick").unwrap();
    let trained: Vec<&str> = plan.networks.keys().map(String::as_str).collect();
    assert_eq!(trained, ["madry_l2", "madry_linf", "madry_mix", "natural", "trades_linf"]);
}
