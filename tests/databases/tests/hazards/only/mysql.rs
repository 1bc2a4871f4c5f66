//! Hazards of mysql alone.
