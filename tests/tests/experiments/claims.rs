//! Claims and causes in a plan: refused when they lead nowhere, decided on the digits of the run.

use saddle_experiments::{Plan, Store, Unobserved};
use saddle_report::claims::{Outcome, Verdict};
use saddle_report::{Role, statistics};
use saddle_tests::curves::CURVES;
use saddle_tests::experiments::{TINY_PLAN, run_tiny};

/// Claims about the plan of the tests.
const CLAIMS: &str = r#"
[claims]
alpha = 0.05
margin = 3.0

[[claims.claim]]
id = "C1"
words = "Something is never below nothing."

[[claims.claim.test]]
kind = "at_least"
table = "table1"
networks = ["natural", "madry_linf"]
rows = ["natural", "so_l2"]
percent = 0.0

[[claims.claim]]
id = "C2"
words = "Nobody can train this one."

[[claims.claim.test]]
kind = "at_most"
table = "table1"
networks = ["trades_linf"]
rows = ["so_l2"]
percent = 10.0

[[claims.claim]]
id = "C7"
words = "It is about another data set."
undecidable = "This plan has no such data."

[[claims.claim]]
id = "C9"
words = "S-O beats its rival and its part."

[[claims.claim.test]]
kind = "below"
table = "rivals"
networks = ["madry_linf"]
row = "so at l2 2.0"
against = { row = "best rival at l2 2.0" }

[[claims.claim.test]]
kind = "equal"
table = "rivals"
networks = ["madry_linf"]
row = "odd at l2 2.0"
against = { row = "so at l2 2.0" }

[[cause]]
choice = "the strong setting"
table = "table1"
networks = ["madry_linf"]
rows = ["natural"]
changed = { table = "table1_strong", row = "pgd_l2" }
"#;

fn text() -> String {
    format!("{TINY_PLAN}\n{CLAIMS}")
}

fn refusal(from: &str, to: &str) -> String {
    let text = text();
    assert!(text.contains(from), "the plan holds no `{from}`");
    Plan::parse(&text.replace(from, to)).expect_err("this plan must be refused").to_string()
}

#[test]
fn claims_read_back_from_their_own_toml() {
    let plan = Plan::parse(&text()).unwrap();
    assert_eq!(plan.claims.as_ref().unwrap().claims.len(), 4);
    assert_eq!(Plan::parse(&toml::to_string(&plan).unwrap()).unwrap(), plan);
}

