//! Run-time dispatch.

/// Defines a function that runs a body, generic over `L: Lanes`, compiled for the instruction set that is its first argument.
macro_rules! dispatch {
    ($(#[$meta:meta])* $vis:vis fn $name:ident $(<$life:lifetime>)? ($($arg:ident: $type:ty),* $(,)?) $(-> $output:ty)? = $body:ident;) => {
        $(#[$meta])*
        $vis fn $name $(<$life>)? (isa: $crate::inference::Isa, $($arg: $type),*) $(-> $output)? {
            use $crate::inference::Isa;
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
            assert!(isa.available(), "this processor has no {}", isa.name());
            match isa {
                // SAFETY: the instructions are available, as was just asserted.
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 => unsafe { avx512($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => unsafe { avx2($($arg),*) },
                _ => $body($crate::inference::lanes::Portable, $($arg),*),
            }
        }
    };
}
