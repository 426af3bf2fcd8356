use proptest::prelude::*;

use super::*;

type Columns = Vec<Vec<Option<String>>>;

fn options(change: impl FnOnce(&mut ReadOptions)) -> ReadOptions {
    let mut options = ReadOptions::detect(Interface::Configuration);
    change(&mut options);
    options
}

fn read(text: &str, kind: Kind, options: &ReadOptions) -> Result<Csv, String> {
    Csv::new("a.csv", text, kind, options, &[]).map_err(|error| error.message().to_owned())
}

fn columns(csv: &Csv) -> Columns {
    (0..csv.names.len()).map(|column| csv.column(column)).collect()
}

fn rows(text: &str) -> Result<(Columns, Vec<u64>), String> {
    let csv = read(text, Kind::Csv, &options(|_| ()))?;
    Ok((columns(&csv), csv.lines))
}

fn some(values: &[&str]) -> Vec<Option<String>> {
    values.iter().map(|value| (!value.is_empty()).then(|| (*value).to_owned())).collect()
}

#[test]
fn quotes_hold_separators_breaks_and_quotes() {
    let text = "text,label\r\n\"a, \"\"b\"\"\nc\",1\r\n\r\na 5\" pipe,2\n,3\n\"\",\n";
    let (columns, lines) = rows(text).unwrap();
    assert_eq!(columns, [some(&["a, \"b\"\nc", "a 5\" pipe", "", ""]), some(&["1", "2", "3", ""])]);
    assert_eq!(lines, [2, 5, 6, 7]);
}

#[test]
fn the_separator_is_found() {
    assert_eq!(rows("text;label\na, b;1").unwrap().0, [some(&["a, b"]), some(&["1"])]);
    assert_eq!(rows("text\tlabel\na, b\t1\r\n").unwrap().0, [some(&["a, b"]), some(&["1"])]);
    assert_eq!(rows("text|label\na, b|1\r\n").unwrap().0, [some(&["a, b"]), some(&["1"])]);
    let tsv = read("text,x\tlabel\na\t1\r", Kind::Tsv, &options(|_| ())).unwrap();
    assert_eq!(tsv.names, ["text,x", "label"]);
    assert_eq!(tsv.column(1), some(&["1"]));
}

#[test]
fn what_is_broken_is_named_by_its_line() {
    for (text, expected) in [
        ("text,label\na,1\nb,2,3\n", "a.csv, line 3 has 3 fields, the header has 2"),
        ("text,label\n\"a\n\",1\nb\n", "a.csv, line 4 has 1 field, the header has 2"),
        ("text,label\na,1\n\"b\n,2\n", "a.csv, line 3: a quote opens a field and nothing closes it"),
        ("text,label\n\"a\" b,1\n", "a.csv, line 2: after the quote that ends a field stands \" b,1 \""),
        ("text,label,text\na,1,b", "a.csv names two columns \"text\": \"text\", \"label\", \"text\""),
        ("text,label\n\n", "a.csv has a header and no rows"),
        ("\n\n", "a.csv has only blank lines"),
    ] {
        assert_eq!(rows(text).unwrap_err(), expected);
    }
    assert!(rows(",,text\n0,1,a\n").is_ok());
}

#[test]
fn without_a_header_most_rows_say_how_many_columns_there_are() {
    let text = "\"a,x\nb,y,z\nc,x\nd,y\ne\n";
    let reading = |bad_rows| options(|options| (options.header, options.bad_rows) = (Some(false), bad_rows));
    let csv = read(text, Kind::Csv, &reading(BadRows::Drop)).unwrap();
    assert_eq!(csv.names, ["1", "2"]);
    assert_eq!(columns(&csv), [some(&["c", "d"]), some(&["x", "y"])]);
    assert_eq!(csv.bad.iter().map(|row| row.number).collect::<Vec<_>>(), [1, 2, 5]);
    let error = read("a,x,\nb,y\nc,x\n", Kind::Csv, &reading(BadRows::Error)).unwrap_err();
    assert_eq!(error, "a.csv, line 1 has 3 fields, most rows have 2");
}

#[test]
fn a_quote_may_be_another_character() {
    let csv = read("text,label\n'it''s, \"so\"',1\n", Kind::Csv, &options(|options| options.quote = Quote::Is(b'\'')))
        .unwrap();
    assert_eq!(csv.column(0), some(&["it's, \"so\""]));
}

/// Texts of what is special in such files.
fn nasty() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a", "é", "\"", "\"\"", ",", ";", "\t", "\n", "\r\n", "\r", " ", "'", "\\", "sep=;", "\u{feff}", "\0",
    ]);
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn quoted(field: &str) -> String {
    format!("\"{}\"", field.replace('"', "\"\""))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// A table that is written with quotes comes back, whatever is in it.
    #[test]
    fn tables_come_back(
        table in prop::collection::vec((nasty(), nasty()), 1..12),
        separator in prop::sample::select(vec![b',', b';', b'\t', b'|']),
        line_end in prop::sample::select(vec!["\n", "\r\n"]),
    ) {
        let part = char::from(separator);
        let line = |(text, label): &(String, String)| format!("{}{part}{}{line_end}", quoted(text), quoted(label));
        let file = format!("text{part}label{line_end}{}", table.iter().map(line).collect::<String>());
        // That these are quotes is said, as some of these tables would be more sensible without.
        let options = options(|options| {
            (options.separator, options.quote, options.header) = (Some(separator), Quote::Is(b'"'), Some(true));
        });
        let csv = read(&file, Kind::Csv, &options).unwrap();
        let cells = |get: fn(&(String, String)) -> &String| {
            table.iter().map(get).map(|cell| (!cell.is_empty()).then(|| cell.clone())).collect::<Vec<_>>()
        };
        prop_assert_eq!(columns(&csv), [cells(|row| &row.0), cells(|row| &row.1)]);
    }

    /// Without quotes, lines and separators are all that counts.
    #[test]
    fn unquoted_tables_come_back(table in prop::collection::vec(("[ab\"' ,]{1,6}", "[xy\"]{1,3}"), 1..12)) {
        let lines: String = table.iter().map(|(text, label)| format!("{text}\t{label}\n")).collect();
        let options = options(|options| (options.quote, options.header) = (Quote::None, Some(true)));
        let csv = read(&format!("text\tlabel\n{lines}"), Kind::Tsv, &options).unwrap();
        let cells: Vec<Option<String>> = table.iter().map(|(text, _)| Some(text.clone())).collect();
        prop_assert_eq!(csv.column(0), cells);
    }

    /// However a file is broken, every line of it is in a row, in a bad row, or blank.
    #[test]
    fn no_line_is_lost(lines in prop::collection::vec("[ab\",\t]{0,8}", 1..12), tsv in any::<bool>()) {
        let options = options(|options| (options.bad_rows, options.header) = (BadRows::Drop, Some(true)));
        let (kind, header) = if tsv { (Kind::Tsv, "text\tlabel") } else { (Kind::Csv, "text,label") };
        let file = format!("{header}\n{}\n", lines.join("\n"));
        if let Ok(csv) = read(&file, kind, &options) {
            let mut starts: Vec<u64> = csv.lines.iter().copied().chain(csv.bad.iter().map(|row| row.number)).collect();
            starts.sort_unstable();
            starts.dedup();
            prop_assert_eq!(starts.len(), csv.lines.len() + csv.bad.len());
            prop_assert!(starts.len() <= lines.iter().filter(|line| !line.is_empty()).count());
        }
    }
}
