//! Resumable downloads over HTTP.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use firebrand_pipeline::progress::Progress;
use firebrand_pipeline::{Error, Result, StageIo};
use ureq::http::{HeaderMap, StatusCode};

use crate::http::{ATTEMPTS, Ask, Failure, Http, header};
use crate::unpacked::size;

/// A file to download.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Download<'a> {
    /// Its address.
    pub(crate) url: &'a str,
    /// Its name in messages.
    pub(crate) what: &'a str,
    /// A bearer token.
    pub(crate) token: Option<&'a str>,
    /// Its size in bytes, if known beforehand.
    pub(crate) size: Option<u64>,
    /// The file to write. A partial download is resumed.
    pub(crate) part: &'a Path,
    /// Whether a partial download certainly has the same content, because its name contains the content's hash.
    pub(crate) same_content: bool,
}

/// The outcome of an attempt.
enum Step {
    Done,
    Broken(Failure),
}

impl Download<'_> {
    /// Downloads the file completely into `part`.
    ///
    /// # Errors
    /// When the host refuses, or too many attempts in a row make no progress. What was downloaded so far is kept.
    pub(crate) fn run(&self, http: &Http, io: &StageIo) -> Result<()> {
        let progress = Progress::start_bytes(&format!("{:>8} {}", "fetch", self.what), self.size.unwrap_or(0));
        match self.have() {
            0 => io.log(format!("download {}", self.what)),
            have => io.log(format!("download {}, resuming after {}", self.what, size(have))),
        }
        let (mut attempt, mut best) = (1, self.have());
        loop {
            let failure = match self.attempt(http, &progress)? {
                Step::Done => break,
                Step::Broken(failure) => failure,
            };
            // Only new bytes count as progress: a server that starts over and breaks off must not be tried for ever.
            let have = self.have();
            attempt = if have > best { 1 } else { attempt + 1 };
            best = best.max(have);
            if attempt > ATTEMPTS || !failure.is_transient() {
                return Err(failure.into_error(self.what, self.url));
            }
            http.wait((attempt - 1).max(1), &failure, io);
        }
        progress.finish();
        let _ = fs::remove_file(self.state_file());
        Ok(())
    }

    fn attempt(&self, http: &Http, progress: &Progress) -> Result<Step> {
        let have = self.have();
        if self.size.is_some_and(|size| size == have) && self.same_content {
            return Ok(Step::Done);
        }
        let state = fs::read_to_string(self.state_file()).ok();
        let too_long = self.size.is_some_and(|size| have > size);
        let resumes = have > 0 && !too_long && (self.same_content || state.is_some());
        let from = resumes.then_some((have, state.as_deref().filter(|_| !self.same_content)));
        let response = match http.get(self.url, Ask { token: self.token, from }) {
            Ok(response) => response,
            Err(failure) => return Ok(Step::Broken(failure)),
        };
        let headers = response.headers();
        let start = match (response.status(), content_range(headers)) {
            (StatusCode::PARTIAL_CONTENT, Some((start, _))) if from.is_some() && start == have => have,
            (StatusCode::RANGE_NOT_SATISFIABLE, Some((_, Some(total)))) if total == have => return Ok(Step::Done),
            (StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE, _) => {
                // A range that was not asked for: start over.
                remove(self.part)?;
                return Ok(Step::Broken(broken(io::Error::other("the server answered for another range than asked"))));
            }
            _ => 0,
        };
        // The announced size of this response, and that of the whole file.
        let length = header(headers, "content-length").and_then(|text| text.parse::<u64>().ok());
        let whole = self.size.or(length.map(|length| start + length));
        self.remember_state(headers)?;
        progress.set_total(whole.unwrap_or(0));
        progress.start_from(start);

        let mut file = open(self.part, start)?;
        let (brought, ended) = receive(&mut response.into_body().into_reader(), &mut file, progress)
            .map_err(|error| Error::io("write", self.part, &error))?;
        let have = start + brought;
        let short = whole.is_some_and(|whole| have < whole);
        let long = whole.is_some_and(|whole| have > whole);
        if long {
            remove(self.part)?;
        }
        if ended.is_none() && !short && !long {
            file.sync_all().map_err(|error| Error::io("write", self.part, &error))?;
            return Ok(Step::Done);
        }
        Ok(Step::Broken(broken(ended.unwrap_or_else(|| {
            let whole = whole.unwrap_or(0);
            io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("the body has {have} bytes where {whole} were announced"),
            )
        }))))
    }

    fn have(&self) -> u64 {
        fs::metadata(self.part).map(|data| data.len()).unwrap_or(0)
    }

    /// A file beside `part` with the validator (ETag or date) of the version that it is the start of.
    fn state_file(&self) -> PathBuf {
        self.part.with_extension("state")
    }

    fn remember_state(&self, headers: &HeaderMap) -> Result<()> {
        if self.same_content {
            return Ok(());
        }
        // A weak ETag does not guarantee equal bytes.
        let tag = header(headers, "etag").filter(|tag| tag.starts_with('"'));
        let path = self.state_file();
        match tag.or_else(|| header(headers, "last-modified")) {
            Some(state) => fs::write(&path, state).map_err(|error| Error::io("write", &path, &error)),
            None => remove(&path),
        }
    }
}

fn broken(cause: io::Error) -> Failure {
    Failure::Network(Box::new(ureq::Error::Io(cause)))
}

/// Copies until the connection ends. Returns the number of bytes, and the error if the connection broke; fails if the disk
/// does.
fn receive(from: &mut impl Read, to: &mut File, progress: &Progress) -> io::Result<(u64, Option<io::Error>)> {
    let mut buffer = vec![0; 1 << 16];
    let mut brought = 0;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok((brought, None)),
            Ok(count) => {
                to.write_all(&buffer[..count])?;
                brought += count as u64;
                progress.inc(count as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Ok((brought, Some(error))),
        }
    }
}

/// Opens a file for writing from `start` on, and truncates it there.
fn open(path: &Path, start: u64) -> Result<File> {
    let failed = |error: io::Error| Error::io("write", path, &error);
    let mut file = File::options().create(true).truncate(false).write(true).open(path).map_err(failed)?;
    file.set_len(start).map_err(failed)?;
    io::Seek::seek(&mut file, io::SeekFrom::End(0)).map_err(failed)?;
    Ok(file)
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path, &error)),
        _ => Ok(()),
    }
}

/// First byte and total of `bytes 5-9/10` or `bytes */10`.
fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let (range, total) = header(headers, "content-range")?.strip_prefix("bytes ")?.split_once('/')?;
    let start = range.split('-').next()?.parse().unwrap_or(0);
    Some((start, total.parse().ok()))
}
