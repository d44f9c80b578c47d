//! Column types that are native on each database, and their values.

#[cfg(feature = "postgres")]
use std::io::Write as _;

use diesel::{
    deserialize::{self, FromSql, FromSqlRow},
    expression::AsExpression,
    serialize::{self, IsNull, Output, ToSql},
    sql_types as sql,
};
use serde_json::Value;
use uuid::Uuid;

use tokenry_domain::UnixMillis;

/// `uuid` or a 16-byte `BLOB`.
#[derive(diesel::sql_types::SqlType, diesel::query_builder::QueryId)]
#[diesel(postgres_type(oid = 2950, array_oid = 2951), sqlite_type(name = "Binary"))]
pub struct Id;

/// `timestamptz` or milliseconds in an `INTEGER`; never text, which would sort as text.
#[derive(diesel::sql_types::SqlType, diesel::query_builder::QueryId)]
#[diesel(postgres_type(oid = 1184, array_oid = 1185), sqlite_type(name = "Long"))]
pub struct Instant;

/// `jsonb` or JSON `TEXT`.
#[derive(diesel::sql_types::SqlType, diesel::query_builder::QueryId)]
#[diesel(postgres_type(oid = 3802, array_oid = 3807), sqlite_type(name = "Text"))]
pub struct Document;

/// A value of an [`Id`] column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, AsExpression, FromSqlRow)]
#[diesel(sql_type = Id)]
pub(crate) struct IdValue(pub(crate) Uuid);

/// A value of an [`Instant`] column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = Instant)]
pub(crate) struct InstantValue(pub(crate) UnixMillis);

/// A value of a [`Document`] column: JSON text, parsed on demand.
#[derive(Debug, Clone, PartialEq, AsExpression, FromSqlRow)]
#[diesel(sql_type = Document)]
pub(crate) struct DocumentValue(String);

impl DocumentValue {
    pub(crate) fn new(value: &Value) -> Self {
        Self(value.to_string())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

fn instant(millis: i64) -> deserialize::Result<InstantValue> {
    UnixMillis::new(millis)
        .map(InstantValue)
        .ok_or_else(|| "an instant outside the years 1970 to 9999".into())
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use super::*;
    use diesel::sqlite::{Sqlite, SqliteValue};

    impl ToSql<Id, Sqlite> for IdValue {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
            out.set_value(&self.0.as_bytes()[..]);
            Ok(IsNull::No)
        }
    }

    impl FromSql<Id, Sqlite> for IdValue {
        fn from_sql(value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
            let bytes = <Vec<u8> as FromSql<sql::Binary, Sqlite>>::from_sql(value)?;
            Ok(Self(Uuid::from_slice(&bytes)?))
        }
    }

    impl ToSql<Instant, Sqlite> for InstantValue {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
            out.set_value(self.0.get());
            Ok(IsNull::No)
        }
    }

    impl FromSql<Instant, Sqlite> for InstantValue {
        fn from_sql(value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
            instant(<i64 as FromSql<sql::BigInt, Sqlite>>::from_sql(value)?)
        }
    }

    impl ToSql<Document, Sqlite> for DocumentValue {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
            out.set_value(self.0.as_str());
            Ok(IsNull::No)
        }
    }

    impl FromSql<Document, Sqlite> for DocumentValue {
        fn from_sql(value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
            <String as FromSql<sql::Text, Sqlite>>::from_sql(value).map(Self)
        }
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use super::*;
    use diesel::pg::{Pg, PgValue, data_types::PgTimestamp};

    /// PostgreSQL counts from 2000-01-01.
    const EPOCH_MILLIS: i64 = 946_684_800_000;
    /// The byte that a `jsonb` value begins with on the wire.
    const JSONB_VERSION: u8 = 1;

    impl ToSql<Id, Pg> for IdValue {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
            out.write_all(self.0.as_bytes())?;
            Ok(IsNull::No)
        }
    }

    impl FromSql<Id, Pg> for IdValue {
        fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
            Ok(Self(Uuid::from_slice(value.as_bytes())?))
        }
    }

    impl ToSql<Instant, Pg> for InstantValue {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
            let at = PgTimestamp((self.0.get() - EPOCH_MILLIS) * 1000);
            ToSql::<sql::Timestamptz, Pg>::to_sql(&at, &mut out.reborrow())
        }
    }

    impl FromSql<Instant, Pg> for InstantValue {
        fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
            let PgTimestamp(micros) = FromSql::<sql::Timestamptz, Pg>::from_sql(value)?;
            instant(micros.div_euclid(1000).saturating_add(EPOCH_MILLIS))
        }
    }

    impl ToSql<Document, Pg> for DocumentValue {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
            out.write_all(&[JSONB_VERSION])?;
            out.write_all(self.0.as_bytes())?;
            Ok(IsNull::No)
        }
    }

    impl FromSql<Document, Pg> for DocumentValue {
        fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
            match value.as_bytes().split_first() {
                Some((&JSONB_VERSION, text)) => Ok(Self(std::str::from_utf8(text)?.to_owned())),
                _ => Err("a document of an unknown version".into()),
            }
        }
    }
}
