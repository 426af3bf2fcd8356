//! Loading networks from checkpoints in the hub's layout, and saving them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use burn::tensor::{Device, TensorData};

use super::layout::Layout;
use super::rules::HubTensor;
use super::source::expected_parameters;
use super::{ParameterSource, Rules, SafetensorsFile, named_parameters, write_safetensors};
use crate::random::Initializer;
use crate::{ModelError, Network, NetworkConfig};

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

/// How to initialise the head's parameters that the file does not provide.
#[derive(Debug, Clone)]
pub(crate) struct NewHead {
    pub(crate) seed: u64,
    /// Standard deviation of the weights; biases start at zero.
    pub(crate) deviation: f64,
    /// What becomes of the output layer that the file may have.
    pub(crate) output: StoredOutput,
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
    fn order(&self) -> Option<&[usize]> {
        match self {
            Self::Replace => None,
            Self::Keep(order) | Self::KeepIfWhole(order) => Some(order),
        }
    }
}

/// Named tensors, in any file format.
pub(crate) trait TensorFile {
    /// The file's path.
    fn path(&self) -> &Path;

    /// Every tensor's name and shape, by name.
    fn shapes(&self) -> BTreeMap<String, Vec<usize>>;

    /// A tensor as float32, in row-major order.
    fn floats(&self, name: &str) -> Result<TensorData, ModelError>;
}

impl TensorFile for SafetensorsFile {
    fn path(&self) -> &Path {
        self.path()
    }

    fn shapes(&self) -> BTreeMap<String, Vec<usize>> {
        self.shapes()
    }

    fn floats(&self, name: &str) -> Result<TensorData, ModelError> {
        self.floats(name)
    }
}

/// The stored tensor of each parameter: path → name and layout in the file.
type Places = HashMap<String, (String, Layout)>;

