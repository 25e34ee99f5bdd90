//! APGD, Square, DDN and the standard suite in a plan: named, refused, run, taken over, told in words.

use std::path::Path;

use saddle_experiments::{
    AttackDetail, Detail, Finished, Known, Laboratory, Outside, Plan, Store, write_all,
};
use saddle_report::{Cell, Status};
use saddle_tests::experiments::{TINY_PLAN, Witness, run_tiny, tiny_data, tiny_machine};

const ATTACKS: &str = r#"
[attacks.apgd_ce]
restarts = 2
apgd = { loss = "cross_entropy", steps = 3 }

[attacks.apgd_t]
apgd = { loss = "dlr", steps = 2, targets = 2 }

[attacks.square]
square = { queries = 6 }

[attacks.ddn]
ddn = { steps = 6 }

[attacks.standard]
standard = { steps = 1, targets = 1, queries = 2, second_order = { direction = { smoothed = { sigma = 0.15, samples = 1 } }, rule = "unit", step_size = 0.5, steps = 1 } }

[[table]]
name = "audit"
setting = "strong"
networks = ["natural"]
digits = "some"

[[table.row]]
name = "apgd_ce_l2"
norm = "l2"
epsilon = 1.0
attacks = ["apgd_ce"]

[[table.row]]
name = "apgd_t_linf"
norm = "linf"
epsilon = 0.1
attacks = ["apgd_t"]

[[table.row]]
name = "square_linf"
norm = "linf"
epsilon = 0.1
attacks = ["square"]

[[table.row]]
name = "ddn_l2"
norm = "l2"
epsilon = 1.0
attacks = ["ddn"]

[[table.row]]
name = "standard_l2"
norm = "l2"
epsilon = 1.0
attacks = ["standard"]

[[table]]
name = "audit_of_many"
setting = "strong"
networks = ["natural"]
digits = "many"

[[table.row]]
name = "standard_l2"
norm = "l2"
epsilon = 1.0
attacks = ["standard"]

[[epsilon_curve]]
name = "by_radius"
setting = "strong"
networks = ["natural"]
digits = "some"
norm = "l2"
epsilons = [0.0, 1.0]
attacks = ["square", "ddn"]

[[budget_curve]]
name = "by_budget"
networks = ["natural"]
digits = "some"
norm = "l2"
epsilon = 1.0
cap = 12
attacks = ["apgd_ce", "square"]

[figure1]"#;

fn text() -> String {
    TINY_PLAN.replacen("[figure1]", ATTACKS, 1).replacen("iterations = 4", "iterations = 12", 1)
}

fn plan() -> Plan {
    Plan::parse(&text()).unwrap()
}

fn run(store: &Path, outside: &Outside, only: &[&str], witness: &mut Witness) -> Finished {
    let (plan, data, machine) = (plan(), tiny_data(), tiny_machine());
    let store = Store::open(store).unwrap();
    let only: Vec<String> = only.iter().map(|&part| part.to_owned()).collect();
    let laboratory =
        Laboratory { plan: &plan, data: &data, store: &store, machine: &machine, commit: "test" };
    laboratory.run_with(outside, &only, witness).unwrap()
}

fn detail<'a>(finished: &'a Finished, row: &str) -> (&'a Cell, &'a AttackDetail) {
    let own = |detail: &&Detail| detail.cell.table == "audit" && detail.cell.row == row;
    let own = finished.details.iter().find(own).unwrap();
    let [attack] = &own.attacks[..] else { panic!("one attack") };
    (&own.cell, attack)
}

