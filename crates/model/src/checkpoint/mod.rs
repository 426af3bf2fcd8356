//! Parameters from files and into files, with every tensor accounted for.

mod hub;
mod int8;
mod rules;
mod safetensors_file;
mod source;
mod untrained;

pub use hub::LoadReport;
pub(crate) use hub::{NewHead, load_network, save_network};
pub use int8::QuantizedTensor;
pub(crate) use int8::{Int8File, save_int8};
pub(crate) use rules::{Rule, Rules};
pub use safetensors_file::{SafetensorsFile, write_safetensors};
pub use source::{ParameterSource, named_parameters};
pub(crate) use untrained::Untrained;
