//! Networks from and into `model.safetensors` as the hub has it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use burn::tensor::{Device, TensorData};

use super::layout::Layout;
use super::source::expected_parameters;
use super::{ParameterSource, Rules, SafetensorsFile, named_parameters, write_safetensors};
use crate::random::Initializer;
use crate::{ModelError, Network, NetworkConfig};

/// What became of the tensors in the file and of the parameters in the network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Parameters read from the file.
    pub loaded: usize,
    /// Parameters of the head that were made anew, by their names in the hub's layout.
    pub new: Vec<String>,
    /// Tensors of the file that have no place in the network, as is known of this family.
    pub unneeded: Vec<String>,
}

/// How to make the head's parameters that the file does not hold.
#[derive(Debug, Clone)]
pub(crate) struct NewHead {
    pub(crate) seed: u64,
    /// Standard deviation of the weights; biases start at zero.
    pub(crate) deviation: f64,
    /// What becomes of an output map that the file has.
    pub(crate) output: StoredOutput,
}

/// What becomes of an output map that the file has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoredOutput {
    /// It is made anew.
    Replace,
    /// It is kept: for each label, which of the file's labels it is.
    Keep(Vec<usize>),
}

/// Tensors by their names in the hub's layout, however the file stores them.
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

/// Where a network's parameters lie: path → name in the file, and how it lies there.
type Places = HashMap<String, (String, Layout)>;

/// Accounts for every tensor, in the file and in the network, and reads no numbers.
///
/// With `new_head`, parameters below `head` that the file lacks are to be made anew, and those of another head are left out;
/// without, both are an error.
pub(crate) fn account(
    file: &dyn TensorFile,
    rules: &Rules,
    config: &NetworkConfig,
    new_head: Option<&NewHead>,
    device: &Device,
) -> Result<(Places, LoadReport), ModelError> {
    let stored = file.shapes();
    // Before the layers are listed, which takes some memory for each: a hostile configuration may ask for any number. Fewer
    // are listed in any case, for the sake of an error that names what is missing.
    const LISTED: usize = 64;
    let layers = config.encoder.distinct_layers;
    if layers > stored.len().max(LISTED) {
        let problem = format!("{} tensors are too few for the {layers} layers of the configuration", stored.len());
        return Err(ModelError::Tensors { path: file.path().to_owned(), problem });
    }
    let mut used = BTreeSet::new();
    let mut places = HashMap::new();
    let mut report = LoadReport::default();
    let mut problems = Vec::new();
    let heads = config.encoder.layer.attention.heads;
    for (path, shape) in expected_parameters(config, device)? {
        // An invariant that the golden tests of each family rule out: a parameter without a line in the table.
        let Some(hub) = rules.hub(&path) else {
            problems.push(format!("`{path}` has no name in this family's table"));
            continue;
        };
        let found = rules.spellings(&hub.name).into_iter().find(|name| stored.contains_key(name));
        let renew = new_head.filter(|_| path.starts_with("head."));
        let replace =
            path.starts_with("head.output.") && renew.is_some_and(|new| matches!(new.output, StoredOutput::Replace));
        match found {
            Some(name) if replace => {
                report.unneeded.push(name.clone());
                used.insert(name);
                report.new.push(hub.name);
            }
            Some(name) => {
                let expected = hub.layout.stored_shape(&shape, heads);
                let stored = &stored[&name];
                // Each part of a tensor would say the same of it.
                if *stored != expected && !used.contains(&name) {
                    problems.push(format!("`{name}` has shape {stored:?}, the configuration asks for {expected:?}"));
                }
                used.insert(name.clone());
                places.insert(path, (name, hub.layout));
            }
            None if renew.is_some() => report.new.push(hub.name),
            None => problems.push(format!("`{}` is missing", hub.name)),
        }
    }
    let left = stored.into_keys().filter(|name| !used.contains(name));
    let (unneeded, unknown): (Vec<_>, Vec<_>) =
        left.partition(|name| rules.is_unneeded(name) || new_head.is_some() && rules.is_of_head(name));
    problems.extend(unknown.iter().map(|name| format!("`{name}` has no place in the network")));
    report.unneeded.extend(unneeded);
    report.loaded = places.len();
    if !problems.is_empty() {
        return Err(ModelError::Tensors { path: file.path().to_owned(), problem: summary(&problems) });
    }
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

/// All problems, or the first of very many.
fn summary(problems: &[String]) -> String {
    const SHOWN: usize = 20;
    let mut text = format!("{} tensors do not fit the configuration:", problems.len());
    for problem in problems.iter().take(SHOWN) {
        text.push_str(&format!("\n  {problem}"));
    }
    if problems.len() > SHOWN {
        text.push_str(&format!("\n  and {} more", problems.len() - SHOWN));
    }
    text
}

struct HubSource<'a> {
    file: &'a dyn TensorFile,
    places: Places,
    new_head: Option<NewHead>,
    /// Initialises what the new head lacks.
    initializer: Option<Initializer>,
    device: &'a Device,
}

