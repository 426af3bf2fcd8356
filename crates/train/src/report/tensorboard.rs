//! TensorBoard event files with the figures of `metrics.jsonl`.
//!
//! A file is a sequence of records: the length of the data (u64), a masked CRC-32C of it, the data, and one of the data
//! (`tensorflow/core/lib/io/record_writer.h`). The data is an `Event` of protocol buffers, of which a few fields are written.
//!
//! Events have a wall time in seconds. Here it is the step: equal runs write equal bytes, and TensorBoard's relative axis
//! counts steps.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use firebrand_pipeline::{Error, Result};

use crate::Line;

/// The open file.
#[derive(Debug)]
pub(crate) struct Events {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Events {
    /// TensorBoard recognises a file by `tfevents` in its name. This one has no time and no host, as others do.
    pub(crate) const FILE: &str = "events.out.tfevents.0.firebrand";

    /// Creates the file in a directory, with the lines so far.
    pub(crate) fn create(directory: &Path, lines: &[Line]) -> Result<Self> {
        fs::create_dir_all(directory).map_err(|error| Error::io("create", directory, &error))?;
        let path = directory.join(Self::FILE);
        let file = File::create(&path).map_err(|error| Error::io("create", &path, &error))?;
        let mut events = Self { path, file: BufWriter::new(file) };
        let mut version = event(0);
        bytes_field(&mut version, 3, b"brain.Event:2");
        events.record(&version)?;
        lines.iter().try_for_each(|line| events.write(line))?;
        Ok(events)
    }

    /// Writes the figures of a line.
    pub(crate) fn write(&mut self, line: &Line) -> Result<()> {
        let figures = [
            ("train/loss", line.loss),
            ("train/learning_rate", line.learning_rate),
            ("train/grad_norm", line.grad_norm),
            ("validation/loss", line.validation_loss),
            ("validation/accuracy", line.validation_accuracy),
            ("validation/macro_f1", line.validation_macro_f1),
            ("validation/micro_f1", line.validation_micro_f1),
        ];
        let mut summary = Vec::new();
        for (tag, value) in figures {
            let Some(value) = value else { continue };
            let mut entry = Vec::new();
            bytes_field(&mut entry, 1, tag.as_bytes());
            entry.push(2 << 3 | 5);
            entry.extend((value as f32).to_le_bytes());
            bytes_field(&mut summary, 1, &entry);
        }
        let mut data = event(line.step);
        bytes_field(&mut data, 5, &summary);
        self.record(&data)
    }

    fn record(&mut self, data: &[u8]) -> Result<()> {
        let length = (data.len() as u64).to_le_bytes();
        let mut record = length.to_vec();
        record.extend(masked(crc32c(&length)).to_le_bytes());
        record.extend(data);
        record.extend(masked(crc32c(data)).to_le_bytes());
        // Flushed at once, for TensorBoard.
        let written = self.file.write_all(&record).and_then(|()| self.file.flush());
        written.map_err(|error| Error::io("write", &self.path, &error))
    }
}

/// An event's wall time (field 1, a double) and step (field 2, a variable-length integer).
/// Zeros are left out, as protocol buffers do.
fn event(step: u64) -> Vec<u8> {
    if step == 0 {
        return Vec::new();
    }
    let mut data = vec![1 << 3 | 1];
    data.extend((step as f64).to_le_bytes());
    data.push(2 << 3);
    varint(&mut data, step);
    data
}

/// A field with bytes, text or another message.
fn bytes_field(data: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    data.push(field << 3 | 2);
    varint(data, bytes.len() as u64);
    data.extend(bytes);
}

/// Seven bits per byte, lowest first.
fn varint(data: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        data.push(value as u8 | 0x80);
        value >>= 7;
    }
    data.push(value as u8);
}

/// CRC-32C (Castagnoli), bit by bit: events are few and short.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { 0x82F6_3B78 } else { 0 };
        }
    }
    !crc
}

/// TensorFlow's mask, since checksums of data that contains checksums are weak.
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3720, B.4; and the check value of CRC-32C.
    #[test]
    fn the_checksum_gives_the_published_numbers() {
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    /// The bytes that tensorboard 2.21 writes for the same events.
    #[test]
    fn files_are_those_of_the_reference() {
        let directory = tempfile::tempdir().unwrap();
        let line = Line { loss: Some(0.5), grad_norm: Some(2.0), ..Line::at(300, 1.5) };
        drop(Events::create(directory.path(), &[line]).unwrap());
        let found = fs::read(directory.path().join(Events::FILE)).unwrap();
        let hex: String = found.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, REFERENCE);
    }

    const REFERENCE: &str = concat!(
        "0f000000000000006d532b091a0d627261696e2e4576656e743a32fc98512939000000000000008b0737f1090000000000c0724010ac022a",
        "2b0a110a0a747261696e2f6c6f7373150000003f0a160a0f747261696e2f677261645f6e6f726d1500000040b33ce55b",
    );
}
