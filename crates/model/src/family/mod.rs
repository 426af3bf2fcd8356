//! Model families. A family translates the hub's `config.json` and tensor names; it has no computation of its own.
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

/// An architecture's family.
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

/// What a family's file says.
#[derive(Debug)]
pub(crate) struct FamilyFile {
    /// Its names in `config.json`, each with the name of its classifier in transformers.
    names: &'static [(&'static str, &'static str)],
    rules: Rules,
    dropout: DropoutKeys,
    translate: fn(&HubConfig, usize) -> Result<Translation, ModelError>,
}

/// The keys in `config.json` of what a user may ask for in place of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DropoutKeys {
    /// After embeddings, attention and feed-forward.
    pub(crate) hidden: &'static [&'static str],
    /// Of attention weights.
    pub(crate) attention: &'static [&'static str],
    /// Before the output map.
    pub(crate) classifier: &'static [&'static str],
}

/// What a family reads from `config.json`.
#[derive(Debug)]
pub(crate) struct Translation {
    pub(crate) network: NetworkConfig,
    pub(crate) pad_token_id: u32,
    /// The longest row; `None` where there is no end.
    pub(crate) max_length: Option<usize>,
}

impl Translation {
    /// With the longest row that the learned positions allow.
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

    /// The family's name: the first of those that its models have in `config.json`.
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

    /// The family that a `config.json` names in `model_type`, with that name and the name of its classifier in transformers.
    ///
    /// # Errors
    /// When it names none, or one that is not known.
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
        Err(hub.problem(format!("`model_type` is {found}: the known families are {}", known.join(", "))))
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
