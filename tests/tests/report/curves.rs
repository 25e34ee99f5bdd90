//! Charts of accuracy and Figure 2: counts, bands and crossings by hand, words by snapshot, drawings of anything.

use base64::Engine as _;
use proptest::prelude::*;
use saddle_report::curves::{AccuracyCurve, Picture, staircase};
use saddle_report::{Report, paper};
use saddle_tests::curves::sample_curves;

const EVER: u64 = u64::MAX;

#[test]
fn a_staircase_has_a_point_wherever_the_number_changes() {
    let fallen = [vec![], vec![[3, EVER]], vec![[0, EVER]], vec![[2, 4], [6, 7]]];
    let points = staircase(0, 8, &fallen);
    let expected = [(0.0, 3), (2.0, 2), (3.0, 1), (4.0, 2), (6.0, 1), (7.0, 2), (8.0, 2)];
    assert_eq!(points, expected);
    // What falls beyond the end stands to the end; two changes that cancel are none.
    assert_eq!(staircase(1, 5, &[vec![[6, EVER]]]), [(1.0, 1), (5.0, 1)]);
    assert_eq!(staircase(1, 5, &[vec![[1, 3]], vec![[3, EVER]]]), [(1.0, 1), (5.0, 1)]);
    assert_eq!(staircase(0, 0, &[vec![[0, EVER]], vec![]]), [(0.0, 1)]);
}

#[test]
fn a_point_has_the_wilson_band_of_its_count() {
    let curve = AccuracyCurve::new("n", "a", 1, 10, &[(0.0, 10), (1.0, 5)]).unwrap();
    // By hand: z² = 3.8415; centre (0.5 + 0.19207) / 1.38415 = 0.5; spread 1.96 · √(0.025 + 0.0096) / 1.38415.
    let [low, high] = curve.points[1].wilson95;
    assert!((low - 0.2366).abs() < 1e-4 && (high - 0.7634).abs() < 1e-4, "{low} {high}");
    assert_eq!(curve.points[0].wilson95[1], 1.0);
    assert!(AccuracyCurve::new("n", "a", 1, 10, &[(0.0, 11)]).is_err());
    assert!(AccuracyCurve::new("n", "a", 1, 0, &[(0.0, 0)]).is_err());
}

#[test]
fn a_curve_crosses_where_it_first_is_at_or_below() {
    let counts = [(0.0, 100), (3.0, 42), (5.0, 41), (7.0, 60), (9.0, 30)];
    let curve = AccuracyCurve::new("n", "a", 1, 100, &counts).unwrap();
    let crossing = |level| curve.crossing(level);
    assert_eq!(paper::SECTION5, 0.4104);
    assert_eq!((crossing(paper::SECTION5).at, crossing(paper::SECTION5).within), (Some(5.0), 9.0));
    assert_eq!(crossing(0.41).at, Some(5.0));
    assert_eq!(crossing(0.3).at, Some(9.0));
    assert_eq!(crossing(0.29).at, None);
    assert_eq!(curve.at(4.9).unwrap().correct, 42);
    assert!(curve.at(-1.0).is_none());
}

#[test]
fn the_words_of_charts_and_digits() {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("sample_curves", sample_curves().to_markdown());
    });
}

/// Links that stay on the page.
fn within(page: &str) -> usize {
    page.matches("href=\"#").count()
}

#[test]
fn the_page_holds_its_pictures_and_fetches_none() {
    let report = sample_curves();
    let page = report.to_html();
    assert_eq!(page.matches("href=").count(), 6 + within(&page));
    assert_eq!(page.matches("href=\"data:image/png;base64,").count(), 6);
    for outside in ["http:", "https:", "src=", "url(", "<script", "<link"] {
        assert!(!page.contains(outside), "{outside}");
    }
    for words in ["Section 5", "first after 37 steps", "never at or below 41.04 % within 500 steps"]
    {
        assert!(page.contains(words), "{words}");
    }
    for chart in &report.curves {
        let svg = chart.to_svg();
        assert!(svg.trim_end().ends_with("</svg>") && svg.contains(&chart.title));
        assert!(svg.contains("xmlns=") && !svg.contains("var(--"));
    }
    let digits = report.figure2.as_ref().unwrap().to_svg();
    assert_eq!(digits.matches("<image ").count(), 6);
    assert!(digits.trim_end().ends_with("</svg>") && digits.contains("read as 8"));
}

