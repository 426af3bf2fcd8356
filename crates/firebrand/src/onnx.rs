//! `onnx`: a model's weights and graph as ONNX files.

use std::io::{Write, stdout};
use std::path::Path;

use firebrand_onnx::{Options, Precision, write};
use firebrand_pipeline::{Error, Result, escape, thousands};

use crate::cli::{self, OnnxPrecision};

/// Writes a model in each precision that is asked for, and prints each file with its size.
///
/// # Errors
/// When the model cannot be read or is damaged, or a file cannot be written.
pub(crate) fn onnx(arguments: &cli::Onnx) -> Result<()> {
    let output = arguments.output.clone().unwrap_or_else(|| arguments.model.join("onnx"));
    let mut printed = Ok(());
    for precision in precisions(&arguments.precision) {
        check(&arguments.model, precision)?;
        for file in write(&arguments.model, &output, precision, &Options::default())? {
            let line = format!("{:>13} bytes  {}\n", thousands(file.bytes), escape(&file.path.display().to_string()));
            // Without a reader, the files are written all the same.
            printed = printed.and_then(|()| stdout().write_all(line.as_bytes()));
        }
    }
    match printed {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::other("cannot write to stdout").caused_by(&error))
        }
        _ => Ok(()),
    }
}

/// Each precision that is asked for, once; all without any.
fn precisions(asked: &[OnnxPrecision]) -> Vec<Precision> {
    let wanted = |precision: &Precision| {
        asked.is_empty()
            || asked.contains(&match precision {
                Precision::Fp32 => OnnxPrecision::Fp32,
                Precision::Fp16 => OnnxPrecision::Fp16,
                Precision::Int8 => OnnxPrecision::Int8,
            })
    };
    Precision::ALL.into_iter().filter(wanted).collect()
}

/// Checks that a bundle's files are those that it was made with.
fn check(model: &Path, precision: Precision) -> Result<()> {
    let read = match precision {
        Precision::Fp32 | Precision::Fp16 => firebrand_infer::Precision::Fp32,
        Precision::Int8 => firebrand_infer::Precision::Int8,
    };
    firebrand_infer::check(model, read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precisions_are_written_once_and_in_one_order() {
        assert_eq!(precisions(&[]), Precision::ALL);
        let asked = [OnnxPrecision::Int8, OnnxPrecision::Fp32, OnnxPrecision::Int8];
        assert_eq!(precisions(&asked), [Precision::Fp32, Precision::Int8]);
    }
}
