//! Downloads over HTTP.

use serde_json::json;

use super::server::{Page, Server};
use super::{Bench, says};
use crate::archive::tests::zip;
use crate::digest;

fn noise(length: u32) -> Vec<u8> {
    (0..length).map(|number| (number.wrapping_mul(2_654_435_761) >> 11) as u8).collect()
}

fn ranges(server: &Server) -> Vec<Option<String>> {
    server.seen().into_iter().map(|seen| seen.headers.get("range").cloned()).collect()
}

#[test]
fn a_file_is_downloaded_once() {
    let (bench, server) = (Bench::new(), Server::start());
    let body = b"text,label\nfine,1\n";
    server.page("/data/my%20reviews.csv?x=1", Page::new(body.as_slice()));
    let url = server.url("/data/my%20reviews.csv?x=1");
    // Pinned: the second run finds it by its hash. Unpinned: the hash of the first run was noted.
    bench.data(json!({ "url": url, "sha256": digest::of_bytes(body) })).unwrap();
    assert_eq!(bench.list("out/raw"), ["my reviews.csv"]);
    bench.data(json!({ "url": url })).unwrap();
    bench.data(json!({ "url": url, "sha256": digest::of_bytes(body) })).unwrap();
    assert_eq!(server.seen().len(), 1);
    assert!(server.seen()[0].headers["user-agent"].starts_with("firebrand/"));
    assert!(!server.seen()[0].headers.contains_key("authorization"), "the hub's token is the hub's alone");
    assert_eq!(bench.list("cache/partial"), Vec::<String>::new());
}

