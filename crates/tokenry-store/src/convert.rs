//! Converts column values to and from domain types. An invalid value is [`StoreError::Corrupt`], never a panic or a
//! default.

use std::{borrow::Cow, fmt::Display, net::IpAddr, str::FromStr};

use serde_json::{Map, Value};
use tokenry_domain::{IpList, Metadata, ScopeSet, TokenId, UnixMillis};

use crate::{
    error::StoreError,
    sql_types::{DocumentValue, IdValue, InstantValue},
};

/// Parses a text column; the error names the column and does not quote the value.
pub(crate) fn parsed<T: FromStr<Err: Display>>(column: &str, text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|error| corrupt(column, error))
}

/// The error for a column with an invalid value.
pub(crate) fn corrupt(column: &str, why: impl Display) -> StoreError {
    StoreError::Corrupt(format!("{column}: {why}"))
}

/// The number that a `COUNT` or `SUM` returned.
pub(crate) fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(crate) fn id_values(ids: &[TokenId]) -> Vec<IdValue> {
    ids.iter().map(|id| IdValue(id.uuid())).collect()
}

pub(crate) fn token_ids(values: Vec<IdValue>) -> Vec<TokenId> {
    values.into_iter().map(|IdValue(id)| TokenId::from_uuid(id)).collect()
}

pub(crate) fn instant(value: Option<InstantValue>) -> Option<UnixMillis> {
    value.map(|InstantValue(at)| at)
}

pub(crate) fn instant_value(at: Option<UnixMillis>) -> Option<InstantValue> {
    at.map(InstantValue)
}

pub(crate) fn address(column: &str, text: Option<&str>) -> Result<Option<IpAddr>, StoreError> {
    text.map(|text| parsed(column, text)).transpose()
}

pub(crate) fn scopes(document: &DocumentValue) -> Result<ScopeSet, StoreError> {
    ScopeSet::parse(&texts("scopes", document)?).map_err(|error| corrupt("scopes", error))
}

pub(crate) fn allowed_ips(document: &DocumentValue) -> Result<IpList, StoreError> {
    IpList::parse(&texts("allowed_ips", document)?).map_err(|error| corrupt("allowed_ips", error))
}

pub(crate) fn metadata(document: &DocumentValue) -> Result<Metadata, StoreError> {
    object("metadata", document).map(Metadata::from_stored)
}

/// A column that contains a SHA-256 digest or a key of the same length.
pub(crate) fn digest(column: &str, bytes: Vec<u8>) -> Result<[u8; 32], StoreError> {
    bytes.try_into().map_err(|_| corrupt(column, "not 32 bytes"))
}

/// A document that is an object.
pub(crate) fn object(column: &str, document: &DocumentValue) -> Result<Map<String, Value>, StoreError> {
    serde_json::from_str(document.as_str()).map_err(|_| corrupt(column, "not an object"))
}

/// A list of texts as a document.
pub(crate) fn list(texts: Vec<String>) -> DocumentValue {
    DocumentValue::new(&Value::from(texts))
}

fn texts<'a>(column: &str, document: &'a DocumentValue) -> Result<Vec<Cow<'a, str>>, StoreError> {
    serde_json::from_str(document.as_str()).map_err(|_| corrupt(column, "not a list of texts"))
}
