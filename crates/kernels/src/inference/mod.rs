//! Kernels of inference: linear layers over weights that were packed once, and the row operations between them.
//!
//! Activations are rows of `f32`, each padded with zeros to a multiple of [`LANES`] elements. Every kernel here computes with
//! vectors of sixteen elements and adds in one fixed order, whatever the processor's own vectors are ([`Isa`]), so an answer does
//! not depend on the machine, on the number of threads, or on what else is computed with it. Kernels run on the calling thread:
//! the caller shares out rows and heads.

#[macro_use]
mod dispatch;

mod attention;
mod buffer;
mod curve;
mod dense;
mod int8;
mod isa;
mod lanes;
mod product;
mod rows;

pub use attention::{Added, AttentionScratch, HeadRows, Heads, attention, scores};
pub use buffer::Buffer;
pub use curve::{Curve, CurveKind};
pub use dense::PackedFloat;
pub use int8::{Int8Output, PackedInt8};
pub use isa::Isa;
pub use product::{Epilogue, Operand, OperandMut, OperandRows, Output, PackedLinear};
pub use rows::{Norm, add, apply_curve, norm};

/// Elements of a vector: rows are padded to a multiple of it.
pub const LANES: usize = 16;

/// The least multiple of [`LANES`] that holds this many elements.
pub const fn padded(width: usize) -> usize {
    width.next_multiple_of(LANES)
}

#[cfg(test)]
mod tests;
