//! A small HTTP server on loopback that can also behave badly.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One document and how it is served.
#[derive(Debug, Clone, Default)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether `Range` is understood.
    pub(crate) ranges: bool,
    /// After how many bytes of body the connection is cut: the first request takes the first number, and so on.
    pub(crate) cuts: Vec<usize>,
    /// How many requests are answered with 503 before this page is.
    pub(crate) busy: usize,
    /// A pause after every kilobyte.
    pub(crate) pause: Duration,
    /// Given for HEAD instead of `headers`, with this status.
    pub(crate) head: Option<(u16, Vec<(String, String)>)>,
}

/// A request that came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct State {
    pages: BTreeMap<String, Page>,
    seen: Vec<Seen>,
}

/// The server; its thread ends with the test's process.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) address: String,
    state: Arc<Mutex<State>>,
}

impl Page {
    pub(crate) fn new(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, body: body.into(), ranges: true, ..Self::default() }
    }

    pub(crate) fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { address, state: Arc::default() };
        let state = Arc::clone(&server.state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&state);
                // A client that goes away in the middle is what some tests are about.
                std::thread::spawn(move || drop(answer(stream, &state)));
            }
        });
        server
    }

    pub(crate) fn page(&self, path: &str, page: Page) -> &Self {
        self.state.lock().unwrap().pages.insert(path.to_owned(), page);
        self
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    pub(crate) fn forget(&self) {
        self.state.lock().unwrap().seen.clear();
    }
}

fn answer(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next().unwrap_or("").to_owned(), words.next().unwrap_or("").to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.insert(name.to_lowercase(), value.to_owned()),
            None => break,
        };
    }
    let range = headers.get("range").cloned();
    let if_range = headers.get("if-range").cloned();
    let (page, cut) = {
        let mut state = state.lock().unwrap();
        state.seen.push(Seen { method: method.clone(), path: path.clone(), headers });
        match state.pages.get_mut(&path) {
            None => (Page::status(404), None),
            Some(page) if page.busy > 0 => {
                page.busy -= 1;
                (Page::status(503), None)
            }
            Some(page) => {
                let takes = method == "GET" && !page.cuts.is_empty();
                let cut = takes.then(|| page.cuts.remove(0));
                (page.clone(), cut)
            }
        }
    };
    let etag = page.headers.iter().find(|(name, _)| name == "etag").map(|(_, value)| value.clone());
    let current = if_range.is_none() || if_range == etag;
    let start =
        range.filter(|_| page.ranges && current).and_then(|range| range[6..].trim_end_matches('-').parse().ok());
    let total = page.body.len();
    let (status, start, extra) = match start {
        Some(start) if start >= total => (416, total, format!("content-range: bytes */{total}\r\n")),
        Some(start) => (206, start, format!("content-range: bytes {start}-{}/{total}\r\n", total - 1)),
        None => (page.status, 0, String::new()),
    };
    let body = &page.body[start..];
    let (status, headers) = match page.head.as_ref().filter(|_| method == "HEAD") {
        Some((status, headers)) => (*status, headers),
        None => (status, &page.headers),
    };
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n{extra}", body.len())?;
    for (name, value) in headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    write!(stream, "\r\n")?;
    if method == "HEAD" {
        return Ok(());
    }
    for chunk in body[..cut.unwrap_or(body.len()).min(body.len())].chunks(1024) {
        stream.write_all(chunk)?;
        if !page.pause.is_zero() {
            stream.flush()?;
            std::thread::sleep(page.pause);
        }
    }
    stream.flush()
}
