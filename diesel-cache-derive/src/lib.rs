//! The derive macro of [diesel-cache](https://docs.rs/diesel-cache).
//!
//! Use it through that crate: `diesel_cache::CacheInvalidate`.
//!
//! # Layout
//!
//! A struct passes through four stages. Each adds its mistakes to one list and
//! goes on, so that a single compilation shows them all.
//!
//! | stage | |
//! |---|---|
//! | `ast` | the struct's shape: fields, generics |
//! | `attr` | the syntax of `#[cache(...)]` and `#[diesel(...)]` |
//! | `valid` | the meaning: durations, keys, conflicts |
//! | `expand` | the impl |

mod ast;
mod attr;
mod errors;
mod expand;
mod name;
mod valid;

use proc_macro2::TokenStream;
use syn::{DeriveInput, parse_macro_input};

#[doc = include_str!("../docs/derive.md")]
#[proc_macro_derive(CacheInvalidate, attributes(cache, diesel))]
pub fn derive_cache_invalidate(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    derive(&input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

fn derive(input: &DeriveInput) -> syn::Result<TokenStream> {
    let mut errors = errors::Errors::default();
    let input = ast::Input::read(input, &mut errors);
    let model = valid::Model::new(&input, &mut errors);
    errors.finish()?;
    Ok(model.as_ref().map(expand::expand).unwrap_or_default())
}
