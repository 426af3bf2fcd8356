//! The hub's protocol, its cache, and its switches.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::server::{Page, Server};
use super::{Bench, says};
use crate::digest;
use crate::http::Http;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const CONFIG: &[u8] = b"{\"model_type\": \"bert\"}";

/// A hub with one model and one data set, whose weights are stored apart, as the real one does.
fn hub() -> (Bench, Server, Vec<u8>) {
    let (mut bench, server) = (Bench::new(), Server::start());
    bench.endpoint.clone_from(&server.address);
    let weights: Vec<u8> = (0..50_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    list(
        &server,
        "models/org/bert",
        "main",
        &["config.json", "model.safetensors", "onnx/model.onnx", ".gitattributes"],
    );
    server.page(&file("org/bert", "config.json"), Page::new(CONFIG).header("etag", "\"c0ffee\""));
    server.page(&file("org/bert", "model.safetensors"), stored(&server, &weights));
    (bench, server, weights)
}

fn list(server: &Server, repository: &str, revision: &str, files: &[&str]) {
    let siblings: Vec<Value> = files.iter().map(|file| json!({ "rfilename": file })).collect();
    let answer = json!({ "id": "x", "sha": COMMIT, "siblings": siblings }).to_string();
    server.page(&format!("/api/{repository}/revision/{revision}"), Page::new(answer));
}

fn file(repository: &str, name: &str) -> String {
    format!("/{repository}/resolve/{COMMIT}/{name}")
}

/// A large file: the hub redirects to where it is, under another name of the host.
fn stored(server: &Server, content: &[u8]) -> Page {
    server.page("/store/large", Page::new(content));
    let location = server.url("/store/large").replace("127.0.0.1", "localhost");
    let headers = vec![
        ("location".to_owned(), location),
        ("etag".to_owned(), "\"of-the-redirect\"".to_owned()),
        ("x-linked-etag".to_owned(), format!("\"{}\"", digest::of_bytes(content))),
        ("x-linked-size".to_owned(), content.len().to_string()),
    ];
    Page { status: 302, headers, ..Page::default() }
}

fn paths(server: &Server) -> Vec<String> {
    server.seen().into_iter().map(|seen| format!("{} {}", seen.method, seen.path)).collect()
}

#[test]
fn a_model_is_fetched_into_the_shared_cache() {
    let (bench, _, weights) = hub();
    bench.model(json!({ "hub": "org/bert" })).unwrap();
    assert_eq!(bench.list("out/pretrained"), ["config.json", "model.safetensors"]);
    assert_eq!(fs::read(bench.path("out/pretrained/model.safetensors")).unwrap(), weights);
    let origins: Value = serde_json::from_str(&bench.read("out/source.json")).unwrap();
    assert_eq!(origins["model"]["commit"], COMMIT);

    let folder = "hub/models--org--bert";
    assert_eq!(bench.read(&format!("{folder}/refs/main")), COMMIT);
    assert_eq!(
        bench.list(&format!("{folder}/blobs")),
        ["c0ffee", digest::of_bytes(&weights).as_str()].map(String::from)
    );
    let link = bench.path(&format!("{folder}/snapshots/{COMMIT}/config.json"));
    #[cfg(unix)]
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("../../blobs/c0ffee"));
    assert_eq!(fs::read(link).unwrap(), CONFIG);
    assert!(bench.path("hub/.locks/models--org--bert/c0ffee.lock").exists());
}

#[test]
fn the_token_goes_to_the_hub_and_nowhere_else() {
    let (bench, server, _) = hub();
    bench.model(json!({ "hub": "org/bert" })).unwrap();
    for seen in server.seen() {
        let expected = (!seen.path.starts_with("/store")).then(|| "Bearer hf_secret".to_owned());
        assert_eq!(seen.headers.get("authorization").cloned(), expected, "{}", seen.path);
    }
    assert!(paths(&server).contains(&"GET /store/large".to_owned()));
}

