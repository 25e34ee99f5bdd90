//! Made-up curves of accuracy and a made-up Figure 2, and a tiny plan that asks for real ones.

use saddle_experiments::Plan;
use saddle_report::curves::{
    AccuracyCurve, Axis, BoundPoint, Chart, DigitFigure, DigitPair, Picture, Threshold,
};
use saddle_report::{Fact, Report, paper};

use crate::experiments::TINY_PLAN;

/// What [`curves_plan`] adds to the tiny plan: a curve of each kind, Figure 2, and a claim about a curve.
pub const CURVES: &str = r#"
[attacks.pgd_restarts]
restarts = 3
step_per_radius = 0.4
ascent = { rule = "unit", steps = 2, start = { gaussian = { sigma = 0.1 } } }

[attacks.so_long]
step_per_radius = 0.2
ascent = { direction = { smoothed = { sigma = 0.2, samples = 1 } }, rule = "unit", steps = 6 }

[bounds]
rounds = 2

[[epsilon_curve]]
name = "radius"
digits = "some"
networks = ["natural", "madry_linf", "trades_linf"]
norm = "l2"
epsilons = [0, 0.5, 2.0]
attacks = ["pgd", "so"]
setting = "strong"

[[budget_curve]]
name = "budget"
digits = "many"
networks = ["natural"]
norm = "l2"
epsilon = 3.0
attacks = ["pgd_restarts", "so_long"]
cap = 14

[[step_curve]]
name = "section5"
digits = "many"
networks = ["natural"]
norm = "l2"
epsilon = 2.0
attack = "so_long"

[figure2]
digits = "many"
network = "natural"
norm = "l2"
epsilon = 4.0
attack = "so_long"

[claims]
alpha = 0.05
margin = 3.0

[[claims.claim]]
id = "C6"
words = "Enough steps fool most digits."

[[claims.claim.test]]
kind = "crosses"
curve = "section5"
networks = ["natural"]
percent = 41.04
"#;

/// The tiny plan with curves and Figure 2, read.
///
/// # Panics
///
/// When the plan's grammar has changed and this text has not.
pub fn curves_plan() -> Plan {
    Plan::parse(&format!("{TINY_PLAN}{CURVES}")).expect("the plan follows the grammar")
}

/// A report of nothing but made-up charts, one of each axis, and a Figure 2 of three digits.
///
/// # Panics
///
/// Never: its counts are sound.
pub fn sample_curves() -> Report {
    let curve = |network: &str, attack: &str, counts: &[(f64, u64)]| {
        AccuracyCurve::new(network, attack, 7, 200, counts).expect("sound counts")
    };
    let fact = |name: &str, value: &str| Fact { name: name.to_owned(), value: value.to_owned() };
    let chart = |id: &str, title: &str, axis, curves| Chart {
        id: id.to_owned(),
        title: title.to_owned(),
        caption: "200 digits that nobody drew. Every number is made up.".to_owned(),
        axis,
        norm: "l2".to_owned(),
        epsilon: None,
        attacks: vec![
            fact("PGD", "PGD: 40 unit steps of 0.25 times the radius, 5 restarts"),
            fact("S-O", "S-O: 200 unit steps of 0.25 times the radius, sigma 0.15"),
        ],
        curves,
        bound: Vec::new(),
        threshold: None,
    };
    let networks = ["natural", "madry_linf", "trades_linf"];
    let radii = networks.iter().enumerate().flat_map(|(row, network)| {
        let fall = |attack: f64| -> Vec<(f64, u64)> {
            let share =
                move |radius: f64| 0.99 / (1.0 + (radius / (0.5 + row as f64)).powf(attack));
            let places = (0..=10).map(|place| f64::from(place) / 2.0);
            places.map(|radius| (radius, (200.0 * share(radius)).round() as u64)).collect()
        };
        [curve(network, "PGD", &fall(2.0)), curve(network, "S-O", &fall(4.0))]
    });
    let mut radius =
        chart("radius", "Accuracy against the radius, l2", Axis::Epsilon, radii.collect());
    let bound = [(2.0, 0.995), (3.0, 0.9), (4.0, 0.55), (5.0, 0.3)];
    radius.bound = bound.map(|(at, upper_bound)| BoundPoint { at, upper_bound }).into();

    let budgets = networks.iter().enumerate().flat_map(|(row, network)| {
        let fall = |floor: u64| -> Vec<(f64, u64)> {
            let start = 4 * 10u64.pow(row as u32);
            let steps = (0..20)
                .map(move |step| (start * (step + 2), 196 - (196 - floor) * (step + 1) / 20));
            let steps = steps.map(|(at, standing)| (at as f64, standing));
            std::iter::once((1.0, 196)).chain(steps).chain([(10_000.0, floor)]).collect()
        };
        [curve(network, "PGD", &fall(120)), curve(network, "S-O", &fall(20))]
    });
    let mut budget = chart(
        "budget",
        "Accuracy against the budget, l2 within 2",
        Axis::Passes,
        budgets.collect(),
    );
    budget.epsilon = Some(2.0);

    let counts = [(0.0, 198), (3.0, 150), (10.0, 110), (37.0, 82), (80.0, 60), (500.0, 60)];
    let slow = [(0.0, 198), (50.0, 160), (51.0, 170), (200.0, 130), (500.0, 130)];
    let mut steps = chart(
        "section5",
        "Section 5: S-O, l2 within 2, against the number of steps",
        Axis::Steps,
        vec![
            curve("madry_linf", "any iterate", &counts),
            curve("trades_linf", "any iterate", &slow),
        ],
    );
    steps.attacks = vec![fact("any iterate", "S-O: 500 unit steps of 0.5")];
    steps.epsilon = Some(2.0);
    for curve in &mut steps.curves {
        curve.crossing = Some(curve.crossing(paper::SECTION5));
    }
    steps.threshold =
        Some(Threshold { label: "the paper's section 5".to_owned(), accuracy: paper::SECTION5 });

    Report {
        profile: "made up".to_owned(),
        commit: "0123abc".to_owned(),
        curves: vec![radius, budget, steps],
        figure2: Some(figure2()),
        ..Report::default()
    }
}

fn figure2() -> DigitFigure {
    // A stroke, and the same in a fog.
    let stroke = |label: usize, fog: u8| -> Picture {
        let pixels = (0..28 * 28).map(|place| {
            let (row, column) = (place / 28, place % 28);
            let on = (5..23).contains(&row) && (10 + label..13 + label).contains(&column);
            if on { 255 - fog } else { fog * ((row * 7 + column * 13) % 3) as u8 }
        });
        Picture::new(28, 28, &pixels.collect::<Vec<u8>>()).expect("28 by 28 pixels")
    };
    let pair = |label: u32| DigitPair {
        id: 40 + u64::from(label),
        label,
        natural_prediction: label,
        prediction: (label + 3) % 10,
        distance: 1.5 + 0.1 * f64::from(label),
        natural: stroke(label as usize, 0),
        attacked: stroke(label as usize, 40),
    };
    DigitFigure {
        id: "figure2".to_owned(),
        title: "Digits that S-O within l2 2 makes trades_linf misread".to_owned(),
        caption: "Strokes that nobody wrote.".to_owned(),
        network: "trades_linf".to_owned(),
        training_seed: 7,
        norm: "l2".to_owned(),
        epsilon: 2.0,
        examined: 200,
        fooled: 61,
        pairs: [0, 4, 5].map(pair).into(),
    }
}
