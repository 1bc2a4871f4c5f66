//! Reads `#[cache(...)]` and the part of `#[diesel(...)]` that the cache needs.
//!
//! Only the syntax is judged here; [`valid`](crate::valid) judges the meaning.

pub(crate) mod cache;
pub(crate) mod diesel;

use proc_macro2::{Ident, TokenTree};
use syn::parse::ParseStream;
use syn::{Attribute, Token};

use crate::errors::Errors;

/// What was written for one key: nothing, something unreadable, or a value.
#[derive(Debug)]
pub(crate) struct Slot<T> {
    name: Option<Ident>,
    value: Option<T>,
}

impl<T> Slot<T> {
    /// The key where it was written, even if its value could not be read.
    pub(crate) fn name(&self) -> Option<&Ident> {
        self.name.as_ref()
    }

    /// The value, if the key was written and its value could be read.
    pub(crate) fn value(&self) -> Option<&T> {
        self.value.as_ref()
    }

    /// Takes what was written for the key `name`; a second time is a mistake.
    fn fill(&mut self, name: Ident, value: syn::Result<T>, errors: &mut Errors) {
        if self.name.is_some() {
            errors.at(&name, format!("`{name}` is given twice"));
        }
        self.value = errors.ok(value).or(self.value.take());
        self.name = Some(name);
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self {
            name: None,
            value: None,
        }
    }
}

/// Reads each item of `#[name(item, item, …)]`.
fn attribute(
    attr: &Attribute,
    errors: &mut Errors,
    item: impl FnMut(ParseStream<'_>, &mut Errors) -> syn::Result<()>,
) {
    let read = attr.parse_args_with(|input: ParseStream<'_>| {
        list(input, errors, item);
        Ok(())
    });
    errors.ok(read);
}

/// Reads each item of a comma-separated list.
///
/// A mistake in one item does not hide those in the next: whatever `item`
/// leaves of its tokens is skipped.
fn list(
    input: ParseStream<'_>,
    errors: &mut Errors,
    mut item: impl FnMut(ParseStream<'_>, &mut Errors) -> syn::Result<()>,
) {
    while !input.is_empty() {
        let read = item(input, errors);
        errors.ok(read);
        while !at_end(input) {
            errors.ok(input.parse::<TokenTree>());
        }
        errors.ok(input.parse::<Option<Token![,]>>());
    }
}

/// Whether an item ends here.
fn at_end(input: ParseStream<'_>) -> bool {
    input.is_empty() || input.peek(Token![,])
}

/// Refuses what follows an item that is complete.
fn end(input: ParseStream<'_>) -> syn::Result<()> {
    if at_end(input) {
        Ok(())
    } else {
        Err(input.error("expected `,`"))
    }
}

/// How a key is written, said at `name`.
fn usage(name: &Ident, example: &str) -> syn::Error {
    syn::Error::new_spanned(name, format!("`{name}` is written `{example}`"))
}

/// The `=` before the value of the key `name`.
fn equals(name: &Ident, input: ParseStream<'_>, example: &str) -> syn::Result<()> {
    if !input.peek(Token![=]) {
        return Err(usage(name, example));
    }
    input.parse::<Token![=]>()?;
    if at_end(input) {
        return Err(usage(name, example));
    }
    Ok(())
}
