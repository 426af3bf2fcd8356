//! Linear layers over packed weights.

use std::ops::Range;

use super::curve::Curve;
use super::dense::PackedFloat;
use super::int8::{Int8Rows, PackedInt8};
use super::lanes::Lanes;
use super::{Buffer, Isa, LANES, dense, int8};

/// A linear layer's weights and bias, packed for one kind of operand.
#[derive(Debug, Clone, PartialEq)]
pub enum PackedLinear {
    /// Single precision.
    Float(PackedFloat),
    /// Int8, one scale per output.
    Int8(PackedInt8),
}

/// The rows that a linear layer is applied to.
#[derive(Debug, Clone)]
pub enum Operand {
    /// Single precision, each row padded to `width`.
    Float {
        /// Row-major.
        values: Buffer,
        /// Number of rows.
        rows: usize,
        /// Elements of a row, padded.
        width: usize,
    },
    /// Bytes, with a scale and a zero point for each row.
    Int8(Int8Rows),
}

/// Some rows of an [`Operand`].
#[derive(Debug, Clone, Copy)]
pub enum OperandRows<'a> {
    /// Single precision.
    Float {
        /// Row-major.
        values: &'a [f32],
        /// Elements of a row, padded.
        width: usize,
    },
    /// Bytes.
    Int8(int8::Int8View<'a>),
}

/// Some rows of an [`Operand`], to be written.
#[derive(Debug)]
pub enum OperandMut<'a> {
    /// Single precision.
    Float {
        /// Row-major.
        values: &'a mut [f32],
        /// Elements of a row, padded.
        width: usize,
    },
    /// Bytes.
    Int8(int8::Int8ViewMut<'a>),
}

/// Where a product goes.
#[derive(Debug)]
pub struct Output<'a> {
    /// Row-major, from the first row of the operand on.
    pub values: &'a mut [f32],
    /// Elements from one row to the next.
    pub stride: usize,
}

/// What becomes of a product's elements, bias included, before they are stored.
#[derive(Debug, Clone, Copy)]
pub enum Epilogue<'a> {
    /// Stored.
    Store,
    /// Added to what is there.
    Add,
    /// What is there is multiplied by them.
    Multiply,
    /// `max(x, 0)`.
    Relu,
    /// An activation function.
    Curve(&'a Curve),
}

/// What an [`Epilogue`] does, known when compiling.
pub(super) trait Finish: Copy {
    /// The number to store, from the product's and what is there.
    fn finish<L: Lanes>(self, lanes: L, value: L::F, before: &[f32; LANES]) -> L::F;
}

/// Each [`Epilogue`] as a type, so that a tile's loop has no choices to make.
#[derive(Clone, Copy)]
pub(super) struct Store;
#[derive(Clone, Copy)]
pub(super) struct Add;
#[derive(Clone, Copy)]
pub(super) struct Multiply;
#[derive(Clone, Copy)]
pub(super) struct Relu;

impl Finish for Store {
    #[inline(always)]
    fn finish<L: Lanes>(self, _: L, value: L::F, _: &[f32; LANES]) -> L::F {
        value
    }
}

impl Finish for Add {
    #[inline(always)]
    fn finish<L: Lanes>(self, lanes: L, value: L::F, before: &[f32; LANES]) -> L::F {
        lanes.add(lanes.load(before), value)
    }
}

impl Finish for Multiply {
    #[inline(always)]
    fn finish<L: Lanes>(self, lanes: L, value: L::F, before: &[f32; LANES]) -> L::F {
        lanes.mul(lanes.load(before), value)
    }
}

impl Finish for Relu {
    #[inline(always)]
    fn finish<L: Lanes>(self, lanes: L, value: L::F, _: &[f32; LANES]) -> L::F {
        // NaN stays NaN.
        lanes.max(lanes.splat(0.0), value)
    }
}

impl Finish for &Curve {
    #[inline(always)]
    fn finish<L: Lanes>(self, lanes: L, value: L::F, _: &[f32; LANES]) -> L::F {
        self.apply(lanes, value)
    }
}

/// Calls a function that is generic over [`Finish`].
macro_rules! with_epilogue {
    ($epilogue:expr, |$finish:ident| $call:expr) => {
        match $epilogue {
            Epilogue::Store => {
                let $finish = Store;
                $call
            }
            Epilogue::Add => {
                let $finish = Add;
                $call
            }
            Epilogue::Multiply => {
                let $finish = Multiply;
                $call
            }
            Epilogue::Relu => {
                let $finish = Relu;
                $call
            }
            Epilogue::Curve($finish) => $call,
        }
    };
}
pub(super) use with_epilogue;

impl PackedLinear {
    /// Blocks of sixteen outputs.
    pub fn blocks(&self) -> usize {
        match self {
            Self::Float(weights) => weights.blocks(),
            Self::Int8(weights) => weights.blocks(),
        }
    }

    /// Outputs, padded to whole blocks.
    pub fn width(&self) -> usize {
        LANES * self.blocks()
    }

    /// Applies some blocks of outputs to all rows of the operand; the first of the blocks goes to the output's first columns.
    ///
    /// # Panics
    /// When the operand is of another kind or width, the output too small, or the instruction set not there.
    pub fn apply(&self, isa: Isa, rows: OperandRows<'_>, blocks: Range<usize>, epilogue: Epilogue<'_>, to: Output<'_>) {
        match (self, rows) {
            (Self::Float(weights), OperandRows::Float { values, width }) => {
                dense::product(isa, weights, values, width, blocks, epilogue, to);
            }
            (Self::Int8(weights), OperandRows::Int8(rows)) => int8::product(isa, weights, rows, blocks, epilogue, to),
            _ => panic!("the operand is not of the kind that the weights were packed for"),
        }
    }
}

