//! Checks whether an NVIDIA GPU can be used: Burn panics where it cannot.

use std::path::{Path, PathBuf};

use firebrand_arch::ModelError;

// Everything but the libraries' names is tested without a GPU, and so without the feature.

/// The driver's library, by the names that the system's loader knows.
#[cfg(feature = "cuda")]
const DRIVERS: [&str; 3] = ["libcuda.so.1", "libcuda.so", "nvcuda.dll"];

/// Where the CUDA toolkit is searched for if `CUDA_PATH` is not set.
const TOOLKITS: [&str; 4] = ["/usr/local/cuda", "/opt/cuda", "/usr/lib/cuda", "/usr"];

/// The file of the toolkit that is needed: exponentials, logarithms and the like, linked into kernels that are compiled at run
/// time.
const LIBDEVICE: &str = "nvvm/libdevice/libdevice.10.bc";

/// Fails unless a driver finds a GPU of this index and kernels can be compiled for it.
#[cfg(feature = "cuda")]
pub(crate) fn check(index: usize) -> Result<(), ModelError> {
    among(index, count(&DRIVERS)?)?;
    toolkit(std::env::var_os("CUDA_PATH").map(PathBuf::from))
}

/// Fails if there are too few GPUs for this index.
fn among(index: usize, count: usize) -> Result<(), ModelError> {
    match count.checked_sub(1) {
        None => Err(ModelError::Device("the NVIDIA driver finds no GPU".to_owned())),
        Some(last) if index > last => Err(ModelError::Device(format!(
            "there is no GPU {index}: the NVIDIA driver finds `cuda:0` to `cuda:{last}`"
        ))),
        Some(_) => Ok(()),
    }
}

/// The number of GPUs, from the first of these libraries that exists.
fn count(libraries: &[&str]) -> Result<usize, ModelError> {
    // SAFETY: a driver's library may be loaded at any time; only its own initialisation runs.
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
    let lacks = |name: &str| ModelError::Device(format!("the NVIDIA driver is incomplete: it has no `{name}`"));
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
    // It stays loaded: Burn uses it next, and drivers are not made to be unloaded.
    std::mem::forget(driver);
    Ok(usize::try_from(count).unwrap_or(0))
}

/// Fails without the toolkit's file that kernels need; `path` is `CUDA_PATH`.
fn toolkit(path: Option<PathBuf>) -> Result<(), ModelError> {
    let (places, hint) = match &path {
        Some(path) => (vec![path.as_path()], "`CUDA_PATH`, which is set, must name a CUDA toolkit that has it"),
        None => (
            TOOLKITS.iter().map(Path::new).collect(),
            "set the environment variable `CUDA_PATH` to a CUDA toolkit that has it",
        ),
    };
    if places.iter().any(|place| place.join(LIBDEVICE).is_file()) {
        return Ok(());
    }
    let places: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
    Err(ModelError::Device(format!("{LIBDEVICE} is not in {}: {hint}", places.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_driver_is_an_error_not_a_panic() {
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
        assert!(text.contains("incomplete") && text.contains("cuInit"), "{text}");
    }

    #[test]
    fn a_toolkit_without_libdevice_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_owned();
        let text = toolkit(Some(path.clone())).unwrap_err().to_string();
        assert!(text.contains("libdevice.10.bc") && text.contains(path.to_str().unwrap()), "{text}");
        std::fs::create_dir_all(path.join("nvvm/libdevice")).unwrap();
        std::fs::write(path.join(LIBDEVICE), "BC").unwrap();
        toolkit(Some(path)).unwrap();
    }
}
