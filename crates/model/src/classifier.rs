//! A text classifier in a directory of the hub's layout.

use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use firebrand_kernels::within_pool;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::checkpoint::{
    Int8File, NewHead, QuantizedTensor, StoredOutput, Untrained, load_network, save_int8, save_network,
};
use crate::{Batch, Family, HubConfig, LoadReport, ModelConfig, ModelError, Network, ProblemType, Tokens, Weights};

/// An encoder with a head for known labels.
#[derive(Debug, Clone)]
pub struct Classifier {
    /// The parameters.
    pub network: Network,
    config: ModelConfig,
    hub: HubConfig,
}

/// What training starts from: a pretrained model, with changes.
#[derive(Debug, Clone)]
pub struct StartFrom {
    /// The labels' names, by index.
    pub labels: Vec<String>,
    /// What the labels of a row mean.
    pub problem: ProblemType,
    /// What becomes of a head that the model already has.
    pub head: StartHead,
    /// Classifies the mean of the hidden states, whatever the family does: for sentence models.
    pub mean_pooling: bool,
    /// Decides the new head's first weights.
    pub seed: u64,
    /// Dropout after attention, feed-forward and embeddings; `None`: as the model's config says.
    pub hidden_dropout: Option<f64>,
    /// Dropout of attention weights; `None`: as the model's config says.
    pub attention_dropout: Option<f64>,
    /// Dropout before the output layer; `None`: as the model's config says.
    pub classifier_dropout: Option<f64>,
}

/// What becomes of a head that the model already has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StartHead {
    /// Kept when it has the same labels by name, in whatever order; replaced otherwise.
    #[default]
    Auto,
    /// Kept; other labels are an error.
    Keep,
    /// Replaced.
    New,
}

impl StartFrom {
    /// A start for these labels, one for each row, with everything else as the model has it.
    pub fn new(labels: Vec<String>, seed: u64) -> Self {
        Self {
            labels,
            problem: ProblemType::SingleLabelClassification,
            head: StartHead::default(),
            mean_pooling: false,
            seed,
            hidden_dropout: None,
            attention_dropout: None,
            classifier_dropout: None,
        }
    }

    /// The hub's configuration with the dropout that is asked for.
    fn with_dropout(&self, hub: &HubConfig) -> Result<HubConfig, ModelError> {
        let mut hub = hub.clone();
        let keys = Family::of(&hub)?.0.dropout_keys();
        let asked = [
            (keys.attention, self.attention_dropout),
            (keys.hidden, self.hidden_dropout),
            (keys.classifier, self.classifier_dropout),
        ];
        for (keys, dropout) in asked {
            if let Some(dropout) = dropout {
                keys.iter().for_each(|key| hub.set(key, json!(dropout)));
            }
        }
        Ok(hub)
    }

    /// What becomes of the stored output layer. Names in `config.json` are read only where the head may be kept.
    fn output(&self, hub: &HubConfig) -> Result<StoredOutput, ModelError> {
        let refused = |why: String| ModelError::Input(format!("the head cannot be kept: {why}"));
        let stored = match (self.head, hub.other_task()) {
            (StartHead::New, _) | (StartHead::Auto, Some(_)) => return Ok(StoredOutput::Replace),
            (StartHead::Keep, Some(why)) => return Err(refused(why)),
            // Names that cannot be read are not the data's.
            (StartHead::Auto, None) => hub.label_names().unwrap_or_default(),
            (StartHead::Keep, None) => hub.label_names()?,
        };
        let order = stored.as_ref().filter(|stored| stored.len() == self.labels.len()).and_then(|stored| {
            self.labels.iter().map(|label| stored.iter().position(|other| other == label)).collect::<Option<Vec<_>>>()
        });
        match (self.head, order) {
            (StartHead::Keep, Some(order)) => Ok(StoredOutput::Keep(order)),
            (StartHead::Keep, None) => Err(refused(match stored {
                Some(stored) => format!("the model's labels are {stored:?}, the data's are {:?}", self.labels),
                None => format!("the model names no labels, and the data's are {:?}", self.labels),
            })),
            (_, Some(order)) => Ok(StoredOutput::KeepIfWhole(order)),
            (_, None) => Ok(StoredOutput::Replace),
        }
    }
}

