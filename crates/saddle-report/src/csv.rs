//! Comma-separated values (RFC 4180, with plain line ends): one line per cell, row or point.
//! What is absent is an empty field.

use crate::cell::Cell;
use crate::curves::{AccuracyCurve, Chart, CurvePoint, DigitFigure};
use crate::figure::Figure;
use crate::ladder::{Comparison, Ladder, LadderRow};
use crate::masking::Standing;
use crate::report::Report;
use crate::rivals::RivalRow;
use crate::verdicts::{Judged, KnownJudged, Verdicts};
use crate::words;

impl Report {
    /// The cells, one a line.
    pub fn cells_csv(&self) -> String {
        cells(&self.cells)
    }

    /// The comparison of attacks, one row a line.
    pub fn rivals_csv(&self) -> String {
        rivals(&self.rivals)
    }

    /// The points of all charts of accuracies, one a line; bounds among them, with `bound` for an attack.
    pub fn curves_csv(&self) -> String {
        curves(&self.curves)
    }

    /// The rows of the ladder, one a line.
    pub fn ladder_csv(&self) -> String {
        ladder(self.ladder.as_ref())
    }

    /// The verdicts on gradient masking, one a line: the networks, then the known cases.
    pub fn verdicts_csv(&self) -> String {
        verdicts(self.verdicts.as_ref())
    }

    /// The digits of Figure 2, one a line.
    pub fn digits_csv(&self) -> String {
        digits(self.figure2.as_ref())
    }

    /// The points of all figures, one a line.
    pub fn figures_csv(&self) -> String {
        figures(&self.figures)
    }
}

fn cells(cells: &[Cell]) -> String {
    let head = "table,setting,network,defense,training_norm,inner_steps,row,seed,correct,total,accuracy,\
                wilson95_low,wilson95_high,passes_per_example,paper,kernels,status";
    table(
        head,
        cells.iter().map(|cell| {
            let status = serde_json::to_value(cell.status).unwrap_or_default();
            vec![
                cell.table.clone(),
                words::setting(cell.setting).to_owned(),
                cell.network.clone(),
                cell.defense.clone(),
                cell.training_norm.map(|norm| norm.name().to_owned()).unwrap_or_default(),
                cell.inner_steps.clone().unwrap_or_default(),
                cell.row.clone(),
                cell.seed.to_string(),
                cell.correct.map(|count| count.to_string()).unwrap_or_default(),
                cell.total.map(|count| count.to_string()).unwrap_or_default(),
                number(cell.accuracy),
                number(cell.wilson95.map(|[low, _]| low)),
                number(cell.wilson95.map(|[_, high]| high)),
                number(cell.passes_per_example),
                number(cell.paper),
                cell.kernels.clone(),
                status.as_str().unwrap_or_default().to_owned(),
            ]
        }),
    )
}

fn rivals(rivals: &[RivalRow]) -> String {
    let head = "network,attack,role,norm,epsilon,training_seed,correct,total,accuracy,wilson95_low,\
                wilson95_high,passes_per_example,cap,best_rival,only_this,only_rival,mcnemar_p,holm_p,\
                so_only_this,so_only_so,so_mcnemar_p,so_holm_p";
    table(
        head,
        rivals.iter().map(|row| {
            let mut fields = vec![
                row.network.clone(),
                row.attack.clone(),
                words::rivals::role(row.role).to_owned(),
                row.norm.clone(),
                number(Some(row.epsilon)),
                row.training_seed.to_string(),
                row.correct.to_string(),
                row.total.to_string(),
                number(Some(row.accuracy)),
                number(Some(row.wilson95[0])),
                number(Some(row.wilson95[1])),
                number(row.passes_per_example),
                row.cap.map(|cap| cap.to_string()).unwrap_or_default(),
                row.best_rival.to_string(),
            ];
            for test in [row.mcnemar, row.against_so] {
                fields.extend([
                    test.map(|test| test.only_this.to_string()).unwrap_or_default(),
                    test.map(|test| test.only_other.to_string()).unwrap_or_default(),
                    number(test.map(|test| test.p)),
                    number(test.and_then(|test| test.p_holm)),
                ]);
            }
            fields
        }),
    )
}

