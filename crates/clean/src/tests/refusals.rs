//! Unusable data: exit code 4 and a message that says where the problem is.

use serde_json::json;

use super::Bench;

#[test]
fn broken_files_are_named_with_their_lines() {
    for (name, content, expected) in [
        ("a.csv", &b""[..], "a.csv is empty"),
        ("a.csv", b"text,label\n", "a.csv has a header and no rows"),
        ("a.csv", b"text,label\nna\xc3\xafve,1\ncaf\xe9,0\n", "a.csv, line 3 is not UTF-8"),
        ("a.jsonl", b"{\"text\":\"\xc3\xa9\",\"label\":1}\n{\"text\":\"\xe9\"}\n", "a.jsonl, line 2 is not UTF-8"),
        ("a.csv", b"PK\x03\x04", "a.csv is not a text but a ZIP archive"),
        ("spam/a", b"\x80\x04\x95\0\0", "spam/a is not a text but a Python pickle"),
        ("a.arrow", b"FEA1....", "a.arrow is damaged"),
        ("a.csv", b"text,label\na,1\nb\n", "a.csv, line 3 has 1 field, the header has 2"),
        ("a.csv", b"text,label\na,1\n\"b,0\n", "a.csv, line 3: a quote opens a field and nothing closes it"),
        ("a.csv", b"text,label,text\na,1,b\n", "a.csv names two columns \"text\""),
        ("a.jsonl", b"{\"text\":\"a\",\"label\":1}\n{\"text\"\n", "a.jsonl, line 2 is not valid JSON"),
        ("a.jsonl", b"{\"text\":\"a\",\"label\":[1]}\n", "a.jsonl, line 1: `label` is a list"),
        ("a.json", b"{\"data\":\n []}", "a.json, line 1 is not valid JSON"),
        ("a.parquet", b"text,label\na,1\n", "a.parquet is not a Parquet file"),
        ("a.csv.gz", b"text,label\na,1\n", "a.csv.gz is not a whole gzip file"),
        ("spam/a.pdf", b"%PDF-1.4", "spam/a.pdf is not a text but a PDF"),
        ("a.txt", b"some text", "1 of 1 files lie in no label's folder"),
        ("a.csv", b"what,kind\na,1\n", "none of its columns is known to hold the texts: \"what\", \"kind\""),
        ("a.csv", b"text,label,class\na,1,2\n", "several columns may hold the labels: \"label\", \"class\""),
    ] {
        let error = Bench::new(&[(name, content)]).refused();
        assert!(error.contains(expected), "{error}");
        assert!(error.contains("hint: "), "{error}");
    }
}

#[test]
fn inconsistent_files() {
    assert!(Bench::new(&[]).refused().contains("has no files in it"));
    let error = Bench::new(&[("a.csv", b"x"), ("b.jsonl", b"{}")]).refused();
    assert!(error.contains("mixes kinds of files: CSV or TSV (a.csv), JSON (b.jsonl)"), "{error}");
    let bench = Bench::csv("text,label\na,1\n").with(|config| config.test_files = vec!["tset.csv".to_owned()]);
    let error = bench.refused();
    assert!(error.contains("`test_files` = \"tset.csv\" matches none of the fetched files: \"a.csv\""), "{error}");
    let bench = Bench::new(&[("a.txt", b"x")]).with(|config| config.train_files = vec!["*.txt".to_owned()]);
    assert!(bench.refused().contains("a.txt lies in no label's folder"));
}

#[test]
fn columns_of_documents_and_misspelt_columns() {
    let documents = || Bench::new(&[("ham/1", b"a"), ("spam/1", b"b")]);
    let error = documents().with(|config| config.group_column = "author".to_owned()).refused();
    assert!(error.contains("`group_column` = \"author\" names a column, but ham/1 is a text"), "{error}");
    let error = documents().with(|config| _ = config.filter.insert("x".to_owned(), json!(1))).refused();
    assert!(error.contains("`filter.x` = \"1\" names a column"), "{error}");
    let bench = Bench::csv("text,label\na,1\n").with(|config| config.label_column = "lable".to_owned());
    let error = bench.refused();
    assert!(error.contains("no column \"lable\"") && error.contains("did you mean \"label\"?"), "{error}");
}

#[test]
fn labels_that_cannot_be_learned_from() {
    let bench = Bench::csv("text,label\na,x\nb,x\nc,y\nd,z\ne,z\nf,z\n").with(|config| config.min_rows_per_label = 3);
    let error = bench.refused();
    assert!(error.contains("`min_rows_per_label` = 3: \"x\" (2 rows), \"y\" (1 row)\n"), "{error}");
    let error = Bench::csv("text,label\na,x\nb,x\n").refused();
    assert!(error.contains("there is only one label: \"x\" (2 rows) (2 rows read, none dropped)"), "{error}");
}

#[test]
fn no_rows_left_reports_why() {
    let bench = Bench::csv("text,label,source\n,x,web\nb,,web\nc,x,book\n<br>,x,web\nd,x,web\nd,y,web\n");
    let error = bench.with(|config| _ = config.filter.insert("source".to_owned(), json!("web"))).refused();
    assert!(
        error.contains(
            "no rows are left: 6 rows read, dropped: 1 excluded by the filter, 1 without text, 1 without label, \
             1 too short, 2 with conflicting labels"
        ),
        "{error}"
    );
    let bench = Bench::csv("text,label,source\na,x,web\nb,y,book\n");
    let error = bench.with(|config| _ = config.filter.insert("source".to_owned(), json!("Web"))).refused();
    assert!(error.contains("no rows are left: 2 rows read, dropped: 2 excluded"), "{error}");
    assert!(
        error.contains(
            "no row matches `filter.source` = \"Web\"; the column contains \"book\", \"web\"; did you mean \"web\"?"
        ),
        "{error}"
    );
}
