//! Inputs that users of other tools reported problems with: each is read correctly or refused with advice.

use firebrand_dataset::Part;

use super::Bench;

fn texts(bench: &Bench) -> Vec<String> {
    bench.rows().into_iter().map(|(_, text, _)| text).collect()
}

/// Dialogue cut into sentences: a quote opens in one row and closes three rows later.
const DIALOGUE: &str = "text\tlabel\none\tneg\n\"two\tpos\nthree\tneg\nfour\"\tpos\nfive\tneg\n";

#[test]
fn stray_quotes_of_a_tsv_are_text() {
    let bench = Bench::new(&[("a.tsv", DIALOGUE.as_bytes())]).done();
    assert_eq!(texts(&bench), ["one", "\"two", "three", "four\"", "five"]);
    assert!(
        bench.notes()[0].contains("a.tsv: quotation marks are read as text") && bench.notes()[0].contains("line 3")
    );
    let open = DIALOGUE.replace("four\"", "four");
    assert_eq!(Bench::new(&[("a.tsv", open.as_bytes())]).done().ids().len(), 5);
    let text_after = "text\tlabel\n\"No,\" she said\tneg\n\"all of it\"\tpos\n";
    let bench = Bench::new(&[("a.csv", text_after.as_bytes())]).done();
    assert_eq!(texts(&bench), ["\"No,\" she said", "\"all of it\""]);
}

#[test]
fn quotes_of_a_tsv_that_make_sense_are_quotes() {
    let bench = Bench::new(&[("a.tsv", b"text\tlabel\n\"he said \"\"no\"\"\"\tneg\n\"tab\there\"\tpos\n")]).done();
    assert_eq!(texts(&bench), ["he said \"no\"", "tab here"]);
    assert_eq!(bench.notes(), Vec::<String>::new());
    let bench = Bench::new(&[("a.tsv", b"text\tlabel\n\"two\nlines\"\tneg\nb\tpos\n")]).done();
    assert_eq!(texts(&bench), ["two lines", "b"]);
    let bench = Bench::new(&[("a.tsv", DIALOGUE.as_bytes())]).with(|config| config.quote = "\"".to_owned()).done();
    assert_eq!(bench.ids().len(), 3);
}

#[test]
fn a_tsv_with_ragged_lines_and_stray_quotes_names_them() {
    let ragged = DIALOGUE.replace("three\tneg", "three");
    let bench = || Bench::new(&[("a.tsv", ragged.as_bytes())]);
    let error = bench().refused();
    assert!(error.contains("a.tsv, lines 3 to 5 are one row") && error.contains("quote = \"none\""), "{error}");
    let bench = bench().with(|config| config.bad_rows = "drop".to_owned()).done();
    assert_eq!((bench.ids(), bench.dropped("bad_row")), (vec![0, 1, 3, 4], 1));
    assert_eq!(bench.report()["dropped_examples"]["bad_row"][0]["place"], "a.tsv, line 4");
    let note = "a.tsv: quotation marks are read as text, in good rows too, because they do not fit in 1 row (the first is \
        line 3); `quote = \"\\\"\"` below [clean]";
    assert!(bench.notes().iter().any(|known| known.starts_with(note)), "{:?}", bench.notes());
}

#[test]
fn a_csv_field_over_lines_is_legal_unless_it_swallows_rows() {
    let bench = Bench::csv("text,label\n\"first, then\nsecond, again\",pos\nb,neg\nc,pos\nd,neg\n").done();
    assert_eq!(texts(&bench)[0], "first, then second, again");
    let swallowed = "text,label\na,neg\nb,pos\n\"c,neg\nd,pos\ne\",neg\nf,pos\ng,neg\n";
    let error = Bench::csv(swallowed).refused();
    assert!(error.contains("a.csv, line 4: a quote opens a field that ends in line 6"), "{error}");
    let bench = Bench::csv(swallowed).with(|config| config.quote = "none".to_owned()).done();
    assert_eq!(bench.ids().len(), 7);
    let bench = Bench::csv(swallowed).with(|config| config.quote = "\"".to_owned()).done();
    assert_eq!(bench.ids().len(), 5);
}

