//! Parameters from files and into files, with every tensor accounted for.

mod floats;
mod header;
mod hub;
mod int8;
mod json;
mod layout;
mod ranged;
mod rules;
mod safetensors_file;
mod shards;
mod source;
mod torch;
mod untrained;
mod weights;

pub use hub::LoadReport;
pub(crate) use hub::{NewHead, StoredOutput, account, load_network, save_network};
pub use int8::QuantizedTensor;
pub(crate) use int8::{Int8File, save_int8};
pub(crate) use json::read_json;
pub(crate) use rules::{Rule, Rules};
pub use safetensors_file::{SafetensorsFile, write_safetensors};
pub(crate) use source::expected_parameters;
pub use source::{ParameterSource, is_path_segment, named_parameters};
pub(crate) use untrained::Untrained;
pub use weights::Weights;