#[test]
fn another_address_with_the_pinned_content_needs_no_download_and_keeps_its_name() {
    let (bench, server) = (Bench::new(), Server::start());
    let hash = digest::of_bytes(b"text,label\n");
    server.page("/a.csv", Page::new(b"text,label\n".as_slice()));
    bench.data(json!({ "url": server.url("/a.csv"), "sha256": hash })).unwrap();
    bench.data(json!({ "url": server.url("/b.tsv"), "sha256": hash })).unwrap();
    assert_eq!(bench.list("out/raw"), ["b.tsv"]);
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn a_wrong_hash_shows_both_and_keeps_nothing() {
    let (bench, server) = (Bench::new(), Server::start());
    server.page("/a.csv", Page::new(b"tampered".as_slice()));
    let (pinned, found) = (digest::of_bytes(b"honest"), digest::of_bytes(b"tampered"));
    says(
        bench.data(json!({ "url": server.url("/a.csv"), "sha256": pinned })),
        &[&pinned, &found, "not what was pinned", "(4)"],
    );
    assert!(bench.list("cache/downloads").is_empty() && bench.list("cache/partial").is_empty());
}

#[test]
fn broken_connections_are_resumed() {
    let (bench, server) = (Bench::new(), Server::start());
    let body = noise(100_000);
    let mut page = Page::new(body.clone()).header("etag", "\"one\"");
    page.cuts = vec![30_000, 20_000];
    server.page("/a.bin", page);
    bench.data(json!({ "url": server.url("/a.bin") })).unwrap();
    assert_eq!(std::fs::read(bench.path("out/raw/a.bin")).unwrap(), body);
    assert_eq!(ranges(&server), [None, Some("bytes=30000-".into()), Some("bytes=50000-".into())]);
    assert_eq!(server.seen()[1].headers["if-range"], "\"one\"");
}

#[test]
fn what_a_killed_run_left_is_resumed() {
    let (bench, server) = (Bench::new(), Server::start());
    let body = noise(5_000);
    let hash = digest::of_bytes(&body);
    server.page("/a.bin", Page::new(body.clone()));
    bench.write(&format!("cache/partial/{hash}.part"), &body[..4_000]);
    bench.data(json!({ "url": server.url("/a.bin"), "sha256": hash })).unwrap();
    assert_eq!(ranges(&server), [Some("bytes=4000-".into())]);
    assert_eq!(std::fs::read(bench.path("out/raw/a.bin")).unwrap(), body);
}

#[test]
fn a_part_that_does_not_fit_is_thrown_away() {
    let (bench, server) = (Bench::new(), Server::start());
    let body = noise(5_000);
    let hash = digest::of_bytes(&body);
    server.page("/a.bin", Page::new(body.clone()));
    for wrong in [vec![0; 4_000], vec![0; 5_000], vec![0; 6_000]] {
        bench.write(&format!("cache/partial/{hash}.part"), &wrong);
        bench.data(json!({ "url": server.url("/a.bin"), "sha256": hash })).unwrap();
        assert_eq!(std::fs::read(bench.path("out/raw/a.bin")).unwrap(), body);
        std::fs::remove_dir_all(bench.path("cache")).unwrap();
    }
}

#[test]
fn a_file_that_changed_meanwhile_is_not_patched_together() {
    let (bench, server) = (Bench::new(), Server::start());
    let body = noise(5_000);
    server.page("/a.bin", Page::new(body.clone()).header("etag", "\"two\""));
    let part = format!("cache/partial/{}", digest::of_bytes(format!("url:{}", server.url("/a.bin")).as_bytes()));
    // With the tag of another state, and with none.
    for state in [Some("\"one\""), None] {
        bench.write(&format!("{part}.part"), &[0; 4_000]);
        if let Some(state) = state {
            bench.write(&format!("{part}.state"), state.as_bytes());
        }
        bench.data(json!({ "url": server.url("/a.bin") })).unwrap();
        assert_eq!(std::fs::read(bench.path("out/raw/a.bin")).unwrap(), body);
        std::fs::remove_dir_all(bench.path("cache")).unwrap();
    }
}

#[test]
fn a_server_that_always_breaks_off_is_given_up_on() {
    let (bench, server) = (Bench::new(), Server::start());
    let mut page = Page::new(noise(5_000));
    page.ranges = false;
    page.cuts = vec![1_000; 50];
    server.page("/a.bin", page);
    says(bench.data(json!({ "url": server.url("/a.bin") })), &["cannot fetch a.bin", "connection broke", "(1)"]);
    assert!(server.seen().len() <= 8, "{} requests", server.seen().len());
    assert!(bench.list("cache/downloads").is_empty());
}

#[test]
fn a_busy_server_is_asked_again_and_a_refusal_is_final() {
    let (bench, server) = (Bench::new(), Server::start());
    let mut page = Page::new(b"text,label\n".as_slice());
    page.busy = 2;
    server.page("/a.csv", page);
    bench.data(json!({ "url": server.url("/a.csv") })).unwrap();
    assert_eq!(server.seen().len(), 3);
    server.forget();
    says(bench.data(json!({ "url": server.url("/b.csv") })), &["b.csv answered 404", "typing error", "(1)"]);
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn no_network_says_so() {
    let bench = Bench::new();
    // A port that nothing listens on.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/a.csv");
    says(bench.data(json!({ "url": url })), &["was not reached", "HTTPS_PROXY", "path = ", "(1)"]);
}

#[test]
fn archives_are_unpacked_by_name_or_when_something_is_picked() {
    let (bench, server) = (Bench::new(), Server::start());
    server.page("/a.zip", Page::new(zip(&[("d/a.csv", b"text,label\n")])));
    server.page("/get", Page::new(zip(&[("d/b.csv", b"text,label\n")])));
    bench.data(json!({ "url": server.url("/a.zip") })).unwrap();
    assert_eq!(bench.list("out/raw"), ["d/a.csv"]);
    bench.data(json!({ "url": server.url("/get"), "inside": "d" })).unwrap();
    assert_eq!(bench.list("out/raw"), ["b.csv"]);
    // Unpacked, it is used even when the download itself was removed to save space.
    std::fs::remove_dir_all(bench.path("cache/downloads")).unwrap();
    bench.data(json!({ "url": server.url("/a.zip"), "inside": "d" })).unwrap();
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn a_damaged_download_is_noticed_and_fetched_again() {
    let (bench, server) = (Bench::new(), Server::start());
    let hash = digest::of_bytes(b"text,label\n");
    server.page("/a.csv", Page::new(b"text,label\n".as_slice()));
    bench.data(json!({ "url": server.url("/a.csv"), "sha256": hash })).unwrap();
    bench.write(&format!("cache/downloads/{hash}/a.csv"), b"TEXT,label\n");
    bench.data(json!({ "url": server.url("/a.csv"), "sha256": hash })).unwrap();
    assert_eq!(bench.read("out/raw/a.csv"), "text,label\n");
    assert_eq!(server.seen().len(), 2);
}
