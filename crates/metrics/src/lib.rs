//! Figures over predictions
