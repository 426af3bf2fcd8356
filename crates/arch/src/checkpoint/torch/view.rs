//! Strided views of storages, as in torch.

use super::global::Element;

/// The maximum number of dimensions of a tensor.
pub(super) const MAX_DIMENSIONS: usize = 8;

/// A tensor that is known to lie inside its storage.
#[derive(Debug, Clone)]
pub(super) struct View {
    /// Index of the storage.
    pub(super) storage: usize,
    pub(super) element: Element,
    /// Index of the first element in the storage.
    pub(super) offset: u64,
    pub(super) shape: Vec<usize>,
    /// Step to the next element along each dimension.
    strides: Vec<usize>,
    count: usize,
}

impl View {
    /// Checks that every element lies in the storage, which has `length` elements.
    pub(super) fn new(
        storage: usize,
        element: Element,
        length: u64,
        offset: u64,
        shape: Vec<usize>,
        strides: Vec<usize>,
    ) -> Result<Self, String> {
        if shape.len() != strides.len() || shape.len() > MAX_DIMENSIONS {
            return Err(format!("shape {shape:?} does not match strides {strides:?}"));
        }
        let outside = format!(
            "shape {shape:?} with strides {strides:?} from element {offset} on does not fit in a storage of {length}"
        );
        let count = shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size));
        let last = shape
            .iter()
            .zip(&strides)
            .try_fold(0usize, |last, (&size, &stride)| last.checked_add(size.saturating_sub(1).checked_mul(stride)?));
        let end = last.and_then(|last| offset.checked_add(last as u64)?.checked_add(1));
        // A tensor that repeats elements of its storage could be larger than the file. No parameter does that.
        let fits = match (count, end) {
            (Some(0), _) => offset <= length,
            (Some(count), Some(end)) => end <= length && count as u64 <= length,
            _ => false,
        };
        // The stride of a dimension of size 1 is irrelevant and may be anything.
        let strides = shape.iter().zip(strides).map(|(&size, stride)| if size > 1 { stride } else { 0 }).collect();
        match count {
            Some(count) if fits => Ok(Self { storage, element, offset, shape, strides, count }),
            _ => Err(outside),
        }
    }

    /// Number of elements.
    pub(super) fn count(&self) -> u64 {
        self.count as u64
    }

    /// Number of storage elements from its first to its last element.
    pub(super) fn span(&self) -> u64 {
        if self.count == 0 {
            return 0;
        }
        self.shape.iter().zip(&self.strides).map(|(size, stride)| (size - 1) * stride).sum::<usize>() as u64 + 1
    }

    /// Whether its elements are in row-major order without gaps.
    pub(super) fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.count == 0
            || self.shape.iter().zip(&self.strides).rev().all(|(&size, &stride)| {
                let fits = size == 1 || stride == expected;
                expected *= size;
                fits
            })
    }

    /// Its elements in row-major order, out of its span of the storage.
    pub(super) fn gather(&self, span: &[f32]) -> Vec<f32> {
        let mut values = Vec::with_capacity(self.count);
        let mut index = vec![0; self.shape.len()];
        let mut place = 0;
        for _ in 0..self.count {
            values.push(span[place]);
            for axis in (0..index.len()).rev() {
                index[axis] += 1;
                place += self.strides[axis];
                if index[axis] < self.shape[axis] {
                    break;
                }
                place -= self.shape[axis] * self.strides[axis];
                index[axis] = 0;
            }
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::floats::FloatKind;

    fn view(length: u64, offset: u64, shape: &[usize], strides: &[usize]) -> Result<View, String> {
        View::new(0, Element::Float(FloatKind::F32), length, offset, shape.to_vec(), strides.to_vec())
    }

    #[test]
    fn a_transposed_part_is_gathered() {
        let turned = view(12, 1, &[2, 3], &[1, 4]).unwrap();
        assert!(!turned.is_contiguous());
        assert_eq!((turned.count(), turned.span()), (6, 10));
        let span: Vec<f32> = (0..10u8).map(f32::from).collect();
        assert_eq!(turned.gather(&span), [0.0, 4.0, 8.0, 1.0, 5.0, 9.0]);
    }

    #[test]
    fn a_dimension_of_one_may_have_any_stride() {
        assert!(view(6, 0, &[1, 2, 3], &[usize::MAX, 3, 1]).unwrap().is_contiguous());
        assert_eq!(
            view(4, 0, &[2, 1, 2], &[1, usize::MAX, 2]).unwrap().gather(&[0.0, 1.0, 2.0, 3.0]),
            [0.0, 2.0, 1.0, 3.0]
        );
        assert!(view(6, 0, &[], &[]).unwrap().is_contiguous());
        assert_eq!(view(6, 6, &[0, 3], &[3, 1]).unwrap().span(), 0);
    }

    #[test]
    fn what_reaches_beyond_the_storage_is_refused() {
        for (length, offset, shape, strides) in [
            (5, 0, &[2, 3][..], &[3, 1][..]),
            (6, 1, &[2, 3], &[3, 1]),
            (6, u64::MAX, &[1], &[1]),
            (6, 7, &[0], &[1]),
            (6, 0, &[usize::MAX, usize::MAX], &[0, 0]),
            (6, 0, &[2], &[usize::MAX]),
            (6, 0, &[7], &[0]),
            (6, 0, &[2], &[]),
        ] {
            assert!(view(length, offset, shape, strides).is_err(), "{shape:?} {strides:?}");
        }
    }
}
