//! A text classifier in a directory of the hub's layout.

use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use firebrand_arch::{
    HubConfig, INT8_FILE, Int8Checkpoint, LoadReport, ModelConfig, ModelError, Pretrained, QuantizedTensor, StartFrom,
    save_int8, save_parameters,
};
use firebrand_kernels::within_pool;

use crate::source::{FromFunction, float_parameters};
use crate::{Batch, Initializer, Network, Tokens};

/// An encoder with a head for known labels.
#[derive(Debug, Clone)]
pub struct Classifier {
    /// The parameters.
    pub network: Network,
    config: ModelConfig,
    hub: HubConfig,
}

impl Classifier {
    /// Loads a fine-tuned classifier. Every tensor must have its place.
    ///
    /// # Errors
    /// When a file is missing or damaged, or the tensors do not fit the configuration.
    pub fn load(directory: &Path, device: &Device) -> Result<Self, ModelError> {
        let files = Pretrained::open(directory)?;
        let mut source = FromFunction { values: |path: &str, shape: &[usize]| files.parameter(path, shape), device };
        let network = Network::new(&mut source, &files.config().network)?;
        Ok(Self { network, config: files.config().clone(), hub: files.hub().clone() })
    }

    /// Loads a pretrained model and gives it a head for these labels.
    ///
    /// A head that the file already has is kept when its labels are the same by name, in whatever order, and replaced
    /// otherwise; the report says which, and which tensors were left out.
    ///
    /// # Errors
    /// When a file is missing or damaged, or the tensors do not fit the configuration.
    pub fn start(directory: &Path, from: &StartFrom, device: &Device) -> Result<(Self, LoadReport), ModelError> {
        let files = Pretrained::start(directory, from)?;
        let config = files.config().clone();
        let mut initializer = Initializer::new(from.seed, Initializer::MODEL, config.initializer_range);
        let values = |path: &str, shape: &[usize]| {
            if files.has(path) {
                return files.parameter(path, shape);
            }
            Ok(initializer.values(path, shape.iter().product()))
        };
        let network = Network::new(&mut FromFunction { values, device }, &config.network)?;
        Ok((Self { network, config, hub: files.hub().clone() }, files.report().clone()))
    }

    /// A classifier of this shape that was never trained: weights from a normal distribution, norms at one, biases at zero.
    ///
    /// # Errors
    /// When the configuration is missing a value or has one that cannot be.
    pub fn untrained(hub: HubConfig, seed: u64, device: &Device) -> Result<Self, ModelError> {
        let config = ModelConfig::new(&hub, None)?;
        let mut initializer = Initializer::new(seed, Initializer::MODEL, config.initializer_range);
        let values = |path: &str, shape: &[usize]| Ok(initializer.values(path, shape.iter().product()));
        let network = Network::new(&mut FromFunction { values, device }, &config.network)?;
        Ok(Self { network, config, hub })
    }

    /// Writes `config.json` and `model.safetensors` as transformers reads them.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn save(&self, directory: &Path) -> Result<(), ModelError> {
        std::fs::create_dir_all(directory).map_err(ModelError::io("create", directory))?;
        save_parameters(&directory.join("model.safetensors"), &self.config, float_parameters(&self.network))?;
        self.hub.write(directory)
    }

    /// Writes the weights as int8 into [`INT8_FILE`], beside what [`save`](Self::save) writes: about a
    /// quarter of its size. Weights of linear maps and the token table are int8 with one scale per output or token;
    /// everything else, and the output map, stays float32. Says what became of each quantised matrix.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn save_int8(&self, directory: &Path) -> Result<Vec<QuantizedTensor>, ModelError> {
        let path = directory.join(INT8_FILE);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(ModelError::io("create", parent))?;
        }
        save_int8(&path, &self.config, float_parameters(&self.network))
    }

    /// Loads what [`save_int8`](Self::save_int8) wrote, with the `config.json` beside it. In memory the weights are float32
    /// again: those that the integers stand for.
    ///
    /// # Errors
    /// When a file is missing or damaged, or the tensors do not fit the configuration.
    pub fn load_int8(directory: &Path, device: &Device) -> Result<Self, ModelError> {
        let (hub, config) = ModelConfig::read(directory)?;
        let file = Int8Checkpoint::open(&directory.join(INT8_FILE), &config)?;
        let mut source = FromFunction { values: |path: &str, shape: &[usize]| file.parameter(path, shape), device };
        let network = Network::new(&mut source, &config.network)?;
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
        self.config.hub_name(path)
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
