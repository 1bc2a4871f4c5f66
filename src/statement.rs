//! A query's SQL and binds, as this crate needs them. With `connection` and `query`, it
//! touches the part of Diesel which Diesel does not promise to keep stable.

use diesel::backend::Backend;
use diesel::expression::QueryMetadata;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::Untyped;

use crate::datum::{Bound, Datum};
use crate::dialect::Dialect;

/// A query's text and binds.
#[derive(Debug, Default)]
pub struct Statement {
    /// The SQL, with placeholders.
    pub sql: String,
    /// The binds, each with its type, in an encoding that no two lists of binds share.
    pub binds: Vec<u8>,
}

/// A database whose queries and rows this crate understands.
///
/// Implemented for Diesel's `Pg`, `Mysql` and `Sqlite`. A query on a
/// `#[derive(MultiConnection)]` enum is cached by matching on its variant.
#[diagnostic::on_unimplemented(
    message = "diesel-cache does not know the database `{Self}`",
    label = "cached reads need a database that diesel-cache knows",
    note = "switch on the feature `sqlite`, `postgres` or `mysql` of `diesel-cache`",
    note = "on a `#[derive(MultiConnection)]` enum, match on the variant and load from the connection in it"
)]
pub trait CacheDatabase: Backend + QueryMetadata<Untyped> + Sized + 'static {
    /// The dialect.
    const DIALECT: Dialect;

    /// The text and binds of a query.
    ///
    /// # Errors
    /// If the query cannot be rendered or a bind cannot be serialized.
    fn describe<Q>(query: &Q) -> QueryResult<Statement>
    where
        Q: QueryFragment<Self>;

    /// A text or number as text; what cannot be read is `None`.
    fn text(value: Self::RawValue<'_>) -> Option<String>;

    /// What is bound to each placeholder of a [`Statement`] of this database, from its
    /// [`binds`](Statement::binds); nothing, if they are those of another.
    fn bound(binds: &[u8]) -> Vec<Bound>;

    /// A value, if it is plain.
    fn datum(value: Self::RawValue<'_>) -> Option<Datum>;

    /// How many bytes of a value lie outside of a row's own fields.
    fn value_weight(value: Self::RawValue<'_>) -> usize;
}

/// A question of this crate's own, in plain SQL.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a>(pub(crate) &'a str);

impl<DB: Backend> QueryFragment<DB> for Question<'_> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        pass.unsafe_to_cache_prepared();
        pass.push_sql(self.0);
        Ok(())
    }
}

impl QueryId for Question<'_> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Question<'_> {
    type SqlType = Untyped;
}

#[cfg(any(feature = "postgres_backend", feature = "mysql_backend"))]
fn push_bytes(binds: &mut Vec<u8>, bytes: &[u8]) {
    binds.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    binds.extend_from_slice(bytes);
}

#[cfg(feature = "postgres_backend")]
mod postgres {
    use diesel::pg::{Pg, PgMetadataLookup, PgQueryBuilder, PgTypeMetadata, PgValue};
    use diesel::query_builder::bind_collector::RawBytesBindCollector;
    use diesel::query_builder::{QueryBuilder, QueryFragment};
    use diesel::result::QueryResult;

    use super::{CacheDatabase, Statement, push_bytes};
    use crate::datum::{self, Bound, Datum};
    use crate::dialect::Dialect;

    /// Records the names of custom types instead of asking the database for their numbers.
    #[derive(Debug, Default)]
    struct NamedTypes(Vec<u8>);

    impl PgMetadataLookup for NamedTypes {
        fn lookup_type(&mut self, type_name: &str, schema: Option<&str>) -> PgTypeMetadata {
            push_bytes(&mut self.0, schema.unwrap_or_default().as_bytes());
            push_bytes(&mut self.0, type_name.as_bytes());
            PgTypeMetadata::new(0, 0)
        }

