//! Any bytes as a file of a model: an error or a model, and nothing else.
//!
//! The first byte says which file. A panic, a crash, or more memory than `-malloc_limit_mb` allows is a finding.

#![no_main]

#[path = "../../tests/suite/forged/mod.rs"]
mod forged;

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use firebrand_arch::{HubConfig, ModelConfig, Weights};
use tempfile::TempDir;

static DIRECTORY: OnceLock<TempDir> = OnceLock::new();

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((kind, bytes)) = input.split_first() else { return };
    let directory = DIRECTORY.get_or_init(|| TempDir::new().unwrap()).path();
    match kind % 5 {
        0 => with_file(&directory.join("config.json"), bytes, || {
            if let Ok(hub) = HubConfig::read(directory) {
                let _ = ModelConfig::new(&hub, None);
            }
        }),
        1 => with_file(&directory.join("model.safetensors"), bytes, || read_all(directory)),
        2 => with_file(&directory.join("model.safetensors.index.json"), bytes, || read_all(directory)),
        3 => with_file(&directory.join("pytorch_model.bin"), bytes, || read_all(directory)),
        _ => {
            let file = forged::torch_file(bytes, &[0; 64]);
            with_file(&directory.join("pytorch_model.bin"), &file, || read_all(directory));
        }
    }
});

fn with_file(path: &Path, bytes: &[u8], work: impl FnOnce()) {
    fs::write(path, bytes).unwrap();
    work();
    fs::remove_file(path).unwrap();
}

fn read_all(directory: &Path) {
    let Ok(weights) = Weights::open(directory) else { return };
    for (name, shape) in weights.shapes() {
        if let Ok(tensor) = weights.floats(&name) {
            assert_eq!(tensor.shape, shape);
            assert!(tensor.values.into_iter().all(f32::is_finite));
        }
    }
}
