//! Column values to and from domain types. What cannot be read is corrupt, never a panic and never a default.

use std::{fmt::Display, net::IpAddr, str::FromStr};

use serde_json::Value;
use tokenry_domain::{IpList, Metadata, ScopeSet, UnixMillis};

use crate::{
    error::StoreError,
    sql_types::{DocumentValue, InstantValue},
};

/// Parses a text column; the value itself is not quoted, only the column is named.
pub(crate) fn parsed<T: FromStr<Err: Display>>(column: &str, text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|error| corrupt(column, error))
}

/// A column whose value could not be read.
pub(crate) fn corrupt(column: &str, why: impl Display) -> StoreError {
    StoreError::Corrupt(format!("{column}: {why}"))
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

pub(crate) fn scopes(value: &Value) -> Result<ScopeSet, StoreError> {
    ScopeSet::parse(&texts("scopes", value)?).map_err(|error| corrupt("scopes", error))
}

pub(crate) fn allowed_ips(value: &Value) -> Result<IpList, StoreError> {
    IpList::parse(&texts("allowed_ips", value)?).map_err(|error| corrupt("allowed_ips", error))
}

pub(crate) fn metadata(value: Value) -> Result<Metadata, StoreError> {
    match value {
        Value::Object(object) => Ok(Metadata::from_stored(object)),
        _ => Err(corrupt("metadata", "not an object")),
    }
}

/// A list of texts as a document.
pub(crate) fn list(texts: Vec<String>) -> DocumentValue {
    DocumentValue(Value::from(texts))
}

fn texts(column: &str, value: &Value) -> Result<Vec<String>, StoreError> {
    let Value::Array(entries) = value else { return Err(corrupt(column, "not a list")) };
    let text = |entry: &Value| {
        entry.as_str().map(str::to_owned).ok_or_else(|| corrupt(column, "not a list of texts"))
    };
    entries.iter().map(text).collect()
}