        fn as_any<'a>(&mut self) -> &mut (dyn std::any::Any + 'a)
        where
            Self: 'a,
        {
            self
        }
    }

    /// The binds and the names of their custom types.
    fn encode(collector: &RawBytesBindCollector<Pg>, types: &NamedTypes) -> Vec<u8> {
        let mut binds = Vec::with_capacity(collector.binds.len() * 24 + types.0.len());
        binds.extend_from_slice(&(collector.binds.len() as u64).to_le_bytes());
        for (bind, metadata) in collector.binds.iter().zip(&collector.metadata) {
            let oid = metadata.oid().unwrap_or(0);
            binds.extend_from_slice(&oid.to_le_bytes());
            binds.push(u8::from(bind.is_some()));
            push_bytes(&mut binds, bind.as_deref().unwrap_or_default());
        }
        push_bytes(&mut binds, &types.0);
        binds
    }

    impl CacheDatabase for Pg {
        const DIALECT: Dialect = Dialect::Postgres;

        fn describe<Q>(query: &Q) -> QueryResult<Statement>
        where
            Q: QueryFragment<Self>,
        {
            let mut builder = PgQueryBuilder::default();
            query.to_sql(&mut builder, &Self)?;
            let mut collector = RawBytesBindCollector::<Self>::new();
            let mut types = NamedTypes::default();
            query.collect_binds(&mut collector, &mut types, &Self)?;
            Ok(Statement {
                sql: builder.finish(),
                binds: encode(&collector, &types),
            })
        }

        fn text(value: PgValue<'_>) -> Option<String> {
            String::from_utf8(value.as_bytes().to_vec()).ok()
        }

        fn bound(binds: &[u8]) -> Vec<Bound> {
            datum::of_postgres(binds).unwrap_or_default()
        }

        fn datum(value: PgValue<'_>) -> Option<Datum> {
            datum::postgres_scalar(value.get_oid().get(), value.as_bytes())
        }

        fn value_weight(value: PgValue<'_>) -> usize {
            value.as_bytes().len()
        }
    }
}

#[cfg(feature = "mysql_backend")]
mod mysql {
    use diesel::mysql::{Mysql, MysqlQueryBuilder, MysqlType, MysqlValue};
    use diesel::query_builder::bind_collector::RawBytesBindCollector;
    use diesel::query_builder::{QueryBuilder, QueryFragment};
    use diesel::result::QueryResult;

    use super::{CacheDatabase, Statement, push_bytes};
    use crate::datum::{self, Bound, Datum, MysqlForm};
    use crate::dialect::Dialect;

    /// The types whose values are plain.
    const FORMS: [(MysqlType, MysqlForm); 9] = [
        (MysqlType::Tiny, MysqlForm::Signed),
        (MysqlType::Short, MysqlForm::Signed),
        (MysqlType::Long, MysqlForm::Signed),
        (MysqlType::LongLong, MysqlForm::Signed),
        (MysqlType::UnsignedTiny, MysqlForm::Unsigned),
        (MysqlType::UnsignedShort, MysqlForm::Unsigned),
        (MysqlType::UnsignedLong, MysqlForm::Unsigned),
        (MysqlType::UnsignedLongLong, MysqlForm::Unsigned),
        (MysqlType::String, MysqlForm::Text),
    ];

    /// The binds and their types.
    fn encode(collector: &RawBytesBindCollector<Mysql>) -> Vec<u8> {
        let mut binds = Vec::with_capacity(collector.binds.len() * 24);
        binds.extend_from_slice(&(collector.binds.len() as u64).to_le_bytes());
        for (bind, metadata) in collector.binds.iter().zip(&collector.metadata) {
            binds.push(*metadata as u8);
            binds.push(u8::from(bind.is_some()));
            push_bytes(&mut binds, bind.as_deref().unwrap_or_default());
        }
        binds
    }

    impl CacheDatabase for Mysql {
        const DIALECT: Dialect = Dialect::Mysql;

