//! Devices, chosen by name at run time among those compiled in.

use std::fmt;
use std::sync::OnceLock;

use burn::tensor::Device;
use firebrand_arch::ModelError;

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

/// A setting of the C allocator, and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllocatorSetting {
    /// Its name in `mallopt(3)`.
    pub name: &'static str,
    /// The value that is best.
    pub wanted: i32,
    /// The value that the allocator took; `None` if it refused every one.
    pub held: Option<i32>,
}

impl fmt::Display for AllocatorSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, wanted, held } = self;
        match held {
            Some(held) if held == wanted => write!(f, "{name} is {held}"),
            Some(held) => write!(f, "{name} is {held}, because the C library refuses {wanted}"),
            None => write!(f, "{name} is unchanged, because the C library refuses {wanted}"),
        }
    }
}

/// Makes the C allocator keep freed memory instead of handing it back to the system, and gives the settings that hold.
///
/// Every operation on a CPU tensor allocates its result. By default glibc maps results of over 128 KiB afresh and unmaps
/// them when freed, so the kernel clears each page again in every step: about a fifth of a training step's time. And it
/// keeps memory apart by thread, so that what one has freed is not there for another. Call it once at the start of a
/// program; later calls change nothing and give the same settings. Elsewhere than on glibc there are none.
pub fn keep_freed_memory() -> &'static [AllocatorSetting] {
    static SETTINGS: OnceLock<Vec<AllocatorSetting>> = OnceLock::new();
    SETTINGS.get_or_init(set_allocator)
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn set_allocator() -> Vec<AllocatorSetting> {
    Vec::new()
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn set_allocator() -> Vec<AllocatorSetting> {
    // Older versions of glibc refuse a threshold above half of a heap, which has 64 MiB there.
    const LARGEST_OF_OLD_GLIBC: libc::c_int = 32 << 20;
    let wanted: [(&'static str, libc::c_int, &[libc::c_int]); 4] = [
        ("M_MMAP_THRESHOLD", libc::M_MMAP_THRESHOLD, &[1 << 30, LARGEST_OF_OLD_GLIBC]),
        ("M_TRIM_THRESHOLD", libc::M_TRIM_THRESHOLD, &[libc::c_int::MAX]),
        ("M_TOP_PAD", libc::M_TOP_PAD, &[64 << 20]),
        ("M_ARENA_MAX", libc::M_ARENA_MAX, &[1]),
    ];
    let set = |parameter, value| {
        // SAFETY: mallopt only changes parameters of the allocator, and refuses a value that it cannot take.
        #[expect(unsafe_code, reason = "mallopt has no safe wrapper")]
        let taken = unsafe { libc::mallopt(parameter, value) };
        taken != 0
    };
    let settings = wanted.iter().map(|&(name, parameter, values)| AllocatorSetting {
        name,
        wanted: values[0],
        held: first_taken(values, |value| set(parameter, value)),
    });
    settings.collect()
}

/// The first value that is taken.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn first_taken(values: &[i32], set: impl Fn(i32) -> bool) -> Option<i32> {
    values.iter().copied().find(|&value| set(value))
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

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn a_refused_allocator_setting_falls_back_to_a_smaller_one() {
        let found = keep_freed_memory();
        assert_eq!(found.len(), 4);
        assert!(found.iter().all(|setting| setting.held.is_some()), "{found:?}");
        assert_eq!(found, keep_freed_memory());

        assert_eq!(first_taken(&[1 << 30, 32 << 20], |value| value <= 32 << 20), Some(32 << 20));
        assert_eq!(first_taken(&[1 << 30, 32 << 20], |_| true), Some(1 << 30));
        assert_eq!(first_taken(&[1], |_| false), None);
    }

    #[test]
    fn an_allocator_setting_says_what_holds() {
        let setting = |held| AllocatorSetting { name: "M_TOP_PAD", wanted: 64, held }.to_string();
        assert_eq!(setting(Some(64)), "M_TOP_PAD is 64");
        assert_eq!(setting(Some(32)), "M_TOP_PAD is 32, because the C library refuses 64");
        assert_eq!(setting(None), "M_TOP_PAD is unchanged, because the C library refuses 64");
    }
}
