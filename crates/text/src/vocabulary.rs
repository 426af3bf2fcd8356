//! A tokenizer from vocabulary files, where a model has no `tokenizer.json`: older models on the hub.
//!
//! What is put together here is what transformers 5 puts together from the same files; the parts are those of the
//! `tokenizers` library. <https://github.com/huggingface/transformers> has the classes.

use std::path::Path;

use firebrand_pipeline::{Error, Result};
use serde_json::{Map, Value};
use tokenizers::decoders::wordpiece::WordPiece as WordPieceDecoder;
use tokenizers::models::bpe::BPE;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::roberta::RobertaProcessing;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{ModelWrapper, PostProcessorWrapper, Tokenizer};

use crate::special::Special;

/// The tokenizer's class in transformers: what is done around the vocabulary.
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
}

/// A line of Python that makes a `tokenizer.json` of whatever transformers can read.
pub(crate) const WAY_OUT: &str = "let Python's transformers write a tokenizer.json: `python -c 'from transformers import AutoTokenizer as A; \
     A.from_pretrained(\"DIR\").save_pretrained(\"DIR\")'`";

impl Class {
    /// The class by its name in `tokenizer_config.json`, else by the model's `config.json`.
    ///
    /// # Errors
    /// When neither says, or says one that is not known here.
    pub(crate) fn find(directory: &Path, config: &Map<String, Value>, model: &Map<String, Value>) -> Result<Self> {
        let name = |map: &Map<String, Value>, key: &str| map.get(key).and_then(Value::as_str).map(str::to_owned);
        let class = name(config, "tokenizer_class").or_else(|| name(model, "tokenizer_class"));
        // Names that stand for any tokenizer say nothing.
        let class = class.filter(|class| !class.starts_with("PreTrained") && class != "TokenizersBackend");
        let Some(said) = class.or_else(|| name(model, "model_type")) else {
            return Err(Error::data(format!(
                "there is no tokenizer.json in {}, and nothing says what its vocabulary is for",
                directory.display()
            ))
            .hint("set `tokenizer_class` in tokenizer_config.json: BertTokenizer, RobertaTokenizer, …")
            .hint(WAY_OUT));
        };
        match said.trim_end_matches("Fast").trim_end_matches("Tokenizer").to_lowercase().as_str() {
            "bert" | "distilbert" | "electra" => Ok(Self::Bert),
            "mpnet" => Ok(Self::Mpnet),
            "roberta" => Ok(Self::Roberta),
            "gpt2" => Ok(Self::Gpt2),
            _ => Err(Error::data(format!(
                "there is no tokenizer.json in {}, and a vocabulary for \"{said}\" is not read here",
                directory.display()
            ))
            .hint("those of BERT, DistilBERT, ELECTRA, MPNet, RoBERTa and GPT-2 are")
            .hint(WAY_OUT)),
        }
    }

