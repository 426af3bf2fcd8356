//! The fields of a single record.

/// The fields of a record whose quotes are sound, without the quotes around them.
pub fn fields(record: &[u8], separator: u8, quote: Option<u8>) -> Vec<Vec<u8>> {
    let mut fields = Vec::new();
    let mut rest = record;
    loop {
        let field;
        (field, rest) = match quote {
            Some(quote) if rest.first() == Some(&quote) => quoted(&rest[1..], quote),
            _ => {
                let end = rest.iter().position(|byte| *byte == separator).unwrap_or(rest.len());
                (rest[..end].to_vec(), &rest[end..])
            }
        };
        fields.push(field);
        match rest.split_first() {
            Some((_, next)) => rest = next,
            None => return fields,
        }
    }
}

/// What stands before the closing quote, and what follows it.
fn quoted(text: &[u8], quote: u8) -> (Vec<u8>, &[u8]) {
    let mut field = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte == quote) {
        field.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        if rest.first() != Some(&quote) {
            return (field, rest);
        }
        field.push(quote);
        rest = &rest[1..];
    }
    field.extend_from_slice(rest);
    (field, &[])
}

#[cfg(test)]
mod tests {
    use csv::{QuoteStyle, WriterBuilder};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_quotes_around_a_field_are_quotes() {
        let found = |text: &str, quote| -> Vec<String> {
            fields(text.as_bytes(), b',', quote).into_iter().map(|field| String::from_utf8(field).unwrap()).collect()
        };
        assert_eq!(found("", Some(b'"')), [""]);
        assert_eq!(found(",", Some(b'"')), ["", ""]);
        assert_eq!(found("a,\"b, \"\"c\"\"\n\",5\" pipe,\"\"", Some(b'"')), ["a", "b, \"c\"\n", "5\" pipe", ""]);
        assert_eq!(found("\"a,b\"", None), ["\"a", "b\""]);
        assert_eq!(found("'a,b'", Some(b'\'')), ["a,b"]);
    }

    proptest! {
        /// What the `csv` crate writes comes back, whatever is quoted.
        #[test]
        fn written_fields_come_back(
            row in prop::collection::vec("[a\"',;\t\r\né]{0,6}", 2..6),
            separator in prop::sample::select(vec![b',', b';', b'\t']),
            always in any::<bool>(),
        ) {
            let style = if always { QuoteStyle::Always } else { QuoteStyle::Necessary };
            let mut writer = WriterBuilder::new().delimiter(separator).quote_style(style).from_writer(Vec::new());
            writer.write_record(&row).unwrap();
            let bytes = writer.into_inner().unwrap();
            let found = fields(bytes.strip_suffix(b"\n").unwrap(), separator, Some(b'"'));
            prop_assert_eq!(found, row.iter().map(|field| field.as_bytes().to_vec()).collect::<Vec<_>>());
        }
    }
}
