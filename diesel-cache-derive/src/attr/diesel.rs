//! Diesel's attributes, as far as the cache needs them: `#[diesel(...)]`.
//!
//! Diesel's own derives judge the rest, so every other key is passed over.

use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{Attribute, LitStr, Path, Token, parenthesized, token};

use super::{Slot, at_end, attribute, end, equals, usage};
use crate::errors::Errors;
use crate::name;

/// `#[diesel(...)]` on the struct.
#[derive(Debug, Default)]
pub(crate) struct OnStruct {
    /// `table_name = crate::schema::posts`
    pub(crate) table_name: Slot<Path>,
    /// `primary_key(author_id, post_id)`
    pub(crate) primary_key: Slot<Vec<Ident>>,
}

impl OnStruct {
    /// Reads the struct's attributes.
    pub(crate) fn read(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut diesel = Self::default();
        items(attrs, errors, |name, input, errors| {
            if name == "table_name" {
                let value = table(&name, input);
                diesel.table_name.fill(name, value, errors);
            } else if name == "primary_key" {
                let value = columns(&name, input);
                diesel.primary_key.fill(name, value, errors);
            }
        });
        diesel
    }
}

/// `#[diesel(...)]` on a field.
#[derive(Debug, Default)]
pub(crate) struct OnField {
    /// `column_name = title`, or `column_name = "title"`
    pub(crate) column_name: Slot<Ident>,
    /// `embed`
    pub(crate) embed: bool,
    /// `serialize_as = …`
    pub(crate) serialize_as: bool,
}

impl OnField {
    /// Reads a field's attributes.
    pub(crate) fn read(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut diesel = Self::default();
        items(attrs, errors, |name, input, errors| {
            if name == "column_name" {
                let value = column(&name, input);
                diesel.column_name.fill(name, value, errors);
            } else if name == "embed" && at_end(input) {
                diesel.embed = true;
            } else if name == "serialize_as" {
                diesel.serialize_as = true;
            }
        });
        diesel
    }
}

fn items(
    attrs: &[Attribute],
    errors: &mut Errors,
    mut key: impl FnMut(Ident, ParseStream<'_>, &mut Errors),
) {
    for attr in attrs {
        if attr.path().is_ident("diesel") {
            attribute(attr, errors, |input, errors| {
                // Not a name: the rest of a value with a comma in it, `Nullable<A, B>`.
                if let Ok(name) = input.call(Ident::parse_any) {
                    key(name, input, errors);
                }
                Ok(())
            });
        } else if let Some(now) = outdated(attr.path()) {
            errors.at(attr, format!("write this as `#[diesel({now})]`"));
        }
    }
}

/// How an attribute of Diesel 1 is written today.
fn outdated(path: &Path) -> Option<&'static str> {
    match path.get_ident()?.to_string().as_str() {
        "table_name" => Some("table_name = posts"),
        "primary_key" => Some("primary_key(id)"),
        "column_name" => Some("column_name = title"),
        _ => None,
    }
}

/// `= path::to::module`.
fn table(name: &Ident, input: ParseStream<'_>) -> syn::Result<Path> {
    equals(name, input, "table_name = posts")?;
    if let Ok(text) = input.fork().parse::<LitStr>() {
        let bare = text.value();
        let message = format!("expected a path, not a string: `table_name = {bare}`");
        return Err(syn::Error::new_spanned(text, message));
    }
    let path = input.call(Path::parse_mod_style)?;
    end(input)?;
    Ok(path)
}

/// `(column, column)`.
fn columns(name: &Ident, input: ParseStream<'_>) -> syn::Result<Vec<Ident>> {
    if !input.peek(token::Paren) {
        return Err(usage(name, "primary_key(id)"));
    }
    let content;
    parenthesized!(content in input);
    let columns: Punctuated<Ident, Token![,]> = content.call(Punctuated::parse_terminated)?;
    end(input)?;
    if columns.is_empty() {
        let message = "a cached model needs a primary key: name at least one column";
        return Err(syn::Error::new_spanned(name, message));
    }
    Ok(columns.into_iter().collect())
}

/// `= column`, `= path::to::column` or `= "column"`.
fn column(name: &Ident, input: ParseStream<'_>) -> syn::Result<Ident> {
    equals(name, input, "column_name = title")?;
    let column = if let Ok(text) = input.parse::<LitStr>() {
        name::identifier(&text.value(), text.span()).ok_or_else(|| {
            let message = "expected the column's name in the `table!` macro";
            syn::Error::new_spanned(&text, message)
        })?
    } else {
        let path = input.call(Path::parse_mod_style)?;
        let last = path.segments.last().map(|segment| segment.ident.clone());
        last.ok_or_else(|| usage(name, "column_name = title"))?
    };
    end(input)?;
    Ok(column)
}