impl ParameterSource for HubSource<'_> {
    fn data(&mut self, path: &str, shape: &[usize]) -> Result<TensorData, ModelError> {
        if let Some((name, layout)) = self.places.get(path) {
            let stored = self.file.floats(name)?;
            // `floats` makes it float32.
            let values = layout.take(stored.as_slice::<f32>().unwrap_or_default(), shape);
            let values = match &self.new_head {
                Some(NewHead { output: StoredOutput::Keep(order), .. }) if path.starts_with("head.output.") => {
                    reorder(&values, order)
                }
                _ => values,
            };
            return Ok(TensorData::new(values, shape.to_vec()));
        }
        let Some(initializer) = &mut self.initializer else {
            // `load_network` refuses a file that lacks a parameter before it comes to this.
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

/// Rows of one number per label, in another order of the labels.
fn reorder(values: &[f32], order: &[usize]) -> Vec<f32> {
    values.chunks(order.len().max(1)).flat_map(|row| order.iter().map(|&label| row[label])).collect()
}

/// One tensor of a family's file, with what it is made of.
#[derive(Debug)]
pub(crate) struct StoredTensor {
    pub(crate) name: String,
    /// As the file has it.
    pub(crate) shape: Vec<usize>,
    pub(crate) layout: Layout,
    /// The parameters in it: path, shape and values, all of one shape.
    pub(crate) parts: Vec<(String, Vec<usize>, Vec<f32>)>,
}

impl StoredTensor {
    /// The values as the file has them.
    pub(crate) fn values(self) -> TensorData {
        let Some((_, ours, _)) = self.parts.first() else { return TensorData::new(Vec::<f32>::new(), [0]) };
        let ours = ours.clone();
        let given = |(_, ours, values): (String, Vec<usize>, Vec<f32>)| self.layout.give(values, &ours);
        let parts: Vec<_> = self.parts.into_iter().map(given).collect();
        TensorData::new(self.layout.join(&parts, &ours), self.shape)
    }
}

/// Every tensor of a family's file for this network, in the network's order. `path` is the file that an error names.
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
        // Parameters are float32 wherever they live.
        let values = data.convert::<f32>().try_into_vec().unwrap_or_default();
        tensors[place].parts.push((ours, shape, values));
    }
    // The network may list the parts of a tensor in another order than the file has them.
    for tensor in &mut tensors {
        tensor.parts.sort_by_key(|(ours, _, _)| rules.hub(ours).and_then(|hub| hub.layout.part));
    }
    Ok(tensors)
}

/// Writes a network as `model.safetensors` under the family's own names.
pub(crate) fn save_network(path: &Path, rules: &Rules, network: &Network) -> Result<(), ModelError> {
    let tensors: Vec<_> = stored_tensors(path, rules, network)?
        .into_iter()
        .map(|tensor| (tensor.name.clone(), tensor.values()))
        .collect();
    // What transformers looks for before it loads a file.
    write_safetensors(path, &tensors, HashMap::from([("format".to_owned(), "pt".to_owned())]))
}