#[test]
fn a_text_over_lines_may_follow_its_label() {
    let rows = "ham,x\nspam,y\nham,z\nspam,w\n";
    let table = format!("label,text\nham,\"Hello\nworld\"\n{rows}");
    let quoted = "\"label\",\"text\"\r\n\"1\",\"Hello\r\nworld\"\r\n\"1\",\"x\"\r\n\"0\",\"y\"\r\n\"1\",\"z\"\r\n\"0\",\"w\"\r\n";
    for (name, table) in [("a.csv", table.clone()), ("a.tsv", table.replace(',', "\t")), ("a.csv", quoted.to_owned())] {
        let bench = Bench::new(&[(name, table.as_bytes())]).done();
        assert_eq!(texts(&bench), ["Hello world", "x", "y", "z", "w"]);
    }
    let error = Bench::csv(&format!("label,text\nham,\"Hello\nspam,world\"\n{rows}")).refused();
    assert!(error.contains("a.csv, line 2: a quote opens a field that ends in line 3"), "{error}");
}

#[test]
fn bad_rows_are_counted_and_shown() {
    let table = "text,label\na,x\nb\nc,y,z\nd,y\n\"e,x\nf,x\n";
    let error = Bench::csv(table).refused();
    assert!(error.contains("a.csv, line 3 has 1 field, the header has 2 (the first of 3 rows"), "{error}");
    assert!(error.contains("the others: line 4, 6") && error.contains("bad_rows = \"drop\""), "{error}");
    let bench = Bench::csv(table).with(|config| config.bad_rows = "drop".to_owned()).done();
    assert_eq!((bench.ids(), bench.dropped("bad_row")), (vec![0, 3, 5], 3));
    let lines = b"{\"text\":\"a\",\"label\":1}\nnope\n{\"text\":\"b\",\"label\":0}\n";
    let bench = Bench::new(&[("a.jsonl", lines)]).with(|config| config.bad_rows = "drop".to_owned()).done();
    assert_eq!((bench.ids(), bench.dropped("bad_row")), (vec![0, 2], 1));
}

#[test]
fn files_without_a_header_are_read() {
    let table = "__label__1,the film was long and dull\n__label__2,what a lovely evening\n__label__1,never again\n__label__2,so good\n";
    let bench = Bench::csv(table).done();
    assert_eq!((bench.labels(), bench.ids().len()), (vec!["__label__1".to_owned(), "__label__2".to_owned()], 4));
    assert!(bench.notes()[0].contains("2 holds the texts and 1 the labels"), "{:?}", bench.notes());
    let named = Bench::csv("a,x\nb,y\n").with(|config| {
        (config.text_column, config.label_column, config.header) = ("1".to_owned(), "2".to_owned(), false.into());
    });
    assert_eq!(named.done().labels(), ["x", "y"]);
    // The first label happens to be the number of its column.
    let numbered = Bench::csv("1,great film\n2,dull film\n1,so good\n2,never again\n").with(|config| {
        (config.label_column, config.text_column) = ("1".to_owned(), "2".to_owned());
    });
    assert_eq!(numbered.done().ids().len(), 4);
    let error = Bench::csv("a,x\nb,y\n").refused();
    assert!(error.contains("none of its columns is known to hold the texts: \"a\", \"x\""), "{error}");
}

#[test]
fn separators_may_be_declared_or_set() {
    for table in ["sep=;\ntext;label\na, b;x\nc;y\n", "\u{feff}\"sep=;\"\r\ntext;label\r\na, b;x\r\nc;y\r\n"] {
        assert_eq!(texts(&Bench::csv(table).done()), ["a, b", "c"]);
    }
    let table = "text,x|label\na|x\nb|y\n";
    let bench = Bench::csv(table).with(|config| {
        (config.separator, config.text_column) = ("|".to_owned(), "text,x".to_owned());
    });
    assert_eq!(bench.done().labels(), ["x", "y"]);
    assert_eq!(Bench::csv("text,label\ra,x\rb,y\r").done().labels(), ["x", "y"]);
}

#[test]
fn utf16_and_windows_1252_are_read() {
    let utf16: Vec<u8> = "\u{feff}text\tlabel\nnaïve €\tx\nb\ty\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(texts(&Bench::new(&[("a.tsv", &utf16)]).done()), ["naïve €", "b"]);
    let bench = Bench::new(&[("a.csv", b"text,label\nna\xefve \x80,x\nb,y\n")]).done();
    assert_eq!(texts(&bench), ["naïve €", "b"]);
    assert!(bench.notes()[0].contains("read as windows-1252, a guess") && bench.notes()[0].contains("    naïve €,x"));
    let bench = Bench::new(&[("a.csv", b"text,label\n\xc4,x\nb,y\n")]);
    assert_eq!(texts(&bench.with(|config| config.encoding = "iso-8859-5".to_owned()).done()), ["Ф", "b"]);
}

