//! Devices, chosen by name at run time among those compiled in.

use burn::tensor::Device;

use crate::ModelError;

/// The names of the CPU devices compiled into this build.
pub const CPU_DEVICES: &[&str] = match (cfg!(feature = "flex"), cfg!(feature = "ndarray")) {
    (true, true) => &["flex", "ndarray"],
    (true, false) => &["flex"],
    (false, true) => &["ndarray"],
    (false, false) => &[],
};

/// The device with this name: `flex` or `ndarray` (CPU), `cuda` or `cuda:1` (NVIDIA).
///
/// # Errors
/// [`ModelError::Device`] when the name is unknown or the device is not compiled in.
pub fn device(name: &str) -> Result<Device, ModelError> {
    let (kind, index) = match name.split_once(':') {
        Some((kind, index)) => {
            let index = index.parse::<usize>().map_err(|_| {
                ModelError::Device(format!("`{name}` is not a device: what follows the colon must be a number"))
            })?;
            (kind, index)
        }
        None => (name, 0),
    };
    match kind {
        "flex" | "ndarray" if name.contains(':') => {
            Err(ModelError::Device(format!("`{name}`: there is one `{kind}` device, it takes no number")))
        }
        "flex" => flex(),
        "ndarray" => ndarray(),
        "cuda" => cuda(index),
        _ => Err(ModelError::Device(format!("`{name}` is not a device: use flex, ndarray, cuda or cuda:N"))),
    }
}

#[cfg(any(not(feature = "flex"), not(feature = "ndarray"), not(feature = "cuda")))]
fn not_in_this_build(feature: &str) -> ModelError {
    ModelError::Device(format!(
        "this build has no `{feature}` device: run `cargo xtask` with `--features {feature}` to compile it in"
    ))
}

#[cfg(feature = "flex")]
fn flex() -> Result<Device, ModelError> {
    Ok(Device::flex())
}

#[cfg(not(feature = "flex"))]
fn flex() -> Result<Device, ModelError> {
    Err(not_in_this_build("flex"))
}

#[cfg(feature = "ndarray")]
#[expect(deprecated, reason = "kept as a choice for as long as Burn has it; `flex` is the default")]
fn ndarray() -> Result<Device, ModelError> {
    Ok(Device::ndarray())
}

#[cfg(not(feature = "ndarray"))]
fn ndarray() -> Result<Device, ModelError> {
    Err(not_in_this_build("ndarray"))
}

#[cfg(feature = "cuda")]
fn cuda(index: usize) -> Result<Device, ModelError> {
    crate::cuda::check(index)?;
    Ok(Device::cuda(index))
}

#[cfg(not(feature = "cuda"))]
fn cuda(_index: usize) -> Result<Device, ModelError> {
    Err(not_in_this_build("cuda"))
}

/// Makes the C allocator keep memory that was freed instead of handing it back to the system.
///
/// Every operation on a CPU tensor allocates its result. By default glibc maps results of over 128 KiB afresh and unmaps
/// them when freed, so the kernel clears each page again in every step: about a fifth of a training step's time. And it
/// keeps memory apart by thread, so that what one has freed is not there for another. Call it once at the start of a
/// program; elsewhere than on glibc it does nothing.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const KEEP: libc::c_int = 1 << 30;
        // SAFETY: mallopt only changes parameters of the allocator; any value is allowed for these.
        #[expect(unsafe_code, reason = "mallopt has no safe wrapper")]
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, KEEP);
            libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
            libc::mallopt(libc::M_TOP_PAD, 64 << 20);
            libc::mallopt(libc::M_ARENA_MAX, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_are_refused_with_the_valid_ones() {
        for name in ["gpu", "cuda:x", "flex:1", ""] {
            let error = device(name).unwrap_err().to_string();
            assert!(error.contains("device"), "{error}");
        }
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_device_that_was_not_compiled_in_says_how_to_get_it() {
        assert!(device("cuda").unwrap_err().to_string().contains("--features cuda"));
    }
}
