//! Predictions over an exported bundle
