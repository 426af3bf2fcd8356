//! Archives made here, honest and hostile.

use std::fs;
use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use tar::{Builder, EntryType, Header};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;

const LIMITS: Limits = Limits { bytes: 1 << 20, entries: 50 };

/// A zip of the given files.
pub(crate) fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A tar.gz of the given entries; names are taken as they are.
fn tar_gz(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, kind, content) in entries {
        let mut header = Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        if kind.is_symlink() || kind.is_hard_link() {
            header.set_link_name_literal("../../etc/passwd").unwrap();
        }
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

fn file<'a>(name: &'a str, content: &'a [u8]) -> (&'a str, EntryType, &'a [u8]) {
    (name, EntryType::Regular, content)
}

/// Unpacks into `home/target`; what lies beside it afterwards must be nothing.
fn try_unpack(bytes: &[u8], limits: Limits) -> std::result::Result<Vec<(String, u64)>, String> {
    let home = tempfile::tempdir().unwrap();
    let target = home.path().join("target");
    fs::create_dir(&target).unwrap();
    let result = unpack(Cursor::new(bytes), "a.zip", &target, limits);
    let beside: Vec<_> = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(beside, ["target"], "something was written beside the target");
    let files = result.map_err(|error| error.render())?;
    for file in &files {
        assert_eq!(fs::metadata(target.join(&file.path)).unwrap().len(), file.bytes);
    }
    Ok(files.into_iter().map(|file| (file.path, file.bytes)).collect())
}

fn refused(bytes: &[u8], expected: &str) {
    let error = try_unpack(bytes, LIMITS).expect_err(expected);
    assert!(error.contains(expected), "expected {expected:?} in:\n{error}");
}

#[test]
fn honest_archives_unpack() {
    let expected = vec![("a.txt".to_owned(), 1), ("d/é b.csv".to_owned(), 5)];
    assert_eq!(try_unpack(&zip(&[("d/é b.csv", b"1,2,3"), ("./a.txt", b"x")]), LIMITS).unwrap(), expected);
    let tar = [
        ("d/", EntryType::Directory, &b""[..]),
        ("pax_global_header", EntryType::XGlobalHeader, b"52 comment=0123456789012345678901234567890123456789\n"),
        file("d/é b.csv", b"1,2,3"),
        file("./a.txt", b"x"),
    ];
    assert_eq!(try_unpack(&tar_gz(&tar), LIMITS).unwrap(), expected);
}

#[test]
fn long_names_of_both_kinds_are_taken() {
    let long = format!("{}/{}.txt", "d".repeat(90), "f".repeat(120));
    let mut gnu = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = Header::new_gnu();
    header.set_size(1);
    gnu.append_data(&mut header, &long, &b"x"[..]).unwrap();
    assert_eq!(try_unpack(&gnu.into_inner().unwrap().finish().unwrap(), LIMITS).unwrap(), [(long.clone(), 1)]);

    let mut pax = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    pax.append_pax_extensions([("mtime", &b"1.5"[..]), ("path", long.as_bytes())]).unwrap();
    let mut header = Header::new_ustar();
    header.set_path("short").unwrap();
    header.set_size(1);
    header.set_cksum();
    pax.append(&header, &b"x"[..]).unwrap();
    assert_eq!(try_unpack(&pax.into_inner().unwrap().finish().unwrap(), LIMITS).unwrap(), [(long, 1)]);
}

#[test]
fn nothing_leaves_the_target() {
    for (name, why) in [
        ("../x", "`..`"),
        ("a/../../x", "`..`"),
        ("a/..", "`..`"),
        ("/x", "absolute"),
        ("//x", "absolute"),
        ("C:x", "absolute path or a drive"),
        ("..\\x", "absolute path or a drive"),
        ("\\\\server\\x", "absolute path or a drive"),
    ] {
        refused(&zip(&[("good.txt", b"1"), (name, b"2")]), why);
        refused(&tar_gz(&[file("good.txt", b"1"), file(name, b"2")]), why);
    }
    // A long name hides nothing either.
    let mut pax = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    pax.append_pax_extensions([("path", &b"../../x"[..])]).unwrap();
    let mut header = Header::new_ustar();
    header.set_path("x").unwrap();
    header.set_size(1);
    header.set_cksum();
    pax.append(&header, &b"x"[..]).unwrap();
    refused(&pax.into_inner().unwrap().finish().unwrap(), "`..`");
}