fn ladder(ladder: Option<&Ladder>) -> String {
    let head = "network,norm,epsilon,training_seed,rung,kind,correct,total,accuracy,wilson95_low,\
                wilson95_high,passes_per_example,cap,best_first_order,first_only_this,first_only_other,\
                first_mcnemar_p,first_holm_p,first_outcome,rung_below,rung_only_this,rung_only_other,\
                rung_mcnemar_p,rung_holm_p,rung_outcome,cosine_first,cosine_last";
    let row = |ladder: &Ladder, row: &LadderRow| {
        let kind = ladder.rung(&row.rung).map(|rung| words::ladder::kind(rung.kind));
        let mut fields = vec![
            row.network.clone(),
            row.norm.clone(),
            number(Some(row.epsilon)),
            row.training_seed.to_string(),
            row.rung.clone(),
            kind.unwrap_or_default().to_owned(),
            row.correct.to_string(),
            row.total.to_string(),
            number(Some(row.accuracy)),
            number(Some(row.wilson95[0])),
            number(Some(row.wilson95[1])),
            number(row.passes_per_example),
            ladder.cap.to_string(),
            row.best_first_order.to_string(),
        ];
        fields.extend(compared(row.against_first_order.as_ref()));
        let below = row.against_rung.as_ref();
        fields.push(below.map(|below| below.other.clone()).unwrap_or_default());
        fields.extend(compared(below));
        let ends = [row.cosines.first(), row.cosines.last()];
        fields.extend(ends.map(|cosine| number(cosine.and_then(|cosine| cosine.mean))));
        fields
    };
    let rows = ladder.into_iter().flat_map(|all| all.rows.iter().map(move |one| row(all, one)));
    table(head, rows)
}

fn verdicts(verdicts: Option<&Verdicts>) -> String {
    let head = "case,half,is,network,training_seed,norm,epsilon,verdict,shown_by,reason,digits,right,\
                gradient_attack,more_steps,smoothed,black_box,transfer,zero_gradients,tiny_gradients,saturated,\
                signs_of,honest_slopes,random_is_better,slopes_of,radii";
    let known = |case: &KnownJudged| {
        let half = if case.held_out { "held_out" } else { "thresholds" };
        let is = if case.masked { "masked" } else { "sound" };
        judged([&case.name, half, is], &case.judged)
    };
    let rows = verdicts.into_iter().flat_map(|all| {
        let networks = all.networks.iter().map(|one| judged([""; 3], one));
        let cases = all.calibration.iter().flat_map(|calibration| &calibration.cases);
        networks.chain(cases.map(known))
    });
    table(head, rows)
}

fn judged(case: [&str; 3], judged: &Judged) -> Vec<String> {
    let of = &judged.indicators;
    let standing = |one: &Option<Standing>| {
        one.as_ref().map(|one| one.count().to_string()).unwrap_or_default()
    };
    let mut fields = case.map(str::to_owned).to_vec();
    fields.extend([
        judged.network.clone(),
        judged.training_seed.to_string(),
        judged.norm.clone(),
        number(Some(judged.epsilon)),
        words::verdicts::word(judged.verdict.masking).to_owned(),
        judged.verdict.shown_by.clone().unwrap_or_default(),
        words::verdicts::reason(judged),
        of.natural.len().to_string(),
        of.natural.iter().filter(|&&right| right).count().to_string(),
    ]);
    let attacks = [&of.gradient_attack, &of.more_steps, &of.smoothed, &of.black_box, &of.transfer];
    fields.extend(attacks.map(standing));
    let count = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
    fields.extend([
        count(of.gradients.map(|signs| signs.zero)),
        count(of.gradients.map(|signs| signs.tiny)),
        count(of.gradients.map(|signs| signs.saturated)),
        count(of.gradients.map(|signs| signs.total)),
        count(of.slopes.map(|signs| signs.honest)),
        count(of.slopes.map(|signs| signs.random_is_better)),
        count(of.slopes.map(|signs| signs.total)),
    ]);
    let radii = of.radii.iter();
    let radii = radii.map(|one| {
        format!("{}: {} of {} (bound {})", one.epsilon, one.standing, one.total, one.bound)
    });
    fields.push(radii.collect::<Vec<_>>().join("; "));
    fields
}

