//! In which numbers products are taken.

use std::cell::Cell;

use burn::tensor::FloatDType;

/// The numbers that are multiplied. Parameters and their gradients are in single precision in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Precision {
    /// Single precision.
    #[default]
    F32,
    /// On `flex`: factors rounded to [bfloat16](crate::bf16); activations and all sums stay in single precision.
    Bf16,
    /// On any device: tensors [cast](crate::fused::halved) to half precision, and back where more is needed.
    Cast(Half),
}

/// Numbers of 16 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// As far as single precision reaches, with 8 bits of mantissa.
    Bf16,
    /// 11 bits of mantissa, and nothing beyond 65504.
    F16,
}

impl Half {
    /// Burn's name of it.
    pub fn dtype(self) -> FloatDType {
        match self {
            Self::Bf16 => FloatDType::BF16,
            Self::F16 => FloatDType::F16,
        }
    }
}

thread_local! {
    static CURRENT: Cell<Precision> = const { Cell::new(Precision::F32) };
}

impl Precision {
    /// The precision that holds on this thread: single but within [`Precision::within`].
    pub fn current() -> Self {
        CURRENT.get()
    }

    /// Runs with operations of this precision, as far as they have one, their later backward pass included.
    pub fn within<T>(self, run: impl FnOnce() -> T) -> T {
        /// Sets back what was before, also when `run` panics.
        struct Before(Precision);
        impl Drop for Before {
            fn drop(&mut self) {
                CURRENT.set(self.0);
            }
        }
        let _before = Before(CURRENT.replace(self));
        run()
    }
}

#[cfg(test)]
mod tests {
    use super::Precision::{self, Bf16, F32};

    #[test]
    fn a_precision_holds_within_its_scope() {
        assert_eq!(Precision::current(), F32);
        Bf16.within(|| {
            assert_eq!(Precision::current(), Bf16);
            F32.within(|| assert_eq!(Precision::current(), F32));
            assert_eq!(Precision::current(), Bf16);
        });
        std::panic::catch_unwind(|| Bf16.within(|| panic!("within"))).unwrap_err();
        assert_eq!(Precision::current(), F32);
    }
}
