//! Writes the impl.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::Path;
use syn::spanned::Spanned;

use crate::attr::cache::Strategy;
use crate::valid::{Model, Table};

/// The impl of `CacheModel` for `model`.
///
/// All paths are absolute, so that nothing at the place of the derive changes
/// what they mean; only the user's own tokens are resolved there.
pub(crate) fn expand(model: &Model<'_>) -> TokenStream {
    let Model {
        ident,
        where_clause,
        module,
        table,
        primary_key,
        never,
        stale_after_write,
        ..
    } = model;
    let table_type = table_type(module);
    let ttl = ttl(model);
    let depends_on = depends_on(&model.depends_on);
    let version = model
        .version
        .map(|version| quote!(const VERSION: ::core::primitive::u32 = #version;));
    let strategy = model.strategy.as_ref().map(strategy);
    let stale_after_write = stale_after_write.then(|| {
        quote!(
            const STALE_AFTER_WRITE: ::core::primitive::bool = true;
        )
    });
    let receivers = receivers(&model.receivers);
    let keys = keys(model);
    let kept = kept(model);
    quote! {
        #[automatically_derived]
        impl ::diesel_cache::CacheModel for #ident #where_clause {
            type Table = #table_type;
            const TABLE: &'static ::core::primitive::str = #table;
            const PRIMARY_KEY: &'static [&'static ::core::primitive::str] = &[
                #(<#module::columns::#primary_key as ::diesel::Column>::NAME),*
            ];
            const TTL: ::core::option::Option<::core::time::Duration> = #ttl;
            const NEVER: ::core::primitive::bool = #never;
            const DEPENDS_ON: &'static [&'static ::core::primitive::str] = #depends_on;
            #keys
            #kept
            #version
            #strategy
            #stale_after_write
            #receivers
        }
    }
}

/// The type `table!` makes in `module`, at the module's own place for messages.
fn table_type(module: &Path) -> TokenStream {
    quote_spanned!(module.span()=> #module::table)
}

/// Each column is one of the table's: the compiler checks that it is.
fn keys(model: &Model<'_>) -> Option<TokenStream> {
    let module = &model.module;
    let keys = model
        .keys
        .iter()
        .map(|key| quote!(&[#(<#module::columns::#key as ::diesel::Column>::NAME),*]));
    let keys = quote!(#(#keys),*);
    (!model.keys.is_empty()).then(|| {
        quote!(
            const KEYS: &'static [&'static [&'static ::core::primitive::str]] = &[#keys];
        )
    })
}

/// The columns of keys that the model holds, compared with what it holds.
fn kept(model: &Model<'_>) -> TokenStream {
    let module = &model.module;
    let mut equal = None;
    for (column, member, ty) in &model.kept {
        let column = quote!(#module::columns::#column);
        let one_type = quote!(::diesel::dsl::Eq<#column, &'__kept #ty>);
        let one = quote_spanned!(ty.span()=>
            ::diesel::ExpressionMethods::eq(#column, &self.#member)
        );
        equal = Some(match equal {
            None => (one_type, one),
            Some((types, all)) => (
                quote!(::diesel::dsl::And<#types, #one_type>),
                quote!(::diesel::BoolExpressionMethods::and(#all, #one)),
            ),
        });
    }
    match equal {
        None => quote! {
            type Kept<'__kept> = ::diesel_cache::NoKeys;
            fn kept(&self) -> Self::Kept<'_> {
                ::diesel_cache::NoKeys
            }
        },
        Some((types, all)) => quote! {
            type Kept<'__kept> = ::diesel_cache::Kept<#types>;
            fn kept(&self) -> Self::Kept<'_> {
                ::diesel_cache::Kept(#all)
            }
        },
    }
}

fn ttl(model: &Model<'_>) -> TokenStream {
    match model.ttl {
        Some(ttl) => {
            let (secs, nanos) = (ttl.as_secs(), ttl.subsec_nanos());
            quote!(::core::option::Option::Some(
                ::core::time::Duration::new(#secs, #nanos)
            ))
        }
        None => quote!(::core::option::Option::None),
    }
}

fn strategy(strategy: &Strategy) -> TokenStream {
    let value = match strategy {
        Strategy::BuiltIn(name) => {
            let name = Ident::new(name, Span::call_site());
            quote!(::diesel_cache::strategy::#name)
        }
        Strategy::Path(path) => path.to_token_stream(),
    };
    let span = value.span();
    let value = quote_spanned!(span=> &#value);
    quote!(const STRATEGY: &'static dyn ::diesel_cache::strategy::Strategy = #value;)
}

/// Each receiver at its own place, so that the compiler points there if it does not fit.
fn receivers(receivers: &[(&str, Path)]) -> Option<TokenStream> {
    // No name of the user's may be taken for it.
    let declare = Ident::new("declare", Span::mixed_site());
    let declared = receivers.iter().map(|(signal, path)| {
        let signal = Ident::new(signal, path.span());
        quote_spanned!(path.span()=> ::diesel_cache::Declare::<Self>::#signal(#declare, #path);)
    });
    let declared = quote!(#(#declared)*);
    (!receivers.is_empty()).then(|| {
        quote! {
            fn receivers(#declare: &mut ::diesel_cache::Declare<Self>) {
                #declared
            }
        }
    })
}

/// The names; those given as modules go through a function that only a table can call.
fn depends_on(tables: &[Table]) -> TokenStream {
    let names = tables.iter().map(|Table { name, module }| match module {
        Some(module) => {
            let table_type = table_type(module);
            quote!(name_of::<#table_type>(#name))
        }
        None => quote!(#name),
    });
    let check = tables.iter().any(|table| table.module.is_some()).then(|| {
        quote! {
            const fn name_of<T: ::diesel::Table>(
                name: &'static ::core::primitive::str,
            ) -> &'static ::core::primitive::str {
                name
            }
        }
    });
    quote!({ #check &[#(#names),*] })
}
