//! Word tokenization, as scikit-learn's vectorizers do by default.

/// The words of a text: runs of two or more letters, digits or underscores. Lower-case the text first.
///
/// In languages written without spaces, a run of letters is one word: the baseline is weak there, as its figures show.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| word.chars().nth(1).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `TfidfVectorizer().build_analyzer()(text)`
    #[test]
    fn words_are_those_of_scikit_learn() {
        let text = "It's a 2nd-rate film — naïve, x_y (100%)… été 日本 !".to_lowercase();
        let found: Vec<&str> = words(&text).collect();
        assert_eq!(found, ["it", "2nd", "rate", "film", "naïve", "x_y", "100", "été", "日本"]);
        assert_eq!(words("a . !").count(), 0);
    }
}
