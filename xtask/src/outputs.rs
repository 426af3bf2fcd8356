//! The files that a stage wrote: whether they are complete and well-formed, and a list of them.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use firebrand_pipeline::{Error, Hidden, OutputKind, Result, Slot, files_below, hash};
use serde::de::IgnoredAny;

use crate::durable;
use crate::manifest::OutputFile;

/// Fails if one of the slot's declared outputs is missing or malformed. `who` is the program that wrote them.
pub(crate) fn verify(slot: Slot, dir: &Path, who: &str) -> Result<()> {
    for output in slot.outputs() {
        let path = dir.join(output.path);
        let problem = match fs::metadata(&path) {
            Ok(data) if output.kind == OutputKind::Directory && !data.is_dir() => Err("is not a directory".to_owned()),
            Ok(data) if output.kind != OutputKind::Directory && !data.is_file() => Err("is not a file".to_owned()),
            Ok(_) => well_formed(output.kind, &path),
            Err(_) if output.required => {
                let all: Vec<_> = slot.outputs().iter().filter(|output| output.required).collect();
                let all: Vec<_> = all.iter().map(|output| output.path).collect();
                return Err(Error::other(format!("the `{slot}` stage ({who}) left out its output `{}`", output.path))
                    .hint(format!("a `{slot}` stage writes these into `output` of its request: {}", all.join(", "))));
            }
            Err(_) => Ok(()),
        };
        if let Err(problem) = problem {
            return Err(Error::other(format!("the output `{}` of the `{slot}` stage ({who}) {problem}", output.path))
                .hint(format!("it is still there to be looked at: {}", path.display())));
        }
    }
    Ok(())
}

fn well_formed(kind: OutputKind, path: &Path) -> Result<(), String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    match kind {
        OutputKind::Parquet => parquet(path).map_err(unreadable)?.ok_or("is not a Parquet file".to_owned()),
        OutputKind::Json => {
            let file = BufReader::new(File::open(path).map_err(unreadable)?);
            serde_json::from_reader::<_, IgnoredAny>(file).map(drop).map_err(|error| format!("is not JSON: {error}"))
        }
        OutputKind::JsonLines => {
            let file = BufReader::new(File::open(path).map_err(unreadable)?);
            let mut lines = 0;
            for line in file.lines() {
                lines += 1;
                let line = line.map_err(unreadable)?;
                serde_json::from_str::<IgnoredAny>(&line)
                    .map_err(|error| format!("has a line {lines} that is not JSON: {error}"))?;
            }
            if lines == 0 { Err("is empty".to_owned()) } else { Ok(()) }
        }
        OutputKind::File => match fs::metadata(path).map_err(unreadable)?.len() {
            0 => Err("is empty".to_owned()),
            _ => Ok(()),
        },
        OutputKind::Directory => {
            match files_below(path, Hidden::Include).map_err(|error| error.to_string())?.as_slice() {
                [] => Err("has no file in it".to_owned()),
                _ => Ok(()),
            }
        }
    }
}

/// A Parquet file starts and ends with the same magic number; a half-written one does not end with it.
fn parquet(path: &Path) -> std::io::Result<Option<()>> {
    let mut file = File::open(path)?;
    if file.metadata()?.len() < 12 {
        return Ok(None);
    }
    let (mut first, mut last) = ([0; 4], [0; 4]);
    file.read_exact(&mut first)?;
    file.seek(SeekFrom::End(-4))?;
    file.read_exact(&mut last)?;
    Ok((first == *b"PAR1" && last == *b"PAR1").then_some(()))
}

/// Flushes every file of a stage's directory to the disk and lists it with its size and hash, for the manifest.
///
/// # Errors
/// When a file cannot be read.
pub(crate) fn inventory(dir: &Path) -> Result<Vec<OutputFile>> {
    let files = files_below(dir, Hidden::Include)?;
    durable::flush_tree(dir, &files)?;
    let describe = |path: String| {
        let file = dir.join(&path);
        let bytes = fs::metadata(&file).map_err(|error| Error::io("read", &file, &error))?.len();
        Ok(OutputFile { blake3: hash::file(&file)?, path, bytes })
    };
    files.into_iter().map(describe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished_clean() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("examples.parquet"), b"PAR1....PAR1").unwrap();
        fs::write(dir.path().join("labels.json"), "{}").unwrap();
        dir
    }

    fn refused(dir: &tempfile::TempDir) -> String {
        verify(Slot::Clean, dir.path(), "my-clean").unwrap_err().render()
    }

    #[test]
    fn what_is_missing_is_named() {
        let dir = finished_clean();
        verify(Slot::Clean, dir.path(), "my-clean").unwrap();
        fs::remove_file(dir.path().join("labels.json")).unwrap();
        assert_eq!(
            refused(&dir),
            "error: the `clean` stage (my-clean) left out its output `labels.json`\n\nhint: a `clean` stage writes \
             these into `output` of its request: examples.parquet, labels.json"
        );
    }

    #[test]
    fn what_is_malformed_is_named() {
        let dir = finished_clean();
        fs::write(dir.path().join("report.json"), "{").unwrap();
        assert!(refused(&dir).contains("`report.json` of the `clean` stage (my-clean) is not JSON: EOF"));
        fs::write(dir.path().join("examples.parquet"), b"PAR1 and then the disk was full").unwrap();
        assert!(refused(&dir).contains("`examples.parquet` of the `clean` stage (my-clean) is not a Parquet file"));
        fs::remove_file(dir.path().join("examples.parquet")).unwrap();
        fs::create_dir(dir.path().join("examples.parquet")).unwrap();
        assert!(refused(&dir).contains("`examples.parquet` of the `clean` stage (my-clean) is not a file"));
    }

    #[test]
    fn lines_and_directories_must_hold_something() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        for (text, problem) in
            [("{}\n{}\n", None), ("", Some("is empty")), ("{}\n{\"loss\": 0.", Some("has a line 2 that is not JSON"))]
        {
            fs::write(&path, text).unwrap();
            let found = well_formed(OutputKind::JsonLines, &path).err();
            assert_eq!(found.is_some(), problem.is_some(), "{text}");
            assert!(found.unwrap_or_default().starts_with(problem.unwrap_or_default()));
        }
        fs::create_dir_all(dir.path().join("model/empty")).unwrap();
        let model = dir.path().join("model");
        assert_eq!(well_formed(OutputKind::Directory, &model).unwrap_err(), "has no file in it");
        fs::write(model.join("config.json"), "{}").unwrap();
        well_formed(OutputKind::Directory, &model).unwrap();
    }

    #[test]
    fn the_inventory_is_sorted_and_hashed() {
        let dir = finished_clean();
        fs::create_dir(dir.path().join("a")).unwrap();
        fs::write(dir.path().join("a/z.txt"), "z").unwrap();
        let files = inventory(dir.path()).unwrap();
        let paths: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["a/z.txt", "examples.parquet", "labels.json"]);
        assert_eq!((files[0].bytes, files[0].blake3.as_str()), (1, hash::bytes(b"z").as_str()));
    }
}
