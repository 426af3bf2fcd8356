//! The records of a stream, in memory that does not grow with it.

use std::collections::HashMap;
use std::io::{self, Read};

use super::sample::Layout;
use super::split::{Problem, Scan};
use super::why;

/// Bytes that are read at once.
const READ_BYTES: usize = 1 << 18;

/// Bytes that are looked at for the excerpt in a message.
const EXCERPT_BYTES: usize = 100;

/// A record of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRecord<'a> {
    /// Its first line in the file, from 1.
    pub line: u64,
    /// Its bytes without the line end, or their start if it is too long. Its fields: [`fields`](super::fields()).
    pub bytes: &'a [u8],
    /// Why it cannot be read: its quotes are not sound, or it is too long.
    pub problem: Option<String>,
}

/// The records of a stream. Blank lines are skipped.
///
/// A record is what it is in a whole file ([`Csv`](super::Csv)), except that a quoted field may not be longer than
/// `most_bytes`.
#[derive(Debug)]
pub struct Records<R> {
    input: R,
    buffer: Vec<u8>,
    /// Where the next record starts in `buffer`.
    start: usize,
    /// Position of `start` in the stream.
    position: usize,
    line: u64,
    is_at_end: bool,
    separator: u8,
    quote: Option<u8>,
    mac_lines: bool,
    most_bytes: usize,
    read_bytes: usize,
    /// See [`Scan`]: by position in the stream.
    failed: HashMap<usize, Problem>,
}

/// What was found at the start of the buffer.
enum Found {
    Record {
        start: usize,
        end: usize,
        line: u64,
        problem: Option<String>,
    },
    /// A record that is longer than allowed; the rest of its line is still to be skipped.
    TooLong {
        line: u64,
    },
    /// More bytes are needed to tell.
    More,
    Nothing,
}

impl<R: Read> Records<R> {
    /// The rows of a CSV or TSV file, from its first byte on (without a byte order mark): neither a separator line nor the
    /// header is among them. Rows of more than `most_bytes` are reported as too long.
    ///
    /// # Errors
    /// When the stream cannot be read.
    pub fn new(input: R, layout: &Layout, most_bytes: usize) -> io::Result<Self> {
        let mut records = Self::lines(input, most_bytes);
        records.mac_lines = layout.mac_lines;
        if layout.has_separator_line {
            records.next()?;
        }
        (records.separator, records.quote) = (layout.separator, layout.quote);
        if layout.has_header {
            records.next()?;
        }
        Ok(records)
    }

