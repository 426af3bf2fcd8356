//! What training starts from.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::checkpoint::StoredOutput;
use crate::{Family, HubConfig, ModelError, ProblemType};

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
    pub(crate) fn with_dropout(&self, hub: &HubConfig) -> Result<HubConfig, ModelError> {
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
    pub(crate) fn output(&self, hub: &HubConfig) -> Result<StoredOutput, ModelError> {
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
