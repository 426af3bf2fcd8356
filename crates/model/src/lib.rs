//! Encoder
