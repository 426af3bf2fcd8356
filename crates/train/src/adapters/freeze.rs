//! Parameters that stand still: for good, or until their turn comes.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use firebrand_model::{Classifier, named_parameters};
use firebrand_pipeline::{Error, Result};

use crate::adapters::lora::is_target;
use crate::parameters::depth::depth;
use crate::parameters::{self, Change};

/// What stands still. Nothing is computed backwards below the lowest parameter that moves: the graph begins there.
#[derive(Debug, Clone, PartialEq)]
pub struct Freeze {
    parts: Vec<Part>,
    /// The layers' weights that low-rank updates move, where only those and the head move.
    lora_targets: Option<Vec<String>>,
    /// Layers that have parameters.
    layers: usize,
    /// Steps after which one more layer, from the top, begins to move; 0: all from the start
    /// ([arXiv 1801.06146](https://arxiv.org/abs/1801.06146), gradual unfreezing).
    thaw_steps: u64,
}

/// A part of the network that is frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Encoder,
    Embeddings,
    /// From the first to the last, both frozen.
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
    /// What the configuration's words mean for a network of so many layers.
    ///
    /// # Errors
    /// A configuration error when a word is not known or a layer is not there.
    pub fn new(words: &[String], thaw_steps: u64, layers: usize) -> Result<Self> {
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
        Ok(Self { parts, lora_targets: None, layers, thaw_steps })
    }

    /// Of the encoder nothing moves but these weights of the layers.
    #[must_use]
    pub fn with_lora(self, targets: Vec<String>) -> Self {
        Self { lora_targets: Some(targets), ..self }
    }

    /// Whether the parameter of this path moves in a step, counted from 0.
    pub fn moves(&self, path: &str, step: u64) -> bool {
        let depth = depth(path, self.layers);
        let above = (self.layers + 1).saturating_sub(depth) as u64;
        let thawed = self.thaw_steps == 0 || above <= step / self.thaw_steps;
        let chosen = match &self.lora_targets {
            Some(targets) => path.starts_with("head.") || targets.iter().any(|target| is_target(path, target)),
            None => true,
        };
        thawed && chosen && !self.parts.iter().any(|part| part.has(path, depth))
    }

    /// Whether other parameters may move in this step than in the one before.
    pub(crate) fn changes_at(&self, step: u64) -> bool {
        self.thaw_steps > 0 && step.is_multiple_of(self.thaw_steps) && step / self.thaw_steps <= self.layers as u64 + 1
    }

    /// Whether every parameter always moves.
    pub(crate) fn is_none(&self) -> bool {
        self.parts.is_empty() && self.thaw_steps == 0 && self.lora_targets.is_none()
    }

    /// The classifier as it is when training begins, or goes on, at a step.
    ///
    /// # Errors
    /// A configuration error when nothing would ever move.
    pub(crate) fn begin(&self, classifier: Classifier, step: u64) -> Result<Classifier> {
        let mut paths = named_parameters(&classifier.network).into_iter().map(|(path, _)| path);
        if !paths.any(|path| self.moves(&path, 0)) {
            let problem = format!("is {:?}: at the start nothing would move", self.parts);
            return Err(Error::key("freeze", problem).hint("leave the head to move"));
        }
        Ok(classifier.map_network(|network| self.apply(network, step)))
    }

    /// The module with gradients recorded for what moves in this step, and for nothing else.
    #[must_use]
    pub fn apply<M: Module>(&self, module: M, step: u64) -> M {
        parameters::map(module, &mut Apply { freeze: self, step })
    }
}

/// The error of a word that is none of the configuration's.
pub(crate) fn unknown(word: &str) -> Error {
    Error::key("freeze", format!("has `{word}`"))
        .hint("the parts are: \"embeddings\", \"layers.0-3\", \"layers.5\", \"encoder\", \"head\"")
}

struct Apply<'a> {
    freeze: &'a Freeze,
    step: u64,
}

impl Change for Apply<'_> {
    fn change<const D: usize>(&mut self, path: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let moves = self.freeze.moves(path, self.step);
        if param.is_require_grad() == moves { param } else { param.set_require_grad(moves) }
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

    fn moving(words: &[&str], thaw_steps: u64, step: u64) -> [bool; 5] {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let freeze = Freeze::new(&words, thaw_steps, 2).unwrap();
        PATHS.map(|path| freeze.moves(path, step))
    }

    #[test]
    fn parts_are_named_and_stand_still() {
        assert_eq!(moving(&[], 0, 0), [true; 5]);
        assert_eq!(moving(&["embeddings", "layers.0"], 0, 9), [false, false, true, true, true]);
        assert_eq!(moving(&["layers.0-1"], 0, 9), [true, false, false, true, true]);
        assert_eq!(moving(&["encoder"], 0, 9), [false, false, false, false, true]);
        assert_eq!(moving(&["head"], 0, 9), [true, true, true, true, false]);
    }

    #[test]
    fn layers_thaw_from_the_top() {
        assert_eq!(moving(&[], 4, 3), [false, false, false, true, true]);
        assert_eq!(moving(&[], 4, 4), [false, false, true, true, true]);
        assert_eq!(moving(&[], 4, 11), [false, true, true, true, true]);
        assert_eq!(moving(&[], 4, 12), [true; 5]);
        assert_eq!(moving(&["embeddings"], 4, 50), [false, true, true, true, true]);
        let freeze = Freeze::new(&[], 4, 2).unwrap();
        assert_eq!((0..20).filter(|&step| freeze.changes_at(step)).collect::<Vec<_>>(), [0, 4, 8, 12]);
    }

    #[test]
    fn what_is_not_there_is_refused() {
        for (word, what) in [("layers.2", "0 to 1"), ("layers.1-0", "layers.1-0"), ("layer.0", "layer.0")] {
            let error = Freeze::new(&[word.to_owned()], 0, 2).unwrap_err();
            assert!(error.message().starts_with("`freeze`") && error.message().contains(what), "{error}");
        }
    }
}
