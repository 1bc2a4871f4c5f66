//! The names of tables and columns, in Rust and in SQL.

use proc_macro2::{Ident, Span};
use syn::LitStr;
use syn::ext::IdentExt;

/// The table Diesel's own derives assume for a struct without `table_name`.
pub(crate) fn default_table(model: &Ident) -> Option<Ident> {
    let mut name = String::new();
    for (index, character) in model.unraw().to_string().chars().enumerate() {
        if index > 0 && character.is_uppercase() {
            name.push('_');
        }
        name.extend(character.to_lowercase());
    }
    name.push('s');
    identifier(&name, model.span())
}

/// `name` as an identifier, raw if it is a keyword; `None` if Rust cannot spell it.
pub(crate) fn identifier(name: &str, span: Span) -> Option<Ident> {
    let bare = name.strip_prefix("r#").unwrap_or(name);
    let mut ident = syn::parse_str::<Ident>(bare)
        .or_else(|_| syn::parse_str::<Ident>(&format!("r#{bare}")))
        .ok()?;
    ident.set_span(span);
    Some(ident)
}

/// The name of a table as the cache compares it: without `r#`, in lower case.
pub(crate) fn in_sql(ident: &Ident) -> String {
    ident.unraw().to_string().to_lowercase()
}

/// The name of a table written as a string: not empty, no schema, no quotes.
pub(crate) fn literal(name: &LitStr) -> syn::Result<String> {
    let value = name.value();
    let mistake = if value.trim().is_empty() {
        "the name of a table cannot be empty".to_owned()
    } else if value.trim() != value {
        format!(
            "remove the blanks around the table's name: {:?}",
            value.trim()
        )
    } else if value.contains(['"', '`', '[', ']', '\'']) {
        "write the table's name without SQL quotes".to_owned()
    } else if let Some((_, bare)) = value.rsplit_once('.') {
        format!("write the table's name without its schema: {bare:?}")
    } else {
        return Ok(value.to_lowercase());
    };
    Err(syn::Error::new_spanned(name, mistake))
}

#[cfg(test)]
mod tests {
    use quote::format_ident;
    use syn::parse_quote;

    use super::*;

    fn table_of(model: &str) -> Option<String> {
        default_table(&format_ident!("{model}")).map(|ident| ident.to_string())
    }

    #[test]
    fn default_table_is_diesels() {
        for (model, table) in [
            ("Post", "posts"),
            ("FooBar", "foo_bars"),
            ("HTTPLog", "h_t_t_p_logs"),
            ("Category", "categorys"),
            ("Post2", "post2s"),
            ("Foo_Bar", "foo__bars"),
            ("post", "posts"),
        ] {
            assert_eq!(table_of(model).as_deref(), Some(table));
        }
    }

    #[test]
    fn default_table_of_odd_names() {
        assert_eq!(table_of("Über").as_deref(), Some("übers"));
        assert_eq!(table_of("r#Type").as_deref(), Some("types"));
        assert_eq!(table_of("A").as_deref(), Some("r#as"));
    }

    #[test]
    fn identifiers_are_raw_only_where_needed() {
        let spelled = |name| identifier(name, Span::call_site()).map(|ident| ident.to_string());
        assert_eq!(spelled("title").as_deref(), Some("title"));
        assert_eq!(spelled("type").as_deref(), Some("r#type"));
        assert_eq!(spelled("r#type").as_deref(), Some("r#type"));
        assert_eq!(spelled("r#title").as_deref(), Some("title"));
        assert_eq!(spelled("two words"), None);
        assert_eq!(spelled("self"), None);
        assert_eq!(spelled(""), None);
    }

    fn plain(name: LitStr) -> Option<String> {
        literal(&name).ok()
    }

    #[test]
    fn table_names_are_bare_and_lower_case() {
        assert_eq!(in_sql(&format_ident!("r#type")), "type");
        assert_eq!(in_sql(&format_ident!("Posts")), "posts");
        assert_eq!(plain(parse_quote!("Posts")).as_deref(), Some("posts"));
        assert_eq!(
            plain(parse_quote!("old posts")).as_deref(),
            Some("old posts")
        );
    }

    #[test]
    fn table_names_that_are_refused() {
        let refused: [LitStr; 5] = [
            parse_quote!(""),
            parse_quote!("  "),
            parse_quote!(" posts"),
            parse_quote!("`posts`"),
            parse_quote!("public.posts"),
        ];
        for name in refused {
            assert_eq!(plain(name), None);
        }
    }
}
