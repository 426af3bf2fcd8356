//! A folder per label: which folder of a document's path is the label.

use firebrand_pipeline::{Error, Result};
use firebrand_tables::wording::listed;

/// The folder right above a file.
pub(crate) fn parent(name: &str) -> Option<&str> {
    let (folders, _) = name.rsplit_once('/')?;
    folders.rsplit('/').next()
}

/// Checks that, below what all documents have in common, there is one level of folders: then the folder is the label
/// beyond doubt.
pub(crate) fn check(names: &[&str]) -> Result<()> {
    let mut paths: Vec<Vec<&str>> = names.iter().map(|name| name.split('/').collect()).collect();
    while let Some(first) = paths.first().and_then(|path| path.first()).copied() {
        if !paths.iter().all(|path| path.len() > 2 && path.first() == Some(&first)) {
            break;
        }
        paths.iter_mut().for_each(|path| _ = path.remove(0));
    }
    let at_depth = |fits: fn(usize) -> bool| {
        let hits = names.iter().zip(&paths).filter(move |(_, path)| fits(path.len()));
        hits.map(|(name, _)| *name).collect::<Vec<_>>()
    };
    let outside = at_depth(|length| length < 2);
    if !outside.is_empty() {
        return Err(Error::data(format!(
            "{} of {} files lie in no label's folder: {}",
            outside.len(),
            names.len(),
            listed(outside)
        ))
        .hint("data is a CSV, TSV, JSON Lines or Parquet file, or one folder per label with one text per file")
        .hint("`train_files = [\"*/*.txt\"]` below [clean] takes only the files in folders"));
    }
    let deep = at_depth(|length| length > 2);
    if deep.is_empty() {
        return Ok(());
    }
    let mut tops: Vec<&str> = paths.iter().filter_map(|path| path.first().copied()).collect();
    tops.dedup();
    let error = Error::data(format!(
        "folders inside folders leave open which one is the label: {} (beside the folders {})",
        deep.first().copied().unwrap_or_default(),
        listed(tops.iter().copied())
    ));
    Err(match tops.iter().find(|top| top.to_lowercase().contains("train")) {
        Some(train) => error.hint(format!(
            "for given parts set them below [clean]: train_files = [\"**/{train}/**\"], test_files = …; the label is then \
             the folder right above each file"
        )),
        None => error
            .hint("pick one level with `inside` in the data's source, or set `train_files = [\"**\"]` below [clean]: then \
                   the label is the folder right above each file"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_level_of_folders_is_the_labels() {
        check(&["spam/1", "ham/1"]).unwrap();
        check(&["mails/spam/1", "mails/ham/1"]).unwrap();
        check(&["spam/1", "spam/2"]).unwrap();
        assert_eq!(parent("mails/spam/1"), Some("spam"));
        assert_eq!(parent("1"), None);
    }

    #[test]
    fn other_layouts_are_refused() {
        let error = check(&["a.txt", "spam/1", "ham/2"]).unwrap_err();
        assert!(error.message().contains("1 of 3 files lie in no label's folder: \"a.txt\""), "{}", error.message());
        let error = check(&["spam/2002/1", "ham/2003/1"]).unwrap_err();
        assert!(error.message().contains("which one is the label: spam/2002/1"), "{}", error.message());
        let error = check(&["test/pos/1", "train/pos/1"]).unwrap_err();
        assert!(error.render().contains("train_files = [\"**/train/**\"]"), "{}", error.render());
    }
}