impl Operand {
    /// No rows, for weights of this kind.
    pub fn of_kind(weights: &PackedLinear) -> Self {
        match weights {
            PackedLinear::Float(_) => Self::Float { values: Buffer::default(), rows: 0, width: 0 },
            PackedLinear::Int8(_) => Self::Int8(Int8Rows::default()),
        }
    }

    /// Makes room for rows of this padded width; what they hold is not specified.
    pub fn resize(&mut self, rows: usize, width: usize) {
        assert!(width.is_multiple_of(LANES));
        match self {
            Self::Float { values, rows: found_rows, width: found } => {
                (*found_rows, *found) = (rows, width);
                values.sized(rows * width);
            }
            Self::Int8(found) => found.resize(rows, width),
        }
    }

    /// Becomes the rows of a buffer, `width` elements each: they are quantised, or, in single precision, the operand's memory and
    /// the buffer's change places.
    pub fn take(&mut self, isa: Isa, from: &mut Buffer, rows: usize, width: usize) {
        if let Self::Float { values, .. } = self {
            std::mem::swap(values, from);
        }
        self.resize(rows, width);
        if let Self::Int8(found) = self {
            int8::quantize(isa, &from.as_slice()[..rows * width], found.as_mut());
        }
    }

    /// Some of the rows.
    pub fn rows(&self, range: Range<usize>) -> OperandRows<'_> {
        match self {
            Self::Float { values, width, .. } => {
                OperandRows::Float { values: &values.as_slice()[range.start * width..range.end * width], width: *width }
            }
            Self::Int8(rows) => OperandRows::Int8(rows.view(range)),
        }
    }

    /// All rows, to be written.
    pub fn as_mut(&mut self) -> OperandMut<'_> {
        match self {
            Self::Float { values, rows, width } => {
                OperandMut::Float { values: values.sized(*rows * *width), width: *width }
            }
            Self::Int8(rows) => OperandMut::Int8(rows.as_mut()),
        }
    }

    /// The rows with these indices, as an operand of their own.
    pub fn gather(&self, indices: impl Iterator<Item = usize> + Clone) -> Self {
        match self {
            Self::Float { values, width, .. } => {
                let mut gathered = Buffer::default();
                let rows = indices.clone().count();
                let to = gathered.sized(rows * width).chunks_exact_mut(*width);
                indices
                    .zip(to)
                    .for_each(|(row, to)| to.copy_from_slice(&values.as_slice()[row * width..(row + 1) * width]));
                Self::Float { values: gathered, rows, width: *width }
            }
            Self::Int8(rows) => Self::Int8(rows.gather(indices)),
        }
    }
}

impl<'a> OperandMut<'a> {
    /// The first rows, and the others.
    pub fn split_at(self, rows: usize) -> (Self, Self) {
        match self {
            Self::Float { values, width } => {
                let (one, other) = values.split_at_mut(rows * width);
                (Self::Float { values: one, width }, Self::Float { values: other, width })
            }
            Self::Int8(view) => {
                let (one, other) = view.split_at(rows);
                (Self::Int8(one), Self::Int8(other))
            }
        }
    }

    /// The same rows for a shorter time.
    pub fn reborrow(&mut self) -> OperandMut<'_> {
        match self {
            Self::Float { values, width } => OperandMut::Float { values, width: *width },
            Self::Int8(view) => OperandMut::Int8(view.reborrow()),
        }
    }

    /// The rows, to be read.
    pub fn as_rows(&self) -> OperandRows<'_> {
        match self {
            Self::Float { values, width } => OperandRows::Float { values, width: *width },
            Self::Int8(view) => OperandRows::Int8(view.as_view()),
        }
    }

    /// Writes the rows from numbers of the same shape: copies or quantises them.
    pub fn fill(&mut self, isa: Isa, from: &[f32]) {
        match self {
            Self::Float { values, .. } => values.copy_from_slice(from),
            Self::Int8(view) => int8::quantize(isa, from, view.reborrow()),
        }
    }
}

/// Rows or blocks shared out as evenly as parts of at most `most` allow.
pub(super) fn parts(range: Range<usize>, most: usize) -> impl Iterator<Item = Range<usize>> + Clone {
    let (start, count) = (range.start, range.len());
    let parts = count.div_ceil(most);
    (0..parts).map(move |part| start + count * part / parts..start + count * (part + 1) / parts)
}

/// Calls a function that is generic over the number of rows or blocks of a tile, at least one and at most `$most`.
macro_rules! with_count {
    ($count:expr, $most:expr, |$N:ident| $call:expr) => {
        with_count!(@ $count, $most, $N, $call, 1 2 3 4 5 6 7 8 9)
    };
    (@ $count:expr, $most:expr, $N:ident, $call:expr, $($n:literal)*) => {
        match $count {
            $($n if $n <= $most => {
                const $N: usize = $n;
                $call
            })*
            // Parts have at least one element and at most as many as fit.
            _ => unreachable!(),
        }
    };
}
pub(super) use with_count;

/// Rows of the tallest tile.
pub(super) const MOST_ROWS: usize = 9;
/// Blocks of the widest tile.
pub(super) const MOST_BLOCKS: usize = 3;
