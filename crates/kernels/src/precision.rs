//! The precision of matrix products.

use std::cell::RefCell;

use crate::scope::with_value;

/// The precision of matrix products. Parameters and their gradients are always in single precision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Precision {
    /// Single precision.
    #[default]
    F32,
    /// On Burn's `flex` device: operands rounded to [bfloat16](crate::bf16); activations and all sums stay in single precision.
    Bf16,
    /// On any device: tensors cast to half precision (by `firebrand-fused`), and back where more is needed.
    Cast(Half),
}

/// A floating-point type of 16 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// bfloat16: the range of single precision, with 8 bits of mantissa.
    Bf16,
    /// IEEE half precision: 11 bits of mantissa, at most 65504.
    F16,
}

thread_local! {
    static CURRENT: RefCell<Precision> = const { RefCell::new(Precision::F32) };
}

impl Precision {
    /// The current precision of this thread: single, except within [`Precision::within`].
    pub fn current() -> Self {
        CURRENT.with_borrow(|precision| *precision)
    }

    /// Runs a forward pass whose operations, and their later backward pass, use this precision.
    pub fn within<T>(self, run: impl FnOnce() -> T) -> T {
        with_value(&CURRENT, self, run)
    }
}

#[cfg(test)]
mod tests {
    use super::Precision::{self, Bf16, F32};

    #[test]
    fn a_precision_applies_within_its_scope() {
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
