//! Tests of diesel-cache against real database servers.
