//! Whether a checkpoint belongs to the training that finds it.

use std::collections::BTreeMap;

use burn::module::Param;
use burn::tensor::Tensor;
use firebrand_model::Classifier;
use firebrand_pipeline::config::default_section;
use firebrand_pipeline::{Result, ResultExt, Slot, hash};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::parameters::{self, VisitParameters};
use crate::{Config, Rows, TrainingPrecision};

/// The training format. Raise it when the same configuration and inputs no longer train to the same bytes, or when the files of
/// a checkpoint change their meaning: older checkpoints are then set aside instead of resumed.
pub(crate) const FORMAT: u64 = 1;

/// Keys of `[train]` that change no parameter: a run may be resumed with other values.
const HARMLESS: [&str; 7] = [
    "checkpoint_steps",
    "dashboard",
    "deterministic",
    "divergence_factor",
    "gradient_checkpointing",
    "log_steps",
    "tensorboard",
];

/// Everything that decides what training computes, and the program that computes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fingerprint {
    /// [`FORMAT`] of the program that wrote the checkpoint.
    format: u64,
    /// The section `[train]` but for [`HARMLESS`] keys.
    config: BTreeMap<String, Value>,
    /// What `precision = "auto"` came to.
    precision: TrainingPrecision,
    /// Hashes of the initial parameters, the labels and the rows.
    inputs: BTreeMap<String, String>,
    /// Hash of the program. Another build resumes all the same, and says so.
    pub(crate) executable: String,
}

impl Fingerprint {
    /// The fingerprint of training this classifier on these rows.
    ///
    /// # Errors
    /// When the configuration has no JSON form.
    pub(crate) fn new(config: &Config, classifier: &Classifier, train: &Rows, validation: &Rows) -> Result<Self> {
        let mut parameters = HashParameters(blake3::Hasher::new());
        parameters::visit(&classifier.network, &mut parameters);
        let labels = serde_json::to_vec(&(classifier.labels(), classifier.config().problem))
            .or_other(|| "the labels have no JSON form".to_owned())?;
        let inputs = [
            ("initial_parameters", parameters.0.finalize().to_hex().to_string()),
            ("labels", hash::bytes(&labels)),
            ("train_rows", train.hash()),
            ("validation_rows", validation.hash()),
        ];
        let executable = std::env::current_exe().ok().and_then(|path| hash::file(&path).ok());
        Ok(Self {
            format: FORMAT,
            config: keys_that_matter(config)?,
            precision: config.precision.on(&config.device, &classifier.device()),
            inputs: inputs.map(|(name, hash)| (name.to_owned(), hash)).into(),
            executable: executable.unwrap_or_else(|| "unknown".to_owned()),
        })
    }

    /// Why a checkpoint of another format cannot be resumed, given its `state.json`.
    pub(crate) fn other_format(state: &Value) -> Option<String> {
        let found = &state["fingerprint"]["format"];
        (found.as_u64() != Some(FORMAT))
            .then(|| format!("its training format is {found}, that of this program is {FORMAT}"))
    }

    /// Why a checkpoint with the fingerprint `other` cannot be resumed; empty if it can.
    ///
    /// # Errors
    /// When the defaults of `[train]` cannot be read.
    pub(crate) fn mismatches(&self, other: &Self) -> Result<Vec<String>> {
        // A key that the checkpoint's program did not know had its default.
        let defaults = keys_that_matter(&default_section(Slot::Train)?)?;
        let mut reasons = Vec::new();
        for (key, now) in &self.config {
            let before = other.config.get(key).or_else(|| defaults.get(key)).unwrap_or(&Value::Null);
            let same = before == now || (key == "precision" && self.precision == other.precision);
            if !same {
                reasons.push(format!("train.{key} was {before} and is {now}"));
            }
        }
        let gone = other.config.keys().filter(|key| !self.config.contains_key(*key));
        reasons.extend(gone.map(|key| format!("train.{key} is no longer a key")));
        let changed = self.inputs.iter().filter(|(name, hash)| other.inputs.get(*name) != Some(*hash));
        reasons.extend(changed.map(|(name, _)| format!("the {} changed", name.replace('_', " "))));
        Ok(reasons)
    }
}

