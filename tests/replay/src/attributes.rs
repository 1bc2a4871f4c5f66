//! The attributes of the models, as they stand in the source.

const MODELS: &str = include_str!("models.rs");

/// Each `#[cache(…)]` of the models, after the name of its model.
pub(crate) fn of_models() -> Vec<String> {
    of(MODELS)
}

fn of(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(at) = rest.find("#[cache(") {
        rest = &rest[at..];
        let end = rest.find(")]").map_or(rest.len(), |end| end + 2);
        let words: Vec<&str> = rest[..end].split_whitespace().collect();
        rest = &rest[end..];
        let model = rest.split_once("struct ").map_or("", |(_, name)| name);
        let model = model.split_whitespace().next().unwrap_or_default();
        found.push(format!("{model}: {}", words.join(" ")));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_found_in_the_source() {
        let source = "#[cache(ttl = \"1m\")]\n#[cache(\n    version = 2,\n)]\npub struct A {}\n";
        assert_eq!(
            of(source),
            [r#"A: #[cache(ttl = "1m")]"#, "A: #[cache( version = 2, )]"]
        );
        assert_eq!(of("struct A;"), [""; 0]);
    }
}
