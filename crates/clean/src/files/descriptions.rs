//! Files that describe data.

/// Whether a file describes a dataset (README, licence, loading script) instead of being part of it.
pub(crate) fn is_description(name: &str) -> bool {
    const STEMS: [&str; 10] = [
        "readme",
        "license",
        "licence",
        "notice",
        "copying",
        "changelog",
        "citation",
        "dataset_info",
        "dataset_infos",
        "dataset_dict",
    ];
    const ENDINGS: [&str; 11] = ["md", "rst", "py", "ipynb", "yaml", "yml", "toml", "cff", "sha256", "md5", "crc"];
    let lower = name.rsplit('/').next().unwrap_or(name).to_lowercase();
    let (stem, ending) = lower.split_once('.').unwrap_or((&lower, ""));
    // What `save_to_disk` notes about its files; a table may well be about states.
    if lower == "state.json" {
        return true;
    }
    STEMS.contains(&stem) || ENDINGS.contains(&ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_are_no_data() {
        for name in
            ["README.md", "LICENSE", "x/NOTICE.txt", "dataset_infos.json", "load.py", "readme", "train/state.json"]
        {
            assert!(is_description(name), "{name}");
        }
        for name in ["reviews.csv", "notes.txt", "spam/0001", "state.csv"] {
            assert!(!is_description(name), "{name}");
        }
    }
}
