//! SentencePiece models (`spiece.model`, `tokenizer.model`, …), read without Python.
//!
//! A model is a protocol buffer, `ModelProto` in
//! <https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto>. Only the fields that decide how a text
//! is tokenized are read. [`build`] builds the tokenizer that transformers builds.

mod build;
mod charsmap;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use firebrand_pipeline::{Error, Result};
use prost::Message;
use tokenizers::AddedToken;
use tokenizers::normalizers::Precompiled;

pub(crate) use build::build;

#[derive(Clone, PartialEq, Message)]
struct ModelProto {
    #[prost(message, repeated, tag = "1")]
    pieces: Vec<PieceProto>,
    #[prost(message, optional, tag = "2")]
    trainer_spec: Option<TrainerSpec>,
    #[prost(message, optional, tag = "3")]
    normalizer_spec: Option<NormalizerSpec>,
}

#[derive(Clone, PartialEq, Message)]
struct PieceProto {
    #[prost(string, optional, tag = "1")]
    piece: Option<String>,
    #[prost(float, optional, tag = "2")]
    score: Option<f32>,
    #[prost(int32, optional, tag = "3", default = "1")]
    kind: Option<i32>,
}

#[derive(Clone, PartialEq, Message)]
struct TrainerSpec {
    #[prost(int32, optional, tag = "3", default = "1")]
    model_type: Option<i32>,
    #[prost(bool, optional, tag = "35")]
    byte_fallback: Option<bool>,
    #[prost(int32, optional, tag = "40", default = "0")]
    unk_id: Option<i32>,
    #[prost(int32, optional, tag = "41", default = "1")]
    bos_id: Option<i32>,
    #[prost(int32, optional, tag = "42", default = "2")]
    eos_id: Option<i32>,
    #[prost(string, optional, tag = "45", default = "<unk>")]
    unk_piece: Option<String>,
    #[prost(string, optional, tag = "46", default = "<s>")]
    bos_piece: Option<String>,
    #[prost(string, optional, tag = "47", default = "</s>")]
    eos_piece: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct NormalizerSpec {
    #[prost(bytes = "vec", optional, tag = "2")]
    precompiled_charsmap: Option<Vec<u8>>,
    #[prost(bool, optional, tag = "3", default = "true")]
    add_dummy_prefix: Option<bool>,
    #[prost(bool, optional, tag = "4", default = "true")]
    remove_extra_whitespaces: Option<bool>,
    #[prost(bool, optional, tag = "5", default = "true")]
    escape_whitespaces: Option<bool>,
}

/// The type of a piece, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A part of a text.
    Normal,
    /// A special token, `<s>` for example.
    Control,
    /// A string that is always a single token.
    UserDefined,
    /// Unknown, unused, or one byte.
    Other,
}

/// How a text is split into pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Unigram,
    Bpe,
}

/// A piece of the vocabulary.
#[derive(Debug, Clone)]
struct Piece {
    text: String,
    score: f64,
    kind: Kind,
}

/// A validated SentencePiece model: nothing in it makes the `tokenizers` library panic.
#[derive(Debug, Clone)]
struct SentencePieceModel {
    path: PathBuf,
    pieces: Vec<Piece>,
    algorithm: Algorithm,
    /// Index of the unknown piece.
    unknown: usize,
    trainer: TrainerSpec,
    normalizer: NormalizerSpec,
    charsmap: Option<Precompiled>,
}

impl SentencePieceModel {
    /// The largest files on the hub have 5 MB.
    const MOST_BYTES: u64 = 256 << 20;
    /// SentencePiece's default limit is 16 characters. Finding merges takes quadratic time in the length.
    const LONGEST_PIECE: usize = 1024;

