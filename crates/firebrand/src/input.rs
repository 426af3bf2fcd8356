//! Texts from stdin, one per line, in batches as they arrive.

use std::io::{BufRead, Read, stdin};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use firebrand_pipeline::{Error, Result, ResultExt};

use firebrand_infer::Refusal;

/// Longer lines are refused rather than held in memory. A million words fit.
const MAX_LINE_BYTES: usize = 16 << 20;

/// A line of the input: a text, or what could be read of it and why it is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    Text(String),
    Refused { lossy: String, refusal: Refusal },
}

/// Lines, read ahead by a thread of their own. So it is known which ones have arrived, and a writer that waits for the answer
/// to each line gets it.
#[derive(Debug)]
pub(crate) struct Lines {
    receiver: Receiver<Result<Line>>,
    batch_size: usize,
    /// Whether to wait until a batch is full.
    fill: bool,
    /// A failure that was found behind lines that have yet to be answered.
    failed: Option<Error>,
}

impl Lines {
    /// Starts reading stdin. No more than two batches of lines are in memory.
    ///
    /// The last digits of a score depend on the shape of the batch. Nobody waits for the answer to a single line of a file, so
    /// its batches are filled: every run then computes the same batches and prints the same bytes.
    pub(crate) fn of_stdin(batch_size: usize) -> Self {
        Self::read(batch_size, is_file(), || Box::new(stdin().lock()))
    }

    fn read(batch_size: usize, fill: bool, open: impl FnOnce() -> Box<dyn BufRead> + Send + 'static) -> Self {
        let (sender, receiver) = sync_channel(batch_size);
        thread::spawn(move || send_lines(open(), &sender));
        Self { receiver, batch_size, fill, failed: None }
    }

    /// Waits for a line and returns it with those that have arrived already, a batch at most. Empty at the end of the input.
    ///
    /// # Errors
    /// When stdin cannot be read. The lines before that have been returned.
    pub(crate) fn next_batch(&mut self) -> Result<Vec<Line>> {
        let mut lines = Vec::new();
        while lines.len() < self.batch_size && self.failed.is_none() {
            let wait = self.fill || lines.is_empty();
            let next = if wait { self.receiver.recv().ok() } else { self.receiver.try_recv().ok() };
            match next {
                Some(Ok(line)) => lines.push(line),
                Some(Err(error)) => self.failed = Some(error),
                None => break,
            }
        }
        match self.failed.take() {
            Some(error) if lines.is_empty() => Err(error),
            failed => {
                self.failed = failed;
                Ok(lines)
            }
        }
    }
}

/// Whether stdin is a file rather than a pipe or a terminal.
#[cfg(unix)]
fn is_file() -> bool {
    use std::fs::File;
    use std::os::fd::AsFd;

    let copy = stdin().as_fd().try_clone_to_owned();
    copy.and_then(|copy| File::from(copy).metadata()).is_ok_and(|found| found.is_file())
}

/// Elsewhere every line is answered as soon as possible.
#[cfg(not(unix))]
fn is_file() -> bool {
    false
}

fn send_lines(mut input: impl BufRead, sender: &SyncSender<Result<Line>>) {
    for number in 1_u64.. {
        let line = match next_line(&mut input, number, MAX_LINE_BYTES) {
            Ok(None) => return,
            Ok(Some(line)) => Ok(line),
            Err(error) => Err(error),
        };
        let ended = line.is_err();
        // The receiver is gone when the program is about to end.
        if sender.send(line).is_err() || ended {
            return;
        }
    }
}