impl Classifier {
    /// Loads a fine-tuned classifier. Every tensor must have its place.
    ///
    /// # Errors
    /// When a file is missing or damaged, or the tensors do not fit the configuration.
    pub fn load(directory: &Path, device: &Device) -> Result<Self, ModelError> {
        let (hub, config) = read_config(directory)?;
        let file = Weights::open(directory)?;
        let (network, _) = load_network(&file, &config.rules(), &config.network, None, device)?;
        Ok(Self { network, config, hub })
    }

    /// Loads a pretrained model and gives it a head for these labels.
    ///
    /// A head that the file already has is kept when its labels are the same by name, in whatever order, and replaced
    /// otherwise; the report says which, and which tensors were left out.
    ///
    /// # Errors
    /// When a file is missing or damaged, or the tensors do not fit the configuration.
    pub fn start(directory: &Path, from: &StartFrom, device: &Device) -> Result<(Self, LoadReport), ModelError> {
        let mut hub = HubConfig::read(directory)?;
        let output = from.output(&hub)?;
        if from.mean_pooling {
            hub.set(ModelConfig::POOLING, json!("mean"));
        }
        hub.set("problem_type", json!(from.problem));
        let config = ModelConfig::new(&from.with_dropout(&hub)?, Some(from.labels.clone()))?;
        hub.describe_classifier(&config);

        let file = Weights::open(directory)?;
        let new_head = NewHead { seed: from.seed, deviation: config.initializer_range, output };
        let (network, report) = load_network(&file, &config.rules(), &config.network, Some(new_head), device)?;
        if from.head == StartHead::Keep && !report.new.is_empty() {
            let problem = format!("the head cannot be kept: the file lacks {}", report.new.join(", "));
            return Err(ModelError::Tensors { path: file.path().to_owned(), problem });
        }
        Ok((Self { network, config, hub }, report))
    }

    /// A classifier of this shape that was never trained: weights from a normal distribution, norms at one, biases at zero.
    ///
    /// # Errors
    /// When the configuration is missing a value or has one that cannot be.
    pub fn untrained(hub: HubConfig, seed: u64, device: &Device) -> Result<Self, ModelError> {
        let config = ModelConfig::new(&hub, None)?;
        let mut source = Untrained::new(seed, config.initializer_range, device);
        Ok(Self { network: Network::new(&mut source, &config.network)?, config, hub })
    }

