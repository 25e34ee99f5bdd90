//! What a reader sees: text by snapshot, pages and drawings by what they must and must not hold.

use proptest::prelude::*;
use saddle_report::{
    Cell, Fact, Figure, RatioChart, RatioRow, Report, Series, Setting, Status, TrainingNorm,
};
use saddle_tests::report::{key, sample};

/// Snapshots lie beside this file, whatever the binary that runs it is called.
fn matches(name: &str, text: &str) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, text);
    });
}

#[test]
fn markdown() {
    matches("sample_markdown", &sample().to_markdown());
}

#[test]
fn csv() {
    let report = sample();
    // Head only: the points come out of powers, whose last digit is the platform's business.
    let points = report.figures_csv();
    assert_eq!(points.lines().count(), 1 + 3 * 41);
    let head = points.lines().next().unwrap().to_owned();
    let text = [report.cells_csv(), report.rivals_csv(), head].join("\n");
    matches("sample_csv", &text);
}

#[test]
fn csv_quotes_what_would_break_a_line() {
    let mut cell = sample().cells[0].clone();
    cell.network = "a \"b\", c\nd".to_owned();
    let report = Report { cells: vec![cell], ..Report::default() };
    assert!(report.cells_csv().contains(",\"a \"\"b\"\", c\nd\","), "{}", report.cells_csv());
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let page = sample().to_html();
    for outside in ["http:", "https:", "src=", "url(", "@import", "<script", "<link"] {
        assert!(!page.contains(outside), "{outside}");
    }
    let mut links = page.split("href=").skip(1);
    assert!(links.all(|link| link.starts_with("\"#")), "a link leaves the page");
    assert!(page.contains("<svg") && page.contains("prefers-color-scheme: dark"));
    assert!(page.contains("width=device-width"));
    // Drawings take their colours from the page: no fixed colour is left in them.
    let drawings = page.split("<svg").skip(1).map(|rest| rest.split("</svg>").next().unwrap());
    for drawing in drawings {
        assert!(drawing.contains("var(--ink)") && !drawing.contains("\"#"), "{drawing:.200}");
    }
}

#[test]
fn words_of_a_report_cannot_become_markup() {
    let mut report = sample();
    let evil = "<script>alert(1)</script>|\n# x \"#1D232B\"";
    report.commit = evil.to_owned();
    report.cells[5].network = evil.to_owned();
    report.figures[0].caption = evil.to_owned();
    report.figures[0].title = evil.to_owned();
    report.figures[0].series[0].label = evil.to_owned();
    report.rivals[0].attack = evil.to_owned();
    report.provenance.notes.push(evil.to_owned());
    report.provenance.facts.push(Fact { name: evil.to_owned(), value: evil.to_owned() });
    for text in [report.to_html(), report.summary_svg(), report.figures[0].to_svg()] {
        assert!(!text.contains("<script"), "{text:.300}");
        assert!(text.contains("&lt;script&gt;"));
    }
    let markdown = report.to_markdown();
    assert!(!markdown.contains("<script") && !markdown.contains("\n# x"));
}

#[test]
fn absent_cells_are_said_and_never_filled_in() {
    let place = key("madry_linf", Some(TrainingNorm::Linf), "pgd_l2", Setting::Paper);
    for (cell, word) in [(Cell::missing(place.clone()), "missing"), (Cell::failed(place), "failed")]
    {
        let report = Report { cells: vec![cell], ..sample() };
        for text in [report.to_markdown(), report.to_html(), report.summary_svg()] {
            assert!(text.contains(word), "{word}");
            assert!(!text.contains("≤ 92.8"), "the paper's figure shown as ours");
        }
        assert!(report.cells_csv().contains(&format!(",7,,,,,,,0.928,avx2,{word}\n")));
    }
}

#[test]
fn every_robust_accuracy_is_called_a_bound_and_natural_accuracy_is_not() {
    let markdown = sample().to_markdown();
    assert!(markdown.contains("| PGD, l2 within 4.0 | ≤ 97.0 % |"));
    assert!(markdown.contains("| natural digits | 98.3 % |"));
    assert!(markdown.contains("| worst of all, l2 within 2.0 | ≤ 8.7 % |"));
    assert!(markdown.contains("60.4 % (95 % interval 57.3 to 63.4 %), the paper's 96.6 %"));
}

#[test]
fn the_drawing_file_stands_alone() {
    for svg in [sample().summary_svg(), sample().figures[0].to_svg()] {
        assert!(svg.starts_with("<svg") && svg.contains("xmlns=\"http://www.w3.org/2000/svg\""));
        assert!(svg.trim_end().ends_with("</svg>") && !svg.contains("var(--"));
    }
    let summary = sample().summary_svg();
    assert!(summary.contains("madry_linf") && summary.contains("≤ 60.4 % (paper 96.6) ≠"));
}

#[test]
fn an_empty_report_still_renders() {
    let report = Report::default();
    assert!(report.to_html().contains("0 cells measured"));
    assert!(report.summary_svg().contains("no cell in this report"));
    let figure = Figure {
        id: "f".into(),
        title: "t".into(),
        caption: String::new(),
        quantity: "q".into(),
        series: vec![],
    };
    assert!(figure.to_svg().contains("no finite value to draw"));
}

