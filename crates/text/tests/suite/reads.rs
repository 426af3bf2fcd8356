//! Any bytes as a SentencePiece model of any family.

use std::fs;

use firebrand_text::TextTokenizer;

/// `model_type` and the name of its vocabulary's file.
pub(crate) const FAMILIES: [(&str, &str); 6] = [
    ("albert", "spiece.model"),
    ("xlnet", "spiece.model"),
    ("camembert", "sentencepiece.bpe.model"),
    ("xlm-roberta", "sentencepiece.bpe.model"),
    ("deberta-v2", "spm.model"),
    ("modernbert", "tokenizer.model"),
];

/// Texts that reach every part of a tokenizer.
const TEXTS: [&str; 6] =
    ["", "the quick brown fox", "\u{200b}ﬁ ½ Ｆｕｌｌ\u{301}", "<s> [CLS] <url>", "日本 😀 Жизнь", " a  b\n\tc "];

/// Reads the bytes as the model of a family and encodes some texts; returns whether they were a model.
pub(crate) fn read(family: usize, bytes: &[u8]) -> bool {
    let (family, name) = FAMILIES[family % FAMILIES.len()];
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(name), bytes).unwrap();
    fs::write(directory.path().join("config.json"), format!("{{\"model_type\": \"{family}\"}}")).unwrap();
    let Ok(tokenizer) = TextTokenizer::read(directory.path(), Some(32)) else { return false };
    for text in TEXTS {
        if let Ok(row) = tokenizer.encode(text) {
            assert!(row.ids.len() <= 32 && row.ids.iter().all(|&id| (id as usize) < tokenizer.vocab_size()));
        }
    }
    true
}
