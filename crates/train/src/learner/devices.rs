//! The devices that train together.

use burn::tensor::Device;
use firebrand_model::device;
use firebrand_pipeline::{Error, Result};

use crate::{Config, recording};

/// The devices after the first, recording gradients: those with the following numbers.
///
/// # Errors
/// When there are fewer, or only one of that kind can exist.
pub(crate) fn others(config: &Config) -> Result<Vec<Device>> {
    let refuse = |problem: String| Error::key("devices", format!("is {}, but {problem}", config.devices));
    let first = match config.device.split_once(':') {
        Some(("cuda", number)) => number.parse::<usize>().ok(),
        None if config.device == "cuda" => Some(0),
        _ => None,
    };
    match (config.devices, first) {
        (0, _) => Err(refuse("it must be at least 1".to_owned())),
        (1, _) => Ok(Vec::new()),
        (_, None) => Err(refuse(format!("`{}` is one device, which has all processor cores", config.device))
            .hint("set `train.devices = 1`; several are for NVIDIA GPUs: `train.device = \"cuda\"`")),
        (count, Some(first)) => (first + 1..first + count)
            .map(|number| {
                let name = format!("cuda:{number}");
                device(&name)
                    .map(|device| recording(config, device))
                    .map_err(|error| refuse(format!("{name} cannot be used: {error}")))
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use firebrand_pipeline::{Slot, config::default_section};

    use super::*;

    fn refused(device: &str, devices: usize) -> String {
        let config = Config { device: device.to_owned(), devices, ..default_section(Slot::Train).unwrap() };
        others(&config).unwrap_err().render()
    }

    #[test]
    fn only_cuda_has_several_devices() {
        assert!(others(&default_section(Slot::Train).unwrap()).unwrap().is_empty());
        for device in ["flex", "ndarray"] {
            let text = refused(device, 2);
            assert!(text.contains("`devices` is 2") && text.contains(&format!("`{device}` is one device")), "{text}");
            assert!(text.contains("train.device = \"cuda\""), "{text}");
        }
        assert!(refused("cuda", 0).contains("at least 1"));
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn gpus_are_numbered_from_the_first() {
        assert!(refused("cuda:2", 2).contains("cuda:3 cannot be used"));
    }
}
