//! The names and layouts of our parameters in a family's files.

use super::layout::Layout;

/// One line of a family's table of names. `{}` stands for the layer's index.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    ours: &'static str,
    hub: &'static str,
    kind: Kind,
    layout: Layout,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The tensor of this name.
    Tensor,
    /// `.weight` and `.bias`.
    Pair,
}

const PLAIN: Layout = Layout { transposed: false, part: None, by_heads: false };

impl Rule {
    const fn new(ours: &'static str, hub: &'static str, kind: Kind, layout: Layout) -> Self {
        Self { ours, hub, kind, layout }
    }

    /// A tensor stored as it is, under another name.
    pub(crate) const fn tensor(ours: &'static str, hub: &'static str) -> Self {
        Self::new(ours, hub, Kind::Tensor, PLAIN)
    }

    /// The weight and bias of a norm (or a convolution).
    pub(crate) const fn norm(ours: &'static str, hub: &'static str) -> Self {
        Self::new(ours, hub, Kind::Pair, PLAIN)
    }

    /// The weight of a linear layer, stored as `[outputs, inputs]` where ours is `[inputs, outputs]`, and its bias.
    pub(crate) const fn linear(ours: &'static str, hub: &'static str) -> Self {
        Self::new(ours, hub, Kind::Pair, Layout { transposed: true, ..PLAIN })
    }

    /// A linear layer stored as ours is: GPT-2's `Conv1D`.
    pub(crate) const fn untransposed(ours: &'static str, hub: &'static str) -> Self {
        Self::norm(ours, hub)
    }

    /// A weight without a bias, stored as `[inputs, heads, head size]`, or transposed as `[outputs, heads, head size]`
    /// (attention output).
    pub(crate) const fn by_heads(ours: &'static str, hub: &'static str, transposed: bool) -> Self {
        Self::new(ours, hub, Kind::Tensor, Layout { transposed, by_heads: true, ..PLAIN })
    }

    /// Stored in a fused tensor: it is part `index` of `count`, along the outputs.
    pub(crate) const fn part(mut self, index: usize, count: usize) -> Self {
        self.layout.part = Some((index, count));
        self
    }

    /// Name and layout of the parameter whose path is `pattern`, in which `{}` stands for the layer's index.
    fn lookup(&self, pattern: &str) -> Option<(String, Layout)> {
        match self.kind {
            Kind::Tensor => (pattern == self.ours).then(|| (self.hub.to_owned(), self.layout)),
            Kind::Pair => {
                let part = pattern.strip_prefix(self.ours)?.strip_prefix('.')?;
                matches!(part, "weight" | "bias").then(|| (format!("{}.{part}", self.hub), self.layout))
            }
        }
    }

    /// Whether this rule is about the stored tensor of this name, in which `{}` stands for the layer's index.
    fn matches(&self, pattern: &str) -> bool {
        match self.kind {
            Kind::Tensor => pattern == self.hub,
            Kind::Pair => pattern.strip_prefix(self.hub).is_some_and(|part| matches!(part, ".weight" | ".bias")),
        }
    }
}

/// The name and layout of a parameter in a family's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HubTensor {
    pub(crate) name: String,
    pub(crate) layout: Layout,
}

/// A family's table of names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// The prefix of every name (`bert.`), which files of the bare encoder leave out.
    pub(crate) prefix: &'static str,
    /// The encoder's parameters, without the prefix.
    pub(crate) encoder: &'static [&'static [Rule]],
    /// The head's parameters, by their full names.
    pub(crate) head: &'static [Rule],
    /// Another head that files of the family may have: its parameters are known but not used.
    pub(crate) other_head: &'static [Rule],
    /// Beginnings of names, without the prefix, that a file may hold and a classifier does not need: buffers and pretraining
    /// heads. `{}` stands for the layer's index.
    pub(crate) unneeded: &'static [&'static str],
}

/// The head for mean pooling. transformers has none for most families, so it gets a name that transformers does not know: it
/// then reports its own head as missing, where under a known name it would silently compute something else.
const MEAN_POOLED: &[Rule] = &[Rule::linear("head.output", "mean_pooling.classifier")];

impl Rules {
    /// The same family with a head for mean-pooled hidden states.
    pub(crate) const fn mean_pooled(self) -> Self {
        Self { head: MEAN_POOLED, other_head: self.head, ..self }
    }

    /// Name and layout of the parameter of this path in the family's files.
    pub(crate) fn hub(&self, path: &str) -> Option<HubTensor> {
        let (pattern, layer) = split_index(path);
        let fill = |name: String| match layer {
            Some(layer) => name.replace("{}", layer),
            None => name,
        };
        let encoder = self.encoder.iter().copied().flatten().find_map(|rule| {
            let (name, layout) = rule.lookup(&pattern)?;
            Some(HubTensor { name: fill(format!("{}{name}", self.prefix)), layout })
        });
        encoder.or_else(|| {
            let (name, layout) = self.head.iter().find_map(|rule| rule.lookup(&pattern))?;
            Some(HubTensor { name: fill(name), layout })
        })
    }