#[test]
fn claims_that_lead_nowhere_are_refused_with_their_place() {
    let contender = "row = \"odd at l2 2.0\"";
    for (from, to, expected) in [
        ("alpha = 0.05", "alpha = 0.0", "alpha"),
        ("alpha = 0.05", "alpha = nan", "alpha"),
        ("margin = 3.0", "margin = 0.0", "margin"),
        ("id = \"C2\"", "id = \"C1\"", "used twice"),
        ("id = \"C2\"", "id = \" \"", "id is empty"),
        ("undecidable = \"This plan has no such data.\"", "", "`C7`: give either tests"),
        ("id = \"C2\"", "id = \"C2\"\nundecidable = \"no\"", "`C2`: give either tests"),
        ("networks = [\"trades_linf\"]", "networks = [\"trades\"]", "no network `trades`"),
        ("networks = [\"trades_linf\"]", "networks = []", "at least one network"),
        (
            "rows = [\"so_l2\"]\npercent",
            "rows = [\"so\"]\npercent",
            "`C2`, test 1: table `table1` has no row `so`",
        ),
        ("percent = 10.0", "percent = 101.0", "percent 101"),
        ("percent = 10.0", "percent = nan", "percent"),
        ("percent = 10.0", "percent = 10.0\nlevel = 3", "level"),
        ("kind = \"at_most\"", "kind = \"most\"", "most"),
        (contender, "row = \"odd at l2 4.0\"", "has no row `odd at l2 4.0`; it has: so at l2 2.0"),
        (contender, "row = \"so at l2 2.0\"", "compared with itself"),
        ("table = \"rivals\"", "table = \"rival\"", "no table is called `rival`"),
        ("row = \"pgd_l2\" }\n", "row = \"pgd\" }\n", "has no row `pgd`"),
        (
            "{ table = \"table1_strong\", row = \"pgd_l2\" }\n",
            "{}\n",
            "cause `the strong setting`: `changed` names the cell itself",
        ),
    ] {
        let message = refusal(from, to);
        assert!(message.contains(expected), "{to}: {message}");
    }
    let crosses = "[[claims.claim.test]]\nkind = \"crosses\"\ncurve = \"section5\"\nnetworks = []\npercent = 41.0";
    let message = refusal("undecidable = \"This plan has no such data.\"", crosses);
    assert!(message.contains("against steps is called `section5`"), "{message}");
    let curves = format!("{TINY_PLAN}{CURVES}");
    for (from, to, expected) in [
        ("networks = [\"natural\"]\npercent", "networks = []\npercent", "at least one network"),
        (
            "networks = [\"natural\"]\npercent",
            "networks = [\"madry_linf\"]\npercent",
            "no network `madry_linf`",
        ),
        ("percent = 41.04", "percent = -1.0", "percent -1"),
    ] {
        assert!(curves.contains(from));
        let message = Plan::parse(&curves.replace(from, to)).unwrap_err().to_string();
        assert!(message.contains(expected), "{to}: {message}");
    }
    let known = "figure = \"figure1\"\ncurve = \"natural, PGD\"\nother = \"natural\"\nfactor = 2.0\nshare = 0.9";
    for (from, to, expected) in [
        ("", "", "no curve of figure1 is called `natural`"),
        ("\"natural\"", "\"natural, PGD\"", "a curve is compared with itself"),
        ("factor = 2.0", "factor = 0.0", "factor 0"),
        ("share = 0.9", "share = 0.5", "share 0.5 must be above 0.5"),
        ("figure1", "figure2", "no figure is called `figure2`"),
    ] {
        let test =
            format!("[[claims.claim.test]]\nkind = \"curve_above\"\n{}", known.replace(from, to));
        let message = refusal("undecidable = \"This plan has no such data.\"", &test);
        assert!(message.contains(expected), "{test}: {message}");
    }
}

#[test]
fn claims_are_decided_on_the_digits_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let plan = Plan::parse(&text()).unwrap();
    let finished = run_tiny(&plan, &store, &[], &mut Unobserved).unwrap();
    let report = &finished.report;
    let verdicts: Vec<_> = report.claims.iter().map(|row| row.verdict).collect();
    assert_eq!(verdicts[..3], [Verdict::Confirmed, Verdict::Open, Verdict::Open]);
    assert_eq!(report.claims[0].tests[0].evidence.len(), 4);
    assert!(report.claims[1].decided_by.contains("on trades_linf (table1) (seed 3) is missing"));
    assert_eq!(report.claims[2].decided_by, "This plan has no such data.");
    for evidence in &report.claims[0].tests[0].evidence {
        let share = evidence.share.unwrap();
        let cell = report.cells.iter().find(|cell| evidence.what.contains(&cell.network));
        assert!(cell.is_some() && share.total == 12);
    }
    // The comparison's own tests and the claim's are made from the same digits.
    let row = |role| report.rivals.iter().find(|row| row.role == role).unwrap();
    let (so, part) = (row(Role::SecondOrder), row(Role::Part));
    let first = &report.claims[3].tests[0].evidence[0];
    assert_eq!(first.mcnemar_p, so.mcnemar.map(|test| test.p));
    assert_eq!(first.share.unwrap().correct, so.correct);
    let second = &report.claims[3].tests[1].evidence[0];
    let test = part.against_so.unwrap();
    let equality = statistics::equivalence(test.only_other, test.only_this, 12, 0.03);
    assert_eq!((second.equivalence_p, second.seed), (equality, 3));

    // Not a single contender of a comparison that was not run is made up.
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let report = run_tiny(&plan, &store, &["table1"], &mut Unobserved).unwrap().report;
    assert_eq!(report.claims[0].verdict, Verdict::Confirmed);
    assert_eq!(report.claims[3].verdict, Verdict::Open);
    assert_eq!(report.claims[3].tests[0].outcome, Outcome::Missing);
    assert!(report.claims[3].decided_by.contains("S-O, l2 within 2.0, on madry_linf (rivals)"));
    let tried = report.differences.iter().flat_map(|row| &row.tried);
    assert!(tried.clone().all(|tried| tried.absent == "not measured"));
    assert_eq!(tried.count(), 1);
}
