//! The model card of a complete export.

use pulldown_cmark::{Event, Options, Parser, Tag};

use super::*;
use crate::markdown::tests::HOSTILE;

/// The card and its parsed front matter.
pub(super) fn read_card(run: &Run) -> (String, Value) {
    let card = fs::read_to_string(run.path("export/bundle/README.md")).unwrap();
    let (yaml, _) = card.strip_prefix("---\n").unwrap().split_once("\n---\n").unwrap();
    let front_matter = crate::card::front_matter::tests::read(yaml);
    (card, front_matter)
}

#[track_caller]
pub(super) fn has(card: &str, parts: &[&str]) {
    for part in parts {
        assert!(card.contains(part), "{part} is not in {card}");
    }
}

#[test]
fn the_card_shows_what_was_measured() {
    let run = Run::new();
    run.export().unwrap();
    let (card, front_matter) = read_card(&run);
    let parity = run.json("export/parity.json");
    let result = json!({
        "task": { "type": "text-classification", "name": "Text Classification" },
        // A package is not a data set on the hub.
        "dataset": { "type": "custom", "name": "tiny: a run", "split": "test" },
        "metrics": [
            { "type": "accuracy", "name": "Accuracy", "value": parity["fp32"]["accuracy"] },
            { "type": "f1", "name": "Macro F1", "value": parity["fp32"]["macro_f1"], "args": { "average": "macro" } },
            { "type": "accuracy", "name": "Accuracy of the int8 weights", "value": parity["int8"]["accuracy"] },
        ],
    });
    assert_eq!(
        front_matter,
        json!({
            "library_name": "transformers",
            "pipeline_tag": "text-classification",
            "base_model": "tiny-org/tiny-bert",
            "tags": ["text-classification", "firebrand"],
            "metrics": ["accuracy", "f1"],
            "model-index": [{ "name": "tiny: a run", "results": [result] }],
        })
    );

    let accuracy = format!("| **this model** | {:.1} % |", parity["fp32"]["accuracy"].as_f64().unwrap() * 100.0);
    has(
        &card,
        &[
            "the package `some-reviews==1.0.0` on PyPI",
            "at commit `0123abc`",
            "| gamma | 2 |",
            "On the 40 texts of the test split",
            &accuracy,
            "| baseline: always the most frequent label | 38.8 % | 0.1800 |",
            "Texts are truncated to 12 tokens, special tokens included; 5 of the 40 test texts (12.5 %) were longer.",
            "HTML tags removed and entities decoded, Unicode normalized to NFKC. `text.json`",
            "pipeline(\"text-classification\"",
            "cargo xtask predict",
            "int8[i][j] * scale[i]",
        ],
    );
}

#[test]
fn hostile_labels_and_names_stay_text() {
    for labels in HOSTILE.chunks(3) {
        let mut run = Run::new();
        run.config.int8 = false;
        let name = labels[0];
        let mut labels = labels.to_vec();
        labels.extend(["beta", "gamma"].iter().take(3 - labels.len()));
        let names = labels.iter().map(|&label| label.to_owned()).collect();
        LabelMap::new(names).unwrap().write(&run.path("clean/labels.json")).unwrap();
        let mut config = run.json("train/model/config.json");
        config["id2label"] = json!({ "0": labels[0], "1": labels[1], "2": labels[2] });
        config["label2id"] = json!({ labels[0]: 0, labels[1]: 1, labels[2]: 2 });
        run.write_json("train/model/config.json", &config);
        run.name = name.to_owned();
        run.export().unwrap();

        let (card, front_matter) = read_card(&run);
        assert_eq!(front_matter["model-index"][0]["name"], name);
        let (_, body) = card.split_once("\n---\n").unwrap();
        let mut cells = Vec::new();
        let mut headings = Vec::new();
        let mut inside = None;
        for event in Parser::new_ext(body, Options::all() - Options::ENABLE_SMART_PUNCTUATION) {
            match event {
                Event::Start(Tag::TableCell) => inside = Some(String::new()),
                Event::Start(Tag::Heading { .. }) => inside = Some(String::new()),
                Event::End(pulldown_cmark::TagEnd::TableCell) => cells.extend(inside.take()),
                Event::End(pulldown_cmark::TagEnd::Heading(_)) => headings.extend(inside.take()),
                Event::Text(text) => inside.iter_mut().for_each(|inside| inside.push_str(&text)),
                Event::Html(html) | Event::InlineHtml(html) => panic!("{html} in {body}"),
                _ => (),
            }
        }
        assert_eq!(headings[0], name);
        for label in labels {
            // Once with the index, once with the figures.
            assert_eq!(cells.iter().filter(|cell| *cell == label).count(), 2, "{label}: {cells:?}");
        }
    }
}

#[test]
fn undefined_figures_are_not_printed_as_zeros() {
    let mut run = Run::new();
    run.config.int8 = false;
    // Two rows with one label: the others have no recall, and labels that are never predicted have no precision.
    let rows: Vec<TokenRow> = token_rows().into_iter().take(2).map(|row| TokenRow { labels: vec![0], ..row }).collect();
    write_tokens(&run.path("tokenize/test.parquet"), &rows).unwrap();
    let predictions = run.predictions();
    write_predictions(&run.path("evaluate/predictions.parquet"), &predictions).unwrap();
    let never = (1..3).find(|label| predictions.iter().all(|row| row.predicted != [*label])).unwrap();
    run.export().unwrap();
    let (card, _) = read_card(&run);
    has(&card, &[&format!("| {} | – | – | – | 0 |", LABELS[never as usize]), "–: undefined, because "]);
}

#[test]
fn the_card_of_a_mean_pooled_model_shows_no_pipeline() {
    let run = Run::new();
    run.use_mean_pooling();
    run.export().unwrap();
    let (card, front_matter) = read_card(&run);
    assert_eq!(front_matter["library_name"], "firebrand");
    has(
        &card,
        &[
            "a bert encoder with a head over the mean of its hidden states",
            "`transformers` has no class for a head over the mean",
            "Do not load this directory with `pipeline` or `BertForSequenceClassification`",
            "AutoModel.from_pretrained(path)",
            "cargo xtask predict",
        ],
    );
    assert!(!card.contains("pipeline(\"text-classification\""), "{card}");
    // The tensors that the example reads are there.
    let bytes = fs::read(run.path("export/bundle/model.safetensors")).unwrap();
    let header = String::from_utf8_lossy(&bytes[8..8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize]);
    for name in ["mean_pooling.classifier.weight", "mean_pooling.classifier.bias"] {
        assert!(card.contains(&format!("weights[\"{name}\"]")) && header.contains(&format!("\"{name}\"")), "{header}");
    }
}