#[test]
fn a_picture_is_a_png_of_the_pixels() {
    let pixels: Vec<u8> = (0..6).map(|value| value * 50).collect();
    let text = serde_json::to_value(Picture::new(3, 2, &pixels).unwrap()).unwrap();
    let bytes = base64::engine::general_purpose::STANDARD.decode(text.as_str().unwrap()).unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    let mut decoded = vec![0; 6];
    let info = reader.next_frame(&mut decoded).unwrap();
    assert_eq!((info.width, info.height, decoded), (3, 2, pixels));
    let message = Picture::new(3, 3, &[0; 6]).unwrap_err().to_string();
    assert!(message.contains("3 x 3"), "{message}");
    assert!(Picture::new(0, 0, &[]).is_err());
}

#[test]
fn json_and_csv_hold_every_point() {
    let report = sample_curves();
    let text = report.to_json().unwrap();
    assert_eq!(Report::from_json(&text).unwrap(), report);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["curves"][2]["curves"][0]["crossing"]["at"], 37.0);
    assert!(value["curves"][2]["curves"][1]["crossing"]["at"].is_null());
    let points: usize = report.curves.iter().flat_map(|c| &c.curves).map(|c| c.points.len()).sum();
    let csv = report.curves_csv();
    assert_eq!(csv.lines().count(), 1 + points + 4);
    assert!(csv.contains("\nradius,epsilon,l2,,,,bound,4,,,0.55,,\n"), "{csv}");
    assert!(
        csv.contains("\nsection5,steps,l2,2,madry_linf,7,any iterate,37,82,200,0.41,"),
        "{csv}"
    );
    assert_eq!(report.digits_csv().lines().nth(1), Some("trades_linf,7,l2,2,40,0,0,3,1.5"));
    assert!(Report::default().curves_csv().lines().count() == 1);
}

#[test]
fn what_is_no_picture_leaves_its_place_empty() {
    let mut report = sample_curves();
    let mut value = serde_json::to_value(&report.figure2).unwrap();
    value["pairs"][0]["natural"] = "\"/><script>".into();
    report.figure2 = serde_json::from_value(value).unwrap();
    let page = report.to_html();
    assert_eq!(page.matches("href=").count(), 5 + within(&page));
    assert!(!page.contains("<script"));
}

fn odd_number() -> impl Strategy<Value = f64> {
    let odd = vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -1.0, 1e308, 5e-324, f64::MAX];
    prop_oneof![prop::sample::select(odd), -1e3..1e3f64]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_numbers_render(
        numbers in prop::collection::vec(odd_number(), 12),
        chart in 0usize..3,
        all: bool,
    ) {
        let mut report = sample_curves();
        let chosen = &mut report.curves[chart];
        let curves = if all { chosen.curves.len() } else { 1 };
        let mut next = numbers.iter().copied().cycle();
        let mut number = || next.next().unwrap_or(0.0);
        for curve in &mut chosen.curves[..curves] {
            for point in &mut curve.points {
                (point.at, point.accuracy, point.wilson95) = (number(), number(), [number(), number()]);
            }
        }
        if let Some(threshold) = &mut chosen.threshold {
            threshold.accuracy = number();
        }
        chosen.bound.iter_mut().for_each(|point| (point.at, point.upper_bound) = (number(), number()));
        prop_assert!(chosen.to_svg().trim_end().ends_with("</svg>"));
        prop_assert!(report.to_html().ends_with("</html>"));
        prop_assert!(report.to_markdown().starts_with("# "));
    }
}

#[test]
fn three_planes_are_a_coloured_png() {
    // Red, then green, then blue of 2 x 1 places.
    let planes = [250, 10, 20, 240, 30, 40];
    let text = serde_json::to_value(Picture::new(2, 1, &planes).unwrap()).unwrap();
    let bytes = base64::engine::general_purpose::STANDARD.decode(text.as_str().unwrap()).unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    let mut decoded = vec![0; 6];
    let info = reader.next_frame(&mut decoded).unwrap();
    assert_eq!((info.width, info.height, info.color_type), (2, 1, png::ColorType::Rgb));
    assert_eq!(decoded, [250, 20, 30, 10, 240, 40]);
}
