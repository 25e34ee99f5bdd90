//! The verdict on gradient masking: what speaks, what is missing, what lies between.

use proptest::prelude::*;
use saddle_report::masking::{
    AtRadius, GradientSigns, Indicators, Masking, MaskingVerdict, SlopeSigns, Standing, Thresholds,
    judge,
};

const DIGITS: usize = 500;

/// The first `standing` digits stand.
fn standing(attack: &str, standing: usize) -> Option<Standing> {
    let robust = (0..DIGITS).map(|digit| digit < standing).collect();
    Some(Standing { attack: attack.to_owned(), robust })
}

/// A network on which all attacks find about the same.
fn sound() -> Indicators {
    Indicators {
        natural: (0..DIGITS).map(|digit| digit < 490).collect(),
        gradients: Some(GradientSigns { total: 490, zero: 2, tiny: 40, saturated: 60 }),
        slopes: Some(SlopeSigns { total: 490, honest: 480, random_is_better: 3 }),
        gradient_attack: standing("PGD", 300),
        more_steps: standing("PGD, 80 steps", 298),
        smoothed: standing("S-O", 290),
        black_box: standing("Square", 340),
        transfer: standing("PGD on another network", 420),
        radii: vec![
            AtRadius { epsilon: 2.0, standing: 300, total: 500, bound: 0.99 },
            AtRadius { epsilon: 4.0, standing: 120, total: 500, bound: 0.44 },
        ],
    }
}

fn verdict(indicators: &Indicators) -> MaskingVerdict {
    judge(indicators, &Thresholds::STATED)
}

#[track_caller]
fn masked(indicators: &Indicators, words: &str, shown_by: Option<&str>) {
    let found = verdict(indicators);
    assert_eq!(found.masking, Masking::Masked, "{:?}", found.reasons);
    assert!(found.reasons[0].contains(words), "{:?}", found.reasons);
    assert_eq!(found.shown_by.as_deref(), shown_by);
}

#[track_caller]
fn undecided(indicators: &Indicators, words: &str) {
    let found = verdict(indicators);
    assert_eq!(found.masking, Masking::Undecided, "{:?}", found.reasons);
    assert!(found.reasons.iter().any(|reason| reason.contains(words)), "{:?}", found.reasons);
    assert_eq!(found.shown_by, None);
}

#[test]
fn of_a_sound_network_nothing_is_shown() {
    let found = verdict(&sound());
    assert_eq!(found.masking, Masking::NotShown, "{:?}", found.reasons);
    assert_eq!(found.shown_by, None);
    assert!(found.reasons.len() >= 7, "each indicator is told: {:?}", found.reasons);
}

#[test]
fn an_attack_that_does_better_shows_masking_and_is_named() {
    masked(&Indicators { smoothed: standing("S-O", 60), ..sound() }, "smoothed", Some("S-O"));
    masked(
        &Indicators { black_box: standing("Square", 200), ..sound() },
        "without gradients: Square leaves 40.0 % of the digits standing where following gradients leaves 60.0 %",
        Some("Square"),
    );
    // The best of several comes first.
    let both = Indicators {
        black_box: standing("Square", 200),
        transfer: standing("another network's", 100),
        ..sound()
    };
    masked(&both, "another network", Some("another network's"));
    assert_eq!(verdict(&both).reasons.len(), 2);
}

#[test]
fn gradients_that_vanish_lie_or_lead_nowhere_are_masked() {
    let gradients = Some(GradientSigns { total: 490, zero: 300, tiny: 0, saturated: 490 });
    masked(&Indicators { gradients, ..sound() }, "61.2 % of the gradients", None);
    let slopes = Some(SlopeSigns { total: 490, honest: 100, random_is_better: 3 });
    masked(&Indicators { slopes, ..sound() }, "as promised on 20.4 %", None);
    let slopes = Some(SlopeSigns { total: 490, honest: 480, random_is_better: 200 });
    masked(
        &Indicators { slopes, ..sound() },
        "random directions raise the loss more",
        Some("random directions"),
    );
}

