//! Directories of models, whole, damaged and hostile, in one program: each links everything. Its allocator counts what each
//! thread holds, for the tests that limit it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod facts;
mod files;
mod forged;
mod heads;
mod hostile;
mod int8;
mod memory;
mod mutations;
mod pretrained;
mod random;
mod weights;