    /// The lines of a stream that are not empty.
    pub fn lines(input: R, most_bytes: usize) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            start: 0,
            position: 0,
            line: 1,
            is_at_end: false,
            // Without quotes, separators do not matter.
            separator: b',',
            quote: None,
            mac_lines: false,
            most_bytes,
            read_bytes: READ_BYTES,
            failed: HashMap::new(),
        }
    }

    /// The next record; `None` at the end.
    ///
    /// # Errors
    /// When the stream cannot be read.
    #[expect(clippy::should_implement_trait, reason = "what is returned borrows the buffer")]
    pub fn next(&mut self) -> io::Result<Option<RawRecord<'_>>> {
        loop {
            match self.find() {
                Found::Record { start, end, line, problem } => {
                    return Ok(Some(RawRecord { line, bytes: &self.buffer[start..end], problem }));
                }
                Found::TooLong { line } => return self.skip_line(line).map(Some),
                Found::More => self.fill(self.pending().saturating_mul(2))?,
                Found::Nothing if self.is_at_end => return Ok(None),
                Found::Nothing => self.fill(0)?,
            }
        }
    }

    /// Number of bytes that are read but not yet part of a record.
    fn pending(&self) -> usize {
        self.buffer.len() - self.start
    }

    fn find(&mut self) -> Found {
        let pending = self.pending();
        let failed = std::mem::take(&mut self.failed);
        let mut scan = Scan {
            bytes: &self.buffer[self.start..],
            base: self.position,
            at: 0,
            line: self.line,
            separator: self.separator,
            quote: self.quote,
            failed,
            added: Vec::new(),
        };
        let record = scan.next();
        let (end, line, added) = (scan.at, scan.line, std::mem::take(&mut scan.added));
        self.failed = scan.failed;
        let Some(record) = record else {
            self.advance(end, line);
            return Found::Nothing;
        };
        // What touches the end of the buffer may go on behind it.
        let is_cut = end == pending && self.buffer.last() != Some(&b'\n');
        let is_open = record.problem == Some(Problem::Unclosed) && !added.is_empty();
        if !self.is_at_end && (is_cut || is_open) {
            if pending < self.most_bytes {
                added.iter().for_each(|position| _ = self.failed.remove(position));
                return Found::More;
            }
            if is_cut {
                return Found::TooLong { line: record.line };
            }
        }
        let problem = record.problem.map(|problem| match problem {
            Problem::Unclosed => why(&Problem::Unclosed, ""),
            Problem::TextAfter(position) => {
                let after = &self.buffer[self.start + position - self.position..];
                let line = after.split(|byte| *byte == b'\n').next().unwrap_or_default();
                let after = String::from_utf8_lossy(&line[..line.len().min(EXCERPT_BYTES)]);
                why(&Problem::TextAfter(0), &after)
            }
        });
        let (first, last) = (self.start + record.range.start, self.start + record.range.end);
        if last - first > self.most_bytes {
            let problem = Some(self.too_long());
            self.advance(end, line);
            return Found::Record {
                start: first,
                end: first + EXCERPT_BYTES.min(last - first),
                line: record.line,
                problem,
            };
        }
        self.advance(end, line);
        Found::Record { start: first, end: last, line: record.line, problem }
    }

    fn advance(&mut self, bytes: usize, line: u64) {
        self.start += bytes;
        self.position += bytes;
        self.line = line;
        if self.failed.len() > READ_BYTES {
            let position = self.position;
            self.failed.retain(|at, _| *at >= position);
        }
    }

    fn too_long(&self) -> String {
        format!("is longer than {} bytes", self.most_bytes)
    }

    /// Skips the rest of a line that is too long.
    fn skip_line(&mut self, line: u64) -> io::Result<RawRecord<'_>> {
        let shown = self.buffer[self.start..][..self.pending().min(EXCERPT_BYTES)].to_vec();
        loop {
            match self.buffer[self.start..].iter().position(|byte| *byte == b'\n') {
                Some(end) => {
                    self.advance(end + 1, line + 1);
                    break;
                }
                None if self.is_at_end => {
                    self.advance(self.pending(), line);
                    break;
                }
                None => {
                    self.advance(self.pending(), line);
                    self.fill(0)?;
                }
            }
        }
        // The start of the line is kept in front of what follows.
        self.buffer.splice(..self.start, shown.iter().copied());
        self.start = shown.len();
        let problem = Some(self.too_long());
        Ok(RawRecord { line, bytes: &self.buffer[..self.start], problem })
    }

    /// Reads until at least `wanted` bytes are pending, or the stream ends.
    fn fill(&mut self, wanted: usize) -> io::Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let wanted = wanted.max(self.read_bytes).max(self.buffer.len() + 1);
        while self.buffer.len() < wanted && !self.is_at_end {
            let before = self.buffer.len();
            let missing = wanted - before;
            let read = self.input.by_ref().take(missing as u64).read_to_end(&mut self.buffer)?;
            self.is_at_end = read < missing;
            if self.mac_lines {
                let new = &mut self.buffer[before..];
                new.iter_mut().filter(|byte| **byte == b'\r').for_each(|byte| *byte = b'\n');
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::split::split;
    use super::*;

    fn layout(quote: Option<u8>) -> Layout {
        Layout {
            separator: b',',
            quote,
            has_header: false,
            has_separator_line: false,
            mac_lines: false,
            names: Vec::new(),
            by_content: None,
            notes: Vec::new(),
        }
    }

    type Row = (u64, Vec<u8>, bool);

    fn all(mut records: Records<impl Read>) -> Vec<Row> {
        let mut rows = Vec::new();
        while let Some(record) = records.next().unwrap() {
            rows.push((record.line, record.bytes.to_vec(), record.problem.is_some()));
        }
        rows
    }

    #[test]
    fn the_header_and_a_separator_line_are_skipped() {
        let layout = Layout { has_header: true, has_separator_line: true, ..layout(Some(b'"')) };
        let text = "sep=,\n\ntext,\"la\nbel\"\n\na,\"b\n\"\"c\"\"\"\r\nd,e";
        let found = all(Records::new(text.as_bytes(), &layout, 1 << 10).unwrap());
        assert_eq!(found, [(6, b"a,\"b\n\"\"c\"\"\"".to_vec(), false), (8, b"d,e".to_vec(), false)]);
        let layout = Layout { mac_lines: true, has_header: true, ..self::layout(None) };
        let found = all(Records::new("text\ra\r\rb".as_bytes(), &layout, 1 << 10).unwrap());
        assert_eq!(found, [(2, b"a".to_vec(), false), (4, b"b".to_vec(), false)]);
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped() {
        let long = "x".repeat(3 * READ_BYTES);
        let text = format!("a\n{long}\nb\n{long}");
        let mut records = Records::lines(text.as_bytes(), READ_BYTES);
        assert_eq!(records.next().unwrap().unwrap().bytes, b"a");
        let record = records.next().unwrap().unwrap();
        assert_eq!((record.line, record.problem.as_deref()), (2, Some("is longer than 262144 bytes")));
        assert!(record.bytes.iter().all(|byte| *byte == b'x'));
        let record = records.next().unwrap().unwrap();
        assert_eq!((record.line, record.bytes), (3, b"b".as_slice()));
        assert_eq!(records.next().unwrap().unwrap().line, 4);
        assert_eq!(records.next().unwrap(), None);
    }

    #[test]
    fn a_quote_that_nothing_closes_costs_one_row() {
        let rows = "text,1\n".repeat(100_000);
        let text = format!("a,\"b\n{rows}");
        let found = all(Records::new(text.as_bytes(), &layout(Some(b'"')), READ_BYTES).unwrap());
        assert_eq!(found.len(), 100_001);
        assert_eq!(found.iter().filter(|(.., problem)| *problem).count(), 1);
        assert_eq!(found[0], (1, b"a,\"b".to_vec(), true));
    }

    #[test]
    fn many_lines_with_stray_quotes_take_no_longer_than_others() {
        let text = "some text\",\"label\n".repeat(200_000);
        let found = all(Records::new(text.as_bytes(), &layout(Some(b'"')), READ_BYTES).unwrap());
        assert_eq!(found.len(), 200_000);
        assert!(found.iter().all(|(.., problem)| *problem));
    }

    /// Rows without end: what is read ahead must not grow.
    struct Rows {
        left: u64,
        row: &'static [u8],
        at: usize,
    }

    impl Read for Rows {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let mut read = 0;
            while read < buffer.len() && self.left > 0 {
                let part = &self.row[self.at..];
                let length = part.len().min(buffer.len() - read);
                buffer[read..read + length].copy_from_slice(&part[..length]);
                read += length;
                self.at += length;
                if self.at == self.row.len() {
                    (self.at, self.left) = (0, self.left - 1);
                }
            }
            Ok(read)
        }
    }

    #[test]
    fn memory_does_not_grow_with_the_stream() {
        let most = |rows| {
            let input = Rows { left: rows, row: b"12,\"a text, \"\"quoted\"\"\nof two lines\"\n", at: 0 };
            let mut records = Records::new(input, &layout(Some(b'"')), 1 << 24).unwrap();
            let (mut count, mut most) = (0, 0);
            while records.next().unwrap().is_some() {
                count += 1;
                most = most.max(records.buffer.capacity() + records.failed.capacity());
            }
            assert_eq!(count, rows);
            most
        };
        let few = most(20_000);
        assert_eq!(few, most(400_000));
        assert!(few <= 4 * READ_BYTES, "{few}");
    }

    proptest! {
        /// However a file is broken and read, its records are those of the whole file.
        #[test]
        fn records_are_those_of_the_whole_file(
            text in "([ab\",\n]|\r\n|\"\"){0,60}", step in 1_usize..9, quoted in any::<bool>(),
        ) {
            let quote = quoted.then_some(b'"');
            let expected: Vec<Row> = split(&text, b',', quote, 1)
                .into_iter()
                .map(|record| (record.line, text[record.range].as_bytes().to_vec(), record.problem.is_some()))
                .collect();
            let mut records = Records::new(text.as_bytes(), &layout(quote), 1 << 20).unwrap();
            // Every record is looked at when only its first bytes are there.
            records.read_bytes = step;
            prop_assert_eq!(all(records), expected);
        }
    }
}
