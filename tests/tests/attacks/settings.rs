//! Descriptions of attacks survive writing and reading, and misspelt ones are refused.

use saddle_attacks::{
    AttackSettings, Direction, Driver, Judge, ProjectedAscent, Start, ThreatModel,
};
use saddle_model::LossKind;
use saddle_ops::{Norm, StepRule};

#[test]
fn descriptions_survive_toml_and_json() {
    let attacks = [
        ProjectedAscent::raw_pgd(0.1, 40),
        ProjectedAscent {
            start: Start::Gaussian { sigma: 0.2 },
            momentum: 0.75,
            loss: LossKind::Dlr,
            ..ProjectedAscent::second_order(Norm::Linf, 0.01, 40, 0.1, 10)
        },
        ProjectedAscent {
            direction: Direction::Odd { sigma: 0.2, samples: 3 },
            ..ProjectedAscent::pgd(Norm::L2, 0.25, 40)
        },
    ];
    for attack in attacks {
        let text = toml::to_string(&attack).expect("written");
        assert_eq!(toml::from_str::<ProjectedAscent>(&text).expect("read"), attack, "{text}");
        let text = serde_json::to_string(&attack).expect("written");
        assert_eq!(serde_json::from_str::<ProjectedAscent>(&text).expect("read"), attack);
    }
    let driver = Driver { cap: Some(400), judge: Judge::Any, restarts: 5, ..Driver::default() };
    let text = toml::to_string(&driver).expect("written");
    assert_eq!(toml::from_str::<Driver>(&text).expect("read"), driver);
    let threat_model = ThreatModel::new(Norm::Linf, 0.3).expect("usable");
    let text = toml::to_string(&threat_model).expect("written");
    assert_eq!(toml::from_str::<ThreatModel>(&text).expect("read"), threat_model);
}

#[test]
fn a_short_description_means_pgd_from_the_natural_image() {
    let attack: ProjectedAscent =
        toml::from_str("rule = \"unit\"\nstep_size = 0.25\nsteps = 40").expect("read");
    assert_eq!(attack, ProjectedAscent::pgd(Norm::L2, 0.25, 40));
    assert_eq!(attack.rule, StepRule::Unit);
    let smoothed: ProjectedAscent = toml::from_str(
        "rule = \"unit\"\nstep_size = 0.25\nsteps = 40\ndirection.smoothed = { sigma = 0.2, samples = 10 }",
    )
    .expect("read");
    assert_eq!(smoothed, ProjectedAscent::second_order(Norm::L2, 0.25, 40, 0.2, 10));
    assert_eq!(toml::from_str::<Driver>("").expect("read"), Driver::default());
    let threat_model: ThreatModel = toml::from_str("norm = \"l2\"\nepsilon = 4.0").expect("read");
    assert_eq!(threat_model, ThreatModel::new(Norm::L2, 4.0).expect("usable"));
}

#[test]
fn unknown_fields_and_senseless_radii_are_refused() {
    let refused = |text: &str| toml::from_str::<ProjectedAscent>(text).is_err();
    let base = "rule = \"unit\"\nstep_size = 0.25\nsteps = 40\n";
    assert!(!refused(base));
    assert!(refused(&format!("{base}stepsize = 1.0")));
    assert!(refused(&format!(
        "{base}direction.smoothed = {{ sigma = 0.2, samples = 1, sample = 1 }}"
    )));
    assert!(refused(&format!("{base}direction = \"hessian\"")));
    assert!(refused(&format!("{base}start.gaussian = {{ sigma = 0.2, mean = 0.0 }}")));
    assert!(refused(&base.replace("unit", "l2")));
    assert!(toml::from_str::<Driver>("budget = 400").is_err());
    for epsilon in ["0.0", "-1.0", "nan", "inf"] {
        let text = format!("norm = \"l2\"\nepsilon = {epsilon}");
        assert!(toml::from_str::<ThreatModel>(&text).is_err(), "{epsilon}");
    }
    assert!(toml::from_str::<ThreatModel>("norm = \"l2\"\nepsilon = 1.0\nradius = 1.0").is_err());
}