    /// The names under which files may hold the tensor of this name: with and without the prefix, and with the older names
    /// of a norm's parameters (`gamma`, `beta`).
    pub(crate) fn spellings(&self, name: &str) -> Vec<String> {
        let bare = name.strip_prefix(self.prefix);
        let mut names = vec![name.to_owned()];
        names.extend(bare.map(str::to_owned));
        for index in 0..names.len() {
            let name = &names[index];
            if let Some(stem) = name.strip_suffix("LayerNorm.weight") {
                names.push(format!("{stem}LayerNorm.gamma"));
            } else if let Some(stem) = name.strip_suffix("LayerNorm.bias") {
                names.push(format!("{stem}LayerNorm.beta"));
            }
        }
        names
    }

    /// Whether a file may hold this tensor although a classifier does not need it.
    pub(crate) fn is_unneeded(&self, name: &str) -> bool {
        let (pattern, _) = split_index(name);
        let bare = pattern.strip_prefix(self.prefix).unwrap_or(&pattern);
        self.unneeded.iter().any(|start| bare.starts_with(start))
    }

    /// Whether this stored tensor belongs to a head of this family.
    pub(crate) fn is_of_head(&self, name: &str) -> bool {
        self.head.iter().chain(self.other_head).any(|rule| {
            rule.matches(name)
                || rule.hub.strip_prefix(self.prefix).is_some_and(|bare| Rule { hub: bare, ..*rule }.matches(name))
        })
    }

    /// Whether a tensor of this name lies in one of the head's modules, although the head has no such parameter.
    pub(crate) fn is_unknown_in_head(&self, name: &str) -> bool {
        !self.is_of_head(name) && self.head.iter().any(|rule| self.module(rule.hub) == self.module(name))
    }

    /// The outermost module of a name, apart from the prefix.
    fn module<'a>(&self, name: &'a str) -> &'a str {
        let bare = name.strip_prefix(self.prefix).unwrap_or(name);
        bare.split_once('.').map_or(bare, |(module, _)| module)
    }

    /// Whether a tensor of this name lies inside the encoder: its name has the prefix, or begins with one of the encoder's
    /// modules (`embeddings`, `encoder`).
    pub(crate) fn is_of_encoder(&self, name: &str) -> bool {
        let mut rules = self.encoder.iter().copied().flatten();
        name.starts_with(self.prefix) || rules.any(|rule| self.module(rule.hub) == self.module(name))
    }
}

/// `a.12.b` → (`a.{}.b`, `12`). Only the first number counts: no name has a second one that varies.
fn split_index(path: &str) -> (String, Option<&str>) {
    let mut number = None;
    let parts: Vec<&str> = path
        .split('.')
        .map(|part| {
            if number.is_none() && !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) {
                number = Some(part);
                "{}"
            } else {
                part
            }
        })
        .collect();
    (parts.join("."), number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        prefix: "m.",
        encoder: &[&[Rule::linear("a.{}.query", "h.{}.qkv").part(0, 3), Rule::norm("a.{}.norm", "h.{}.LayerNorm")]],
        head: &[Rule::linear("head.dense", "m.pooler.dense")],
        other_head: &[],
        unneeded: &["h.{}.mask"],
    };

    #[test]
    fn names_are_found_with_their_layout() {
        let found = RULES.hub("a.7.query.weight").unwrap();
        assert_eq!(found.name, "m.h.7.qkv.weight");
        assert_eq!(found.layout, Layout { transposed: true, part: Some((0, 3)), by_heads: false });
        assert_eq!(RULES.hub("head.dense.bias").unwrap().name, "m.pooler.dense.bias");
        assert!(RULES.hub("head.dense.other").is_none());
        let names = RULES.spellings("m.h.0.LayerNorm.bias");
        assert_eq!(names, ["m.h.0.LayerNorm.bias", "h.0.LayerNorm.bias", "m.h.0.LayerNorm.beta", "h.0.LayerNorm.beta"]);
    }

    #[test]
    fn what_is_not_needed_is_known_with_and_without_the_prefix() {
        assert!(RULES.is_unneeded("m.h.3.mask") && RULES.is_unneeded("h.12.mask.bias"));
        assert!(!RULES.is_unneeded("h.3.qkv.weight"));
        assert!(RULES.is_of_head("pooler.dense.weight") && RULES.is_of_head("m.pooler.dense.weight"));
        assert!(!RULES.is_of_head("h.3.qkv.weight"));
    }

    #[test]
    fn the_encoder_is_known_by_its_prefix_and_its_modules() {
        for inside in ["m.h.0.qkv.weight", "m.other", "h.0.adapter.weight", "h"] {
            assert!(RULES.is_of_encoder(inside), "{inside}");
        }
        for unknown in ["pooler.norm.weight", "m.pooler.other"] {
            assert!(RULES.is_unknown_in_head(unknown), "{unknown}");
        }
        for other in ["pooler.dense.weight", "m.pooler.dense.bias", "m.h.0.qkv.weight", "classifier.weight"] {
            assert!(!RULES.is_unknown_in_head(other), "{other}");
        }
        for outside in ["qa_outputs.weight", "head.weight", "classifier.m.h", "crf.transitions"] {
            assert!(!RULES.is_of_encoder(outside), "{outside}");
        }
    }
}
