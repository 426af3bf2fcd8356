//! Run-time dispatch.

/// Defines a function that runs a body, generic over `L: Lanes`, compiled for the instruction set that is its first argument.
macro_rules! dispatch {
    ($(#[$meta:meta])* $vis:vis fn $name:ident $(<$life:lifetime>)? ($($arg:ident: $type:ty),* $(,)?) $(-> $output:ty)? = $body:ident;) => {
        $(#[$meta])*
        $vis fn $name $(<$life>)? (isa: $crate::inference::Isa, $($arg: $type),*) $(-> $output)? {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
            fn avx512 $(<$life>)? ($($arg: $type),*) $(-> $output)? {
                // SAFETY: this function is only called where the instructions are.
                $body(unsafe { $crate::inference::lanes::Avx512::new() }, $($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2 $(<$life>)? ($($arg: $type),*) $(-> $output)? {
                // SAFETY: this function is only called where the instructions are.
                $body(unsafe { $crate::inference::lanes::Avx2::new() }, $($arg),*)
            }
            #[cfg(target_arch = "aarch64")]
            #[target_feature(enable = "neon,dotprod")]
            fn neon_dot $(<$life>)? ($($arg: $type),*) $(-> $output)? {
                // SAFETY: this function is only called where the instructions are.
                $body(unsafe { $crate::inference::lanes::Neon::with_dot() }, $($arg),*)
            }
            assert!(isa.available(), "this processor has no {}", isa.name());
            match isa {
                // SAFETY: the instructions are available, as was just asserted.
                #[cfg(target_arch = "x86_64")]
                $crate::inference::Isa::Avx512 => unsafe { avx512($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::inference::Isa::Avx2 => unsafe { avx2($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "aarch64")]
                $crate::inference::Isa::NeonDot => unsafe { neon_dot($($arg),*) },
                #[cfg(target_arch = "aarch64")]
                $crate::inference::Isa::Neon => $body($crate::inference::lanes::Neon::new(), $($arg),*),
                _ => $body($crate::inference::lanes::Portable, $($arg),*),
            }
        }
    };
}