    fn read(path: &Path) -> Result<Self> {
        let size = std::fs::metadata(path).map_err(|error| Error::io("read", path, &error))?.len();
        if size > Self::MOST_BYTES {
            return Err(invalid(path, &format!("it has {size} bytes, and no vocabulary is that large")));
        }
        let bytes = std::fs::read(path).map_err(|error| Error::io("read", path, &error))?;
        Self::parse(path, &bytes)
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        let proto = ModelProto::decode(bytes)
            .map_err(|error| invalid(path, "its bytes are no protocol buffer of that kind").caused_by(&error))?;
        let trainer = proto.trainer_spec.unwrap_or_default();
        let normalizer = proto.normalizer_spec.unwrap_or_default();
        let algorithm = match trainer.model_type() {
            1 => Algorithm::Unigram,
            2 => Algorithm::Bpe,
            other => {
                let name = if other == 3 { "words" } else { "characters" };
                return Err(invalid(
                    path,
                    &format!("it splits texts into {name}: only unigram and BPE models are read"),
                ));
            }
        };
        let mut seen = HashSet::new();
        for (id, piece) in proto.pieces.iter().enumerate() {
            let text = piece.piece();
            let problem = if text.is_empty() || text.len() > Self::LONGEST_PIECE {
                format!("has {} bytes", text.len())
            } else if !piece.score().is_finite() {
                format!("{text:?} has the score {}", piece.score())
            } else if !seen.insert(text) {
                format!("{text:?} is there twice")
            } else {
                continue;
            };
            return Err(invalid(path, &format!("its piece {id} {problem}")));
        }
        drop(seen);
        let unknown = usize::try_from(trainer.unk_id()).ok().filter(|&id| id < proto.pieces.len());
        let Some(unknown) = unknown else {
            let (count, id) = (proto.pieces.len(), trainer.unk_id());
            return Err(invalid(path, &format!("none of its {count} pieces is the unknown one, number {id}")));
        };
        let charsmap = match normalizer.precompiled_charsmap() {
            [] => None,
            bytes => Some(charsmap::read(bytes).map_err(|problem| invalid(path, problem))?),
        };
        let pieces = proto.pieces.into_iter().map(|piece| Piece {
            score: piece.score().into(),
            kind: match piece.kind() {
                1 => Kind::Normal,
                3 => Kind::Control,
                4 => Kind::UserDefined,
                _ => Kind::Other,
            },
            text: piece.piece.unwrap_or_default(),
        });
        Ok(Self { path: path.to_owned(), pieces: pieces.collect(), algorithm, unknown, trainer, normalizer, charsmap })
    }

    /// The pieces of these kinds as added tokens, which are matched before a text is normalized.
    fn tokens(&self, kinds: &[Kind]) -> Vec<AddedToken> {
        let pieces = self.pieces.iter().filter(|piece| kinds.contains(&piece.kind));
        pieces
            .map(|piece| AddedToken::from(piece.text.clone(), piece.kind == Kind::Control).normalized(false))
            .collect()
    }
}

fn invalid(path: &Path, problem: &str) -> Error {
    Error::data(format!("{} is not a SentencePiece model: {problem}", path.display()))
        .hint("fetch the model again, or compare the file with the hub's")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn golden(name: &str) -> Vec<u8> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tokenizers").join(name);
        fs::read(path).unwrap()
    }

    fn refused(proto: &ModelProto) -> String {
        let error = SentencePieceModel::parse(Path::new("x.model"), &proto.encode_to_vec()).unwrap_err();
        error.message().to_owned()
    }

    fn proto() -> ModelProto {
        ModelProto::decode(golden("spm-albert/spiece.model").as_slice()).unwrap()
    }

    #[test]
    fn models_that_would_break_the_library_are_refused() {
        assert!(SentencePieceModel::parse(Path::new("x.model"), &proto().encode_to_vec()).is_ok());
        assert!(refused(&ModelProto::default()).contains("none of its 0 pieces is the unknown one"));
        let changed = |change: &dyn Fn(&mut ModelProto)| {
            let mut proto = proto();
            change(&mut proto);
            refused(&proto)
        };
        assert!(changed(&|proto| proto.pieces[7].piece = None).contains("its piece 7 has 0 bytes"));
        assert!(changed(&|proto| proto.pieces[7].piece = Some("x".repeat(2000))).contains("has 2000 bytes"));
        assert!(changed(&|proto| proto.pieces[7].score = Some(f32::NAN)).contains("has the score NaN"));
        assert!(changed(&|proto| proto.pieces[7].piece = Some("<unk>".to_owned())).contains("is there twice"));
        assert!(changed(&|proto| proto.trainer_spec.as_mut().unwrap().unk_id = Some(-1)).contains("number -1"));
        assert!(changed(&|proto| proto.trainer_spec.as_mut().unwrap().model_type = Some(4)).contains("characters"));
        let charsmap = |bytes: Vec<u8>| {
            changed(&|proto| proto.normalizer_spec.as_mut().unwrap().precompiled_charsmap = Some(bytes.clone()))
        };
        assert!(charsmap(vec![4, 0, 0, 0]).contains("charsmap"));
    }

    #[test]
    fn bytes_of_anything_else_are_refused() {
        for bytes in [&b"\x01"[..], b"<html>404</html>", b"version https://git-lfs.github.com/spec/v1\n"] {
            let error = SentencePieceModel::parse(Path::new("spiece.model"), bytes).unwrap_err();
            assert!(error.message().starts_with("spiece.model is not a SentencePiece model"), "{}", error.message());
        }
    }
}
