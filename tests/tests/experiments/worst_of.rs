//! A row that is the worst of others: digit by digit, over both norms, without any work of its own.

use saddle_experiments::{Detail, Plan, Store};
use saddle_tests::experiments::{TINY_PLAN, Witness, run_tiny};

/// The strong table of the tests with two threats that leave something, and the worst over both.
fn text() -> String {
    let own = "name = \"pgd_l2\"\nnorm = \"l2\"\nepsilon = 4.0\nattacks = [\"pgd\", \"so\"]\n";
    let rows = "name = \"pgd_l2\"\nnorm = \"l2\"\nepsilon = 0.1\nattacks = [\"pgd\"]\n\n\
                [[table.row]]\nname = \"so_linf\"\nnorm = \"linf\"\nepsilon = 0.01\nattacks = [\"so\"]\n\n\
                [[table.row]]\nname = \"union\"\nworst_of = [\"pgd_l2\", \"so_linf\"]\n";
    assert!(TINY_PLAN.contains(own));
    let text = TINY_PLAN.replacen(own, rows, 1);
    text.replacen(
        "setting = \"strong\"\nnetworks = [\"madry_linf\"]\ndigits = \"some\"",
        "setting = \"strong\"\nnetworks = [\"madry_linf\", \"natural\"]\ndigits = \"many\"",
        1,
    )
}

#[test]
fn a_digit_stands_if_it_stands_under_every_threat() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut witness = Witness::default();
    let plan = Plan::parse(&text()).unwrap();
    let finished = run_tiny(&plan, &store, &["table1_strong"], &mut witness).unwrap();
    let of = |network: &str, row: &str| -> &Detail {
        let own = |d: &&Detail| d.cell.network == network && d.cell.row == row;
        finished.details.iter().find(own).unwrap()
    };
    let mut left = 0;
    for network in ["madry_linf", "natural"] {
        let rows = ["pgd_l2", "so_linf"].map(|row| of(network, row));
        let union = of(network, "union");
        assert_eq!(union.attacks.len(), 2);
        assert!(union.attacks[0].attack.contains("l2 0.1"), "{}", union.attacks[0].attack);
        assert!(union.attacks[1].attack.contains("linf 0.01"), "{}", union.attacks[1].attack);
        for (own, row) in union.attacks.iter().zip(rows) {
            assert_eq!((&own.robust, &union.ids), (&row.attacks[0].robust, &row.ids));
        }
        let [one, other] = rows.map(|row| row.attacks[0].robust.as_bytes());
        let both = one.iter().zip(other).filter(|&(a, b)| (*a, *b) == (b'1', b'1')).count() as u64;
        assert_eq!((union.cell.correct, union.cell.total), (Some(both), Some(104)));
        let passes = rows.map(|row| row.cell.passes_per_example.unwrap()).iter().sum::<f64>();
        assert!((union.cell.passes_per_example.unwrap() - passes).abs() < 1e-9);
        left += both;
    }
    assert!(left > 0, "nothing stands: this test has lost its point");
    assert!(witness.began.iter().all(|job| !job.contains("union")), "{:?}", witness.began);
}

#[test]
fn what_a_row_is_the_worst_of_is_checked() {
    let refusal = |from: &str, to: &str| {
        let text = text();
        assert!(text.contains(from), "{from}");
        Plan::parse(&text.replacen(from, to, 1)).expect_err("must be refused").to_string()
    };
    let named = "worst_of = [\"pgd_l2\", \"so_linf\"]";
    for to in
        ["worst_of = [\"pgd_l2\", \"so_l1\"]", "worst_of = [\"union\"]", "worst_of = [\"natural\"]"]
    {
        let message = refusal(named, to);
        assert!(message.contains("no row with attacks of its own"), "{to}: {message}");
    }
    let message = refusal(named, &format!("{named}\nnorm = \"l2\""));
    assert!(message.contains("row `union`") && message.contains("worst_of"), "{message}");
}
