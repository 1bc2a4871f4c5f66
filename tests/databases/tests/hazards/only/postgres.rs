//! Hazards of postgres alone.
