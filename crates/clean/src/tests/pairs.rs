//! Text pairs.

use firebrand_text::TextOptions;

use super::Bench;

fn pairs(table: &str) -> Bench {
    Bench::csv(table).with(|config| {
        config.text_column = "first".to_owned();
        config.pair_column = "second".to_owned();
    })
}

#[test]
fn both_texts_are_cleaned_and_required() {
    let table = "first,second,label\n<b>a</b>  b, c&amp;d ,x\ne,,x\n,f,y\ng,<br>,y\nh,i,y\n";
    let bench = pairs(table).done();
    let found: Vec<_> = bench.examples().into_iter().map(|row| (row.id, row.text, row.pair.unwrap())).collect();
    assert_eq!(found, [(0, "a b".to_owned(), "c&d".to_owned()), (4, "h".to_owned(), "i".to_owned())]);
    assert_eq!((bench.dropped("missing_text"), bench.dropped("too_short")), (2, 1));
    assert_eq!(bench.report()["columns"][0]["pair"], "second");
    // Prediction has to know that the model takes pairs.
    assert!(TextOptions::read(&bench.path("out/text.json")).unwrap().pairs);
    assert!(!TextOptions::read(&Bench::csv("text,label\na,x\nb,y\n").done().path("out/text.json")).unwrap().pairs);
}

#[test]
fn pairs_are_equal_if_both_texts_are() {
    let table = "first,second,label\na,b,x\na, b,x\na,c,x\nb,a,x\na,d,x\na,d,y\nq,r,y\n";
    let bench = pairs(table).done();
    assert_eq!(bench.ids(), [0, 2, 3, 6]);
    assert_eq!((bench.dropped("duplicate"), bench.dropped("conflict")), (1, 2));
}

#[test]
fn an_invalid_pair_column_is_named() {
    let error = Bench::csv("text,label\na,x\nb,y\n").with(|config| config.pair_column = "tetx".to_owned()).refused();
    assert!(error.contains("has no column \"tetx\" (`pair_column`)"), "{error}");
    let bench = Bench::new(&[("x/1.txt", b"one"), ("y/2.txt", b"two")]);
    let error = bench.with(|config| config.pair_column = "second".to_owned()).refused();
    assert!(error.contains("`pair_column` = \"second\" names a column"), "{error}");
}
