//! Reads the parts of a split archive as one file, without joining them on disk.

use std::cmp::Ordering;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

/// Several files, concatenated.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Each part and its offset.
    parts: Vec<(File, u64)>,
    length: u64,
    position: u64,
    /// The part that holds the position, if its file is already positioned there.
    current: Option<usize>,
}

impl Parts {
    /// Opens the files, in the given order.
    pub(crate) fn open(paths: &[PathBuf]) -> io::Result<Self> {
        let mut parts = Vec::with_capacity(paths.len());
        let mut length = 0;
        for path in paths {
            let file = File::open(path)?;
            let size = file.metadata()?.len();
            parts.push((file, length));
            length += size;
        }
        Ok(Self { parts, length, position: 0, current: None })
    }

    /// Total size in bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }
}

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.position >= self.length || buffer.is_empty() {
                return Ok(0);
            }
            let index = match self.current {
                Some(index) => index,
                None => {
                    // The last part that starts at or before the position; this skips empty parts.
                    let index = self.parts.partition_point(|(_, start)| *start <= self.position) - 1;
                    let (file, start) = &mut self.parts[index];
                    file.seek(SeekFrom::Start(self.position - *start))?;
                    self.current = Some(index);
                    index
                }
            };
            let count = self.parts[index].0.read(buffer)?;
            self.position += count as u64;
            if count > 0 {
                return Ok(count);
            }
            let next = self.parts.get(index + 1).map_or(self.length, |(_, start)| *start);
            if self.position < next {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a part was truncated while it was read"));
            }
            self.current = None;
        }
    }
}

impl Seek for Parts {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (base, offset) = match to {
            SeekFrom::Start(position) => (position, 0),
            SeekFrom::End(offset) => (self.length, offset),
            SeekFrom::Current(offset) => (self.position, offset),
        };
        self.position = base
            .checked_add_signed(offset)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a seek before the start"))?;
        self.current = None;
        Ok(self.position)
    }
}

/// Natural order, in which `part-2` comes before `part-10`: digits compare by value, everything else by character.
pub(crate) fn by_name(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let digits = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (count_left, count_right) = (digits(left), digits(right));
        if count_left > 0 && count_right > 0 {
            let (number_left, rest_left) = left.split_at(count_left);
            let (number_right, rest_right) = right.split_at(count_right);
            let (value_left, value_right) = (number_left.trim_start_matches('0'), number_right.trim_start_matches('0'));
            let order = value_left.len().cmp(&value_right.len()).then_with(|| value_left.cmp(value_right));
            if order != Ordering::Equal {
                return order;
            }
            (left, right) = (rest_left, rest_right);
            continue;
        }
        let (mut chars_left, mut chars_right) = (left.chars(), right.chars());
        match (chars_left.next(), chars_right.next()) {
            (Some(x), Some(y)) if x == y => (left, right) = (chars_left.as_str(), chars_right.as_str()),
            // Equal up to leading zeros: the plain order breaks the tie.
            (None, None) => return a.cmp(b),
            (x, y) => return x.cmp(&y),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_ordered_by_their_numbers() {
        let mut names = ["z.10", "z.2", "z.001", "a.9", "z.1", "z"];
        names.sort_by(|a, b| by_name(a, b));
        assert_eq!(names, ["a.9", "z", "z.001", "z.1", "z.2", "z.10"]);
    }

    proptest! {
        /// Reading and seeking over the parts equals reading and seeking over the whole, however it was split.
        #[test]
        fn parts_equal_the_whole(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 1..6),
            steps in proptest::collection::vec((0_u64..250, 1_usize..40), 0..8),
        ) {
            let home = tempfile::tempdir().unwrap();
            let paths: Vec<_> = pieces
                .iter()
                .enumerate()
                .map(|(index, piece)| {
                    let path = home.path().join(index.to_string());
                    std::fs::write(&path, piece).unwrap();
                    path
                })
                .collect();
            let mut whole = io::Cursor::new(pieces.concat());
            let mut parts = Parts::open(&paths).unwrap();
            prop_assert_eq!(parts.length(), whole.get_ref().len() as u64);
            for (position, count) in steps {
                for side in [&mut whole as &mut dyn ReadSeek, &mut parts] {
                    side.seek(SeekFrom::Start(position)).unwrap();
                }
                let (mut expected, mut found) = (Vec::new(), Vec::new());
                whole.by_ref().take(count as u64).read_to_end(&mut expected).unwrap();
                parts.by_ref().take(count as u64).read_to_end(&mut found).unwrap();
                prop_assert_eq!(expected, found);
            }
            let mut all = Vec::new();
            parts.seek(SeekFrom::Start(0)).unwrap();
            parts.read_to_end(&mut all).unwrap();
            prop_assert_eq!(all, pieces.concat());
        }
    }

    trait ReadSeek: Read + Seek {}
    impl<T: Read + Seek> ReadSeek for T {}
}
