//! The instruction sets that kernels are compiled for.

use std::sync::LazyLock;

/// An instruction set, chosen at run time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// Any processor. Without fused multiply-add in hardware it is emulated, exactly and slowly.
    Portable,
    /// NEON, which every 64-bit ARM processor has. Products of int8 are exact: by way of 16 bits.
    Neon,
    /// NEON with the dot products of `dotprod`.
    NeonDot,
    /// AVX2 and FMA. Products of int8 are exact: by way of 16 bits.
    Avx2,
    /// AVX-512 with VNNI.
    Avx512,
}

impl Isa {
    /// All of them; those of an architecture from the slowest to the fastest.
    pub const ALL: [Self; 5] = [Self::Portable, Self::Neon, Self::NeonDot, Self::Avx2, Self::Avx512];

    /// Its name, as the environment variable [`VARIABLE`](Self::VARIABLE) has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Neon => "neon",
            Self::NeonDot => "neon-dot",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// The environment variable that forces an instruction set.
    pub const VARIABLE: &str = "FIREBRAND_ISA";

    /// Whether this processor has it.
    pub fn available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => true,
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot => std::arch::is_aarch64_feature_detected!("dotprod"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512vnni")
                    && is_x86_feature_detected!("fma")
            }
            // Those of other architectures.
            _ => false,
        }
    }

    /// The fastest that this processor has.
    pub fn fastest() -> Self {
        static FASTEST: LazyLock<Isa> =
            LazyLock::new(|| Isa::ALL.into_iter().rev().find(|isa| isa.available()).unwrap_or(Isa::Portable));
        *FASTEST
    }

    /// The fastest, or the one that [`VARIABLE`](Self::VARIABLE) names.
    ///
    /// # Errors
    /// When the variable names none, or one that this processor lacks; the message says which there are.
    pub fn chosen() -> Result<Self, String> {
        let Some(asked) = std::env::var_os(Self::VARIABLE).filter(|asked| !asked.is_empty()) else {
            return Ok(Self::fastest());
        };
        let found = Self::ALL.into_iter().find(|isa| asked == *isa.name()).filter(|isa| isa.available());
        found.ok_or_else(|| {
            let names: Vec<_> = Self::ALL.into_iter().filter(|isa| isa.available()).map(Self::name).collect();
            format!("{} is {asked:?}: this processor has {}", Self::VARIABLE, names.join(", "))
        })
    }
}