    /// The class's name in transformers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bert => "BertTokenizer",
            Self::Mpnet => "MPNetTokenizer",
            Self::Roberta => "RobertaTokenizer",
            Self::Gpt2 => "GPT2Tokenizer",
        }
    }

    /// Whether there is a token for every text.
    pub(crate) fn is_byte_level(self) -> bool {
        matches!(self, Self::Roberta | Self::Gpt2)
    }

    /// Fills in the special tokens that the files do not name.
    fn name_tokens(self, special: &mut Special) {
        let roles: &[(&str, &str)] = match self {
            Self::Bert => &[
                ("unk_token", "[UNK]"),
                ("sep_token", "[SEP]"),
                ("pad_token", "[PAD]"),
                ("cls_token", "[CLS]"),
                ("mask_token", "[MASK]"),
            ],
            Self::Mpnet | Self::Roberta => &[
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
        };
        for (role, content) in roles {
            special.or_default(role, content);
        }
        if self == Self::Mpnet {
            special.strip_left("mask_token");
        }
    }

    /// Puts the tokenizer together.
    ///
    /// # Errors
    /// When the vocabulary's files are missing or not valid.
    pub(crate) fn build(
        self,
        directory: &Path,
        config: &Map<String, Value>,
        special: &mut Special,
    ) -> Result<Tokenizer> {
        self.name_tokens(special);
        let flag = |key: &str, default: bool| config.get(key).and_then(Value::as_bool).unwrap_or(default);
        let prefix_space = flag("add_prefix_space", false);
        let mut tokenizer = if self.is_byte_level() {
            let mut tokenizer = Tokenizer::new(byte_pairs(directory)?);
            _ = tokenizer.with_pre_tokenizer(Some(ByteLevel::default().add_prefix_space(prefix_space)));
            _ = tokenizer.with_decoder(Some(ByteLevel::default()));
            tokenizer
        } else {
            let mut tokenizer =
                Tokenizer::new(word_pieces(directory, special.content("unk_token").unwrap_or_default())?);
            let normalizer = BertNormalizer::new(
                true,
                flag("tokenize_chinese_chars", true),
                config.get("strip_accents").and_then(Value::as_bool),
                flag("do_lower_case", true),
            );
            _ = tokenizer.with_normalizer(Some(normalizer)).map_err(|error| cannot(directory, &*error))?;
            _ = tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
            _ = tokenizer.with_decoder(Some(WordPieceDecoder::default()));
            tokenizer
        };
        _ = tokenizer.add_tokens(special.in_order()).map_err(|error| cannot(directory, &*error))?;
        let token = |role: &str| {
            let content = special.content(role).unwrap_or_default().to_owned();
            // Whatever can be one is a token by now.
            match tokenizer.token_to_id(&content) {
                Some(id) => Ok((content, id)),
                None => Err(Error::data(format!("`{role}` {content:?} is no token: see {}", directory.display()))
                    .hint("name the right one in tokenizer_config.json or special_tokens_map.json")),
            }
        };
        let processor: PostProcessorWrapper = match self {
            Self::Bert => {
                let (cls, sep) = (token("cls_token")?, token("sep_token")?);
                let single = [format!("{}:0", cls.0), "$A:0".to_owned(), format!("{}:0", sep.0)];
                let second = ["$B:1".to_owned(), format!("{}:1", sep.0)];
                template(directory, single.to_vec(), [&single[..], &second].concat(), vec![cls, sep])?.into()
            }
            Self::Mpnet => {
                RobertaProcessing::new(token("sep_token")?, token("cls_token")?).add_prefix_space(false).into()
            }
            Self::Roberta => RobertaProcessing::new(token("sep_token")?, token("cls_token")?)
                .trim_offsets(flag("trim_offsets", true))
                .add_prefix_space(prefix_space)
                .into(),
            Self::Gpt2 => {
                let side = |sequence: &str, segment: u32| {
                    let edge = |key: &str, role: &str| {
                        flag(key, false).then(|| format!("{}:{segment}", special.content(role).unwrap_or_default()))
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
                let used = edges.into_iter().filter(|(key, _)| flag(key, false)).map(|(_, role)| token(role));
                template(directory, side("$A", 0), pair, used.collect::<Result<_>>()?)?.into()
            }
        };
        _ = tokenizer.with_post_processor(Some(processor));
        Ok(tokenizer)
    }
}

fn template(
    directory: &Path,
    single: Vec<String>,
    pair: Vec<String>,
    tokens: Vec<(String, u32)>,
) -> Result<TemplateProcessing> {
    TemplateProcessing::builder()
        .try_single(single)
        .and_then(|builder| builder.try_pair(pair))
        .map_err(|problem| Error::data(format!("cannot put special tokens around a text: {problem}")))?
        .special_tokens(tokens)
        .build()
        .map_err(|error| cannot(directory, &error))
}

fn word_pieces(directory: &Path, unknown: &str) -> Result<ModelWrapper> {
    let path = directory.join("vocab.txt");
    let bytes = std::fs::read(&path).map_err(|error| Error::io("read", &path, &error))?;
    let vocabulary = WordPiece::read_bytes(&bytes).map_err(|error| invalid(&path, &*error))?;
    if !vocabulary.contains_key(unknown) {
        return Err(Error::data(format!(
            "{} has no token {unknown:?}, which stands for what is not in it",
            path.display()
        ))
        .hint("name the right one as `unk_token` in tokenizer_config.json, or fetch the file again"));
    }
    let model = WordPiece::builder().vocab(vocabulary).unk_token(unknown.to_owned()).build();
    model.map(ModelWrapper::from).map_err(|error| invalid(&path, &*error))
}

fn byte_pairs(directory: &Path) -> Result<ModelWrapper> {
    let [vocabulary, merges] = ["vocab.json", "merges.txt"].map(|name| directory.join(name));
    for path in [&vocabulary, &merges] {
        if !path.is_file() {
            return Err(Error::data(format!("there is no {}, and no tokenizer.json", path.display()))
                .hint("a byte-level tokenizer is vocab.json and merges.txt: fetch the model again"));
        }
    }
    let name = |path: &Path| path.to_string_lossy().into_owned();
    let (tokens, pairs) = BPE::read_file(&name(&vocabulary), &name(&merges)).map_err(|error| {
        Error::data(format!("{} or {} is not valid", vocabulary.display(), merges.display()))
            .caused_by(&*error)
            .hint("fetch the model again, or compare the files with the hub's")
    })?;
    // The library trusts that a merge makes a token that is known.
    for (first, second) in &pairs {
        let merged = format!("{first}{second}");
        if let Some(unknown) = [first, second, &merged].into_iter().find(|token| !tokens.contains_key(*token)) {
            return Err(Error::data(format!(
                "{} merges {first:?} and {second:?}, but {unknown:?} is not in {}",
                merges.display(),
                vocabulary.display()
            ))
            .hint("the two files are of different tokenizers: fetch the model again"));
        }
    }
    let model = BPE::builder()
        .vocab_and_merges(tokens, pairs)
        .continuing_subword_prefix(String::new())
        .end_of_word_suffix(String::new())
        .build();
    model.map(ModelWrapper::from).map_err(|error| invalid(&vocabulary, &*error))
}

fn invalid(path: &Path, error: &(dyn std::error::Error + Send + Sync + 'static)) -> Error {
    Error::data(format!("{} is not a vocabulary", path.display())).caused_by(error).hint("fetch the model again")
}

fn cannot(directory: &Path, error: &(dyn std::error::Error + Send + Sync + 'static)) -> Error {
    Error::data(format!("no tokenizer can be made of the files in {}", directory.display())).caused_by(error)
}
