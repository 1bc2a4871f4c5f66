//! The derive's own attributes: `#[cache(...)]`.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Attribute, LitInt, LitStr, Path, bracketed, parenthesized, token};

use super::{Slot, at_end, attribute, end, equals, list, usage};
use crate::errors::Errors;

/// What may stand in `#[cache(...)]`.
const ALLOWED: &str = "`ttl`, `key`, `never`, `depends_on`, `table`, `version`, `strategy`, \
                       `stale_after_write`, `pre_save`, `post_save`, `pre_delete`, `post_delete`, `post_commit`";

/// The signals that a receiver can be declared for.
pub(crate) const SIGNALS: [&str; 5] = [
    "pre_save",
    "post_save",
    "pre_delete",
    "post_delete",
    "post_commit",
];

/// `#[cache(...)]` as written on the struct.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    /// `ttl = "10m"`
    pub(crate) ttl: Slot<LitStr>,
    /// `key(author_id, (tenant_id, slug))`
    pub(crate) key: Slot<Vec<Vec<Ident>>>,
    /// `never`
    pub(crate) never: Slot<()>,
    /// `stale_after_write`
    pub(crate) stale_after_write: Slot<()>,
    /// `depends_on(authors, crate::schema::tags, "audit")`
    pub(crate) depends_on: Slot<Vec<Dependency>>,
    /// `table = "real_sql_name"`
    pub(crate) table: Slot<LitStr>,
    /// `version = 2`
    pub(crate) version: Slot<u32>,
    /// `strategy = "delete"`, `strategy = crate::Warm`
    pub(crate) strategy: Slot<Strategy>,
    /// `post_save = audit`, `post_save = [audit, crate::search::index]`: one for each of
    /// [`SIGNALS`].
    pub(crate) receivers: [Slot<Vec<Path>>; SIGNALS.len()],
}

/// A strategy.
#[derive(Debug, Clone)]
pub(crate) enum Strategy {
    /// One that is built in: its name, and the type's.
    BuiltIn(&'static str),
    /// A value that implements the trait: the compiler checks that it does.
    Path(Path),
}

/// One table of `depends_on(...)`.
#[derive(Debug)]
pub(crate) enum Dependency {
    /// The module `table!` made: the compiler checks that it exists.
    Module(Path),
    /// The table's name in SQL.
    Name(LitStr),
}

impl ToTokens for Dependency {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Module(path) => path.to_tokens(tokens),
            Self::Name(name) => name.to_tokens(tokens),
        }
    }
}

impl Cache {
    /// Reads the struct's attributes.
    pub(crate) fn read(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut cache = Self::default();
        for attr in attrs.iter().filter(|attr| is_cache(attr)) {
            attribute(attr, errors, |input, errors| cache.item(input, errors));
        }
        cache
    }

    fn item(&mut self, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
        let name = input
            .call(Ident::parse_any)
            .map_err(|error| syn::Error::new(error.span(), format!("expected one of {ALLOWED}")))?;
        match name.to_string().as_str() {
            "ttl" => {
                let value = string(&name, input, "ttl = \"10m\"");
                self.ttl.fill(name, value, errors);
            }
            "table" => {
                let value = string(&name, input, "table = \"posts\"");
                self.table.fill(name, value, errors);
            }
            "key" => {
                let value = keys(&name, input, errors);
                self.key.fill(name, value, errors);
            }
            "never" => {
                let value = flag(&name, input);
                self.never.fill(name, value, errors);
            }
            "stale_after_write" => {
                let value = flag(&name, input);
                self.stale_after_write.fill(name, value, errors);
            }
            "depends_on" => {
                let value = dependencies(&name, input, errors);
                self.depends_on.fill(name, value, errors);
            }
            "version" => {
                let value = version(&name, input);
                self.version.fill(name, value, errors);
            }
            "strategy" => {
                let value = strategy(&name, input);
                self.strategy.fill(name, value, errors);
            }
            other => match SIGNALS.iter().position(|signal| *signal == other) {
                Some(signal) => {
                    let value = receivers(&name, input, errors);
                    self.receivers[signal].fill(name, value, errors);
                }
                None => return Err(unknown(&name)),
            },
        }
        Ok(())
    }
}

/// Refuses `#[cache]` on a field.
pub(crate) fn refuse_on_field(attrs: &[Attribute], errors: &mut Errors) {
    for attr in attrs.iter().filter(|attr| is_cache(attr)) {
        errors.at(
            attr,
            "`#[cache]` describes the whole model: move it above the struct",
        );
    }
}

fn is_cache(attr: &Attribute) -> bool {
    attr.path().is_ident("cache")
}

/// `name`, alone.
fn flag(name: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
    if at_end(input) {
        Ok(())
    } else {
        Err(syn::Error::new_spanned(
            name,
            format!("`{name}` takes no value"),
        ))
    }
}

/// `name = "string"`.
fn string(name: &Ident, input: ParseStream<'_>, example: &str) -> syn::Result<LitStr> {
    equals(name, input, example)?;
    let value = input.parse::<LitStr>().map_err(|error| {
        syn::Error::new(error.span(), format!("expected a string: `{example}`"))
    })?;
    end(input)?;
    Ok(value)
}