#[test]
fn an_accuracy_above_every_classifiers_decides_only_where_more_steps_do_not_help() {
    let radii = vec![AtRadius { epsilon: 4.0, standing: 400, total: 500, bound: 0.44 }];
    let above = Indicators { radii, ..sound() };
    masked(&above, "at radius 4 80.0 % of the digits stand", None);
    // 44 % and a little, well within the interval, is no contradiction.
    let radii = vec![AtRadius { epsilon: 4.0, standing: 230, total: 500, bound: 0.44 }];
    assert_eq!(verdict(&Indicators { radii, ..sound() }).masking, Masking::NotShown);
    undecided(&Indicators { more_steps: standing("PGD, 80 steps", 200), ..above }, "at radius 4");
}

#[test]
fn an_attack_that_had_not_come_to_rest_is_too_short_and_not_masked() {
    undecided(
        &Indicators { more_steps: standing("PGD, 80 steps", 200), ..sound() },
        "twice the steps",
    );
}

#[test]
fn a_difference_that_chance_can_make_decides_nothing() {
    // Of ten digits one way and 40 the other 30 remain: significant and large. Of 140 and 170 the same, by chance.
    let swapped = |lost: usize, won: usize| {
        let mut other = standing("Square", 300).unwrap();
        (0..lost).for_each(|digit| other.robust[digit] = false);
        (0..won).for_each(|digit| other.robust[300 + digit] = true);
        Some(other)
    };
    let clear = Indicators { black_box: swapped(40, 10), ..sound() };
    assert_eq!(verdict(&clear).masking, Masking::Masked);
    undecided(&Indicators { black_box: swapped(170, 140), ..sound() }, "Square");
    // Significant and small: attacks of other seeds differ by as much.
    let small = Indicators { black_box: swapped(20, 0), ..sound() };
    assert_eq!(verdict(&small).masking, Masking::NotShown);
}

#[test]
fn what_is_missing_leaves_the_verdict_open_unless_something_speaks() {
    let without: [(&str, fn(&mut Indicators)); 9] = [
        ("gradients at natural images", |i| i.gradients = None),
        ("gradients at natural images", |i| i.gradients = Some(GradientSigns::default())),
        ("beside natural images", |i| i.slopes = None),
        ("follows gradients", |i| i.gradient_attack = None),
        ("twice the steps", |i| i.more_steps = None),
        ("smoothed gradients", |i| i.smoothed = None),
        ("without gradients", |i| i.black_box = None),
        ("another network", |i| i.transfer = None),
        ("at radii with a bound", |i| i.radii = Vec::new()),
    ];
    for (words, forget) in without {
        let mut indicators = sound();
        forget(&mut indicators);
        undecided(&indicators, words);
    }
    let mut indicators = Indicators { smoothed: standing("S-O", 60), ..sound() };
    (indicators.black_box, indicators.slopes) = (None, None);
    masked(&indicators, "smoothed", Some("S-O"));
}

#[test]
fn attacks_on_other_digits_count_as_missing_and_few_digits_say_nothing() {
    let mut fewer = sound();
    fewer.black_box.as_mut().unwrap().robust.pop();
    undecided(&fewer, "without gradients");
    let few = Indicators { natural: (0..DIGITS).map(|digit| digit < 99).collect(), ..sound() };
    undecided(&few, "99 digits");
}

#[test]
fn nothing_at_all_is_undecided() {
    assert_eq!(verdict(&Indicators::default()).masking, Masking::Undecided);
}

#[test]
fn a_verdict_reads_back() {
    let found = verdict(&Indicators { smoothed: standing("S-O", 60), ..sound() });
    let text = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<MaskingVerdict>(&text).unwrap(), found);
    assert!(text.contains("\"masking\":\"masked\""), "{text}");
    let text = serde_json::to_string(&sound()).unwrap();
    assert_eq!(serde_json::from_str::<Indicators>(&text).unwrap(), sound());
}

proptest! {
    /// Worse attacks never make a network look masked, better ones never make it look sound.
    #[test]
    fn a_better_attack_never_clears_a_network(smoothed in 0usize..500, better in 0usize..500) {
        let masked = |left: usize| {
            verdict(&Indicators { smoothed: standing("S-O", left), ..sound() }).masking == Masking::Masked
        };
        let (better, worse) = (smoothed.min(better), smoothed.max(better));
        prop_assert!(masked(better) || !masked(worse));
    }
}
