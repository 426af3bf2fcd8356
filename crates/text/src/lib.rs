//! From a raw string to token ids
