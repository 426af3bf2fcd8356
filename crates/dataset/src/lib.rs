//! Rows that cross stages