#[test]
fn a_plan_runs_them_and_another_clone_takes_them_over() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut witness = Witness::default();
    let store = first.path().join("store");
    let finished = run(&store, &Outside::default(), &["audit"], &mut witness);
    let audit = |finished: &Finished| -> Vec<Cell> {
        finished.report.cells.iter().filter(|cell| cell.table == "audit").cloned().collect()
    };
    let cells = audit(&finished);
    assert_eq!(cells.len(), 5);
    assert!(cells.iter().all(|cell| cell.status == Status::Measured), "{cells:?}");
    let standing = |row: &str| detail(&finished, row).1.robust.clone();

    let (cell, standard) = detail(&finished, "standard_l2");
    let names: Vec<&str> = standard.members.iter().map(|member| member.attack.as_str()).collect();
    assert_eq!(names, ["apgd-ce", "apgd-t", "apgd-dlr", "square", "so"]);
    let passes: f64 = standard.members.iter().map(|member| member.passes_per_example).sum();
    assert!((passes - standard.passes_per_example).abs() < 1e-9);
    // Digits that are wrong from the start fall to nobody.
    for (place, robust) in standard.robust.bytes().enumerate() {
        let took = standard.members.iter().filter(|member| member.took.as_bytes()[place] == b'1');
        assert!(took.count() <= usize::from(robust == b'0'));
    }
    assert!(detail(&finished, "apgd_ce_l2").1.members.is_empty());
    assert_eq!(
        cell.correct,
        Some(standard.robust.bytes().filter(|bit| *bit == b'1').count() as u64)
    );
    // What DDN found beyond the radius leaves its digit standing.
    let ddn = detail(&finished, "ddn_l2").1;
    assert!(ddn.attack.contains("held against the radius"), "{}", ddn.attack);
    assert!(standing("square_linf").contains('1'), "nothing stands: this test has lost its point");
    let square = detail(&finished, "square_linf").1;
    assert!(square.passes_per_example <= 8.0 && square.zero_tiny_non_finite == [0; 3]);

    write_all(first.path(), &plan(), &finished).unwrap();
    let mut known = Known::default();
    known.read(first.path()).unwrap();
    assert_eq!(known.remarks(), &[] as &[String]);
    let mut witness = Witness::default();
    let outside = Outside { known, ..Outside::default() };
    let again = run(&second.path().join("store"), &outside, &["audit"], &mut witness);
    assert_eq!((witness.planned, witness.began), (0, Vec::new()));
    assert_eq!(audit(&again), cells);
    assert_eq!(detail(&again, "standard_l2").1, standard);
}

#[test]
fn a_run_that_is_stopped_between_chunks_ends_at_the_same_cells() {
    let lines = |stop_after: Option<usize>| {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..60 {
            let store = Store::open(folder.path()).unwrap();
            let mut witness = Witness { stop_after, ..Witness::default() };
            let finished = run_tiny(&plan(), &store, &["audit_of_many"], &mut witness).unwrap();
            if !finished.interrupted {
                let detail = finished.details.iter().find(|one| one.cell.table == "audit_of_many");
                return format!("{:?}", detail.unwrap());
            }
        }
        panic!("the run does not get ahead");
    };
    assert_eq!(lines(None), lines(Some(5)));
}

#[test]
fn curves_name_them_by_their_families() {
    let folder = tempfile::tempdir().unwrap();
    let only = ["by_radius", "by_budget"];
    let finished = run(folder.path(), &Outside::default(), &only, &mut Witness::default());
    let chart = |id: &str| finished.report.curves.iter().find(|chart| chart.id == id).unwrap();
    let names = |id: &str| -> Vec<String> {
        chart(id).attacks.iter().map(|fact| fact.name.clone()).collect()
    };
    assert_eq!(names("by_radius"), ["Square", "DDN"]);
    assert_eq!(names("by_budget"), ["APGD-CE", "Square"]);
    let words = &chart("by_budget").attacks[0].value;
    assert!(words.contains("choose their own size") && words.contains("2 restarts"), "{words}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let refusal = |from: &str, to: &str| {
        let text = text();
        assert!(text.contains(from), "{from}");
        Plan::parse(&text.replacen(from, to, 1)).expect_err("must be refused").to_string()
    };
    let one = "square = { queries = 6 }";
    let both = "square = { queries = 6 }\nddn = { steps = 6 }";
    assert!(refusal(one, both).contains("exactly one of ascent, apgd, square, ddn and standard"));
    assert!(refusal(one, "").contains("exactly one"));
    assert!(refusal(one, "squares = { queries = 6 }").contains("squares"));
    assert!(refusal(one, "square = { queries = 0 }").contains("attack `square`: queries"));
    assert!(
        refusal(one, &format!("step_per_radius = 0.5\n{one}")).contains("belongs to an ascent")
    );
    let twice = refusal("[attacks.ddn]\n", "[attacks.ddn]\nrestarts = 2\n");
    assert!(twice.contains("attack `ddn`") && twice.contains("random start"), "{twice}");
    let suite = refusal("[attacks.standard]\n", "[attacks.standard]\nrestarts = 2\n");
    assert!(suite.contains("run once"), "{suite}");
    let linf = refusal("attacks = [\"square\"]", "attacks = [\"ddn\"]");
    assert!(linf.contains("row `square_linf`") && linf.contains("not made for linf"), "{linf}");
    let budget = refusal("attacks = [\"apgd_ce\", \"square\"]", "attacks = [\"ddn\"]");
    assert!(budget.contains("by_budget") && budget.contains("one budget"), "{budget}");
    let rivals = refusal("rivals = [\"pgd\"]", "rivals = [\"standard\"]");
    assert!(rivals.contains("one budget"), "{rivals}");
    let curve = refusal("attack = \"pgd\"", "attack = \"square\"");
    assert!(curve.contains("figure1") && curve.contains("no ascent"), "{curve}");
}
