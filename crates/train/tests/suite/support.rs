//! Test fixtures: a tiny BERT, rows whose label follows from their tokens, and requests.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use firebrand_arch::StartFrom;
use firebrand_dataset::{LabelMap, TokenRow, write_tokens};
use firebrand_model::{Classifier, Tokens, named_parameters};
use firebrand_pipeline::{Request, Slot, StageIo, config::default_section};
use firebrand_train::{Config, MicroBatch, Summary, TrainingPrecision};

/// The finished stages before `train`, in a temporary directory.
pub(crate) struct World {
    home: tempfile::TempDir,
}

/// The files that equal runs write with equal bytes.
pub(crate) const OUTPUTS: [&str; 5] = [
    "model/model.safetensors",
    "model/config.json",
    "metrics.jsonl",
    "summary.json",
    "tensorboard/events.out.tfevents.0.firebrand",
];

impl World {
    /// 60 training and 24 validation rows for a BERT of two layers, whose config has no dropout.
    pub(crate) fn new() -> Self {
        let world = Self { home: tempfile::tempdir().unwrap() };
        for directory in ["fetch/pretrained", "clean", "tokenize"] {
            fs::create_dir_all(world.path(directory)).unwrap();
        }
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/golden/models/bert");
        for file in ["config.json", "model.safetensors"] {
            fs::copy(fixture.join(file), world.path("fetch/pretrained").join(file)).unwrap();
        }
        let labels = LabelMap::new(label_names()).unwrap();
        labels.write(&world.path("clean/labels.json")).unwrap();
        world.write("train", &rows(60, 1));
        world.write("validation", &rows(24, 2));
        world
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.home.path().join(path)
    }

    /// Replaces the rows of a split.
    pub(crate) fn write(&self, split: &str, rows: &[TokenRow]) {
        write_tokens(&self.path(&format!("tokenize/{split}.parquet")), rows).unwrap();
    }

    /// The request that the runner would write.
    pub(crate) fn request(&self, run: &str, config: &Config, resume: bool) -> Request {
        let output = self.path(run);
        fs::create_dir_all(&output).unwrap();
        Request {
            run: run.to_owned(),
            config: serde_json::to_value(config).unwrap(),
            output,
            resume,
            ..Request::in_dir(self.home.path(), Slot::Train)
        }
    }

    pub(crate) fn io(&self, run: &str, config: &Config, resume: bool) -> StageIo {
        StageIo::new(self.request(run, config, resume))
    }

    /// The pretrained model with a new head, recording gradients.
    pub(crate) fn classifier(&self, dropout: f64, device: &Device) -> Classifier {
        let from = StartFrom {
            hidden_dropout: Some(dropout),
            attention_dropout: Some(dropout),
            classifier_dropout: Some(dropout),
            ..StartFrom::new(label_names(), 7)
        };
        Classifier::start(&self.path("fetch/pretrained"), &from, device).unwrap().0
    }

    /// What a finished run reports.
    pub(crate) fn summary(&self, run: &str) -> Summary {
        serde_json::from_slice(&fs::read(self.path(run).join("summary.json")).unwrap()).unwrap()
    }

    /// The bytes of every output of a run.
    pub(crate) fn outputs(&self, run: &str) -> Vec<Vec<u8>> {
        OUTPUTS.iter().map(|file| fs::read(self.path(run).join(file)).unwrap()).collect()
    }

    /// Asserts that two runs wrote the same bytes.
    #[track_caller]
    pub(crate) fn assert_equal(&self, one: &str, other: &str) {
        for (file, (one, other)) in OUTPUTS.iter().zip(self.outputs(one).iter().zip(self.outputs(other))) {
            assert!(*one == other, "{file} differs");
        }
    }
}

/// The labels of the rows, in the order of their ids.
pub(crate) fn label_names() -> Vec<String> {
    ["alpha", "beta", "gamma"].map(str::to_owned).to_vec()
}

/// A micro-batch of these rows, all of weight 1 where `weights` is empty.
pub(crate) fn micro_batch<'a>(rows: &'a [TokenRow], weights: &[f32]) -> MicroBatch<'a> {
    MicroBatch {
        rows: tokens(rows),
        labels: rows.iter().map(|row| row.labels.as_slice()).collect(),
        weights: weights.to_vec(),
    }
}

/// The rows as the model takes them.
pub(crate) fn tokens(rows: &[TokenRow]) -> Vec<Tokens<'_>> {
    rows.iter().map(|row| Tokens { ids: &row.ids, type_ids: &row.type_ids }).collect()
}

/// The values of all parameters, by path.
pub(crate) fn parameters(classifier: &Classifier) -> BTreeMap<String, Vec<f32>> {
    let all = named_parameters(&classifier.network).into_iter();
    all.map(|(path, data)| (path, data.try_to_vec::<f32>().unwrap())).collect()
}

/// Two epochs of eight steps, with dropout.
pub(crate) fn config() -> Config {
    Config {
        epochs: 2,
        batch_size: 8,
        learning_rate: 2e-3,
        hidden_dropout: 0.1,
        attention_dropout: 0.1,
        classifier_dropout: 0.1,
        sort_window: 3,
        eval_batch_size: 10,
        log_steps: 3,
        // So that the saved model and the validated one agree on every processor.
        precision: TrainingPrecision::Fp32,
        ..default_section(Slot::Train).unwrap()
    }
}

/// Rows of 4 to 20 tokens; the label is the third of the vocabulary that the tokens come from.
pub(crate) fn rows(count: u64, seed: u64) -> Vec<TokenRow> {
    // Constants of Knuth's MMIX generator.
    let mut state = seed;
    let mut next = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    (0..count)
        .map(|id| {
            let label = next(3);
            let length = 4 + next(17);
            let ids: Vec<u32> = (0..length).map(|_| (3 + label * 35 + next(45)) as u32).collect();
            TokenRow { id, type_ids: vec![0; ids.len()], ids, labels: vec![label as u32], weight: 1.0, cut: 0 }
        })
        .collect()
}
