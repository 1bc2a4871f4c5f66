//! The compile errors that users meet, one file each.

#[test]
fn compile_errors_are_clear() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/fail/*.rs");
}
