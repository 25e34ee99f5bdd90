//! A plan is refused for anything that it should not hold, and no text makes the reader panic.

use proptest::prelude::*;
use saddle_experiments::{PROFILES, Plan};
use saddle_tests::experiments::TINY_PLAN;

fn refusal(text: &str) -> String {
    Plan::parse(text).expect_err("this plan must be refused").to_string()
}

fn changed(from: &str, to: &str) -> String {
    assert!(TINY_PLAN.contains(from), "the plan of the tests holds no `{from}`");
    TINY_PLAN.replacen(from, to, 1)
}

#[test]
fn every_embedded_plan_parses_and_carries_its_own_name() {
    for (name, _) in PROFILES {
        assert_eq!(Plan::profile(name).unwrap().name, name);
    }
}

#[test]
fn an_unknown_profile_lists_the_known_ones() {
    let message = Plan::profile("fast").unwrap_err().to_string();
    assert!(message.contains("smoke") && message.contains("quick"), "{message}");
}

#[test]
fn a_plan_reads_back_from_its_own_toml() {
    let plan = Plan::parse(TINY_PLAN).unwrap();
    let text = toml::to_string(&plan).unwrap();
    assert_eq!(Plan::parse(&text).unwrap(), plan);
}

#[test]
fn restarts_that_would_repeat_themselves_are_refused() {
    let message = refusal(&changed("[attacks.pgd]\n", "[attacks.pgd]\nrestarts = 3\n"));
    assert!(message.contains("attack `pgd`") && message.contains("random start"), "{message}");
}

#[test]
fn unknown_fields_are_named_wherever_they_stand() {
    for place in [
        "held_out = 140",
        "part = \"held_out\"",
        "defense = \"natural\"\n",
        "iterations = 4",
        "step_per_radius = 0.5",
        "setting = \"paper\"",
        "name = \"natural\"",
        "note = \"a test\"",
        "cap = 12",
        "epsilon = 2.0",
    ] {
        let text = changed(place, &format!("stepsize = 1\n{place}"));
        let message = refusal(&text);
        assert!(message.contains("stepsize"), "before `{place}`: {message}");
    }
}

#[test]
fn a_radius_must_be_finite_and_positive() {
    for value in ["0.0", "-1.0", "nan", "inf", "-0.0"] {
        let message = refusal(&changed("epsilon = 4.0", &format!("epsilon = {value}")));
        assert!(message.contains("radius"), "{value}: {message}");
        let message = refusal(&changed("epsilon = 0.3", &format!("epsilon = {value}")));
        assert!(message.contains("radius"), "{value} in training: {message}");
    }
}

#[test]
fn names_that_lead_nowhere_are_refused_with_their_place() {
    for (from, to, expected) in [
        ("digits = \"some\"", "digits = \"none\"", "`none`"),
        ("attacks = [\"so\"]", "attacks = [\"os\"]", "`os`"),
        ("networks = [\"natural\"]", "networks = [\"nature\"]", "`nature`"),
        ("starts_from = \"natural\"", "starts_from = \"nature\"", "`nature`"),
        ("starts_from = \"natural\"", "starts_from = \"madry_linf\"", "circle"),
        ("architecture = \"madry\"", "architecture = \"mad\"", "mad"),
        ("name = \"so_l2\"", "name = \"natural\"", "twice"),
        ("name = \"large\"", "name = \"table1\"", "two tables"),
        ("name = \"large\"", "name = \"rivals\"", "two tables"),
        ("rivals = [\"pgd\"]", "rivals = [\"so\"]", "twice"),
        ("attacks = [\"so\"]", "attacks = []", "go together"),
        ("cap = 12", "cap = 1", "cap"),
        ("setting = \"strong\"", "setting = \"strong\"\ncap = 1", "cap"),
        ("defense = \"natural\"\n", "defense = \"natural\"\nseeds = 0\n", "seeds"),
        ("defense = \"natural\"\n", "defense = \"natural\"\nseeds = 1001\n", "seeds"),
        ("iterations = 4", "iterations = 4\nseed = 7", "seed"),
        ("steps = 2 }", "steps = 0 }", "steps"),
        ("sigma = 0.2", "sigma = -0.2", "sigma"),
        ("iterations = 4", "iterations = 0", "iterations"),
        ("step_per_radius = 0.5", "step_per_radius = nan", "step_per_radius"),
        ("missing = \"nobody can train it yet\"", "", "missing"),
    ] {
        let message = refusal(&changed(from, to));
        assert!(message.contains(expected), "{to}: {message}");
    }
}

#[test]
fn parts_that_were_not_planned_cannot_be_asked_for() {
    let plan = Plan::parse(TINY_PLAN).unwrap();
    assert!(plan.check_only(&["figure1".to_owned(), "selection".to_owned()]).is_ok());
    let message = plan.check_only(&["table2".to_owned()]).unwrap_err().to_string();
    assert!(message.contains("table2") && message.contains("rivals"), "{message}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_text_makes_the_reader_panic(text in any::<String>()) {
        // Only that it returns; nearly all of these are no TOML.
        let _ = Plan::parse(&text);
    }

    #[test]
    fn a_damaged_plan_is_read_or_refused(
        start in 0..TINY_PLAN.len(),
        length in 0usize..40,
        inserted in "[ -~\n]{0,12}",
    ) {
        let end = (start + length).min(TINY_PLAN.len());
        let text = format!("{}{inserted}{}", &TINY_PLAN[..start], &TINY_PLAN[end..]);
        if let Ok(plan) = Plan::parse(&text) {
            // Whatever still parses is a plan with everything that a run looks up.
            for table in &plan.tables {
                prop_assert!(plan.digits.contains_key(&table.digits));
                prop_assert!(table.networks.iter().all(|name| plan.networks.contains_key(name)));
            }
        }
    }
}
