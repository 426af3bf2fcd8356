//! How a parameter is stored in a family's files: transposed, fused with others, or with its columns split by heads.

/// How a parameter is stored in a file. Our weights are `[inputs, outputs]`; what is said of columns applies to the rows of a
/// transposed matrix and to the elements of a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Layout {
    /// Stored as `[outputs, inputs]`.
    pub(crate) transposed: bool,
    /// Stored in a fused tensor, side by side with others of its shape along the outputs: its index, and how many they are.
    pub(crate) part: Option<(usize, usize)>,
    /// Stored with the last dimension split into `[heads, head size]`.
    pub(crate) by_heads: bool,
}

impl Layout {
    /// The shape of the stored tensor for a parameter of shape `ours`.
    pub(crate) fn stored_shape(self, ours: &[usize], heads: usize) -> Vec<usize> {
        let mut shape = ours.to_vec();
        if self.transposed && shape.len() == 2 {
            shape.reverse();
        }
        if let (Some((_, count)), Some(outputs)) = (self.part, shape.get_mut(self.axis(ours.len()))) {
            *outputs *= count;
        }
        if self.by_heads
            && let Some(columns) = shape.pop()
        {
            shape.extend([heads, columns / heads.max(1)]);
        }
        shape
    }

    /// Whether the bytes of the stored tensor are those of the parameter of shape `ours`.
    pub(crate) fn is_verbatim(self, ours: &[usize]) -> bool {
        self.part.is_none() && !(self.transposed && ours.len() == 2)
    }

    /// Extracts the parameter of shape `ours` from the stored tensor.
    pub(crate) fn extract<T: Copy>(self, stored: Vec<T>, ours: &[usize]) -> Vec<T> {
        let (rows, columns) = self.stored_part(ours);
        let part = self.extract_part(stored, ours);
        if self.transposed && ours.len() == 2 { transpose(&part, rows, columns) } else { part }
    }

    /// Extracts the transpose of the matrix of shape `ours` from the stored tensor.
    pub(crate) fn extract_transposed<T: Copy>(self, stored: Vec<T>, ours: [usize; 2]) -> Vec<T> {
        let [inputs, outputs] = ours;
        let part = self.extract_part(stored, &ours);
        if self.transposed { part } else { transpose(&part, inputs, outputs) }
    }

    /// Extracts the parameter of shape `ours` in the orientation of the stored tensor.
    fn extract_part<T: Copy>(self, stored: Vec<T>, ours: &[usize]) -> Vec<T> {
        let Some((index, count)) = self.part else { return stored };
        let (rows, columns) = self.stored_part(ours);
        if self.axis(ours.len()) == 0 {
            let size = rows * columns;
            stored[index * size..][..size].to_vec()
        } else {
            stored.chunks(columns * count).flat_map(|row| &row[index * columns..][..columns]).copied().collect()
        }
    }

    /// A parameter of shape `ours` in the orientation of the stored tensor.
    pub(crate) fn to_stored<T: Copy>(self, values: Vec<T>, ours: &[usize]) -> Vec<T> {
        match *ours {
            [inputs, outputs] if self.transposed => transpose(&values, inputs, outputs),
            _ => values,
        }
    }

    /// Fuses parts that [`to_stored`](Self::to_stored) returned, in order, for parameters of shape `ours`.
    pub(crate) fn fuse<T: Copy>(self, mut parts: Vec<Vec<T>>, ours: &[usize]) -> Vec<T> {
        let (rows, columns) = self.stored_part(ours);
        if let [whole] = &mut parts[..] {
            return std::mem::take(whole);
        }
        if self.axis(ours.len()) == 0 {
            return parts.concat();
        }
        (0..rows)
            .flat_map(|row| parts.iter().flat_map(move |part| &part[row * columns..][..columns]))
            .copied()
            .collect()
    }

    /// Rows and columns of one part of the stored tensor.
    fn stored_part(self, ours: &[usize]) -> (usize, usize) {
        match *ours {
            [inputs, outputs] if self.transposed => (outputs, inputs),
            [rows, columns] => (rows, columns),
            _ => (ours.iter().product(), 1),
        }
    }

    /// The axis along which the parts lie side by side.
    fn axis(self, rank: usize) -> usize {
        usize::from(rank == 2 && !self.transposed)
    }
}

/// `[rows, columns]` → `[columns, rows]`.
fn transpose<T: Copy>(values: &[T], rows: usize, columns: usize) -> Vec<T> {
    (0..columns).flat_map(|column| (0..rows).map(move |row| values[row * columns + column])).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts_and_heads_have_the_documented_shapes() {
        let whole = Layout { transposed: true, part: Some((2, 3)), by_heads: false };
        assert_eq!(whole.stored_shape(&[4, 6], 2), [18, 4]);
        assert_eq!(Layout { transposed: false, ..whole }.stored_shape(&[4, 6], 2), [4, 18]);
        assert_eq!(whole.stored_shape(&[6], 2), [18]);
        let heads = Layout { by_heads: true, ..Layout::default() };
        assert_eq!(heads.stored_shape(&[4, 6], 2), [4, 2, 3]);
    }

    #[test]
    fn a_part_is_found_along_the_outputs() {
        let layout = Layout { part: Some((1, 2)), ..Layout::default() };
        // Two inputs; the second part's two outputs stand on the right.
        let stored = || (0..8).collect::<Vec<_>>();
        assert_eq!(layout.extract(stored(), &[2, 2]), [2, 3, 6, 7]);
        assert_eq!(layout.extract_transposed(stored(), [2, 2]), [2, 6, 3, 7]);
        let transposed = Layout { transposed: true, ..layout };
        assert_eq!(transposed.extract(stored(), &[2, 2]), [4, 6, 5, 7]);
        assert_eq!(transposed.extract_transposed(stored(), [2, 2]), [4, 5, 6, 7]);
    }

    #[test]
    fn only_a_part_or_a_transposed_matrix_is_not_stored_verbatim() {
        let plain = Layout::default();
        let transposed = Layout { transposed: true, ..plain };
        assert!(plain.is_verbatim(&[2, 3]) && transposed.is_verbatim(&[3]) && !transposed.is_verbatim(&[2, 3]));
        assert!(!Layout { part: Some((0, 3)), ..plain }.is_verbatim(&[3]));
        assert!(Layout { by_heads: true, ..plain }.is_verbatim(&[2, 4]));
    }

    proptest! {
        #[test]
        fn what_is_given_and_joined_is_taken_again(
            (inputs, outputs, count) in (1usize..5, 1usize..5, 1usize..4), transposed: bool, vector: bool,
        ) {
            let ours = if vector { vec![outputs] } else { vec![inputs, outputs] };
            let size: usize = ours.iter().product();
            let parts: Vec<Vec<usize>> = (0..count).map(|part| (part * size..(part + 1) * size).collect()).collect();
            let layout = |part| Layout { transposed, part: Some((part, count)), by_heads: false };
            let given: Vec<_> = parts.iter().map(|values| layout(0).to_stored(values.clone(), &ours)).collect();
            let whole = layout(0).fuse(given, &ours);
            prop_assert_eq!(whole.len(), layout(0).stored_shape(&ours, 1).iter().product::<usize>());
            for (part, values) in parts.iter().enumerate() {
                prop_assert_eq!(&layout(part).extract(whole.clone(), &ours), values);
            }
        }
    }
}
