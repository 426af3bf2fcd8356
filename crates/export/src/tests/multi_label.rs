//! Multi-label models.

use super::*;

const NAMES: [&str; 4] = ["alpha", "beta", "gamma", "delta"];

fn run() -> Run {
    let run = Run::new();
    let labels = LabelMap::new(NAMES.map(str::to_owned).to_vec()).unwrap().with_multi_label(true);
    labels.write(&run.path("clean/labels.json")).unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/golden/models/bert-multilabel");
    for file in ["config.json", "model.safetensors"] {
        fs::copy(golden.join(file), run.path("train/model").join(file)).unwrap();
    }
    let rows: Vec<TokenRow> = read_tokens(&run.path("tokenize/test.parquet")).unwrap();
    let set = |id: u64| (0..4u32).filter(|label| (id / 10 + u64::from(*label)).is_multiple_of(3)).collect();
    let rows: Vec<TokenRow> = rows.into_iter().map(|row| TokenRow { labels: set(row.id), ..row }).collect();
    write_tokens(&run.path("tokenize/test.parquet"), &rows).unwrap();
    write_predictions(&run.path("evaluate/predictions.parquet"), &predictions(&run)).unwrap();
    let baselines =
        json!({ "majority": { "accuracy": 0.25, "macro_f1": 0.1, "averages": { "micro": { "f1": 0.4 } } } });
    run.write_json("evaluate/metrics.json", &json!({ "baselines": baselines }));
    run
}

fn predictions(run: &Run) -> Vec<Prediction> {
    let rows = read_tokens(&run.path("tokenize/test.parquet")).unwrap();
    let tokens: Vec<_> = rows.iter().map(|row| Tokens { ids: &row.ids, type_ids: &row.type_ids }).collect();
    let device = firebrand_model::device("flex").unwrap();
    let classifier = Classifier::load(&run.path("train/model"), &device).unwrap();
    let logits = classifier.logits(&tokens, 7, &mut |_| ()).unwrap();
    let prediction = |(row, logits): (&TokenRow, Vec<f32>)| {
        let probabilities = firebrand_arch::sigmoid(&logits);
        let predicted = (0..4).filter(|&label| probabilities[label as usize] >= 0.5).collect();
        Prediction { id: row.id, labels: row.labels.clone(), predicted, probabilities }
    };
    rows.iter().zip(logits).map(prediction).collect()
}

#[test]
fn the_bundle_is_multi_label_and_gated_by_micro_f1() {
    let run = run();
    run.export().unwrap();
    assert_eq!(run.json("export/bundle/config.json")["problem_type"], "multi_label_classification");

    let (mut hits, mut total) = (0, 0);
    for row in predictions(&run) {
        hits += row.labels.iter().filter(|label| row.predicted.contains(label)).count();
        total += row.labels.len() + row.predicted.len();
    }
    let micro = 2.0 * hits as f64 / total as f64;
    let parity = run.json("export/parity.json");
    assert!((parity["fp32"]["micro_f1"].as_f64().unwrap() - micro).abs() < 1e-12, "{parity}");
    let drop = micro - parity["int8"]["micro_f1"].as_f64().unwrap();
    assert!((parity["gate"]["accuracy_drop"].as_f64().unwrap() - drop).abs() < 1e-12, "{parity}");

    let (card, front_matter) = card::read_card(&run);
    let metrics = &front_matter["model-index"][0]["results"][0]["metrics"];
    assert_eq!(metrics[2]["name"], "Micro F1");
    assert!((metrics[2]["value"].as_f64().unwrap() - micro).abs() < 1e-12, "{metrics}");
    card::has(
        &card,
        &[
            "Every text has any number of them, or none.",
            &format!("| **this model** | {micro:.4} |"),
            "| baseline: always the most frequent label | 0.4000 | 0.1000 | 25.0 % |",
            "A label is assigned if its probability is at least 0.5.",
            "Each score is between 0 and 1 on its own",
        ],
    );
}

#[test]
fn the_gates_use_micro_f1() {
    let mut run = run();
    run.config.min_accuracy = 1.0;
    let error = run.refused();
    assert_eq!(error.kind(), ErrorKind::Gate);
    assert!(error.message().starts_with("the float32 model's test micro F1 is "), "{}", error.message());
}

#[test]
fn other_predictions_and_problem_types_are_refused() {
    let run = run();
    let mut rows = predictions(&run);
    rows[3].predicted = if rows[3].predicted.is_empty() { vec![0] } else { vec![] };
    write_predictions(&run.path("evaluate/predictions.parquet"), &rows).unwrap();
    assert!(run.refused().message().contains("1 of 40 rows have other labels"));

    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/golden/models/bert-multilabel");
    let config = fs::read_to_string(golden.join("config.json")).unwrap();
    let config = config.replace("multi_label_classification", "single_label_classification");
    fs::write(run.path("train/model/config.json"), config).unwrap();
    let error = run.refused();
    assert!(error.message().contains("a text has one label in "), "{}", error.message());
    assert!(error.message().ends_with("but any number of labels in labels.json"), "{}", error.message());
}
