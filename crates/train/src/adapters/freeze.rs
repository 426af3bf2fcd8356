//! Frozen parameters: for the whole run, or until they are unfrozen.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use firebrand_model::{Classifier, named_parameters};
use firebrand_pipeline::{Error, Result};

use crate::adapters::lora::is_target;
use crate::parameters::depth::depth;
use crate::parameters::{self, MapParameters};

/// Which parameters are frozen. They are not part of the autodiff graph, so the backward pass ends at the lowest parameter that
/// is trained.
#[derive(Debug, Clone, PartialEq)]
pub struct Freeze {
    parts: Vec<Part>,
    /// With LoRA: the weights of the layers that have adapters. Only those and the head are trained then.
    lora_targets: Option<Vec<String>>,
    /// Number of layers with parameters of their own.
    layers: usize,
    /// Gradual unfreezing ([arXiv 1801.06146](https://arxiv.org/abs/1801.06146)): the number of steps after which one more
    /// layer, from the top, is unfrozen; 0 trains all from the start.
    unfreeze_steps: u64,
}

/// A part of the network that is frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Encoder,
    Embeddings,
    /// From the first to the last, inclusive.
    Layers(usize, usize),
    Head,
}

impl Part {
    /// `encoder`, `embeddings`, `head`, `layers.3`, `layers.0-3`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "encoder" => return Some(Self::Encoder),
            "embeddings" => return Some(Self::Embeddings),
            "head" => return Some(Self::Head),
            _ => {}
        }
        let range = text.strip_prefix("layers.")?;
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        (first <= last).then_some(Self::Layers(first, last))
    }

    fn has(self, path: &str, depth: usize) -> bool {
        match self {
            Self::Encoder => path.starts_with("encoder."),
            Self::Embeddings => depth == 0,
            Self::Layers(first, last) => path.starts_with("encoder.layers.") && (first + 1..=last + 1).contains(&depth),
            Self::Head => path.starts_with("head."),
        }
    }
}

impl Freeze {
    /// Parses the configured parts, for a network with this many layers.
    ///
    /// # Errors
    /// A configuration error when a part or a layer does not exist.
    pub fn new(words: &[String], unfreeze_steps: u64, layers: usize) -> Result<Self> {
        let mut parts = Vec::new();
        for word in words {
            let Some(part) = Part::parse(word) else { return Err(unknown(word)) };
            if let Part::Layers(_, last) = part
                && last >= layers
            {
                let problem = format!("has `{word}`, but the model's layers are 0 to {}", layers.saturating_sub(1));
                return Err(Error::key("freeze", problem));
            }
            parts.push(part);
        }
        Ok(Self { parts, lora_targets: None, layers, unfreeze_steps })
    }

    /// Freezes the whole encoder but for the weights that have LoRA adapters.
    #[must_use]
    pub fn with_lora(self, targets: Vec<String>) -> Self {
        Self { lora_targets: Some(targets), ..self }
    }

    /// Whether the parameter at this path is trained in a step, counted from 0.
    pub fn trains(&self, path: &str, step: u64) -> bool {
        let depth = depth(path, self.layers);
        let above = (self.layers + 1).saturating_sub(depth) as u64;
        let unfrozen = self.unfreeze_steps == 0 || above <= step / self.unfreeze_steps;
        let chosen = match &self.lora_targets {
            Some(targets) => path.starts_with("head.") || targets.iter().any(|target| is_target(path, target)),
            None => true,
        };
        unfrozen && chosen && !self.parts.iter().any(|part| part.has(path, depth))
    }

    /// Whether a layer may be unfrozen before this step.
    pub(crate) fn changes_at(&self, step: u64) -> bool {
        self.unfreeze_steps > 0
            && step.is_multiple_of(self.unfreeze_steps)
            && step / self.unfreeze_steps <= self.layers as u64 + 1
    }

    /// Whether nothing is ever frozen.
    pub(crate) fn is_none(&self) -> bool {
        self.parts.is_empty() && self.unfreeze_steps == 0 && self.lora_targets.is_none()
    }

    /// The classifier as it is when training starts or resumes at a step.
    ///
    /// # Errors
    /// A configuration error when everything is frozen at first.
    pub(crate) fn begin(&self, classifier: Classifier, step: u64) -> Result<Classifier> {
        let mut paths = named_parameters(&classifier.network).into_iter().map(|(path, _)| path);
        if !paths.any(|path| self.trains(&path, 0)) {
            let problem = format!("is {:?}: everything would be frozen at first", self.parts);
            return Err(Error::key("freeze", problem).hint("leave the head unfrozen"));
        }
        Ok(classifier.map_network(|network| self.apply(network, step)))
    }

    /// The module with gradients enabled for the parameters that are trained in this step, and disabled for all others.
    #[must_use]
    pub fn apply<M: Module>(&self, module: M, step: u64) -> M {
        parameters::map(module, &mut Apply { freeze: self, step })
    }
}

/// The error of a part that does not exist.
pub(crate) fn unknown(word: &str) -> Error {
    Error::key("freeze", format!("has `{word}`"))
        .hint("the parts are: \"embeddings\", \"layers.0-3\", \"layers.5\", \"encoder\", \"head\"")
}

struct Apply<'a> {
    freeze: &'a Freeze,
    step: u64,
}

impl MapParameters for Apply<'_> {
    fn map<const D: usize>(&mut self, path: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let trains = self.freeze.trains(path, self.step);
        if param.is_require_grad() == trains { param } else { param.set_require_grad(trains) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATHS: [&str; 5] = [
        "encoder.embeddings.token",
        "encoder.layers.0.mlp.up.weight",
        "encoder.layers.1.mlp.up.weight",
        "encoder.final_norm.bias",
        "head.output.weight",
    ];

    fn trained(words: &[&str], unfreeze_steps: u64, step: u64) -> [bool; 5] {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let freeze = Freeze::new(&words, unfreeze_steps, 2).unwrap();
        PATHS.map(|path| freeze.trains(path, step))
    }

    #[test]
    fn named_parts_are_frozen() {
        assert_eq!(trained(&[], 0, 0), [true; 5]);
        assert_eq!(trained(&["embeddings", "layers.0"], 0, 9), [false, false, true, true, true]);
        assert_eq!(trained(&["layers.0-1"], 0, 9), [true, false, false, true, true]);
        assert_eq!(trained(&["encoder"], 0, 9), [false, false, false, false, true]);
        assert_eq!(trained(&["head"], 0, 9), [true, true, true, true, false]);
    }

    #[test]
    fn layers_are_unfrozen_from_the_top() {
        assert_eq!(trained(&[], 4, 3), [false, false, false, true, true]);
        assert_eq!(trained(&[], 4, 4), [false, false, true, true, true]);
        assert_eq!(trained(&[], 4, 11), [false, true, true, true, true]);
        assert_eq!(trained(&[], 4, 12), [true; 5]);
        assert_eq!(trained(&["embeddings"], 4, 50), [false, true, true, true, true]);
        let freeze = Freeze::new(&[], 4, 2).unwrap();
        assert_eq!((0..20).filter(|&step| freeze.changes_at(step)).collect::<Vec<_>>(), [0, 4, 8, 12]);
    }

    #[test]
    fn parts_that_do_not_exist_are_refused() {
        for (word, what) in [("layers.2", "0 to 1"), ("layers.1-0", "layers.1-0"), ("layer.0", "layer.0")] {
            let error = Freeze::new(&[word.to_owned()], 0, 2).unwrap_err();
            assert!(error.message().starts_with("`freeze`") && error.message().contains(what), "{error}");
        }
    }
}
