//! Tokenizer classes of transformers: their default special tokens, and where these are added to a text.

use std::path::Path;

use firebrand_pipeline::{Error, Result};
use serde_json::{Map, Value};
use tokenizers::processors::roberta::RobertaProcessing;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{PostProcessorWrapper, Tokenizer};

use crate::special::Special;

/// A tokenizer class of transformers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// BERT, DistilBERT, ELECTRA: WordPiece, `[CLS] A [SEP] B [SEP]`.
    Bert,
    /// WordPiece, `<s> A </s></s> B </s>`.
    Mpnet,
    /// Byte-level BPE, `<s> A </s></s> B </s>`.
    Roberta,
    /// Byte-level BPE, `A B`.
    Gpt2,
    /// SentencePiece, `[CLS] A [SEP] B [SEP]`.
    Albert,
    /// SentencePiece, `A <sep> B <sep> <cls>`.
    XlNet,
    /// SentencePiece with fairseq's ids, `<s> A </s></s> B </s>`.
    Camembert,
    /// SentencePiece with fairseq's ids, `<s> A </s></s> B </s>`.
    XlmRoberta,
    /// SentencePiece, `[CLS] A [SEP] B [SEP]`.
    DebertaV2,
    /// SentencePiece with the settings in the model file, `A B`: for families without a class of their own.
    SentencePiece,
}

/// How to get a `tokenizer.json` for anything that transformers can read.
pub(crate) const CONVERT_HINT: &str = "let Python's transformers write a tokenizer.json: `python -c 'from transformers import AutoTokenizer as A; \
     A.from_pretrained(\"DIR\").save_pretrained(\"DIR\")'`";

/// The file that [`Class::SentencePiece`] reads.
const GENERIC_MODEL: &str = "tokenizer.model";

impl Class {
    /// The class in `tokenizer_config.json`, or else in the model's `config.json`.
    ///
    /// # Errors
    /// If neither names a class or a family, or it is not supported.
    pub(crate) fn find(directory: &Path, config: &Map<String, Value>, model: &Map<String, Value>) -> Result<Self> {
        let generic_model = directory.join(GENERIC_MODEL).is_file();
        let family = text(model, "model_type");
        // transformers ignores the class in the files of these.
        if generic_model && (family.is_some_and(|family| family.starts_with("modernbert")) || is_generic(config, model))
        {
            return Ok(Self::SentencePiece);
        }
        let Some(name) = declared_class(config, model).filter(|class| !is_generic_name(class)).or(family) else {
            return Err(Error::data(format!(
                "there is no tokenizer.json in {}, and its files do not name a tokenizer class",
                directory.display()
            ))
            .hint("set `tokenizer_class` in tokenizer_config.json: BertTokenizer, RobertaTokenizer, …")
            .hint(CONVERT_HINT));
        };
        Self::from_name(name).ok_or_else(|| {
            Error::data(format!(
                "there is no tokenizer.json in {}, and vocabularies for \"{name}\" are not supported",
                directory.display()
            ))
            .hint(
                "supported are those of BERT, DistilBERT, ELECTRA, MPNet, RoBERTa and GPT-2, and the SentencePiece models of \
                 ALBERT, CamemBERT, DeBERTa v2 and v3, XLM-RoBERTa and XLNet",
            )
            .hint(CONVERT_HINT)
        })
    }

    /// The class with this name or for this `model_type`.
    fn from_name(name: &str) -> Option<Self> {
        let name = name.trim_end_matches("Fast").trim_end_matches("Tokenizer").to_lowercase();
        Some(match name.as_str() {
            "bert" | "distilbert" | "electra" => Self::Bert,
            "mpnet" => Self::Mpnet,
            "roberta" => Self::Roberta,
            "gpt2" => Self::Gpt2,
            "albert" => Self::Albert,
            "xlnet" => Self::XlNet,
            "camembert" => Self::Camembert,
            "xlm-roberta" | "xlmroberta" => Self::XlmRoberta,
            "deberta-v2" | "debertav2" => Self::DebertaV2,
            _ => return None,
        })
    }

