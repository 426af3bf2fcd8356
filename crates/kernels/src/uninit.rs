//! Output memory that is written once: zeroing it first would be one more pass over it.

use std::mem::MaybeUninit;

/// Vectors of the given lengths, filled by `write`.
///
/// # Safety
/// `write` must initialise every element of every slice.
pub(crate) unsafe fn written<const N: usize>(
    lengths: [usize; N],
    write: impl FnOnce([&mut [MaybeUninit<f32>]; N]),
) -> [Vec<f32>; N] {
    let mut vectors = lengths.map(|length| (Vec::with_capacity(length), length));
    write(vectors.each_mut().map(|(vector, length)| &mut vector.spare_capacity_mut()[..*length]));
    vectors.map(|(mut vector, length)| {
        // SAFETY: there is capacity for `length` elements, and `write` has initialised them, as the caller promises.
        unsafe { vector.set_len(length) };
        vector
    })
}