#[test]
fn names_say_which_member_of_the_family() {
    use saddle_attacks::Attack;
    let radius = saddle_ops::Radius::new(0.3).expect("positive");
    assert_eq!(ProjectedAscent::fgsm(Norm::Linf, radius).name(), "FGSM 1 x 0.3");
    assert_eq!(ProjectedAscent::pgd(Norm::L2, 0.25, 40).name(), "PGD 40 x 0.25");
    let second_order = ProjectedAscent::second_order(Norm::L2, 0.25, 40, 0.2, 10);
    assert_eq!(second_order.name(), "S-O 40 x 0.25");
}

/// What a form says of S-O, with one field replaced or added.
fn form(field: &str, value: serde_json::Value) -> Result<AttackSettings, serde_json::Error> {
    let mut form = serde_json::json!({
        "kind": "so", "norm": "linf", "epsilon": 0.3, "stepSize": 0.01, "steps": 40, "sigma": 0.1, "samples": 20,
        "start": "natural", "rule": "steepest",
    });
    form[field] = value;
    serde_json::from_value(form)
}

#[test]
fn a_form_means_the_attack_that_it_names() {
    let meant = |field: &str, value: serde_json::Value| {
        form(field, value).expect("read").attack().expect("sound").0
    };
    let so = ProjectedAscent::second_order(Norm::Linf, 0.01, 40, 0.1, 20);
    assert_eq!(meant("kind", "so".into()), so);
    let (_, threat_model) = form("kind", "so".into()).expect("read").attack().expect("sound");
    assert_eq!(threat_model, ThreatModel::new(Norm::Linf, 0.3).expect("usable"));
    let pgd = ProjectedAscent::pgd(Norm::Linf, 0.01, 40);
    assert_eq!(meant("kind", "pgd".into()), pgd);
    let radius = saddle_ops::Radius::new(0.3).expect("usable");
    assert_eq!(meant("kind", "fgsm".into()), ProjectedAscent::fgsm(Norm::Linf, radius));
    let (sigma, samples) = (0.1, 20);
    assert_eq!(meant("kind", "so_even".into()).direction, Direction::Even { sigma, samples });
    assert_eq!(meant("kind", "so_odd".into()).direction, Direction::Odd { sigma, samples });
    assert_eq!(meant("norm", "l2".into()).rule, StepRule::Unit);
    assert_eq!(meant("norm", "l1".into()).rule, StepRule::Coordinate);
    for (name, rule) in [("raw", StepRule::Raw), ("sign", StepRule::Sign), ("unit", StepRule::Unit)]
    {
        assert_eq!(meant("rule", name.into()).rule, rule);
    }
    assert_eq!(meant("start", "uniform".into()).start, Start::Uniform);
    assert_eq!(meant("start", "gaussian".into()).start, Start::Gaussian { sigma: 0.1 });
    let mut wide = form("start", "gaussian".into()).expect("read");
    wide.start_sigma = Some(0.5);
    assert_eq!(wide.attack().expect("sound").0.start, Start::Gaussian { sigma: 0.5 });
    assert_eq!(meant("momentum", 0.75.into()).momentum, 0.75);
    assert_eq!(meant("loss", "cw_margin".into()).loss, LossKind::Margin);
    let text = serde_json::to_string(&wide).expect("written");
    assert_eq!(serde_json::from_str::<AttackSettings>(&text).expect("read"), wide);
}

#[test]
fn a_hostile_form_is_refused() {
    for (field, value) in [
        ("kind", serde_json::json!("magic")),
        ("epsilon", 0.into()),
        ("epsilon", (-1).into()),
        ("steps", (-1).into()),
        ("steps", 1.5.into()),
        ("samples", serde_json::json!(null)),
        ("colour", "red".into()),
    ] {
        assert!(form(field, value.clone()).is_err(), "{field}: {value}");
    }
    for (field, value) in [
        ("steps", serde_json::json!(0)),
        ("stepSize", 0.into()),
        ("samples", 0.into()),
        ("sigma", (-0.1).into()),
        ("momentum", 2.into()),
    ] {
        let read = form(field, value.clone()).expect("well formed");
        assert!(read.attack().is_err(), "{field}: {value}");
    }
}