    /// Writes `config.json` and `model.safetensors` as transformers reads them.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn save(&self, directory: &Path) -> Result<(), ModelError> {
        std::fs::create_dir_all(directory).map_err(ModelError::io("create", directory))?;
        save_network(&directory.join("model.safetensors"), &self.config.rules(), &self.network)?;
        self.hub.write(directory)
    }

    /// Where a directory in the hub's layout has its weights as int8.
    pub const INT8_FILE: &str = "int8/model.safetensors";

    /// Writes the weights as int8 into [`INT8_FILE`](Self::INT8_FILE), beside what [`save`](Self::save) writes: about a
    /// quarter of its size. Weights of linear maps and the token table are int8 with one scale per output or token;
    /// everything else, and the output map, stays float32. Says what became of each quantised matrix.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn save_int8(&self, directory: &Path) -> Result<Vec<QuantizedTensor>, ModelError> {
        let path = directory.join(Self::INT8_FILE);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(ModelError::io("create", parent))?;
        }
        save_int8(&path, &self.config.rules(), &self.network)
    }

    /// Loads what [`save_int8`](Self::save_int8) wrote, with the `config.json` beside it. In memory the weights are float32
    /// again: those that the integers stand for.
    ///
    /// # Errors
    /// When a file is missing or damaged, or the tensors do not fit the configuration.
    pub fn load_int8(directory: &Path, device: &Device) -> Result<Self, ModelError> {
        let (hub, config) = read_config(directory)?;
        let file = Int8File::read(&directory.join(Self::INT8_FILE))?;
        let (network, _) = load_network(&file, &config.rules(), &config.network, None, device)?;
        Ok(Self { network, config, hub })
    }

    /// The same classifier with other parameters.
    #[must_use]
    pub fn with_network(self, network: Network) -> Self {
        Self { network, ..self }
    }

    /// The same classifier after a change of its parameters, which are passed by value: with a single owner, they can be changed
    /// in place.
    #[must_use]
    pub fn map_network(self, change: impl FnOnce(Network) -> Network) -> Self {
        Self { network: change(self.network), config: self.config, hub: self.hub }
    }

    /// Where the parameters live.
    pub fn device(&self) -> Device {
        self.network.devices().into_iter().next().unwrap_or_default()
    }

    /// What `config.json` says.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The labels' names, by index.
    pub fn labels(&self) -> &[String] {
        &self.config.labels
    }

    /// The longest row, in tokens; `None` where there is no end.
    pub fn max_length(&self) -> Option<usize> {
        self.config.max_length
    }

    /// The token that fills rows up.
    pub fn pad_token_id(&self) -> u32 {
        self.config.pad_token_id
    }

    /// Rows of the token table.
    pub fn vocab_size(&self) -> usize {
        self.config.network.encoder.embeddings.vocabulary
    }

    /// The family's name as `config.json` has it.
    pub fn family(&self) -> &'static str {
        self.config.model_type
    }

    /// The name that the hub's files give the parameter of this path (`encoder.embeddings.token`).
    pub fn hub_name(&self, path: &str) -> Option<String> {
        self.config.rules().hub(path).map(|tensor| tensor.name)
    }

    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        self.network.num_params()
    }

    /// The logits of each row, in order. Rows of similar length share a batch; padding never changes a result. `progress`
    /// receives the number of rows done since its last call.
    ///
    /// # Errors
    /// [`ModelError::Input`] when a row is empty, too long, or has an id beyond the vocabulary.
    pub fn logits(
        &self,
        rows: &[Tokens<'_>],
        batch_size: usize,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        self.check(rows)?;
        let network = self.network.valid();
        let device = self.device().inner();
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|&row| rows[row].ids.len());
        let mut scores = vec![Vec::new(); rows.len()];
        for chunk in order.chunks(batch_size.max(1)) {
            let tokens: Vec<Tokens<'_>> = chunk.iter().map(|&row| rows[row]).collect();
            let batch = Batch::new(&tokens, self.pad_token_id(), &device)?;
            let logits = within_pool(|| network.forward(&batch, None).into_data()).convert::<f32>();
            // The line above makes it float32.
            let values = logits.as_slice::<f32>().unwrap_or_default();
            for (&row, logits) in chunk.iter().zip(values.chunks(self.labels().len())) {
                scores[row] = logits.to_vec();
            }
            progress(chunk.len() as u64);
        }
        Ok(scores)
    }

    /// Fails for rows whose ids lie beyond a table's end.
    fn check(&self, rows: &[Tokens<'_>]) -> Result<(), ModelError> {
        let types = self.config.network.encoder.embeddings.types.unwrap_or(usize::MAX);
        for (index, row) in rows.iter().enumerate() {
            let problem = |problem: String| Err(ModelError::Input(format!("row {index}: {problem}")));
            if row.ids.is_empty() {
                return problem("no tokens".to_owned());
            }
            if let Some(most) = self.max_length().filter(|&most| row.ids.len() > most) {
                return problem(format!("{} tokens, but the model takes {most}", row.ids.len()));
            }
            if let Some(id) = row.ids.iter().find(|&&id| id as usize >= self.vocab_size()) {
                return problem(format!("token id {id}, but the vocabulary has {} entries", self.vocab_size()));
            }
            if let Some(id) = row.type_ids.iter().find(|&&id| id as usize >= types) {
                return problem(format!("segment {id}, but the model has {types}"));
            }
        }
        Ok(())
    }
}

/// Reads a classifier's `config.json`. What it leaves to defaults (labels, the problem's type) is filled in, so that
/// [`Classifier::save`] says it for every reader.
fn read_config(directory: &Path) -> Result<(HubConfig, ModelConfig), ModelError> {
    let mut hub = HubConfig::read(directory)?;
    let config = ModelConfig::new(&hub, None)?;
    hub.describe_classifier(&config);
    Ok((hub, config))
}
