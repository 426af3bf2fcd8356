//! Texts from stdin, one a line, in batches as they come.

use std::io::{BufRead, stdin};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use firebrand_pipeline::{Error, Result, ResultExt};

/// Lines that are read ahead at most.
const AHEAD: usize = 1024;

/// Lines, read by a thread of their own: so it is known whether one is there already, and whoever writes one line and
/// waits for its answer gets it.
#[derive(Debug)]
pub(crate) struct Lines {
    receiver: Receiver<Result<String>>,
    /// Whether a batch waits until it is full.
    full: bool,
    /// Found behind lines that are to be answered first.
    failed: Option<Error>,
}

impl Lines {
    /// Starts to read stdin.
    ///
    /// Sums in a batch of another shape may differ in the last digit. So batches of a file, for which no one waits, are
    /// filled up: every run then computes the same ones, and prints the same bytes.
    pub(crate) fn of_stdin() -> Self {
        Self::read(is_file(), || Box::new(stdin().lock()))
    }

    fn read(full: bool, open: impl FnOnce() -> Box<dyn BufRead> + Send + 'static) -> Self {
        let (sender, receiver) = sync_channel(AHEAD);
        thread::spawn(move || send_lines(open(), &sender));
        Self { receiver, full, failed: None }
    }

    /// Waits for a line, and returns it with those that are there already, no more than `most` in all. Nothing: the end.
    ///
    /// # Errors
    /// When a line is not UTF-8, or reading fails. The lines before it have been returned.
    pub(crate) fn next_batch(&mut self, most: usize) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        while lines.len() < most && self.failed.is_none() {
            let wait = self.full || lines.is_empty();
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

/// Elsewhere every line is answered as soon as may be.
#[cfg(not(unix))]
fn is_file() -> bool {
    false
}

fn send_lines(mut input: impl BufRead, sender: &SyncSender<Result<String>>) {
    for number in 1_u64.. {
        let line = match next_line(&mut input, number) {
            Ok(None) => return,
            Ok(Some(line)) => Ok(line),
            Err(error) => Err(error),
        };
        let ended = line.is_err();
        // No one listens any more when the program is about to end.
        if sender.send(line).is_err() || ended {
            return;
        }
    }
}

/// A line without its end (`\n` or `\r\n`), and the first without a byte order mark.
fn next_line(input: &mut impl BufRead, number: u64) -> Result<Option<String>> {
    let mut bytes = Vec::new();
    if input.read_until(b'\n', &mut bytes).or_other(|| format!("cannot read line {number} of stdin"))? == 0 {
        return Ok(None);
    }
    let mut line = String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to() + 1;
        Error::data(format!("line {number} of stdin is not UTF-8: byte {place} of it cannot be read"))
            .hint("convert the texts first, from Latin-1 for example: `iconv -f latin1 -t utf-8 FILE`")
    })?;
    if line.ends_with('\n') {
        line.pop();
        if line.ends_with('\r') {
            line.pop();
        }
    }
    if number == 1 && line.starts_with('\u{feff}') {
        line.remove(0);
    }
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn lines(bytes: &'static [u8]) -> Lines {
        Lines::read(false, move || Box::new(Cursor::new(bytes)))
    }

    fn all(lines: &mut Lines) -> Result<Vec<String>> {
        let mut all = Vec::new();
        loop {
            let batch = lines.next_batch(2)?;
            assert!(batch.len() <= 2);
            if batch.is_empty() {
                return Ok(all);
            }
            all.extend(batch);
        }
    }

    #[test]
    fn a_line_loses_its_end_and_nothing_else() {
        let found = all(&mut lines("\u{feff}one \r\n\n\u{feff}two\r".as_bytes())).unwrap();
        assert_eq!(found, ["one ", "", "\u{feff}two\r"]);
        assert_eq!(all(&mut lines(b"")).unwrap(), [""; 0]);
        assert_eq!(all(&mut lines(b"\n")).unwrap(), [""]);
    }

    #[test]
    fn batches_of_a_file_are_full() {
        let mut lines = Lines::read(true, || Box::new(Cursor::new("a\n".repeat(7))));
        let sizes: Vec<usize> = (0..4).map(|_| lines.next_batch(3).unwrap().len()).collect();
        assert_eq!(sizes, [3, 3, 1, 0]);
    }

    #[test]
    fn lines_before_a_broken_one_come_first() {
        let mut lines = lines(b"one\ntwo\nth\xffree\nfour\n");
        let mut found = Vec::new();
        let error = loop {
            match lines.next_batch(100) {
                Ok(batch) => found.extend(batch),
                Err(error) => break error,
            }
        };
        assert_eq!(found, ["one", "two"]);
        assert!(error.message().contains("line 3") && error.message().contains("byte 3"), "{error}");
    }
}
