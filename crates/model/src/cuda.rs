//! Whether an NVIDIA GPU can be used. Burn panics where it cannot, so it is asked before.

use std::path::{Path, PathBuf};

use crate::ModelError;

// What is tested without a GPU, and so without the feature, is everything but which library is asked.

/// The driver's library, as the system's loader knows it.
#[cfg(feature = "cuda")]
const DRIVERS: [&str; 3] = ["libcuda.so.1", "libcuda.so", "nvcuda.dll"];

/// Where the CUDA toolkit is looked for when `CUDA_PATH` names no place.
const TOOLKITS: [&str; 4] = ["/usr/local/cuda", "/opt/cuda", "/usr/lib/cuda", "/usr"];

/// What of the toolkit is needed: how to compute an exponential, a logarithm and their like. Kernels are compiled as the
/// program runs, and this is linked into them.
const MATHEMATICS: &str = "nvvm/libdevice/libdevice.10.bc";

/// Refuses a GPU of this number unless a driver has it and kernels can be compiled for it.
#[cfg(feature = "cuda")]
pub(crate) fn check(index: usize) -> Result<(), ModelError> {
    among(index, count(&DRIVERS)?)?;
    toolkit(std::env::var_os("CUDA_PATH").map(PathBuf::from))
}

/// Refuses a number that so many GPUs do not reach.
fn among(index: usize, count: usize) -> Result<(), ModelError> {
    match count.checked_sub(1) {
        None => Err(ModelError::Device("the NVIDIA driver finds no GPU".to_owned())),
        Some(last) if index > last => Err(ModelError::Device(format!(
            "there is no GPU {index}: the NVIDIA driver finds `cuda:0` to `cuda:{last}`"
        ))),
        Some(_) => Ok(()),
    }
}

/// The number of GPUs, by the first of these libraries that there is.
fn count(libraries: &[&str]) -> Result<usize, ModelError> {
    // SAFETY: a driver's library may be loaded at any time; what runs then is its own initialisation.
    #[expect(unsafe_code, reason = "a library is loaded by name")]
    let driver = libraries.iter().find_map(|name| unsafe { libloading::Library::new(*name) }.ok());
    let Some(driver) = driver else {
        return Err(ModelError::Device(format!(
            "no NVIDIA driver was found (none of {} can be loaded): install it, or choose the device `flex`",
            libraries.join(", ")
        )));
    };
    let call = |name: &str, code: i32| match code {
        0 => Ok(()),
        code => {
            Err(ModelError::Device(format!("the NVIDIA driver is there, but its `{name}` fails with error {code}")))
        }
    };
    let lacks = |name: &str| ModelError::Device(format!("the NVIDIA driver is not whole: it has no `{name}`"));
    let mut count = 0;
    // SAFETY: these are the signatures of cuda.h.
    #[expect(unsafe_code, reason = "functions of a C library")]
    unsafe {
        let init = driver.get::<unsafe extern "C" fn(u32) -> i32>(b"cuInit").map_err(|_| lacks("cuInit"))?;
        call("cuInit", init(0))?;
        let get_count = driver
            .get::<unsafe extern "C" fn(*mut i32) -> i32>(b"cuDeviceGetCount")
            .map_err(|_| lacks("cuDeviceGetCount"))?;
        call("cuDeviceGetCount", get_count(&raw mut count))?;
    }
    // It stays loaded: Burn takes the same one next, and a driver is not made to be unloaded.
    std::mem::forget(driver);
    Ok(usize::try_from(count).unwrap_or(0))
}

/// Refuses a machine without the file of the toolkit that kernels need; `path` is `CUDA_PATH`.
fn toolkit(path: Option<PathBuf>) -> Result<(), ModelError> {
    let (places, hint) = match &path {
        Some(path) => (vec![path.as_path()], "`CUDA_PATH`, which is set, must name a CUDA toolkit that has it"),
        None => (
            TOOLKITS.iter().map(Path::new).collect(),
            "set the environment variable `CUDA_PATH` to a CUDA toolkit that has it",
        ),
    };
    if places.iter().any(|place| place.join(MATHEMATICS).is_file()) {
        return Ok(());
    }
    let places: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
    Err(ModelError::Device(format!("{MATHEMATICS} is not in {}: {hint}", places.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_driver_is_an_error_and_no_panic() {
        let text = count(&["libfirebrand-has-none.so"]).unwrap_err().to_string();
        assert!(text.contains("no NVIDIA driver was found (none of libfirebrand-has-none.so"), "{text}");
    }

    #[test]
    fn gpus_are_counted_from_zero() {
        among(1, 2).unwrap();
        assert!(among(0, 0).unwrap_err().to_string().contains("no GPU"));
        assert!(among(2, 2).unwrap_err().to_string().contains("`cuda:0` to `cuda:1`"));
    }

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn a_library_that_is_no_driver_is_an_error() {
        let text = count(&["libfirebrand-has-none.so", "libc.so.6"]).unwrap_err().to_string();
        assert!(text.contains("not whole") && text.contains("cuInit"), "{text}");
    }

    #[test]
    fn the_toolkit_is_named_when_it_lacks_the_mathematics() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_owned();
        let text = toolkit(Some(path.clone())).unwrap_err().to_string();
        assert!(text.contains("libdevice.10.bc") && text.contains(path.to_str().unwrap()), "{text}");
        std::fs::create_dir_all(path.join("nvvm/libdevice")).unwrap();
        std::fs::write(path.join(MATHEMATICS), "BC").unwrap();
        toolkit(Some(path)).unwrap();
    }
}
