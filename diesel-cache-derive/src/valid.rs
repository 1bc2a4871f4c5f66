//! Judges the struct as a model: what is written is well-formed, does it make sense?

use std::time::Duration;

use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::{LitStr, Member, Path, Type, WhereClause};

use crate::ast::{Column, Input};
use crate::attr::cache::{Dependency, SIGNALS, Strategy};
use crate::errors::Errors;
use crate::name;

/// Everything the impl is made of.
#[derive(Debug)]
pub(crate) struct Model<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) where_clause: Option<&'a WhereClause>,
    /// The module `table!` made.
    pub(crate) module: Path,
    /// The table's name in SQL.
    pub(crate) table: String,
    pub(crate) primary_key: Vec<Ident>,
    /// The keys by which rows are told apart, besides the primary key.
    pub(crate) keys: Vec<Vec<Ident>>,
    /// The columns of those keys that the model holds: where, and as what.
    pub(crate) kept: Vec<(Ident, Member, Type)>,
    pub(crate) ttl: Option<Duration>,
    pub(crate) never: bool,
    pub(crate) stale_after_write: bool,
    pub(crate) depends_on: Vec<Table>,
    pub(crate) version: Option<u32>,
    pub(crate) strategy: Option<Strategy>,
    /// The receivers, each with the name of its signal, in the order of their signals.
    pub(crate) receivers: Vec<(&'static str, Path)>,
}

/// A further table the model depends on.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: String,
    /// The module `table!` made, if it was named.
    pub(crate) module: Option<Path>,
}

impl<'a> Model<'a> {
    /// The model that `input` describes.
    ///
    /// Mistakes go to `errors`; the model means something only if there are none.
    pub(crate) fn new(input: &Input<'a>, errors: &mut Errors) -> Option<Self> {
        conflicts(input, errors);
        let module = module(input, errors);
        let table = table(input, module.as_ref(), errors);
        let (primary_key, keys) = (primary_key(input, errors), keys(input, errors));
        Some(Self {
            ident: input.ident,
            where_clause: input.where_clause,
            kept: kept(input, &primary_key, &keys),
            primary_key,
            keys,
            ttl: input
                .cache
                .ttl
                .value()
                .and_then(|ttl| errors.ok(duration(ttl))),
            never: input.cache.never.name().is_some(),
            stale_after_write: input.cache.stale_after_write.name().is_some(),
            depends_on: depends_on(input, table.as_deref(), errors),
            version: input.cache.version.value().copied(),
            strategy: input.cache.strategy.value().cloned(),
            receivers: receivers(input, errors),
            module: module?,
            table: table?,
        })
    }
}

fn conflicts(input: &Input<'_>, errors: &mut Errors) {
    if input.cache.never.name().is_none() {
        return;
    }
    let cache = &input.cache;
    for name in [
        cache.ttl.name(),
        cache.key.name(),
        cache.depends_on.name(),
        cache.version.name(),
        cache.strategy.name(),
        cache.stale_after_write.name(),
    ]
    .into_iter()
    .flatten()
    {
        let message = format!("`{name}` has no effect on a table that is `never` cached");
        errors.at(name, message);
    }
}

fn module(input: &Input<'_>, errors: &mut Errors) -> Option<Path> {
    let diesel = &input.diesel.table_name;
    if diesel.name().is_none() {
        let default = name::default_table(input.ident);
        if default.is_none() {
            errors.at(input.ident, "name the table: `#[diesel(table_name = …)]`");
        }
        return default.map(Path::from);
    }
    let path = diesel.value()?;
    if path.segments.len() > 1
        && path
            .segments
            .last()
            .is_some_and(|last| last.ident == "table")
    {
        errors.at(path, "name the table's module, without the final `::table`");
        return None;
    }
    Some(path.clone())
}

fn table(input: &Input<'_>, module: Option<&Path>, errors: &mut Errors) -> Option<String> {
    match input.cache.table.value() {
        Some(name) => errors.ok(name::literal(name)),
        None => last(module?).map(name::in_sql),
    }
}

fn last(path: &Path) -> Option<&Ident> {
    path.segments.last().map(|segment| &segment.ident)
}

fn duration(ttl: &LitStr) -> syn::Result<Duration> {
    let text = ttl.value();
    let message = match humantime::parse_duration(&text) {
        Ok(Duration::ZERO) => "a `ttl` of zero keeps nothing: write at least \"1ms\", \
                               or `never` instead of `ttl`"
            .to_owned(),
        Ok(duration) => return Ok(duration),
        Err(error) => format!(
            "{text:?} is not a duration: {error}\n\
             help: write numbers with units, such as \"90s\", \"10m\" or \"1h 30m\""
        ),
    };
    Err(syn::Error::new_spanned(ttl, message))
}

