//! The struct as the user wrote it: shape and attributes, not yet judged as a model.

use proc_macro2::Ident;
use syn::{Data, DeriveInput, Field, Fields, GenericParam, Member, Type, WhereClause};

use crate::attr::cache::{self, Cache};
use crate::attr::diesel::{OnField, OnStruct};
use crate::errors::Errors;

/// The struct under the derive.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) where_clause: Option<&'a WhereClause>,
    pub(crate) cache: Cache,
    pub(crate) diesel: OnStruct,
    pub(crate) columns: Vec<Column>,
}

/// What a field stands for.
#[derive(Debug)]
pub(crate) enum Column {
    /// One column, and the field's own name where it differs.
    Named {
        column: Ident,
        field: Option<Ident>,
        /// Where the field is, and its type; `None` if it is stored as another.
        place: Option<Box<(Member, Type)>>,
    },
    /// Any columns: `#[diesel(embed)]`, or a field with a mistake in it.
    Unknown,
}

impl<'a> Input<'a> {
    /// Reads the struct; every mistake of syntax or shape goes to `errors`.
    pub(crate) fn read(input: &'a DeriveInput, errors: &mut Errors) -> Self {
        for param in &input.generics.params {
            errors.at(param, generic(param));
        }
        let fields = fields(input, errors);
        Self {
            ident: &input.ident,
            where_clause: input.generics.where_clause.as_ref(),
            cache: Cache::read(&input.attrs, errors),
            diesel: OnStruct::read(&input.attrs, errors),
            columns: fields
                .enumerate()
                .map(|(at, field)| Column::read(at, field, errors))
                .collect(),
        }
    }
}

impl Column {
    fn read(at: usize, field: &Field, errors: &mut Errors) -> Self {
        cache::refuse_on_field(&field.attrs, errors);
        let diesel = OnField::read(&field.attrs, errors);
        let field_name = field.ident.as_ref();
        let member = field_name.cloned().map_or(Member::from(at), Member::Named);
        let place = (!diesel.serialize_as).then(|| Box::new((member, field.ty.clone())));
        if diesel.embed {
            return Self::Unknown;
        }
        if let Some(column) = diesel.column_name.value() {
            return Self::Named {
                column: column.clone(),
                field: field_name.filter(|name| *name != column).cloned(),
                place,
            };
        }
        match field_name {
            Some(name) if diesel.column_name.name().is_none() => Self::Named {
                column: name.clone(),
                field: None,
                place,
            },
            // Malformed, and reported as such.
            Some(_) => Self::Unknown,
            None => {
                if diesel.column_name.name().is_none() {
                    errors.at(
                        &field.ty,
                        "a field without a name needs `#[diesel(column_name = …)]`",
                    );
                }
                Self::Unknown
            }
        }
    }
}

fn fields<'a>(
    input: &'a DeriveInput,
    errors: &mut Errors,
) -> impl Iterator<Item = &'a Field> + use<'a> {
    const NOT_A_STRUCT: &str = "a cached model is a struct with a field for each column";
    let fields = match &input.data {
        Data::Struct(data) => Some(&data.fields),
        Data::Enum(data) => {
            errors.at(data.enum_token, NOT_A_STRUCT);
            None
        }
        Data::Union(data) => {
            errors.at(data.union_token, NOT_A_STRUCT);
            None
        }
    };
    if fields.is_some_and(Fields::is_empty) {
        errors.at(&input.ident, "a cached model needs a field for each column");
    }
    fields.into_iter().flatten()
}

fn generic(param: &GenericParam) -> String {
    let name = match param {
        GenericParam::Lifetime(param) => {
            let lifetime = &param.lifetime;
            return format!(
                "a cached model must be `'static`, as it outlives what it would borrow: \
                 remove `{lifetime}` and own the data (`String` for `&{lifetime} str`)"
            );
        }
        GenericParam::Type(param) => &param.ident,
        GenericParam::Const(param) => &param.ident,
    };
    format!(
        "a cached model cannot be generic, as it stands for one table: \
         remove `{name}` and derive on one struct for each table"
    )
}