#[test]
fn links_and_devices_are_refused() {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.add_symlink("link", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    refused(&writer.finish().unwrap().into_inner(), "is a link");
    refused(&tar_gz(&[("link", EntryType::Symlink, b"")]), "is a link");
    refused(&tar_gz(&[("link", EntryType::Link, b"")]), "is a link");
    refused(&tar_gz(&[("pipe", EntryType::Fifo, b"")]), "is neither a file nor a directory");
    refused(&tar_gz(&[("disk", EntryType::Block, b"")]), "is neither a file nor a directory");
}

#[test]
fn bombs_are_stopped_by_what_they_write() {
    let zeros = vec![0; 2 << 20];
    let bomb = zip(&[("a", &zeros)]);
    assert!(bomb.len() < 10_000);
    refused(&bomb, "unpacks to more than 1 MiB");
    refused(&tar_gz(&[file("a", &zeros)]), "unpacks to more than 1 MiB");
    // The sum counts, and a file that fits exactly is none too many.
    let half = vec![0; 1 << 19];
    assert!(try_unpack(&zip(&[("a", &half), ("b", &half)]), LIMITS).is_ok());
    refused(&zip(&[("a", &half), ("b", &half), ("c", b"x")]), "unpacks to more than 1 MiB");
    // A zip whose directory declares one byte for what is two mebibytes.
    let mut liar = bomb;
    let size = u32::try_from(zeros.len()).unwrap().to_le_bytes();
    let places: Vec<_> = (0..liar.len() - 4).filter(|&at| liar[at..at + 4] == size).collect();
    assert!(!places.is_empty());
    for at in places {
        liar[at..at + 4].copy_from_slice(&1_u32.to_le_bytes());
    }
    assert!(try_unpack(&liar, LIMITS).is_err());
}

#[test]
fn too_many_entries_are_refused() {
    let names: Vec<String> = (0..51).map(|number| number.to_string()).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    refused(&zip(&files), "more than 50 entries");
    let directories: Vec<_> = names.iter().map(|name| (name.as_str(), EntryType::Directory, &b""[..])).collect();
    refused(&tar_gz(&directories), "more than 50 entries");
}

#[test]
fn one_name_is_written_once() {
    refused(&tar_gz(&[file("a", b"1"), file("a", b"2")]), "is there twice");
    refused(&tar_gz(&[file("a", b"1"), file("a/b", b"2")]), "needs a directory where a file");
    refused(&tar_gz(&[file("a/b", b"1"), file("a", b"2")]), "is there twice");
}

#[test]
fn extension_records_cannot_fill_the_memory() {
    let name = vec![b'a'; 2 << 20];
    refused(
        &tar_gz(&[("././@LongLink", EntryType::GNULongName, &name), file("a", b"1")]),
        "larger than any honest one",
    );
    let mut pax = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    pax.append_pax_extensions([("size", &b"5"[..])]).unwrap();
    refused(&pax.into_inner().unwrap().finish().unwrap(), "gives a size");
}

#[test]
fn what_is_no_archive_or_a_broken_one_is_said() {
    refused(b"text,label\nx,1\n", "neither a zip nor a tar.gz");
    refused(b"", "neither a zip nor a tar.gz");
    refused(&zip(&[]), "without files");
    let whole = zip(&[("a", b"some text")]);
    refused(&whole[..whole.len() - 10], "not a readable zip");
    // Stored bytes that were changed no longer have their checksum.
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("a", SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored)).unwrap();
    writer.write_all(b"some text").unwrap();
    let mut changed = writer.finish().unwrap().into_inner();
    let at = changed.windows(9).position(|window| window == b"some text").unwrap();
    changed[at] = b'S';
    refused(&changed, "is damaged");

    let noise: Vec<u8> = (0..200_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let whole = tar_gz(&[file("a", &noise)]);
    refused(&whole[..whole.len() / 2], "is damaged");
    refused(&[0x1f, 0x8b, 0, 0], "not a readable tar.gz");
}

proptest! {
    /// Names of dots, slashes and letters never lead out of the target, in either format.
    #[test]
    fn no_name_escapes(names in proptest::collection::vec("[./a\\\\:]{1,8}", 1..4)) {
        let entries: Vec<_> = names.iter().map(|name| file(name, b"x")).collect();
        let _ = try_unpack(&tar_gz(&entries), LIMITS);
        let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
        let mut unique = files.clone();
        unique.sort_unstable();
        unique.dedup();
        let _ = try_unpack(&zip(&unique), LIMITS);
    }

    /// Bytes that were tampered with are refused or unpacked, but never bring the process down.
    #[test]
    fn no_damage_panics(at in 0_usize..400, value in any::<u8>()) {
        let mut bytes = zip(&[("d/a.txt", b"some text"), ("b.txt", b"more text here")]);
        let index = at % bytes.len();
        bytes[index] = value;
        let _ = try_unpack(&bytes, LIMITS);
        let mut bytes = tar_gz(&[file("d/a.txt", b"some text"), file("b.txt", b"more")]);
        let index = at % bytes.len();
        bytes[index] = value;
        let _ = try_unpack(&bytes, LIMITS);
    }
}