#[test]
fn only_what_is_missing_is_asked_for() {
    let (bench, server, _) = hub();
    bench.model(json!({ "hub": "org/bert" })).unwrap();
    server.forget();
    bench.model(json!({ "hub": "org/bert" })).unwrap();
    assert_eq!(paths(&server), ["GET /api/models/org/bert/revision/main"]);
    // A commit never changes: once it is here, nothing is asked.
    list(&server, "models/org/bert", COMMIT, &["config.json", "model.safetensors"]);
    bench.model(json!({ "hub": "org/bert", "revision": COMMIT })).unwrap();
    server.forget();
    bench.model(json!({ "hub": "org/bert", "revision": COMMIT })).unwrap();
    assert_eq!(paths(&server), Vec::<String>::new());
    assert!(!bench.path(&format!("hub/models--org--bert/refs/{COMMIT}")).exists());
}

#[test]
fn other_programs_fetch_a_model_into_the_shared_cache() {
    let (mut bench, server, weights) = hub();
    let bring = |bench: &Bench, name: &str| {
        let http = Http::with_pause(Duration::from_millis(1));
        crate::model::bring(name, "main", &bench.path("cache"), &http, &bench.environment())
            .map_err(|error| format!("{} ({})", error.render(), error.kind().exit_code()))
    };
    let found = bring(&bench, "org/bert").unwrap();
    assert_eq!(found.commit, COMMIT);
    assert_eq!(fs::read(found.directory.join("model.safetensors")).unwrap(), weights);
    assert_eq!(fs::read(found.directory.join("config.json")).unwrap(), CONFIG);

    bench.offline = true;
    server.forget();
    assert_eq!(bring(&bench, "org/bert").unwrap(), found);
    let missing = bring(&bench, "org/other").map(|_| ());
    says(missing, &["HF_HUB_OFFLINE is set", "does not have all of `org/other` at `main`", "(1)"]);
    assert_eq!(paths(&server), Vec::<String>::new());
    says(bring(&bench, "a/b/c").map(|_| ()), &["`a/b/c` at `main` is not the name of a model on the hub", "(2)"]);
}

/// A repository of these files, each with its contents.
fn repository(server: &Server, name: &str, files: &[(&str, &[u8])]) {
    list(server, &format!("models/{name}"), "main", &files.iter().map(|(path, _)| *path).collect::<Vec<_>>());
    for (path, content) in files {
        let page = Page::new(*content).header("etag", &format!("\"{}\"", digest::of_bytes(content)));
        server.page(&file(name, path), page);
    }
}

#[test]
fn a_repository_without_a_checkpoint_is_refused_before_its_weights_are_downloaded() {
    let (bench, server, _) = hub();
    let adapter = br#"{"peft_type": "LORA", "base_model_name_or_path": "org/bert"}"#;
    repository(&server, "org/lora", &[("adapter_config.json", adapter), ("adapter_model.safetensors", b"w")]);
    says(
        bench.model(json!({ "hub": "org/lora" })),
        &["`model` is a PEFT adapter (LORA) for org/bert, not a whole model", "hub = \"org/bert\"", "(4)"],
    );
    let quantised = br#"{"quantization_config": {"quant_method": "gptq", "bits": 4}}"#;
    repository(&server, "org/gptq", &[("config.json", quantised), ("model.safetensors", b"w")]);
    says(bench.model(json!({ "hub": "org/gptq" })), &["quantised weights (gptq, 4 bits", "(4)"]);
    repository(&server, "org/tf", &[("config.json", b"{}"), ("tf_model.h5", b"w"), ("onnx/model.onnx", b"w")]);
    says(bench.model(json!({ "hub": "org/tf" })), &["has only TensorFlow weights and an ONNX export", "from_tf=True"]);
    let brought = paths(&server);
    assert!(!brought.iter().any(|path| path.ends_with("safetensors") || path.ends_with("h5")), "{brought:?}");
    says(
        crate::model::bring("org/tf", "main", &bench.path("cache"), &Http::new(), &bench.environment())
            .map(|_| ())
            .map_err(|error| error.render()),
        &["org/tf has only TensorFlow weights"],
    );
}