/// Counts, p-values and outcome of a comparison of the ladder.
fn compared(comparison: Option<&Comparison>) -> [String; 5] {
    let Some(one) = comparison else { return Default::default() };
    let outcome = serde_json::to_value(one.outcome).unwrap_or_default();
    [
        one.mcnemar.only_this.to_string(),
        one.mcnemar.only_other.to_string(),
        number(Some(one.mcnemar.p)),
        number(one.mcnemar.p_holm),
        outcome.as_str().unwrap_or_default().to_owned(),
    ]
}

fn curves(charts: &[Chart]) -> String {
    let head = "chart,axis,norm,epsilon,network,training_seed,attack,at,correct,total,accuracy,\
                wilson95_low,wilson95_high";
    let points = charts.iter().flat_map(|chart| {
        let axis = serde_json::to_value(chart.axis).unwrap_or_default();
        let place = vec![
            chart.id.clone(),
            axis.as_str().unwrap_or_default().to_owned(),
            chart.norm.clone(),
            number(chart.epsilon),
        ];
        let of_curve = |curve: &AccuracyCurve| -> Vec<Vec<String>> {
            let point = |point: &CurvePoint| {
                let mut line = place.clone();
                line.extend([curve.network.clone(), curve.training_seed.to_string()]);
                line.extend([curve.attack.clone(), number(Some(point.at))]);
                line.extend([point.correct.to_string(), curve.total.to_string()]);
                let numbers = [point.accuracy, point.wilson95[0], point.wilson95[1]];
                line.extend(numbers.map(|value| number(Some(value))));
                line
            };
            curve.points.iter().map(point).collect()
        };
        let mut lines: Vec<Vec<String>> = chart.curves.iter().flat_map(of_curve).collect();
        lines.extend(chart.bound.iter().map(|point| {
            let [none, bound] = ["", "bound"].map(str::to_owned);
            let mut line = place.clone();
            line.extend([none.clone(), none.clone(), bound, number(Some(point.at))]);
            line.extend([none.clone(), none.clone(), number(Some(point.upper_bound))]);
            line.extend([none.clone(), none]);
            line
        }));
        lines
    });
    table(head, points)
}

fn digits(figure: Option<&DigitFigure>) -> String {
    let pairs = figure.into_iter().flat_map(|figure| {
        figure.pairs.iter().map(|pair| {
            vec![
                figure.network.clone(),
                figure.training_seed.to_string(),
                figure.norm.clone(),
                number(Some(figure.epsilon)),
                pair.id.to_string(),
                pair.label.to_string(),
                pair.natural_prediction.to_string(),
                pair.prediction.to_string(),
                number(Some(pair.distance)),
            ]
        })
    });
    let head =
        "network,training_seed,norm,epsilon,digit,label,natural_prediction,prediction,distance";
    table(head, pairs)
}

fn figures(figures: &[Figure]) -> String {
    let series = figures.iter().flat_map(|figure| figure.series.iter().map(move |s| (figure, s)));
    let points = series.flat_map(|(figure, series)| {
        (0..series.mean.len()).map(move |step| {
            let at = |values: &[f64]| number(values.get(step).copied());
            vec![
                figure.id.clone(),
                series.label.clone(),
                series.seed.to_string(),
                series.examples.to_string(),
                step.to_string(),
                at(&series.mean),
                at(&series.median),
                at(&series.low),
                at(&series.high),
            ]
        })
    });
    table("figure,series,seed,examples,step,mean,median,quantile_05,quantile_95", points)
}

fn table(head: &str, rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = format!("{head}\n");
    for row in rows {
        let fields: Vec<String> = row.iter().map(|field| quoted(field)).collect();
        text.push_str(&fields.join(","));
        text.push('\n');
    }
    text
}

fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

/// The shortest digits that read back as the same number; an exponent where there would be many zeros.
fn number(value: Option<f64>) -> String {
    match value.filter(|value| value.is_finite()) {
        Some(value) if value != 0.0 && value.abs() < 1e-4 => format!("{value:e}"),
        Some(value) => value.to_string(),
        None => String::new(),
    }
}
