//! The stage as a whole, in this process.