#[test]
fn what_python_writes_as_json_is_read() {
    let lines = b"{\"text\":\"a\",\"label\":\"x\",\"votes\":NaN}\n{\"text\":NaN,\"label\":\"y\"}\n\
        {\"text\":\"b\\ud83d\",\"label\":\"y\",\"votes\":-Infinity}\n";
    let bench = Bench::new(&[("a.jsonl", lines)]).done();
    assert_eq!((texts(&bench), bench.dropped("missing_text")), (vec!["a".to_owned(), "b\u{fffd}".to_owned()], 1));
    assert_eq!((bench.notes().len(), bench.warnings()), (2, vec![]));
}

fn glue(test: &str) -> [(&str, &[u8]); 3] {
    [
        ("test.csv", test.as_bytes()),
        ("train.csv", b"sentence,label\na,0\nb,1\nc,0\nd,1\n"),
        ("validation.csv", b"sentence,label\ne,0\nf,1\n"),
    ]
}

#[test]
fn hidden_labels_are_not_a_class() {
    let bench = Bench::new(&glue("sentence,label\ng,-1\nh,-1\n")).done();
    assert_eq!((bench.labels(), bench.dropped("hidden_label")), (vec!["0".to_owned(), "1".to_owned()], 2));
    let [warning] = bench.warnings().try_into().unwrap();
    assert!(warning.starts_with("every label of test.csv is -1, which marks hidden labels"), "{warning}");
    // If it is configured as the test set, there is none left, and `split` draws one.
    let bench = Bench::new(&glue("sentence,label\ng,-1\nh,-1\n"));
    let bench = bench.with(|config| config.test_files = vec!["test.csv".to_owned()]).done();
    assert_eq!(bench.examples().iter().filter(|row| row.part == Some(Part::Test)).count(), 0);
    assert!(bench.warnings()[0].ends_with("the test split is drawn from other rows instead"));
}

#[test]
fn minus_one_may_be_a_class() {
    assert_eq!(Bench::new(&glue("sentence,label\ng,-1\nh,1\n")).done().labels(), ["-1", "0", "1"]);
    let per_class: [(&str, &[u8]); 2] =
        [("neg.csv", b"text,label\na,-1\nb,-1\n"), ("pos.csv", b"text,label\nc,1\nd,1\n")];
    assert_eq!(Bench::new(&per_class).done().labels(), ["-1", "1"]);
}

#[test]
fn weights_are_read() {
    let bench = Bench::csv("text,label,weight\na,x,0.001\nb,y,1\nc,x,2e1\n").done();
    assert_eq!(bench.examples().iter().map(|row| row.weight).collect::<Vec<_>>(), [0.001, 1.0, 20.0]);
    assert!(bench.notes()[0].contains("rows are weighted in training by the column \"weight\""));
    assert_eq!(bench.report()["columns"][0]["weight"], "weight");
    let table = "text,label,weight,trust\na,x,5 kg,0.5\nb,y,,1\n";
    let of = |column: &str| Bench::csv(table).with(|config| config.weight_column = column.to_owned());
    assert_eq!(of("trust").done().examples()[0].weight, 0.5);
    assert_eq!(of("none").done().examples()[0].weight, 1.0);
}

#[test]
fn hostile_weights_are_refused() {
    for (weight, found) in [
        ("-1", "\"-1\""),
        ("NaN", "\"NaN\""),
        ("inf", "\"inf\""),
        ("1e99", "\"1e99\""),
        ("", "missing"),
        ("much", "\"much\""),
    ] {
        let error = Bench::csv(&format!("text,label,weight\na,x,1\nb,y,{weight}\n")).refused();
        let expected = format!("a.csv, line 3: the weight in `weight` is {found}, not a number of at least 0");
        assert!(error.contains(&expected), "{error}");
        assert!(error.contains("weight_column = \"none\""), "{error}");
    }
    assert!(Bench::csv("text,label,weight\na,x,0\nb,y,0\n").refused().contains("every row has the weight 0"));
}
