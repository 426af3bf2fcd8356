//! How our parameters are called, and how they lie, in a family's files.

/// One line of a family's table of names. `{}` stands for a layer's number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    ours: &'static str,
    hub: &'static str,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    /// The tensor itself.
    Tensor,
    /// `.weight` and `.bias` of a norm.
    Norm,
    /// `.weight`, stored as `[outputs, inputs]` where ours is `[inputs, outputs]`, and `.bias`.
    Linear,
}

impl Rule {
    /// A tensor that only has another name.
    pub(crate) const fn tensor(ours: &'static str, hub: &'static str) -> Self {
        Self { ours, hub, kind: Kind::Tensor }
    }

    /// A norm's weight and bias.
    pub(crate) const fn norm(ours: &'static str, hub: &'static str) -> Self {
        Self { ours, hub, kind: Kind::Norm }
    }

    /// An affine map's weight, transposed, and bias.
    pub(crate) const fn linear(ours: &'static str, hub: &'static str) -> Self {
        Self { ours, hub, kind: Kind::Linear }
    }
}

/// A parameter's place in a family's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HubTensor {
    pub(crate) name: String,
    pub(crate) transposed: bool,
}

/// A family's table of names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// One line per parameter or pair of parameters.
    pub(crate) table: &'static [Rule],
    /// What a file of the bare encoder leaves out at the start of each name (`bert.`).
    pub(crate) prefix: &'static str,
    /// Starts of names, without the prefix, that a file may hold and this project does not need: buffers and the heads of
    /// pretraining.
    pub(crate) unneeded: &'static [&'static str],
}

impl Rules {
    /// Where the parameter of this path lies in the family's files.
    pub(crate) fn hub(&self, path: &str) -> Option<HubTensor> {
        let (pattern, layer) = number_out(path);
        let fill = |name: &str| match layer {
            Some(layer) => name.replace("{}", layer),
            None => name.to_owned(),
        };
        self.table.iter().find_map(|rule| match rule.kind {
            Kind::Tensor => (pattern == rule.ours).then(|| HubTensor { name: fill(rule.hub), transposed: false }),
            Kind::Norm | Kind::Linear => {
                let part = pattern.strip_prefix(rule.ours)?.strip_prefix('.')?;
                let transposed = matches!(rule.kind, Kind::Linear) && part == "weight";
                matches!(part, "weight" | "bias")
                    .then(|| HubTensor { name: format!("{}.{part}", fill(rule.hub)), transposed })
            }
        })
    }

    /// The names under which files may hold the tensor of this name: with and without the prefix, and with the old names
    /// of a norm's parameters.
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

    /// Whether a file may hold this tensor although the network has no place for it.
    pub(crate) fn is_unneeded(&self, name: &str) -> bool {
        let bare = name.strip_prefix(self.prefix).unwrap_or(name);
        self.unneeded.iter().any(|start| bare.starts_with(start))
    }
}

/// `a.12.b` → (`a.{}.b`, `12`).
fn number_out(path: &str) -> (String, Option<&str>) {
    let mut number = None;
    let parts: Vec<&str> = path
        .split('.')
        .map(|part| {
            if part.bytes().all(|byte| byte.is_ascii_digit()) {
                number = Some(part);
                "{}"
            } else {
                part
            }
        })
        .collect();
    (parts.join("."), number)
}
