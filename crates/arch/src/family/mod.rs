//! Model families. A family translates the hub's `config.json` and tensor names; it computes nothing itself.
//!
//! A new family is a file here with its [`FamilyFile`], an arm of [`Family`], and a golden fixture.

mod albert;
mod bert;
mod common;
mod deberta;
mod distilbert;
mod electra;
mod gpt2;
mod modernbert;
mod mpnet;
mod roberta;
mod xlnet;

use crate::checkpoint::Rules;
use crate::{EncoderConfig, HeadConfig, HubConfig, ModelError, NetworkConfig};

/// A family of model architectures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// ALBERT ([arXiv 1909.11942](https://arxiv.org/abs/1909.11942)).
    Albert,
    /// BERT ([arXiv 1810.04805](https://arxiv.org/abs/1810.04805)), MiniLM and other models of its shape.
    Bert,
    /// DeBERTa v2 and v3 ([arXiv 2006.03654](https://arxiv.org/abs/2006.03654),
    /// [arXiv 2111.09543](https://arxiv.org/abs/2111.09543)).
    Deberta,
    /// DistilBERT ([arXiv 1910.01108](https://arxiv.org/abs/1910.01108)).
    DistilBert,
    /// ELECTRA ([arXiv 2003.10555](https://arxiv.org/abs/2003.10555)).
    Electra,
    /// GPT-2 ("Language Models are Unsupervised Multitask Learners", Radford et al., 2019).
    Gpt2,
    /// ModernBERT ([arXiv 2412.13663](https://arxiv.org/abs/2412.13663)).
    ModernBert,
    /// MPNet ([arXiv 2004.09297](https://arxiv.org/abs/2004.09297)).
    Mpnet,
    /// RoBERTa ([arXiv 1907.11692](https://arxiv.org/abs/1907.11692)), DistilRoBERTa, XLM-RoBERTa, CamemBERT.
    Roberta,
    /// XLNet ([arXiv 1906.08237](https://arxiv.org/abs/1906.08237)).
    Xlnet,
}

/// What a family's source file defines.
#[derive(Debug)]
pub(crate) struct FamilyFile {
    /// Its names in `model_type`, each with the class of its classifier in transformers.
    names: &'static [(&'static str, &'static str)],
    rules: Rules,
    dropout: DropoutKeys,
    translate: fn(&HubConfig, usize) -> Result<Translation, ModelError>,
}

/// The keys of dropout in `config.json`, which a user may override.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DropoutKeys {
    /// Dropout after embeddings, attention and feed-forward.
    pub(crate) hidden: &'static [&'static str],
    /// Dropout of attention weights.
    pub(crate) attention: &'static [&'static str],
    /// Dropout before the output layer.
    pub(crate) classifier: &'static [&'static str],
}

/// What a family reads from `config.json`.
#[derive(Debug)]
pub(crate) struct Translation {
    pub(crate) network: NetworkConfig,
    pub(crate) pad_token_id: u32,
    /// Maximum sequence length; `None` if unlimited.
    pub(crate) max_length: Option<usize>,
}

impl Translation {
    /// With the maximum length that the learned positions allow.
    fn new(encoder: EncoderConfig, head: HeadConfig, pad_token_id: u32) -> Self {
        let max_length = encoder.embeddings.positions.map(|positions| positions.rows - positions.first);
        Self { network: NetworkConfig { encoder, head }, pad_token_id, max_length }
    }
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 10] = [
        Self::Albert,
        Self::Bert,
        Self::Deberta,
        Self::DistilBert,
        Self::Electra,
        Self::Gpt2,
        Self::ModernBert,
        Self::Mpnet,
        Self::Roberta,
        Self::Xlnet,
    ];

    /// The family's name: the first of its names in `model_type`.
    pub const fn name(self) -> &'static str {
        self.file().names[0].0
    }

    const fn file(self) -> &'static FamilyFile {
        match self {
            Self::Albert => &albert::FAMILY,
            Self::Bert => &bert::FAMILY,
            Self::Deberta => &deberta::FAMILY,
            Self::DistilBert => &distilbert::FAMILY,
            Self::Electra => &electra::FAMILY,
            Self::Gpt2 => &gpt2::FAMILY,
            Self::ModernBert => &modernbert::FAMILY,
            Self::Mpnet => &mpnet::FAMILY,
            Self::Roberta => &roberta::FAMILY,
            Self::Xlnet => &xlnet::FAMILY,
        }
    }

    /// The family named by `model_type` in a `config.json`, with that name and the class of its classifier in transformers.
    ///
    /// # Errors
    /// When `model_type` is missing or unknown.
    pub fn of(hub: &HubConfig) -> Result<(Self, &'static str, &'static str), ModelError> {
        let name = hub.text_or("model_type", "")?;
        let all = Self::ALL
            .into_iter()
            .flat_map(|family| family.file().names.iter().map(move |&(name, classifier)| (family, name, classifier)));
        if let Some(found) = all.clone().find(|(_, known, _)| *known == name) {
            return Ok(found);
        }
        let mut known: Vec<_> = all.map(|(_, name, _)| name).collect();
        known.sort_unstable();
        let found = if name.is_empty() { "missing".to_owned() } else { format!("\"{name}\"") };
        Err(hub.problem(format!("`model_type` is {found}: the supported families are {}", known.join(", "))))
    }

    pub(crate) fn translate(self, hub: &HubConfig, labels: usize) -> Result<Translation, ModelError> {
        (self.file().translate)(hub, labels)
    }

    pub(crate) const fn dropout_keys(self) -> DropoutKeys {
        self.file().dropout
    }

    pub(crate) const fn rules(self) -> Rules {
        self.file().rules
    }
}