    /// The class's name in transformers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bert => "BertTokenizer",
            Self::Mpnet => "MPNetTokenizer",
            Self::Roberta => "RobertaTokenizer",
            Self::Gpt2 => "GPT2Tokenizer",
            Self::Albert => "AlbertTokenizer",
            Self::XlNet => "XLNetTokenizer",
            Self::Camembert => "CamembertTokenizer",
            Self::XlmRoberta => "XLMRobertaTokenizer",
            Self::DebertaV2 => "DebertaV2Tokenizer",
            Self::SentencePiece => GENERIC,
        }
    }

    /// Whether it is byte-level, with a token for every text.
    pub(crate) fn is_byte_level(self) -> bool {
        matches!(self, Self::Roberta | Self::Gpt2)
    }

    /// Whether the class honours `do_lower_case` without having a BERT normalizer.
    pub(crate) fn honours_lower_case(self) -> bool {
        matches!(self, Self::Albert | Self::XlNet | Self::DebertaV2)
    }

    /// File name of the class's SentencePiece model; `None` for classes with other vocabularies.
    pub(crate) fn sentencepiece_file(self) -> Option<&'static str> {
        match self {
            Self::Albert | Self::XlNet => Some("spiece.model"),
            Self::Camembert | Self::XlmRoberta => Some("sentencepiece.bpe.model"),
            Self::DebertaV2 => Some("spm.model"),
            Self::SentencePiece => Some(GENERIC_MODEL),
            Self::Bert | Self::Mpnet | Self::Roberta | Self::Gpt2 => None,
        }
    }

    /// Sets the special tokens that the files do not set.
    pub(crate) fn set_default_tokens(self, special: &mut Special) {
        let roles: &[(&str, &str)] = match self {
            Self::Bert => &[
                ("unk_token", "[UNK]"),
                ("sep_token", "[SEP]"),
                ("pad_token", "[PAD]"),
                ("cls_token", "[CLS]"),
                ("mask_token", "[MASK]"),
            ],
            Self::Mpnet | Self::Roberta | Self::Camembert | Self::XlmRoberta => &[
                ("bos_token", "<s>"),
                ("eos_token", "</s>"),
                ("unk_token", if self == Self::Mpnet { "[UNK]" } else { "<unk>" }),
                ("sep_token", "</s>"),
                ("pad_token", "<pad>"),
                ("cls_token", "<s>"),
                ("mask_token", "<mask>"),
            ],
            Self::Gpt2 => {
                &[("bos_token", "<|endoftext|>"), ("eos_token", "<|endoftext|>"), ("unk_token", "<|endoftext|>")]
            }
            Self::Albert | Self::DebertaV2 => &[
                ("bos_token", "[CLS]"),
                ("eos_token", "[SEP]"),
                ("unk_token", if self == Self::Albert { "<unk>" } else { "[UNK]" }),
                ("sep_token", "[SEP]"),
                ("pad_token", if self == Self::Albert { "<pad>" } else { "[PAD]" }),
                ("cls_token", "[CLS]"),
                ("mask_token", "[MASK]"),
            ],
            Self::XlNet => &[
                ("bos_token", "<s>"),
                ("eos_token", "</s>"),
                ("unk_token", "<unk>"),
                ("sep_token", "<sep>"),
                ("pad_token", "<pad>"),
                ("cls_token", "<cls>"),
                ("mask_token", "<mask>"),
            ],
            Self::SentencePiece => &[],
        };
        for (role, content) in roles {
            special.or_default(role, content);
        }
        if matches!(self, Self::Mpnet | Self::Camembert | Self::XlNet) {
            special.strip_left("mask_token");
        }
    }
}

/// The class that uses any `tokenizer.json` unchanged.
pub(crate) const GENERIC: &str = "PreTrainedTokenizerFast";

/// The name of the tokenizer class in `tokenizer_config.json`, or else in the model's `config.json`.
pub(crate) fn declared_class<'a>(config: &'a Map<String, Value>, model: &'a Map<String, Value>) -> Option<&'a str> {
    text(config, "tokenizer_class").or_else(|| text(model, "tokenizer_class"))
}

/// Whether transformers uses `tokenizer.json` unchanged, rather than rebuilding the tokenizer from `tokenizer_config.json`.
pub(crate) fn is_generic(config: &Map<String, Value>, model: &Map<String, Value>) -> bool {
    let family = text(model, "model_type").is_some_and(|family| family.starts_with("modernbert"));
    family || declared_class(config, model).is_some_and(is_generic_name)
}

/// Whether the tokenizer class honours `do_lower_case` without having a BERT normalizer.
pub(crate) fn honours_lower_case(config: &Map<String, Value>, model: &Map<String, Value>) -> bool {
    let name =
        declared_class(config, model).filter(|class| !is_generic_name(class)).or_else(|| text(model, "model_type"));
    name.and_then(Class::from_name).is_some_and(Class::honours_lower_case)
}

/// Whether models of this family take `token_type_ids`.
pub(crate) fn takes_type_ids(config: &Map<String, Value>, model: &Map<String, Value>) -> bool {
    let family = text(model, "model_type").or_else(|| declared_class(config, model)).unwrap_or_default();
    let family = family.trim_end_matches("Fast").trim_end_matches("Tokenizer").to_lowercase();
    matches!(family.as_str(), "bert" | "electra" | "albert" | "xlnet" | "deberta" | "deberta-v2" | "debertav2")
}