fn odd_number() -> impl Strategy<Value = f64> {
    let odd = vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -1.0, 1e308, 5e-324, f64::MAX];
    prop_oneof![prop::sample::select(odd), -1e3..1e3f64]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_numbers_render(
        curve in prop::collection::vec(odd_number(), 0..6),
        other in prop::collection::vec(odd_number(), 0..6),
        counts in (any::<Option<u64>>(), any::<Option<u64>>()),
        number in odd_number(),
        measured: bool,
    ) {
        let mut report = sample();
        let series = &mut report.figures[0].series;
        series[0] = Series { mean: curve.clone(), low: other.clone(), ..series[0].clone() };
        series[1] = Series { median: curve, high: other, ..series[1].clone() };
        let cell = &mut report.cells[0];
        (cell.correct, cell.total) = counts;
        (cell.accuracy, cell.paper, cell.passes_per_example) = (None, Some(number), Some(number));
        cell.wilson95 = Some([number, -number]);
        cell.status = if measured { Status::Measured } else { Status::Failed };
        let rival = &mut report.rivals[0];
        (rival.epsilon, rival.accuracy, rival.wilson95) = (number, number, [number; 2]);
        prop_assert!(report.to_html().ends_with("</html>"));
        prop_assert!(report.to_markdown().starts_with("# "));
        prop_assert!(report.summary_svg().contains("</svg>"));
        prop_assert!(report.figures[0].to_svg().contains("</svg>"));
        prop_assert_eq!(report.cells_csv().lines().count(), report.cells.len() + 1);
    }
}

#[test]
fn differences_are_told_apart_and_not_called_contradictions() {
    let report = sample();
    for text in [report.to_markdown(), report.to_html()] {
        for words in [
            "Where we differ from the paper",
            "this attack on this network leaves less",
            "no contradiction",
            "number of comparisons are not corrected for",
        ] {
            assert!(text.contains(words), "{words}");
        }
        assert!(!text.contains("contradict the paper") && !text.contains("(strong setting"));
        assert!(!text.contains("an attack of another table"), "a note leaked into another table");
        assert!(text.contains("Not measured: madry_l2_raw (Madry, trained with l2 (raw steps))."));
    }
    assert!(report.to_markdown().contains("| madry_l2_raw (missing) | (paper 98.2 %) |"));
    // Differences in natural accuracy are recipes, not attacks.
    let place = key("madry_l2", Some(TrainingNorm::L2), "natural", Setting::Paper);
    let cell = Cell::measured(place, 900, 1000, 1.0).unwrap();
    let report = Report { cells: vec![cell], ..Report::default() };
    let markdown = report.to_markdown();
    assert!(markdown.contains("a difference of training recipes"));
    assert!(!markdown.contains("leaves less"));
}

#[test]
fn the_comparison_shows_its_cap_its_parts_and_adjusted_values() {
    let report = sample();
    for text in [report.to_markdown(), report.to_html()] {
        for words in ["at most 400 passes per digit", "mean passes", "p against S-O", "Holm"] {
            assert!(text.contains(words), "{words}");
        }
    }
    let by_seed = "| network | threat | seed | S-O | even | odd | best rival |";
    assert!(report.to_markdown().contains(by_seed));
    let csv = report.rivals_csv();
    assert!(csv.lines().next().unwrap().ends_with("so_mcnemar_p,so_holm_p"));
}

#[test]
fn the_worst_of_all_has_a_colour_and_a_legend_of_its_own() {
    let place = key("madry_linf", Some(TrainingNorm::Linf), "union_l2_2", Setting::Strong);
    let union = Cell::measured(place.clone(), 500, 1000, 1.0).unwrap();
    let other = Cell { row: "so_l2".to_owned(), ..union.clone() };
    let drawn = |cell| Report { cells: vec![cell], ..Report::default() }.summary_svg();
    let (union, other) = (drawn(union), drawn(other));
    assert!(union.contains("worst of all l2 2.0") && union.contains("#8B4FB0"));
    assert!(!other.contains("worst of all") && !other.contains("#8B4FB0"));
    assert!(!union.contains("#C8551B"), "the colour of S-O");
}

#[test]
fn a_chart_of_ratios_shows_what_was_measured_and_says_what_was_not() {
    let row = |label: &str, ratio, bar| RatioRow { label: label.to_owned(), ratio, bar };
    let chart = RatioChart {
        title: "How many times faster".to_owned(),
        caption: "on this processor".to_owned(),
        rows: vec![
            row("kept", Some(3.5), Some(3.0)),
            row("not kept <yet>", Some(0.25), Some(3.0)),
            row("absent", None, Some(2.0)),
            row("broken", Some(f64::NAN), None),
        ],
    };
    let svg = chart.to_svg();
    for seen in ["3.50", "0.25", "not kept &lt;yet&gt;"] {
        assert!(svg.contains(seen), "no {seen:?} in {svg}");
    }
    assert_eq!(svg.matches("not measured").count(), 2);
    assert!(!svg.contains("NaN"));
    assert!(RatioChart::default().to_svg().starts_with("<svg"));
}

#[test]
fn the_contents_lead_to_every_section() {
    let page = sample().to_html();
    let between = |text: &str, before: &str, after: &str| -> Vec<String> {
        let parts = text.split(before).skip(1);
        parts.filter_map(|part| Some(part.split_once(after)?.0.to_owned())).collect()
    };
    let contents = between(&page, "<nav", "</nav>");
    let links = between(&contents[0], "href=\"#", "\"");
    let sections = between(&page, "<section id=\"", "\"");
    assert!(links.len() > 3, "{links:?}");
    assert_eq!(links, sections);
    assert_eq!(links.len(), page.matches("<h2>").count());
    let different: std::collections::BTreeSet<_> = links.iter().collect();
    assert_eq!(different.len(), links.len(), "two sections share a place: {links:?}");
    assert!(links.iter().all(|link| !link.is_empty() && !link.contains(' ')), "{links:?}");
}
