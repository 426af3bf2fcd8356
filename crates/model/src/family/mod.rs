//! Model families. A family translates the hub's `config.json` and tensor names; it has no computation of its own.

mod bert;

use crate::checkpoint::Rules;
use crate::{HubConfig, ModelError, NetworkConfig};

/// An architecture's family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// BERT ([arXiv 1810.04805](https://arxiv.org/abs/1810.04805)), MiniLM and other models of its shape.
    Bert,
}

/// What a family reads from `config.json`.
#[derive(Debug)]
pub(crate) struct Translation {
    pub(crate) network: NetworkConfig,
    pub(crate) pad_token_id: u32,
    pub(crate) max_length: usize,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 1] = [Self::Bert];

    /// The family that a `config.json` names in `model_type`.
    ///
    /// # Errors
    /// When it names none, or one that is not known.
    pub fn of(hub: &HubConfig) -> Result<Self, ModelError> {
        let known = || Self::ALL.map(Self::model_type).join(", ");
        let name = hub.text_or("model_type", "")?;
        Self::ALL.into_iter().find(|family| family.model_type() == name).ok_or_else(|| match name {
            "" => hub.problem(format!("`model_type` is missing: the known families are {}", known())),
            _ => hub.problem(format!("`model_type` is \"{name}\": the known families are {}", known())),
        })
    }

    /// Its name in `config.json`.
    pub const fn model_type(self) -> &'static str {
        match self {
            Self::Bert => bert::MODEL_TYPE,
        }
    }

    /// The name of its classifier in transformers.
    pub const fn architecture(self) -> &'static str {
        match self {
            Self::Bert => bert::ARCHITECTURE,
        }
    }

    pub(crate) fn translate(self, hub: &HubConfig, labels: usize) -> Result<Translation, ModelError> {
        match self {
            Self::Bert => bert::translate(hub, labels),
        }
    }

    pub(crate) const fn rules(self) -> Rules {
        match self {
            Self::Bert => bert::RULES,
        }
    }
}