fn primary_key(input: &Input<'_>, errors: &mut Errors) -> Vec<Ident> {
    let diesel = &input.diesel.primary_key;
    if diesel.name().is_none() {
        return vec![default_key(input, errors)];
    }
    let key = diesel.value().map(Vec::as_slice).unwrap_or_default();
    for (index, column) in key.iter().enumerate() {
        if key[..index].iter().any(|known| same(known, column)) {
            errors.at(column, format!("`{column}` is listed twice"));
        } else if let Some(mistake) = missing(column, &input.columns) {
            errors.at(column, mistake);
        }
    }
    key.to_vec()
}

fn keys(input: &Input<'_>, errors: &mut Errors) -> Vec<Vec<Ident>> {
    let mut keys: Vec<Vec<Ident>> = Vec::new();
    for key in input.cache.key.value().into_iter().flatten() {
        for (index, column) in key.iter().enumerate() {
            if key[..index].iter().any(|known| same(known, column)) {
                errors.at(column, format!("`{column}` is listed twice"));
            }
        }
        let Some(first) = key.first() else {
            continue;
        };
        let known = |other: &Vec<Ident>| {
            other.len() == key.len() && other.iter().zip(key).all(|(a, b)| same(a, b))
        };
        if keys.iter().any(known) {
            errors.at(first, "this key is listed twice");
        }
        keys.push(key.clone());
    }
    keys
}

/// The columns of keys that the model holds, each once. Those of the primary key tell the row
/// already.
fn kept(
    input: &Input<'_>,
    primary_key: &[Ident],
    keys: &[Vec<Ident>],
) -> Vec<(Ident, Member, Type)> {
    let mut kept: Vec<(Ident, Member, Type)> = Vec::new();
    for key in keys.iter().flatten() {
        let known = primary_key.iter().any(|column| same(column, key))
            || kept.iter().any(|(column, ..)| same(column, key));
        let place = input.columns.iter().find_map(|column| match column {
            Column::Named {
                column,
                place: Some(place),
                ..
            } if same(column, key) => Some((**place).clone()),
            _ => None,
        });
        if let Some((member, ty)) = place.filter(|_| !known) {
            kept.push((key.clone(), member, ty));
        }
    }
    kept
}

/// `id`, at the field it belongs to, so that the compiler points there too.
fn default_key(input: &Input<'_>, errors: &mut Errors) -> Ident {
    let id = Ident::new("id", input.ident.span());
    if let Some(mistake) = missing(&id, &input.columns) {
        let help = "help: if the key is another column, name it: `#[diesel(primary_key(…))]`\n\
                    help: a struct that only inserts or updates rows is not a model";
        errors.at(input.ident, format!("{mistake}\n{help}"));
    }
    let own = input.columns.iter().find_map(|column| match column {
        Column::Named { column, .. } if same(column, &id) => Some(column.clone()),
        _ => None,
    });
    own.unwrap_or(id)
}

/// Why `key` is not a column of the model, if it is not.
fn missing(key: &Ident, columns: &[Column]) -> Option<String> {
    let mut names = Vec::new();
    for candidate in columns {
        match candidate {
            Column::Unknown => return None, // may be in there
            Column::Named { column, .. } if same(column, key) => return None,
            Column::Named { column, .. } => names.push(format!("`{column}`")),
        }
    }
    let renamed = columns.iter().find_map(|candidate| match candidate {
        Column::Named {
            column,
            field: Some(field),
            ..
        } if same(field, key) => Some(column),
        _ => None,
    });
    match renamed {
        Some(column) => Some(format!(
            "the field `{key}` is the column `{column}`: name the column"
        )),
        None if names.is_empty() => None, // not a struct with fields, which is reported
        None => Some(format!(
            "no field for the primary key's column `{key}`; the columns are {}",
            names.join(", ")
        )),
    }
}

fn same(a: &Ident, b: &Ident) -> bool {
    a.unraw() == b.unraw()
}

fn depends_on(input: &Input<'_>, own: Option<&str>, errors: &mut Errors) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    for dependency in input.cache.depends_on.value().into_iter().flatten() {
        let Some(table) = dependency_table(dependency, errors) else {
            continue;
        };
        if own == Some(&table.name) {
            let message = "the model's own table always counts: remove it from `depends_on`";
            errors.at(dependency, message);
        } else if tables.iter().any(|known| known.name == table.name) {
            errors.at(dependency, format!("`{}` is listed twice", table.name));
        }
        tables.push(table);
    }
    tables
}

