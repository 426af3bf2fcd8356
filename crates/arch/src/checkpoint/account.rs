//! Whether a file's tensors and a network's parameters correspond.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Rules;
use super::layout::Layout;
use super::rules::HubTensor;
use super::tensor::TensorFile;
use crate::{ModelError, NetworkConfig, parameters};

/// What became of the file's tensors and of the network's parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Number of parameters read from the file.
    pub loaded: usize,
    /// Newly initialised parameters of the head, by their names in the hub's layout.
    pub new: Vec<String>,
    /// Tensors of the file that the classifier does not use: buffers, and heads of other tasks.
    pub left_out: Vec<String>,
}

/// What becomes of the output layer that a file may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoredOutput {
    /// It is replaced by a new one.
    Replace,
    /// It is kept: for each label, the index of that label in the file. A head that does not fit is an error.
    Keep(Vec<usize>),
    /// As `Keep` if the file has exactly this head, in the right shapes; otherwise as `Replace`.
    KeepIfWhole(Vec<usize>),
}

impl StoredOutput {
    /// For each label, the index of that label in the file, if the output layer may be kept.
    pub(crate) fn into_order(self) -> Option<Vec<usize>> {
        match self {
            Self::Replace => None,
            Self::Keep(order) | Self::KeepIfWhole(order) => Some(order),
        }
    }
}

/// Where a parameter is in a file.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The stored tensor's name in this file.
    pub(super) name: String,
    pub(super) layout: Layout,
    /// The parameter's shape.
    pub(super) shape: Vec<usize>,
}

/// The place of each parameter that a file has, by path.
pub(crate) type Places = HashMap<String, Place>;

/// A parameter of the network, and the tensor of the file that holds it.
struct Located {
    path: String,
    shape: Vec<usize>,
    /// Its name in the hub's layout.
    name: String,
    layout: Layout,
    /// The shape that the stored tensor must have.
    expected: Vec<usize>,
    /// The name in this file, if it has the tensor.
    found: Option<String>,
}

impl Located {
    fn in_head(&self) -> bool {
        self.path.starts_with("head.")
    }

    fn fits(&self, stored: &BTreeMap<String, Vec<usize>>) -> bool {
        self.found.as_ref().is_some_and(|name| stored[name] == self.expected)
    }
}

/// Accounts for every tensor of the file and every parameter of the network, without reading any values.
///
/// Without `new_head`, which says what becomes of a stored head when a new one may take its place, each must have its
/// counterpart, known buffers and pretraining heads aside. With it, missing parameters of the head are newly initialised, and
/// whatever else lies outside the encoder is left out; only in the modules of a head that is kept nothing may be unknown.
pub(crate) fn account(
    file: &dyn TensorFile,
    rules: &Rules,
    config: &NetworkConfig,
    new_head: Option<&StoredOutput>,
) -> Result<(Places, LoadReport), ModelError> {
    let stored = file.shapes();
    let failed = |problem: String| ModelError::Tensors { path: file.path().to_owned(), problem };
    // Checked before the layers are listed, which takes memory for each of them: a hostile configuration may ask for any
    // number. A few are always listed, so that the error can name what is missing.
    const LISTED: usize = 64;
    let layers = config.encoder.distinct_layers;
    if layers > stored.len().max(LISTED) {
        return Err(failed(format!(
            "{} tensors are too few for the {layers} layers of the configuration",
            stored.len()
        )));
    }
    let mut located = Vec::new();
    for (path, shape) in parameters(config) {
        // The golden tests of each family rule out a parameter without a line in the table.
        let HubTensor { name, layout } =
            rules.hub(&path).ok_or_else(|| failed(format!("`{path}` has no name in this family's table")))?;
        let expected = layout.stored_shape(&shape, config.encoder.layer.attention.heads);
        let found = rules.spellings(&name).into_iter().find(|name| stored.contains_key(name));
        located.push(Located { path, shape, name, layout, expected, found });
    }
    let keep = match new_head {
        None | Some(StoredOutput::Keep(_)) => true,
        Some(StoredOutput::KeepIfWhole(_)) => {
            located.iter().filter(|parameter| parameter.in_head()).all(|parameter| parameter.fits(&stored))
                && !stored.keys().any(|name| rules.is_unknown_in_head(name))
        }
        Some(StoredOutput::Replace) => false,
    };

    let mut used = BTreeSet::new();
    let mut places = HashMap::new();
    let mut report = LoadReport::default();
    let mut problems = Vec::new();
    for parameter in located {
        let fits = parameter.fits(&stored);
        let in_head = parameter.in_head();
        let Located { path, shape, name, layout, expected, found } = parameter;
        match found {
            // The head of another task may have tensors of the same names.
            Some(found) if in_head && !keep && (path.starts_with("head.output.") || !fits) => {
                report.left_out.push(found.clone());
                used.insert(found);
                report.new.push(name);
            }
            Some(found) => {
                // Each part of a fused tensor would report the same problem.
                if !fits && !used.contains(&found) {
                    let stored = &stored[&found];
                    problems.push(format!("`{found}` has shape {stored:?}, the configuration asks for {expected:?}"));
                }
                used.insert(found.clone());
                places.insert(path, Place { name: found, layout, shape });
            }
            None if in_head && new_head.is_some() => report.new.push(name),
            None => problems.push(format!("`{name}` is missing")),
        }
    }
    let left = stored.into_keys().filter(|name| !used.contains(name));
    let (left_out, unknown): (Vec<_>, Vec<_>) = left.partition(|name| {
        let outside = || !(rules.is_of_encoder(name) || keep && rules.is_unknown_in_head(name));
        rules.is_unneeded(name) || new_head.is_some() && (rules.is_of_head(name) || outside())
    });
    problems.extend(unknown.iter().map(|name| format!("`{name}` is not a parameter of this model")));
    if !problems.is_empty() {
        let foreign = left_out.into_iter().filter(|name| !rules.is_unneeded(name) && !rules.is_of_head(name));
        return Err(failed(summary(&problems, &foreign.collect::<Vec<_>>())));
    }
    report.left_out.extend(left_out);
    report.loaded = places.len();
    Ok((places, report))
}

/// The problems, or the first of many. The names of foreign tensors help if the encoder is stored under other names.
fn summary(problems: &[String], foreign: &[String]) -> String {
    const SHOWN: usize = 20;
    let mut text = format!("{} tensors do not fit the configuration:", problems.len());
    for problem in problems.iter().take(SHOWN) {
        text.push_str(&format!("\n  {problem}"));
    }
    if problems.len() > SHOWN {
        text.push_str(&format!("\n  and {} more", problems.len() - SHOWN));
    }
    if !foreign.is_empty() {
        text.push_str(&format!("\n  not used: {}", listed(foreign)));
    }
    text
}

/// The first of some names, and how many more there are.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 8;
    const LONGEST: usize = 80;
    let short = |name: &String| match name.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.clone(),
    };
    let shown: Vec<_> = names.iter().take(SHOWN).map(short).collect();
    let more = names.len().saturating_sub(SHOWN);
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

impl LoadReport {
    /// The names of the tensors that were left out, the first of them where there are many; `None` if all were used.
    pub fn left_out_names(&self) -> Option<String> {
        (!self.left_out.is_empty()).then(|| listed(&self.left_out))
    }
}