#[test]
fn a_sentence_model_of_the_hub_is_followed_to_its_transformer() {
    let (bench, server, _) = hub();
    let modules = br#"[{"type": "sentence_transformers.models.Transformer", "path": "0_Transformer"},
                       {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}]"#;
    let files: [(&str, &[u8]); 6] = [
        ("modules.json", modules),
        ("README.md", b"# A card"),
        ("config.json", b"{}"),
        ("0_Transformer/config.json", CONFIG),
        ("0_Transformer/pytorch_model.bin", b"weights"),
        ("1_Pooling/config.json", br#"{"pooling_mode_mean_tokens": true}"#),
    ];
    repository(&server, "org/sentences", &files);
    bench.model(json!({ "hub": "org/sentences" })).unwrap();
    assert_eq!(bench.list("out/pretrained"), ["README.md", "config.json", "pytorch_model.bin"]);
    assert_eq!(bench.read("out/pretrained/config.json").as_bytes(), CONFIG);
    bench.model(json!({ "hub": "org/sentences", "inside": "0_Transformer" })).unwrap();
    assert_eq!(bench.list("out/pretrained"), ["config.json", "pytorch_model.bin"]);

    let found = crate::model::bring("org/sentences", "main", &bench.path("cache"), &Http::new(), &bench.environment());
    let found = crate::local_model(&found.unwrap().directory).unwrap();
    assert!(found.directory.ends_with("0_Transformer"));
    assert!(found.sentence_model.unwrap().contains("pools by mean"));
}

#[test]
fn one_of_several_models_of_a_repository_is_fetched_by_folder() {
    let (bench, server, _) = hub();
    let files: [(&str, &[u8]); 4] = [
        ("large/config.json", CONFIG),
        ("large/model.safetensors", b"large"),
        ("small/config.json", CONFIG),
        ("small/model.safetensors", b"small"),
    ];
    repository(&server, "org/several", &files);
    says(
        bench.model(json!({ "hub": "org/several" })),
        &["`model` holds several models, in large, small", "set model.inside = \"large\"", "(4)"],
    );
    bench.model(json!({ "hub": "org/several", "inside": "small" })).unwrap();
    assert_eq!(bench.read("out/pretrained/model.safetensors"), "small");
    assert!(!paths(&server).iter().any(|path| path.contains("large")));
}

#[test]
fn offline_takes_the_cache_and_never_the_network() {
    let (mut bench, server, _) = hub();
    bench.offline = true;
    says(
        bench.model(json!({ "hub": "org/bert" })),
        &["HF_HUB_OFFLINE is set", "`org/bert` at `main`", "models--org--bert", "(1)"],
    );
    bench.offline = false;
    bench.model(json!({ "hub": "org/bert" })).unwrap();
    server.forget();
    bench.offline = true;
    bench.model(json!({ "hub": "org/bert" })).unwrap();
    assert_eq!(bench.list("out/pretrained"), ["config.json", "model.safetensors"]);
    // A cache that Python filled with a part of the files.
    fs::remove_file(bench.path(&format!("hub/models--org--bert/snapshots/{COMMIT}/model.safetensors"))).unwrap();
    says(bench.model(json!({ "hub": "org/bert" })), &["no weights", "(4)"]);
    assert_eq!(paths(&server), Vec::<String>::new());
}

#[test]
fn a_hub_that_is_not_reached_leaves_the_cache() {
    let (mut bench, _, _) = hub();
    bench.model(json!({ "hub": "org/bert" })).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    bench.endpoint = format!("http://127.0.0.1:{port}");
    bench.model(json!({ "hub": "org/bert" })).unwrap();
    says(bench.model(json!({ "hub": "org/other" })), &["was not reached", "HF_ENDPOINT", "HF_HUB_OFFLINE", "(1)"]);
}

#[test]
fn a_truncated_body_is_resumed() {
    let (bench, server, weights) = hub();
    let mut page = Page::new(weights.clone());
    page.cuts = vec![20_000, 10_000];
    server.page("/store/large", page);
    bench.model(json!({ "hub": "org/bert" })).unwrap();
    assert_eq!(fs::read(bench.path("out/pretrained/model.safetensors")).unwrap(), weights);
    let gets = server.seen().into_iter().filter(|seen| seen.path == "/store/large" && seen.method == "GET");
    let ranges: Vec<_> = gets.map(|seen| seen.headers.get("range").cloned().unwrap_or_default()).collect();
    assert_eq!(ranges, ["", "bytes=20000-", "bytes=30000-"]);
}

#[test]
fn what_python_left_incomplete_is_resumed() {
    let (bench, server, weights) = hub();
    let blob = format!("hub/models--org--bert/blobs/{}", digest::of_bytes(&weights));
    bench.write(&format!("{blob}.incomplete"), &weights[..40_000]);
    bench.model(json!({ "hub": "org/bert" })).unwrap();
    assert!(bench.path(&blob).exists() && !bench.path(&format!("{blob}.incomplete")).exists());
    assert!(server.seen().iter().any(|seen| seen.headers.get("range").is_some_and(|range| range == "bytes=40000-")));
}