        fn describe<Q>(query: &Q) -> QueryResult<Statement>
        where
            Q: QueryFragment<Self>,
        {
            let mut builder = MysqlQueryBuilder::default();
            query.to_sql(&mut builder, &Self)?;
            let mut collector = RawBytesBindCollector::<Self>::new();
            query.collect_binds(&mut collector, &mut (), &Self)?;
            Ok(Statement {
                sql: builder.finish(),
                binds: encode(&collector),
            })
        }

        fn text(value: MysqlValue<'_>) -> Option<String> {
            String::from_utf8(value.as_bytes().to_vec()).ok()
        }

        fn bound(binds: &[u8]) -> Vec<Bound> {
            let form = |number| {
                let known = FORMS.iter().find(|(known, _)| *known as u8 == number);
                known.map_or(MysqlForm::Other, |(_, form)| *form)
            };
            datum::of_mysql(binds, form).unwrap_or_default()
        }

        fn datum(value: MysqlValue<'_>) -> Option<Datum> {
            let known = FORMS.iter().find(|(known, _)| *known == value.value_type());
            datum::mysql_scalar(known?.1, value.as_bytes())
        }

        fn value_weight(value: MysqlValue<'_>) -> usize {
            value.as_bytes().len()
        }
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use diesel::backend::Backend;
    use diesel::query_builder::{QueryBuilder, QueryFragment};
    use diesel::result::QueryResult;
    use diesel::sqlite::query_builder::SqliteQueryBuilder;
    use diesel::sqlite::{Sqlite, SqliteType};

    use super::{CacheDatabase, Statement};
    use crate::datum::{self, Bound, Datum};
    use crate::dialect::Dialect;

    /// The binds and their types. The collector's binds are private, but its `Debug`
    /// is lossless; whether a text or blob is borrowed or owned makes no difference.
    fn encode(collector: &<Sqlite as Backend>::BindCollector<'_>) -> Vec<u8> {
        let text = format!("{collector:?}");
        let mut binds = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        let mut quoted = false;
        while let [first, tail @ ..] = rest {
            // rule: a-borrowed-bind-equals-an-owned-one
            if !quoted && let Some(tail) = rest.strip_prefix(b"Borrowed") {
                rest = tail;
                continue;
            }
            binds.push(*first);
            rest = tail;
            match (first, tail) {
                (b'"', _) => quoted = !quoted,
                // `Debug` escapes quotes and backslashes inside of a text.
                (b'\\', [escaped, tail @ ..]) if quoted => {
                    binds.push(*escaped);
                    rest = tail;
                }
                _ => {}
            }
        }
        binds
    }

    impl CacheDatabase for Sqlite {
        const DIALECT: Dialect = Dialect::Sqlite;

        fn describe<Q>(query: &Q) -> QueryResult<Statement>
        where
            Q: QueryFragment<Self>,
        {
            let mut builder = SqliteQueryBuilder::new();
            query.to_sql(&mut builder, &Self)?;
            let mut collector = <Self as Backend>::BindCollector::default();
            query.collect_binds(&mut collector, &mut (), &Self)?;
            Ok(Statement {
                sql: builder.finish(),
                binds: encode(&collector),
            })
        }

        fn text(mut value: <Self as Backend>::RawValue<'_>) -> Option<String> {
            Some(value.read_text().to_owned())
        }

        fn bound(binds: &[u8]) -> Vec<Bound> {
            datum::of_sqlite(binds).unwrap_or_default()
        }

        fn datum(mut value: <Self as Backend>::RawValue<'_>) -> Option<Datum> {
            match value.value_type()? {
                SqliteType::SmallInt | SqliteType::Integer | SqliteType::Long => {
                    Some(Datum::Integer(value.read_long().into()))
                }
                SqliteType::Text => Some(Datum::Text(value.read_text().into())),
                _ => None,
            }
        }

        fn value_weight(mut value: <Self as Backend>::RawValue<'_>) -> usize {
            match value.value_type() {
                Some(SqliteType::Text) => value.read_text().len(),
                Some(SqliteType::Binary) => value.read_blob().len(),
                _ => 0,
            }
        }
    }
}
