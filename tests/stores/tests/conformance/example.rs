//! The backend of the example, by a third party.

#[allow(dead_code, reason = "its own program runs the rest")]
#[path = "../../../../examples/custom_backend.rs"]
mod custom_backend;

diesel_cache::conformance_tests!(|_namespace: &str| custom_backend::Shelf::new());

#[test]
fn its_program_runs() {
    custom_backend::main().unwrap();
}