/// The values of `[train]` that decide what training computes.
fn keys_that_matter(config: &Config) -> Result<BTreeMap<String, Value>> {
    let config = serde_json::to_value(config).or_other(|| "the configuration has no JSON form".to_owned())?;
    let Value::Object(keys) = config else { return Ok(BTreeMap::new()) };
    let mut keys: BTreeMap<String, Value> =
        keys.into_iter().filter(|(key, _)| !HARMLESS.contains(&key.as_str())).collect();
    // A search that only reports leaves training alone.
    if let Some(find) = keys.get_mut("find_learning_rate").filter(|find| **find == "report") {
        *find = "off".into();
    }
    Ok(keys)
}

/// Hashes paths, shapes and values of all parameters.
struct HashParameters(blake3::Hasher);

impl VisitParameters for HashParameters {
    fn visit<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) {
        let values = param.val();
        self.0.update(path.as_bytes());
        for dimension in values.dims() {
            self.0.update(&(dimension as u64).to_le_bytes());
        }
        self.0.update_rayon(values.into_data().as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(config: &Config) -> Fingerprint {
        Fingerprint {
            format: FORMAT,
            config: keys_that_matter(config).unwrap(),
            precision: TrainingPrecision::Fp32,
            inputs: [("train_rows".to_owned(), "ab".to_owned())].into(),
            executable: "cd".to_owned(),
        }
    }

    fn default() -> Config {
        default_section(Slot::Train).unwrap()
    }

    /// A checkpoint of the defaults, as it is read back.
    fn stored() -> Fingerprint {
        serde_json::from_str(&serde_json::to_string(&fingerprint(&default())).unwrap()).unwrap()
    }

    #[test]
    fn harmless_keys_and_another_program_resume() {
        let config = Config {
            checkpoint_steps: 7,
            dashboard: true,
            deterministic: true,
            divergence_factor: 50.0,
            gradient_checkpointing: true,
            log_steps: 1,
            tensorboard: false,
            find_learning_rate: crate::FindLearningRate::Report,
            // What "auto" came to.
            precision: TrainingPrecision::Fp32,
            ..default()
        };
        let now = Fingerprint { executable: "ef".to_owned(), ..fingerprint(&config) };
        assert_eq!(now.mismatches(&stored()).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn every_other_key_is_named_with_both_values() {
        let config = Config { batch_size: 32, learning_rate: 1e-4, ..default() };
        let found = fingerprint(&config).mismatches(&stored()).unwrap();
        assert_eq!(found, ["train.batch_size was 16 and is 32", "train.learning_rate was 0.00005 and is 0.0001"]);
        let other = TrainingPrecision::Bf16;
        let now = Fingerprint { precision: other, ..fingerprint(&Config { precision: other, ..default() }) };
        assert_eq!(now.mismatches(&stored()).unwrap(), ["train.precision was \"auto\" and is \"bf16\""]);
    }

    #[test]
    fn a_key_that_is_new_had_its_default() {
        let mut before = stored();
        before.config.remove("ema_decay").unwrap();
        before.config.insert("old_key".to_owned(), 1.into());
        let found = fingerprint(&Config { ema_decay: 0.5, ..default() }).mismatches(&before).unwrap();
        assert_eq!(found, ["train.ema_decay was 0.0 and is 0.5", "train.old_key is no longer a key"]);
        before.config.remove("old_key").unwrap();
        assert!(fingerprint(&default()).mismatches(&before).unwrap().is_empty());
    }

    #[test]
    fn other_inputs_and_other_formats_do_not_resume() {
        let now = Fingerprint { inputs: [("train_rows".to_owned(), "xy".to_owned())].into(), ..stored() };
        assert_eq!(now.mismatches(&stored()).unwrap(), ["the train rows changed"]);
        let state = serde_json::json!({ "fingerprint": stored() });
        assert_eq!(Fingerprint::other_format(&state), None);
        let older = Fingerprint::other_format(&serde_json::json!({ "state": {} })).unwrap();
        assert_eq!(older, format!("its training format is null, that of this program is {FORMAT}"));
    }
}