/// A line without its line ending (`\n` or `\r\n`), and the first without a byte order mark.
fn next_line(input: &mut impl BufRead, number: u64, most: usize) -> Result<Option<Line>> {
    let failed = || format!("cannot read line {number} of stdin");
    let mut bytes = Vec::new();
    // One byte more shows that a line is too long.
    if input.by_ref().take(most as u64 + 1).read_until(b'\n', &mut bytes).or_other(failed)? == 0 {
        return Ok(None);
    }
    if bytes.len() > most && !bytes.ends_with(b"\n") {
        input.skip_until(b'\n').or_other(failed)?;
        let start = String::from_utf8_lossy(&bytes[..most.min(SHOWN_BYTES)]).into_owned();
        return Ok(Some(Line::Refused { lossy: start, refusal: Refusal::TooLong(most) }));
    }
    for ending in [b'\n', b'\r'] {
        if bytes.last() != Some(&ending) {
            break;
        }
        bytes.pop();
    }
    if number == 1 && bytes.starts_with("\u{feff}".as_bytes()) {
        bytes.drain(.."\u{feff}".len());
    }
    Ok(Some(String::from_utf8(bytes).map_or_else(
        |error| {
            let byte = error.utf8_error().valid_up_to() + 1;
            Line::Refused {
                lossy: String::from_utf8_lossy(error.as_bytes()).into_owned(),
                refusal: Refusal::NotUtf8(byte),
            }
        },
        Line::Text,
    )))
}

/// What is shown of a line that is too long.
const SHOWN_BYTES: usize = 80;

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn lines(bytes: &'static [u8]) -> Lines {
        Lines::read(2, false, move || Box::new(Cursor::new(bytes)))
    }

    fn all(mut lines: Lines) -> Vec<Line> {
        let mut all = Vec::new();
        loop {
            let batch = lines.next_batch().unwrap();
            assert!(batch.len() <= 2);
            if batch.is_empty() {
                return all;
            }
            all.extend(batch);
        }
    }

    fn texts(texts: &[&str]) -> Vec<Line> {
        texts.iter().map(|&text| Line::Text(text.to_owned())).collect()
    }

    #[test]
    fn a_line_loses_its_end_and_nothing_else() {
        let found = all(lines("\u{feff}one \r\n\n\u{feff}two\r\r\nthree".as_bytes()));
        assert_eq!(found, texts(&["one ", "", "\u{feff}two\r", "three"]));
        assert_eq!(all(lines(b"")), []);
        assert_eq!(all(lines(b"\n")), texts(&[""]));
    }

    #[test]
    fn batches_of_a_file_are_full() {
        let mut lines = Lines::read(3, true, || Box::new(Cursor::new("a\n".repeat(7))));
        let sizes: Vec<usize> = (0..4).map(|_| lines.next_batch().unwrap().len()).collect();
        assert_eq!(sizes, [3, 3, 1, 0]);
    }

    #[test]
    fn a_line_that_is_not_utf8_does_not_end_the_others() {
        let found = all(lines(b"one\nth\xffree\nfour\n"));
        let refused = Line::Refused { lossy: "th\u{fffd}ree".to_owned(), refusal: Refusal::NotUtf8(3) };
        assert_eq!(found, [texts(&["one"]), vec![refused], texts(&["four"])].concat());
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped() {
        let mut input = Cursor::new(b"12345\n123456\n12\n");
        let mut next = |number| next_line(&mut input, number, 5).unwrap();
        assert_eq!(next(1), Some(Line::Text("12345".to_owned())));
        assert_eq!(next(2), Some(Line::Refused { lossy: "12345".to_owned(), refusal: Refusal::TooLong(5) }));
        assert_eq!(next(3), Some(Line::Text("12".to_owned())));
        assert_eq!(next(4), None);
    }

    /// Fails after its first line.
    struct Broken(Cursor<&'static [u8]>);

    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(std::io::Error::other("unplugged")),
                some => Ok(some),
            }
        }
    }

    #[test]
    fn lines_before_a_failure_come_first() {
        let mut lines = Lines::read(9, true, || Box::new(std::io::BufReader::new(Broken(Cursor::new(b"one\n")))));
        assert_eq!(lines.next_batch().unwrap(), texts(&["one"]));
        assert_eq!(lines.next_batch().unwrap_err().message(), "cannot read line 2 of stdin");
    }
}