/// A parameter of the network, and the tensor of the file that holds it.
struct Located {
    path: String,
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
/// Without `new_head`, each must have its counterpart, known buffers and pretraining heads aside. With it, missing parameters
/// of the head are newly initialised, and whatever else lies outside the encoder is left out; only in the modules of a head
/// that is kept nothing may be unknown.
pub(crate) fn account(
    file: &dyn TensorFile,
    rules: &Rules,
    config: &NetworkConfig,
    new_head: Option<&NewHead>,
    device: &Device,
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
    for (path, shape) in expected_parameters(config, device)? {
        // The golden tests of each family rule out a parameter without a line in the table.
        let HubTensor { name, layout } =
            rules.hub(&path).ok_or_else(|| failed(format!("`{path}` has no name in this family's table")))?;
        let expected = layout.stored_shape(&shape, config.encoder.layer.attention.heads);
        let found = rules.spellings(&name).into_iter().find(|name| stored.contains_key(name));
        located.push(Located { path, name, layout, expected, found });
    }
    let keep = match new_head.map(|new| &new.output) {
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
        let Located { path, name, layout, expected, found } = parameter;
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
                    let shape = &stored[&found];
                    problems.push(format!("`{found}` has shape {shape:?}, the configuration asks for {expected:?}"));
                }
                used.insert(found.clone());
                places.insert(path, (found, layout));
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

/// Builds a network from a file, after [`account`].
pub(crate) fn load_network(
    file: &dyn TensorFile,
    rules: &Rules,
    config: &NetworkConfig,
    new_head: Option<NewHead>,
    device: &Device,
) -> Result<(Network, LoadReport), ModelError> {
    let (places, report) = account(file, rules, config, new_head.as_ref(), device)?;
    let initializer = new_head.as_ref().map(|new| Initializer::new(new.seed, Initializer::MODEL, new.deviation));
    let mut source = HubSource { file, places, new_head, initializer, device };
    Ok((Network::new(&mut source, config)?, report))
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

struct HubSource<'a> {
    file: &'a dyn TensorFile,
    places: Places,
    new_head: Option<NewHead>,
    /// Initialises the parameters of a new head.
    initializer: Option<Initializer>,
    device: &'a Device,
}

impl ParameterSource for HubSource<'_> {
    fn data(&mut self, path: &str, shape: &[usize]) -> Result<TensorData, ModelError> {
        if let Some((name, layout)) = self.places.get(path) {
            let stored = self.file.floats(name)?;
            // `floats` returns float32.
            let values = layout.extract(stored.as_slice::<f32>().unwrap_or_default(), shape);
            // A stored output layer is only read if it is kept.
            let order = self.new_head.as_ref().and_then(|new| new.output.order());
            let values = match order.filter(|_| path.starts_with("head.output.")) {
                Some(order) => reorder(&values, order),
                None => values,
            };
            return Ok(TensorData::new(values, shape.to_vec()));
        }
        let Some(initializer) = &mut self.initializer else {
            // `account` has rejected a file that lacks a parameter.
            return Err(ModelError::Tensors {
                path: self.file.path().to_owned(),
                problem: format!("`{path}` is missing"),
            });
        };
        let values = initializer.values(path, shape.iter().product());
        Ok(TensorData::new(values, shape.to_vec()))
    }

    fn device(&self) -> &Device {
        self.device
    }
}

/// Reorders the columns, of which there is one per label.
fn reorder(values: &[f32], order: &[usize]) -> Vec<f32> {
    values.chunks(order.len().max(1)).flat_map(|row| order.iter().map(|&label| row[label])).collect()
}

/// A tensor of a family's file, and the parameters that it consists of.
#[derive(Debug)]
pub(crate) struct StoredTensor {
    pub(crate) name: String,
    /// The shape in the file.
    pub(crate) shape: Vec<usize>,
    pub(crate) layout: Layout,
    /// Its parameters, all of one shape: path, shape and values.
    pub(crate) parts: Vec<(String, Vec<usize>, Vec<f32>)>,
}

impl StoredTensor {
    /// The values in the file's layout.
    pub(crate) fn values(self) -> TensorData {
        let Some((_, ours, _)) = self.parts.first() else { return TensorData::new(Vec::<f32>::new(), [0]) };
        let ours = ours.clone();
        let stored = |(_, ours, values): (String, Vec<usize>, Vec<f32>)| self.layout.to_stored(values, &ours);
        let parts: Vec<_> = self.parts.into_iter().map(stored).collect();
        TensorData::new(self.layout.fuse(&parts, &ours), self.shape)
    }
}

/// Every tensor of this network in the family's layout, in the network's order. Errors mention `path`.
pub(crate) fn stored_tensors(path: &Path, rules: &Rules, network: &Network) -> Result<Vec<StoredTensor>, ModelError> {
    let heads = network.encoder.config().layer.attention.heads;
    let mut tensors: Vec<StoredTensor> = Vec::new();
    let mut places = HashMap::new();
    for (ours, data) in named_parameters(network) {
        let hub = rules.hub(&ours).ok_or_else(|| ModelError::Tensors {
            path: path.to_owned(),
            problem: format!("`{ours}` has no name in this family's table"),
        })?;
        let shape = data.shape().to_vec();
        let place = *places.entry(hub.name.clone()).or_insert_with(|| {
            tensors.push(StoredTensor {
                name: hub.name,
                shape: hub.layout.stored_shape(&shape, heads),
                layout: hub.layout,
                parts: Vec::new(),
            });
            tensors.len() - 1
        });
        // Parameters are float32 on every device.
        let values = data.convert::<f32>().try_into_vec().unwrap_or_default();
        tensors[place].parts.push((ours, shape, values));
    }
    // The network may list the parts of a fused tensor in another order than the file.
    for tensor in &mut tensors {
        tensor.parts.sort_by_key(|(ours, _, _)| rules.hub(ours).and_then(|hub| hub.layout.part));
    }
    Ok(tensors)
}

/// Writes a network as `model.safetensors`, under the family's names.
pub(crate) fn save_network(path: &Path, rules: &Rules, network: &Network) -> Result<(), ModelError> {
    let tensors: Vec<_> = stored_tensors(path, rules, network)?
        .into_iter()
        .map(|tensor| (tensor.name.clone(), tensor.values()))
        .collect();
    // transformers checks this before it loads a file.
    write_safetensors(path, &tensors, HashMap::from([("format".to_owned(), "pt".to_owned())]))
}