/// Whether a class name does not tell the family.
fn is_generic_name(class: &str) -> bool {
    class.starts_with("PreTrained") || class == "TokenizersBackend"
}

fn text<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    map.get(key).and_then(Value::as_str)
}

/// Builds the post-processor, which adds special tokens to texts.
pub(crate) struct PostProcessing<'a> {
    pub(crate) directory: &'a Path,
    pub(crate) tokenizer: &'a Tokenizer,
    pub(crate) special: &'a Special,
    /// `tokenizer_config.json`.
    pub(crate) config: &'a Map<String, Value>,
}

impl PostProcessing<'_> {
    /// The post-processor of a class.
    ///
    /// # Errors
    /// If one of its tokens is not in the vocabulary.
    pub(crate) fn build(&self, class: Class) -> Result<PostProcessorWrapper> {
        let processor = match class {
            Class::Bert | Class::Albert | Class::DebertaV2 => {
                let (cls, sep) = (self.token("cls_token")?, self.token("sep_token")?);
                let single = [format!("{}:0", cls.0), "$A:0".to_owned(), format!("{}:0", sep.0)];
                let second = ["$B:1".to_owned(), format!("{}:1", sep.0)];
                self.template(single.to_vec(), [&single[..], &second].concat(), vec![cls, sep])?.into()
            }
            Class::Mpnet => RobertaProcessing::new(self.token("sep_token")?, self.token("cls_token")?)
                .add_prefix_space(false)
                .into(),
            Class::Roberta => RobertaProcessing::new(self.token("sep_token")?, self.token("cls_token")?)
                .trim_offsets(self.flag("trim_offsets", true))
                .add_prefix_space(self.flag("add_prefix_space", false))
                .into(),
            Class::Camembert | Class::XlmRoberta => {
                let (start, end) = (self.token("bos_token")?, self.token("eos_token")?);
                let single = [start.0.clone(), "$A".to_owned(), end.0.clone()];
                let second = [end.0.clone(), "$B".to_owned(), end.0.clone()];
                self.template(single.to_vec(), [&single[..], &second].concat(), vec![start, end])?.into()
            }
            Class::XlNet => {
                let (sep, cls) = (self.token("sep_token")?, self.token("cls_token")?);
                let first = ["$A:0".to_owned(), format!("{}:0", sep.0)];
                let second = ["$B:1".to_owned(), format!("{}:1", sep.0)];
                let last = [format!("{}:2", cls.0)];
                self.template([&first[..], &last].concat(), [&first[..], &second, &last].concat(), vec![sep, cls])?
                    .into()
            }
            Class::Gpt2 | Class::SentencePiece => {
                let side = |sequence: &str, segment: u32| {
                    let edge = |key: &str, role: &str| {
                        let content = self.special.content(role).unwrap_or_default();
                        self.flag(key, false).then(|| format!("{content}:{segment}"))
                    };
                    let parts = [
                        edge("add_bos_token", "bos_token"),
                        Some(format!("{sequence}:{segment}")),
                        edge("add_eos_token", "eos_token"),
                    ];
                    parts.into_iter().flatten().collect::<Vec<_>>()
                };
                let pair = [side("$A", 0), side("$B", 1)].concat();
                let edges = [("add_bos_token", "bos_token"), ("add_eos_token", "eos_token")];
                let used = edges.into_iter().filter(|(key, _)| self.flag(key, false)).map(|(_, role)| self.token(role));
                self.template(side("$A", 0), pair, used.collect::<Result<_>>()?)?.into()
            }
        };
        Ok(processor)
    }

    fn flag(&self, key: &str, default: bool) -> bool {
        self.config.get(key).and_then(Value::as_bool).unwrap_or(default)
    }

    fn token(&self, role: &str) -> Result<(String, u32)> {
        let content = self.special.content(role).unwrap_or_default().to_owned();
        // The tokens in the files and the defaults have been added to the vocabulary by now.
        match self.tokenizer.token_to_id(&content) {
            Some(id) => Ok((content, id)),
            None => Err(Error::data(format!(
                "`{role}` {content:?} is not in the vocabulary: see {}",
                self.directory.display()
            ))
            .hint("set the right one in tokenizer_config.json or special_tokens_map.json")),
        }
    }

    fn template(
        &self,
        single: Vec<String>,
        pair: Vec<String>,
        tokens: Vec<(String, u32)>,
    ) -> Result<TemplateProcessing> {
        TemplateProcessing::builder()
            .try_single(single)
            .and_then(|builder| builder.try_pair(pair))
            .map_err(|problem| Error::data(format!("cannot add special tokens to a text: {problem}")))?
            .special_tokens(tokens)
            .build()
            .map_err(|error| {
                Error::data(format!("cannot build a tokenizer from the files in {}", self.directory.display()))
                    .caused_by(&error)
            })
    }
}
