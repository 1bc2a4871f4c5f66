//! The derive macro of diesel-cache.
