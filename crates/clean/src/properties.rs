//! What holds for any table.
