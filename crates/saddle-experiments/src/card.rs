//! Model cards: what a weight file is, what was measured on it, and how to load it, for whoever finds it.

use std::fmt::Write as _;

use saddle_model::{Architecture, Layer, Metadata, from_bytes};
use saddle_report::{Cell, Report, Shown, paper::row_in_words};

use crate::{Error, Result, sha256_hex};

/// The card of a weight file, as Markdown.
///
/// `file` is the file's name, `bytes` what it holds, `source` the SHA-256 of the weight file in full precision that it was
/// rounded from. Accuracies come from a report that measured exactly those weights: one of its facts names their hash.
///
/// # Errors
///
/// [`Error::Model`] for bytes that are no weight file, [`Error::Format`] when it does not name its network or the report
/// knows no weights of this hash.
pub fn model_card(
    file: &str,
    bytes: &[u8],
    source: &str,
    report: Option<&Report>,
) -> Result<String> {
    let (weights, metadata) = from_bytes(bytes)?;
    let Some(architecture) = &metadata.architecture else {
        return Err(Error::format("model card", format!("{file} does not name its network")));
    };
    let count: usize = weights.iter().map(|(_, tensor)| tensor.elem_count()).sum();
    let mut card = format!("# {file}\n\n");
    let mut row = |name: &str, value: &str| {
        // Writing into a text cannot fail.
        let _ = writeln!(card, "| {name} | {} |", value.replace('|', "\\|").replace('\n', " "));
    };
    row("what", "value");
    row("---", "---");
    row(
        "network",
        &format!("`{}`, {count} weights, images {:?}", architecture.name, architecture.input),
    );
    row("file", &format!("safetensors, {} bytes, SHA-256 `{}`", bytes.len(), sha256_hex(bytes)));
    row("rounded from", &format!("weights in 32 bits, SHA-256 `{source}`"));
    provenance(&metadata, &mut row);
    row("licence", "MIT or Apache-2.0, at your option");
    card.push_str(&measured(source, report)?);
    card.push_str(&loading(file, architecture));
    Ok(card)
}

fn provenance(metadata: &Metadata, row: &mut impl FnMut(&str, &str)) {
    let Metadata { architecture: _, plan, seed, data, version, notes } = metadata;
    if let Some(plan) = plan {
        row("recipe", &format!("`{plan}`"));
    }
    if let Some(seed) = seed {
        row("seed", &seed.to_string());
    }
    if let Some(data) = data {
        row("trained on", &format!("data with SHA-256 `{data}`"));
    }
    if let Some(version) = version {
        row("program", &format!("saddle {version}"));
    }
    for (name, value) in notes {
        row(&name.replace('_', " "), value);
    }
}

/// The accuracies of these weights, as a table.
fn measured(source: &str, report: Option<&Report>) -> Result<String> {
    let mut text = "\n## Measured accuracies\n\n".to_owned();
    let Some(report) = report else {
        text.push_str("None are given here.\n");
        return Ok(text);
    };
    let facts = report.provenance.facts.iter();
    let owns = |cell: &Cell| {
        let name = format!("weights of {} (seed {})", cell.network, cell.seed);
        facts.clone().any(|fact| fact.name == name && fact.value.contains(source))
    };
    let cells: Vec<&Cell> = report.cells.iter().filter(|cell| owns(cell)).collect();
    let Some(first) = cells.first() else {
        return Err(Error::format(
            "model card",
            format!("the report of `{}` measured no weights with SHA-256 {source}", report.profile),
        ));
    };
    let dataset = report.dataset.as_ref().map_or("MNIST", |dataset| &dataset.name);
    let _ = write!(
        text,
        "Network `{}` of the plan `{}`, seed {}, at commit `{}`, before rounding to 16 bits. Digits that stay right, of \
         {dataset}'s test digits; an attack's result is an upper bound on robustness, never a proof of it.\n\n\
         | table | row | accuracy | 95 % interval | n | attacks |\n| --- | --- | ---: | --- | ---: | --- |\n",
        first.network, report.profile, first.seed, report.commit
    );
    for cell in cells {
        let Shown::Measured { correct: _, total, accuracy, interval: [low, high] } = cell.shown()
        else {
            continue;
        };
        let notes = report.provenance.attacks.iter();
        let mut notes = notes.filter(|note| note.table == cell.table && note.row == cell.row);
        let words = notes.next().map_or("", |note| note.words.as_str());
        let _ = writeln!(
            text,
            "| {} | {} | {:.1} % | [{:.1}, {:.1}] | {total} | {} |",
            cell.table,
            row_in_words(&cell.row),
            100.0 * accuracy,
            100.0 * low,
            100.0 * high,
            words.replace('|', "\\|")
        );
    }
    Ok(text)
}

fn loading(file: &str, architecture: &Architecture) -> String {
    let layers: std::collections::BTreeSet<String> = architecture
        .parameters()
        .iter()
        .filter_map(|one| one.name.rsplit_once('.').map(|(layer, _)| format!("`{layer}`")))
        .collect();
    let layers = layers.into_iter().collect::<Vec<_>>().join(", ");
    let standardised =
        architecture.layers.iter().any(|layer| matches!(layer, Layer::Standardize { .. }));
    let pixels = if standardised {
        "the network itself standardises them"
    } else {
        "nothing normalises them"
    };
    format!(
        "\n## Loading it\n\n\
         ```sh\nsaddle attack --weights {file} --attack so --norm l2 --epsilon 2\n```\n\n\
         ```python\nfrom safetensors.torch import load_file\n\n\
         weights = {{name: value.float() for name, value in load_file(\"{file}\").items()}}\n```\n\n\
         Names and layouts are PyTorch's, of the layers {layers}; `load_state_dict` takes them where a module has \
         these. The metadata lists all layers in order (`architecture`). Pixels go from 0 to 1, and {pixels}.\n"
    )
}
