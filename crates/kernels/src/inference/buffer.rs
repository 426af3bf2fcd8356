//! Memory whose vectors lie within one cache line each: one that straddles two costs twice as much to read.

/// Something that begins at a cache line.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[repr(C, align(64))]
pub(crate) struct Line<T>(pub(crate) T);

/// Rows of `f32` that begin at a cache line. It grows and never shrinks, and is reused from call to call.
#[derive(Debug, Clone, Default)]
pub struct Buffer {
    lines: Vec<Line<[f32; 16]>>,
}

impl Buffer {
    /// The first `length` elements, after making room for them. What they hold is not specified.
    pub fn sized(&mut self, length: usize) -> &mut [f32] {
        let lines = length.div_ceil(16);
        if self.lines.len() < lines {
            self.lines.resize(lines, Line::default());
        }
        &mut self.as_mut_slice()[..length]
    }

    /// All elements.
    pub fn as_slice(&self) -> &[f32] {
        // SAFETY: a line is sixteen numbers and nothing else.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), 16 * self.lines.len()) }
    }

    /// All elements.
    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        // SAFETY: a line is sixteen numbers and nothing else.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), 16 * self.lines.len()) }
    }
}
