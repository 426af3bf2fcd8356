//! Did you mean …? Known names that a misspelt one most likely stands for.

/// How many names [`closest_first`] lists.
const LISTED: usize = 8;

/// The known name that a misspelt one most likely stands for, or `None` when no name is close enough.
///
/// Case, surrounding white space and the difference between `-` and `_` are free; beyond that a name may differ by one
/// edit, and one more for every four of its characters. A swap of two neighbours is one edit.
pub fn suggest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = folded(wanted);
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&wanted, &folded(name)), name))
        .filter(|(edits, name)| *edits <= 1 + name.chars().count() / 4 && *edits < wanted.chars().count())
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, name)| name)
}

/// The names that exist, most similar first, for a hint: `there are: a.csv, b.csv and 3 more`.
///
/// Of paths the last component counts as much as the whole.
pub fn closest_first<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let file_name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_lowercase();
    let wanted = wanted.to_lowercase();
    let similarity = |name: &str| {
        let whole = strsim::jaro_winkler(&wanted, &name.to_lowercase());
        whole.max(strsim::jaro_winkler(&file_name(&wanted), &file_name(name)))
    };
    let mut names: Vec<_> = names.into_iter().map(|name| (similarity(name), name)).collect();
    names.sort_by(|(a, left), (b, right)| b.total_cmp(a).then_with(|| left.cmp(right)));
    names.dedup();
    if names.is_empty() {
        return "there is nothing in it".to_owned();
    }
    let more = match names.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let listed: Vec<_> = names.iter().take(LISTED).map(|(_, name)| *name).collect();
    format!("there are: {}{more}", listed.join(", "))
}

fn folded(name: &str) -> String {
    name.trim().to_lowercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_names_are_suggested_and_distant_ones_are_not() {
        assert_eq!(suggest("txet", ["label", "text"]), Some("text"));
        assert_eq!(suggest("TEXT ", ["label", "text"]), Some("text"));
        assert_eq!(suggest("learning-rate", ["learning_rate"]), Some("learning_rate"));
        assert_eq!(suggest("pahs", ["path", "url", "hub"]), Some("path"));
        assert_eq!(suggest("sentiment", ["id", "text"]), None);
        assert_eq!(suggest("max_length", ["max_steps"]), None);
        assert_eq!(suggest("a", ["b"]), None);
        assert_eq!(suggest("text", []), None);
    }

    #[test]
    fn of_equally_close_names_the_first_is_suggested() {
        assert_eq!(suggest("train.cvs", ["train.csv", "train.tsv"]), Some("train.csv"));
        assert_eq!(suggest("step", ["steps", "stop"]), Some("steps"));
    }

    #[test]
    fn lists_start_with_the_most_similar_name() {
        assert_eq!(
            closest_first("p/data/review.csv", ["p/setup.py", "p/data/reviews.csv", "p/setup.py"]),
            "there are: p/data/reviews.csv, p/setup.py"
        );
        assert!(closest_first("x", ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]).ends_with(" and 2 more"));
        assert_eq!(closest_first("x", []), "there is nothing in it");
    }
}
