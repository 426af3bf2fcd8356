//! Parameters from files and into files, with every tensor accounted for.

mod account;
mod floats;
mod header;
mod int8;
mod json;
mod layout;
mod ranged;
mod rules;
mod safetensors_file;
mod save;
mod shards;
mod stored;
mod tensor;
mod torch;
mod weights;

pub use account::LoadReport;
pub(crate) use account::{StoredOutput, account};
pub use int8::{INT8_FILE, Int8Checkpoint, QuantizedTensor, save_int8};
pub(crate) use json::read_json;
pub(crate) use rules::{Rule, Rules};
pub use safetensors_file::{SafetensorsFile, write_safetensors};
pub use save::save_parameters;
pub(crate) use stored::Stored;
pub use tensor::{FloatTensor, TensorValues, TensorView};
pub use weights::Weights;
