//! Networks from and into `model.safetensors` as the hub has it.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use burn::tensor::{Device, TensorData};

use super::rules::HubTensor;
use super::source::expected_parameters;
use super::{ParameterSource, Rules, SafetensorsFile, named_parameters, write_safetensors};
use crate::random::normal;
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
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewHead {
    pub(crate) seed: u64,
    /// Standard deviation of the weights; biases start at zero.
    pub(crate) deviation: f64,
    /// Makes the output map anew even if the file has one.
    pub(crate) replace_output: bool,
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

/// Builds a network from a file. Every tensor is accounted for, in the file and in the network.
///
/// With `new_head`, parameters below `head` that the file lacks are made anew; without, they are an error.
pub(crate) fn load_network(
    file: &dyn TensorFile,
    rules: &Rules,
    config: &NetworkConfig,
    new_head: Option<NewHead>,
    device: &Device,
) -> Result<(Network, LoadReport), ModelError> {
    let mut left: BTreeMap<String, Vec<usize>> = file.shapes();
    let mut places = HashMap::new();
    let mut report = LoadReport::default();
    let mut problems = Vec::new();
    for (path, shape) in expected_parameters(config, device)? {
        // An invariant that the golden tests of each family rule out: a parameter without a line in the table.
        let Some(hub) = rules.hub(&path) else {
            problems.push(format!("`{path}` has no name in this family's table"));
            continue;
        };
        let found = rules.spellings(&hub.name).into_iter().find(|name| left.contains_key(name));
        let renew = new_head.filter(|_| path.starts_with("head."));
        let replace = renew.is_some_and(|new| new.replace_output) && path.starts_with("head.output.");
        match found.and_then(|name| left.remove_entry(&name)) {
            Some((name, _)) if replace => {
                report.unneeded.push(name);
                report.new.push(hub.name);
            }
            Some((name, stored)) => {
                let mut expected = shape;
                if hub.transposed {
                    expected.reverse();
                }
                if stored != expected {
                    problems.push(format!("`{name}` has shape {stored:?}, the configuration asks for {expected:?}"));
                }
                places.insert(path, (name, hub.transposed));
            }
            None if renew.is_some() => report.new.push(hub.name),
            None => problems.push(format!("`{}` is missing", hub.name)),
        }
    }
    let (unneeded, unknown): (Vec<_>, Vec<_>) = left.into_keys().partition(|name| rules.is_unneeded(name));
    problems.extend(unknown.iter().map(|name| format!("`{name}` has no place in the network")));
    report.unneeded.extend(unneeded);
    report.loaded = places.len();
    if !problems.is_empty() {
        return Err(ModelError::Tensors { path: file.path().to_owned(), problem: summary(&problems) });
    }

    let mut source = HubSource { file, places, new_head, made: 0, device };
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
    /// Path → name in the file, and whether it lies transposed there.
    places: HashMap<String, (String, bool)>,
    new_head: Option<NewHead>,
    /// Parameters made anew so far: each has its own random sequence.
    made: u32,
    device: &'a Device,
}

impl ParameterSource for HubSource<'_> {
    fn data(&mut self, path: &str, shape: &[usize]) -> Result<TensorData, ModelError> {
        if let Some((name, transposed)) = self.places.get(path) {
            let data = self.file.floats(name)?;
            return Ok(if *transposed { transpose(data) } else { data });
        }
        let Some(new) = self.new_head else {
            // `load_network` refuses a file that lacks a parameter before it comes to this.
            return Err(ModelError::Tensors {
                path: self.file.path().to_owned(),
                problem: format!("`{path}` is missing"),
            });
        };
        let length = shape.iter().product();
        let values = if path.ends_with(".bias") {
            vec![0.0; length]
        } else {
            self.made += 1;
            normal(new.seed, self.made, length, new.deviation)
        };
        Ok(TensorData::new(values, shape.to_vec()))
    }

    fn device(&self) -> &Device {
        self.device
    }
}

/// `[rows, columns]` of float32 → `[columns, rows]`; other ranks as they are.
fn transpose(data: TensorData) -> TensorData {
    let &[rows, columns] = &data.shape()[..] else { return data };
    let Ok(values) = data.as_slice::<f32>() else { return data };
    let mut turned = Vec::with_capacity(values.len());
    for column in 0..columns {
        turned.extend((0..rows).map(|row| values[row * columns + column]));
    }
    TensorData::new(turned, [columns, rows])
}

/// Every parameter with its path, its place in the family's files, and its values as they lie there. `path` is the file
/// that an error names.
pub(crate) fn hub_tensors(
    path: &Path,
    rules: &Rules,
    network: &Network,
) -> Result<Vec<(String, HubTensor, TensorData)>, ModelError> {
    let placed = |(ours, data): (String, TensorData)| match rules.hub(&ours) {
        Some(hub) => {
            let data = if hub.transposed { transpose(data) } else { data };
            Ok((ours, hub, data))
        }
        None => Err(ModelError::Tensors {
            path: path.to_owned(),
            problem: format!("`{ours}` has no name in this family's table"),
        }),
    };
    named_parameters(network).into_iter().map(placed).collect()
}

/// Writes a network as `model.safetensors` under the family's own names.
pub(crate) fn save_network(path: &Path, rules: &Rules, network: &Network) -> Result<(), ModelError> {
    let tensors: Vec<_> =
        hub_tensors(path, rules, network)?.into_iter().map(|(_, hub, data)| (hub.name, data)).collect();
    // What transformers looks for before it loads a file.
    write_safetensors(path, &tensors, HashMap::from([("format".to_owned(), "pt".to_owned())]))
}