fn receivers(input: &Input<'_>, errors: &mut Errors) -> Vec<(&'static str, Path)> {
    let mut all: Vec<(&'static str, Path)> = Vec::new();
    for (signal, slot) in SIGNALS.into_iter().zip(&input.cache.receivers) {
        for path in slot.value().into_iter().flatten() {
            let known = |(other, receiver): &(&str, Path)| *other == signal && receiver == path;
            if all.iter().any(known) {
                let name = path.segments.last().map(|last| last.ident.to_string());
                let name = name.unwrap_or_default();
                errors.at(path, format!("`{name}` is listed twice"));
            }
            all.push((signal, path.clone()));
        }
    }
    all
}

fn dependency_table(dependency: &Dependency, errors: &mut Errors) -> Option<Table> {
    match dependency {
        Dependency::Name(name) => Some(Table {
            name: errors.ok(name::literal(name))?,
            module: None,
        }),
        Dependency::Module(path) => Some(Table {
            name: last(path).map(name::in_sql)?,
            module: Some(path.clone()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use syn::{DeriveInput, parse_quote};

    use super::*;

    /// What the stages up to this one make of a struct.
    fn judge<R>(input: &DeriveInput, look: impl FnOnce(&Model<'_>) -> R) -> Result<R, Vec<String>> {
        let mut errors = Errors::default();
        let input = Input::read(input, &mut errors);
        let model = Model::new(&input, &mut errors);
        match errors.finish() {
            Ok(()) => Ok(look(&model.expect("a model where there is no mistake"))),
            Err(error) => Err(error.into_iter().map(|error| error.to_string()).collect()),
        }
    }

    #[test]
    fn everything_by_default() {
        let input = parse_quote! {
            struct BlogPost { id: i32, title: String }
        };
        judge(&input, |model| {
            assert_eq!(model.module, parse_quote!(blog_posts));
            assert_eq!(model.table, "blog_posts");
            assert_eq!(model.primary_key, ["id"]);
            assert_eq!(model.ttl, None);
            assert!(!model.never);
            assert!(model.keys.is_empty());
            assert!(model.depends_on.is_empty());
            assert_eq!(model.version, None);
            assert!(model.strategy.is_none());
            assert!(model.receivers.is_empty());
        })
        .expect("no mistake");
    }

    #[test]
    fn everything_given() {
        let input = parse_quote! {
            #[diesel(aggregate, table_name = crate::schema::articles)]
            #[diesel(belongs_to(Author, foreign_key = author_id), primary_key(author_id, no))]
            #[cache(ttl = "1h 30m", table = "Legacy")]
            #[cache(depends_on(crate::schema::authors, "Audit"), version = 3, strategy = "ttl")]
            #[cache(key(author_id, (no, r#type)))]
            #[cache(post_commit = index, pre_save = [check, crate::audit::save])]
            struct BlogPost {
                author_id: i32,
                #[diesel(serialize_as = Of<A, B>, column_name = no)]
                number: i32,
            }
        };
        judge(&input, |model| {
            assert_eq!(model.module, parse_quote!(crate::schema::articles));
            assert_eq!(model.table, "legacy");
            assert_eq!(model.primary_key, ["author_id", "no"]);
            assert_eq!(model.keys.len(), 2);
            assert_eq!(model.keys[0], ["author_id"]);
            assert_eq!(model.keys[1], ["no", "r#type"]);
            assert_eq!(model.ttl, Some(Duration::from_secs(5400)));
            let names: Vec<_> = model.depends_on.iter().map(|table| &table.name).collect();
            assert_eq!(names, ["authors", "audit"]);
            assert!(model.depends_on[0].module.is_some());
            assert!(model.depends_on[1].module.is_none());
            assert_eq!(model.version, Some(3));
            assert!(matches!(model.strategy, Some(Strategy::BuiltIn("Ttl"))));
            let receivers: [(&str, Path); 3] = [
                ("pre_save", parse_quote!(check)),
                ("pre_save", parse_quote!(crate::audit::save)),
                ("post_commit", parse_quote!(index)),
            ];
            assert_eq!(model.receivers, receivers);
        })
        .expect("no mistake");
    }

    #[test]
    fn one_mistake_is_reported_once() {
        // Each of these could make a later check fail as well; none may.
        let inputs: [DeriveInput; 8] = [
            parse_quote!(
                struct Post;
            ),
            parse_quote!(
                enum Post {
                    A,
                    B,
                }
            ),
            parse_quote!(
                struct Post(i32);
            ),
            parse_quote!(
                struct Post {
                    #[diesel(column_name = 1)]
                    id: i32,
                }
            ),
            parse_quote!(
                #[diesel(primary_key = no)]
                struct Post {
                    no: i32,
                }
            ),
            parse_quote!(
                #[diesel(table_name = "articles")]
                struct Post {
                    id: i32,
                }
            ),
            parse_quote!(
                #[cache(depends_on(1))]
                struct Post {
                    id: i32,
                }
            ),
            parse_quote!(
                #[cache(table = "", depends_on("posts"))]
                struct Post {
                    id: i32,
                }
            ),
        ];
        for input in inputs {
            let mistakes = judge(&input, |_| ()).expect_err("mistakes");
            assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        }
    }

    #[test]
    fn no_mistake_hides_another() {
        let input = parse_quote! {
            #[cache(ttl = "", nevr, table = "", never = 1, depends_on(1, "", 2))]
            #[cache = 1]
            #[diesel(table_name = 1, primary_key(no, id, id))]
            struct Post<'a, T> { #[cache] id: &'a T }
        };
        let mistakes = judge(&input, |_| ()).expect_err("mistakes");
        assert_eq!(mistakes.len(), 16, "{mistakes:#?}");
    }
}
