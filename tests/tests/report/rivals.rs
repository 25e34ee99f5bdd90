//! Comparisons are paired: the same digits, counted digit by digit, against one rival.

use saddle_report::{Contender, Place, Role, adjust, compare};

const PLACE: Place<'_> =
    Place { network: "net", norm: "l2", epsilon: 2.0, training_seed: 3, cap: Some(400) };

fn contender(attack: &str, role: Role, robust: &[u8]) -> Contender {
    Contender {
        attack: attack.to_owned(),
        role,
        robust: robust.iter().map(|digit| *digit == 1).collect(),
        passes_per_example: 400.0,
    }
}

fn three() -> [Contender; 3] {
    [
        contender("S-O", Role::SecondOrder, &[0, 0, 0, 1, 1, 0]),
        contender("PGD a", Role::Rival, &[1, 1, 1, 1, 1, 1]),
        contender("PGD b", Role::Rival, &[1, 1, 0, 1, 0, 1]),
    ]
}

#[test]
fn counts_by_hand() {
    let rows = compare(PLACE, &three(), None).unwrap();
    let best: Vec<bool> = rows.iter().map(|row| row.best_rival).collect();
    assert_eq!(best, [false, false, true], "PGD b fooled more digits than PGD a");
    let test = rows[0].mcnemar.unwrap();
    // Digits 0, 1 and 5 fell to S-O only, digit 4 to PGD b only: 2 * (1 + 4) / 2^4.
    assert_eq!((test.only_this, test.only_other), (3, 1));
    assert!((test.p - 0.625).abs() < 1e-12);
    assert!(rows[2].mcnemar.is_none());
    assert_eq!(rows[0].cap, Some(400));
    assert_eq!((rows[0].correct, rows[0].total, rows[0].accuracy), (2, 6, 2.0 / 6.0));
    assert_eq!((rows[0].training_seed, rows[0].norm.as_str(), rows[0].epsilon), (3, "l2", 2.0));
}

#[test]
fn a_rival_chosen_beforehand_stays_chosen() {
    let rows = compare(PLACE, &three(), Some("PGD a")).unwrap();
    assert!(rows[1].best_rival && !rows[2].best_rival);
    assert_eq!(rows[0].mcnemar.unwrap().only_this, 4);
}

#[test]
fn refuses_what_cannot_be_compared() {
    let words = |contenders: &[Contender], chosen| {
        compare(PLACE, contenders, chosen).unwrap_err().to_string()
    };
    assert!(words(&three()[..1], None).contains("no rival among the contenders"));
    assert!(words(&three(), Some("CW")).contains("no rival named CW"));
    let mut odd = three();
    odd[2].robust.pop();
    assert!(words(&odd, None).contains("PGD b was judged on 5 digits, the first contender on 6"));
    let empty = [contender("PGD", Role::Rival, &[])];
    assert!(words(&empty, None).contains("0 correct of 0"));
    assert!(words(&[], None).contains("no rival"));
}

#[test]
fn a_part_is_tested_against_the_whole_and_all_tests_are_one_family() {
    let mut four = three().to_vec();
    four.push(contender("even", Role::Part, &[1, 1, 1, 1, 0, 0]));
    let mut rows = compare(PLACE, &four, None).unwrap();
    assert!(rows[..3].iter().all(|row| row.against_so.is_none()));
    // Digit 4 fell to the part only, digits 0, 1 and 2 to S-O only.
    let test = rows[3].against_so.unwrap();
    assert_eq!((test.only_this, test.only_other, test.p, test.p_holm), (1, 3, 0.625, None));
    // Against PGD b: digit 5 to the part only, digit 2 to the rival only.
    assert_eq!(rows[3].mcnemar.unwrap().p, 1.0);

    // Four tests, with p-values that leave something to adjust.
    for (row, p) in [(0, 0.015625), (1, 0.03125), (3, 0.0625)] {
        rows[row].mcnemar.as_mut().unwrap().p = p;
    }
    rows[3].against_so.as_mut().unwrap().p = 0.5;
    adjust(&mut rows);
    let holm: Vec<_> = rows.iter().map(|row| row.mcnemar.and_then(|test| test.p_holm)).collect();
    assert_eq!(holm, [Some(0.0625), Some(0.09375), None, Some(0.125)]);
    assert_eq!(rows[3].against_so.unwrap().p_holm, Some(0.5));
}