#[test]
fn content_that_is_not_what_the_hub_promised_is_refused() {
    let (bench, server, weights) = hub();
    server.page("/store/large", Page::new(vec![0; weights.len()]));
    says(
        bench.model(json!({ "hub": "org/bert" })),
        &["org/bert/model.safetensors is damaged", &digest::of_bytes(&weights), "(4)"],
    );
    assert!(!bench.path(&format!("hub/models--org--bert/blobs/{}", digest::of_bytes(&weights))).exists());
    // The next run starts over.
    server.page("/store/large", Page::new(weights));
    bench.model(json!({ "hub": "org/bert" })).unwrap();
}

#[test]
fn refusals_say_what_to_do() {
    let (bench, server, _) = hub();
    says(
        bench.model(json!({ "hub": "org/brt" })),
        &["`org/brt` from the hub", "404", "no such repository among its models", "/org/brt", "(1)"],
    );
    says(
        bench.data(json!({ "hub": "org/bert", "revision": "v2" })),
        &["among its datasets", "no revision `v2`", "/datasets/org/bert"],
    );
    server.page(
        "/api/models/org/private/revision/main",
        Page::status(401).header("x-error-message", "Invalid credentials"),
    );
    says(bench.model(json!({ "hub": "org/private" })), &["401", "Invalid credentials", "HF_TOKEN"]);
    server.page("/api/models/org/gated/revision/main", Page::status(403));
    says(bench.model(json!({ "hub": "org/gated" })), &["403", "accept its terms at", "/org/gated"]);
    server.page("/api/models/org/html/revision/main", Page::new(b"<html>".as_slice()));
    says(bench.model(json!({ "hub": "org/html" })), &["is not a hub's", "login page"]);
}

#[test]
fn a_data_set_brings_its_tables_or_the_named_files() {
    let (bench, server, _) = hub();
    let files = ["README.md", "data/train-0.parquet", "data/test-0.parquet", "dataset_infos.json"];
    list(&server, "datasets/org/news", "refs%2Fconvert%2Fparquet", &files);
    for name in &files[1..3] {
        let page = Page::new(name.as_bytes()).header("etag", &format!("W/\"{}\"", digest::of_bytes(name.as_bytes())));
        server.page(&file("datasets/org/news", name), page);
    }
    let source = |files: Value| json!({ "hub": "org/news", "revision": "refs/convert/parquet", "files": files });
    bench.data(source(json!([]))).unwrap();
    assert_eq!(bench.list("out/raw"), ["data/test-0.parquet", "data/train-0.parquet"]);
    let link = bench.path(&format!("hub/datasets--org--news/snapshots/{COMMIT}/data/test-0.parquet"));
    #[cfg(unix)]
    assert!(fs::read_link(&link).unwrap().starts_with("../../../blobs"));
    assert_eq!(fs::read_to_string(link).unwrap(), "data/test-0.parquet");
    assert_eq!(bench.read("hub/datasets--org--news/refs/refs/convert/parquet"), COMMIT);
    bench.data(source(json!("train-*.parquet"))).unwrap();
    assert_eq!(bench.list("out/raw"), ["data/train-0.parquet"]);
    says(
        bench.data(source(json!("trian.csv"))),
        &["no file that matches trian.csv", "there are: data/train-0.parquet", "(4)"],
    );
    list(&server, "datasets/org/script", "main", &["script.py", "README.md"]);
    says(bench.data(json!({ "hub": "org/script" })), &["no table", "refs/convert/parquet", "(4)"]);
}

#[test]
fn a_hostile_hub_cannot_write_elsewhere() {
    let (bench, server, _) = hub();
    for name in ["../../x.csv", "/x.csv", "a/../../x.csv", "a\\b.csv", ""] {
        list(&server, "datasets/org/evil", "main", &[name]);
        says(bench.data(json!({ "hub": "org/evil" })), &["has a file with the name", "(4)"]);
    }
    list(&server, "datasets/org/evil", "main", &["x.csv"]);
    server.page(&file("datasets/org/evil", "x.csv"), Page::new(b"x".as_slice()).header("etag", "\"../../../x\""));
    says(bench.data(json!({ "hub": "org/evil" })), &["without a usable ETag"]);
}