/// `name = 2`.
fn version(name: &Ident, input: ParseStream<'_>) -> syn::Result<u32> {
    const EXPECTED: &str = "expected a whole number from 0 to 4294967295: `version = 2`";
    equals(name, input, "version = 2")?;
    let value = input
        .parse::<LitInt>()
        .map_err(|error| syn::Error::new(error.span(), EXPECTED))?;
    let number = value
        .base10_parse()
        .map_err(|_| syn::Error::new_spanned(&value, EXPECTED))?;
    end(input)?;
    Ok(number)
}

/// `name = "delete"` or `name = path::to::VALUE`.
fn strategy(name: &Ident, input: ParseStream<'_>) -> syn::Result<Strategy> {
    const BUILT_IN: [(&str, &str); 3] =
        [("version", "Version"), ("delete", "Delete"), ("ttl", "Ttl")];
    const EXPECTED: &str = "expected \"version\", \"delete\", \"ttl\" or the path of a value \
                            that implements `diesel_cache::strategy::Strategy`";
    equals(name, input, "strategy = \"delete\"")?;
    let strategy = if input.peek(LitStr) {
        let value = input.parse::<LitStr>()?;
        let text = value.value();
        let known = BUILT_IN.iter().find(|(known, _)| *known == text);
        let (_, built_in) = known.ok_or_else(|| syn::Error::new_spanned(&value, EXPECTED))?;
        Strategy::BuiltIn(built_in)
    } else {
        let path = input.parse::<Path>();
        Strategy::Path(path.map_err(|error| syn::Error::new(error.span(), EXPECTED))?)
    };
    end(input)?;
    Ok(strategy)
}

/// `name = path::to::function` or `name = [function, path::to::function]`.
fn receivers(name: &Ident, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Vec<Path>> {
    let example = format!("{name} = audit");
    equals(name, input, &example)?;
    let receiver = |input: ParseStream<'_>| {
        let path = input.parse::<Path>();
        path.map_err(|error| {
            let message = format!("expected the path of a function: `{example}`");
            syn::Error::new(error.span(), message)
        })
    };
    let mut paths = Vec::new();
    if input.peek(token::Bracket) {
        let content;
        bracketed!(content in input);
        if content.is_empty() {
            let message = format!("`{name}` lists no receiver: name one or remove it");
            return Err(syn::Error::new_spanned(name, message));
        }
        list(&content, errors, |input, _| {
            paths.push(receiver(input)?);
            end(input)
        });
    } else {
        paths.push(receiver(input)?);
    }
    end(input)?;
    Ok(paths)
}

/// `name(column, (column, column))`.
fn keys(name: &Ident, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Vec<Vec<Ident>>> {
    const EXAMPLE: &str = "key(author_id)";
    const EXPECTED: &str = "expected a column: `key(author_id)`, or several that make a key \
                            together: `key((tenant_id, slug))`";
    if !input.peek(token::Paren) {
        return Err(usage(name, EXAMPLE));
    }
    let column = |input: ParseStream<'_>| {
        let column = input.call(Ident::parse_any);
        column.map_err(|error| syn::Error::new(error.span(), EXPECTED))
    };
    let content;
    parenthesized!(content in input);
    if content.is_empty() {
        let message = "`key()` names no column: name at least one or remove it";
        return Err(syn::Error::new_spanned(name, message));
    }
    let mut keys = Vec::new();
    list(&content, errors, |input, errors| {
        let mut key = Vec::new();
        if input.peek(token::Paren) {
            let together;
            parenthesized!(together in input);
            list(&together, errors, |input, _| {
                key.push(column(input)?);
                end(input)
            });
        } else {
            key.push(column(input)?);
        }
        keys.push(key);
        end(input)
    });
    end(input)?;
    Ok(keys)
}

/// `name(module, path::to::module, "name in SQL")`.
fn dependencies(
    name: &Ident,
    input: ParseStream<'_>,
    errors: &mut Errors,
) -> syn::Result<Vec<Dependency>> {
    if !input.peek(token::Paren) {
        return Err(usage(name, "depends_on(authors, crate::schema::tags)"));
    }
    let content;
    parenthesized!(content in input);
    if content.is_empty() {
        return Err(syn::Error::new_spanned(
            name,
            "`depends_on()` names no table: list at least one or remove it",
        ));
    }
    let mut tables = Vec::new();
    list(&content, errors, |input, _| {
        tables.push(dependency(input)?);
        end(input)
    });
    end(input)?;
    Ok(tables)
}

fn dependency(input: ParseStream<'_>) -> syn::Result<Dependency> {
    if input.peek(LitStr) {
        return input.parse().map(Dependency::Name);
    }
    input
        .call(Path::parse_mod_style)
        .map(Dependency::Module)
        .map_err(|error| {
            syn::Error::new(
                error.span(),
                "expected a table: `authors`, `crate::schema::authors` or \"authors\"",
            )
        })
}

fn unknown(name: &Ident) -> syn::Error {
    let message = match name.to_string().as_str() {
        "table_name" => "`table_name` is Diesel's: write `#[diesel(table_name = posts)]`".into(),
        "primary_key" => "`primary_key` is Diesel's: write `#[diesel(primary_key(id))]`".into(),
        _ => format!("unknown attribute `{name}`, expected one of {ALLOWED}"),
    };
    syn::Error::new_spanned(name, message)
}
