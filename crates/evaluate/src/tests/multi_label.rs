//! Multi-label data.

use super::*;

const NAMES: [&str; 4] = ["<alpha>", "beta", "gamma", "delta"];

/// Each label has a word of its own; some rows have no label.
fn several(first: u64, count: u64) -> (Vec<Example>, Vec<TokenRow>) {
    let (examples, tokens) = rows(first, count);
    let labels = |id: u64| -> Vec<u32> {
        (0..4).filter(|label| (id * 7 + id / 3).is_multiple_of(u64::from(*label) + 2)).collect()
    };
    let examples = examples.into_iter().map(|row| {
        let labels = labels(row.id);
        let words: Vec<&str> =
            labels.iter().map(|&label| ["apple", "banana", "cherry", "date"][label as usize]).collect();
        Example { text: format!("number {} {}", row.id, words.join(" and ")), labels, ..row }
    });
    (examples.collect(), tokens.into_iter().map(|row| TokenRow { labels: labels(row.id), ..row }).collect())
}

fn run() -> Run {
    let run = Run::new();
    let labels = LabelMap::new(NAMES.map(str::to_owned).to_vec()).unwrap().with_multi_label(true);
    labels.write(&run.path("clean/labels.json")).unwrap();
    for (file, first, count) in [("train", 0, 120), ("validation", 1000, 40), ("test", 2000, 60)] {
        let (examples, tokens) = several(first, count);
        let stage = if file == "train" { "augment" } else { "split" };
        write_examples(&run.path(&format!("{stage}/{file}.parquet")), &examples).unwrap();
        write_tokens(&run.path(&format!("tokenize/{file}.parquet")), &tokens).unwrap();
    }
    run.train("bert-multilabel", &NAMES);
    let line = r#"{"step":4,"epoch":1.0,"validation_loss":0.6,"validation_accuracy":0.5,"validation_micro_f1":0.7}"#;
    let line = format!("{line}\n{}", line.replace("1.0", "2.0"));
    fs::write(run.path("train/metrics.jsonl"), line).unwrap();
    run
}

#[test]
fn figures_predictions_and_pictures_agree() {
    let run = run();
    run.run().unwrap();
    let metrics = run.metrics();
    assert_eq!(metrics["multi_label"], true);
    let predictions = read_predictions(&run.path("evaluate/predictions.parquet")).unwrap();
    assert_eq!(predictions.len(), 60);
    let (mut right, mut wrong, mut hits, mut given, mut there) = (0, 0, 0, 0, 0);
    for row in &predictions {
        assert!((0..4).all(|label| (row.probabilities[label as usize] >= 0.5) == row.predicted.contains(&label)));
        right += u32::from(row.labels == row.predicted);
        wrong += (0..4).filter(|label| row.labels.contains(label) != row.predicted.contains(label)).count();
        hits += row.labels.iter().filter(|label| row.predicted.contains(label)).count();
        (given, there) = (given + row.predicted.len(), there + row.labels.len());
    }
    let close = |found: &Value, expected: f64| {
        assert!((found.as_f64().unwrap() - expected).abs() < 1e-12, "{found} {expected}")
    };
    close(&metrics["test"]["accuracy"], f64::from(right) / 60.0);
    close(&metrics["test"]["hamming_loss"], wrong as f64 / 240.0);
    close(&metrics["test"]["averages"]["micro"]["f1"], 2.0 * hits as f64 / (given + there) as f64);
    assert!(metrics["test"].get("confusion").is_none() && metrics["test"].get("matthews_correlation").is_none());
    // Sigmoid outputs do not sum to 1.
    assert!(predictions.iter().any(|row| (row.probabilities.iter().sum::<f32>() - 1.0).abs() > 0.1));

    let baselines = &metrics["baselines"];
    close(&baselines["tfidf_logistic_regression"]["averages"]["micro"]["f1"], 1.0);
    assert!(baselines["majority"]["labels"].is_array() && baselines["majority"].get("label").is_none());
    parse_svg(&run.text("confusion.svg"));
}

#[test]
fn the_report_shows_labels_found_and_missed() {
    let run = run();
    run.run().unwrap();
    let html = run.text("report.html");
    parse_html(&html);
    for text in [
        "Micro F1",
        "Hamming loss",
        "All labels correct",
        "wrongly assigned",
        "(no label)",
        "Most frequent labels",
        "probability of a label",
    ] {
        assert!(html.contains(text), "{text}");
    }
    for text in ["Matthews", "Shade: share", "predicted as", "<alpha>"] {
        assert!(!html.contains(text), "{text}");
    }
}

#[test]
fn two_runs_write_the_same_bytes() {
    let run = run();
    let read = || {
        run.run().unwrap();
        ["metrics.json", "predictions.parquet", "reference.json", "confusion.svg", "report.html"]
            .map(|file| fs::read(run.path("evaluate").join(file)).unwrap())
    };
    assert!(read() == read());
}

#[test]
fn a_model_with_another_problem_type_is_refused() {
    let run = run();
    let labels = LabelMap::new(NAMES.map(str::to_owned).to_vec()).unwrap();
    labels.write(&run.path("clean/labels.json")).unwrap();
    assert!(run.refused().message().contains("row 1000 has"), "rows");
    for (file, first, count) in [("train", 0, 120), ("validation", 1000, 40), ("test", 2000, 60)] {
        let (examples, tokens) = rows(first, count);
        let stage = if file == "train" { "augment" } else { "split" };
        write_examples(&run.path(&format!("{stage}/{file}.parquet")), &examples).unwrap();
        write_tokens(&run.path(&format!("tokenize/{file}.parquet")), &tokens).unwrap();
    }
    let message = run.refused().message().to_owned();
    assert_eq!(
        message,
        "the model gives a text any number of labels, but according to labels.json a row has one label"
    );
}
