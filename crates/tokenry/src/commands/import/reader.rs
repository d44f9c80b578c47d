//! Reads rows from JSON Lines or CSV; the first character tells which.

use std::{fmt, io::BufRead};

use serde::de::{Deserialize, Deserializer as _, Error as _, MapAccess, Visitor};
use serde_json::Value;
use tokenry_service::{ImportRow, RefusedRow};

use super::fields::{FieldValue, RowBuilder};
use crate::output::CliError;

/// The longest line of JSON, in bytes.
const MAX_LINE: usize = 64 * 1024;

type Rows<'r> = Box<dyn Iterator<Item = Result<ImportRow, RefusedRow>> + 'r>;

/// The rows of a file.
///
/// # Errors
/// If it cannot be read.
pub(super) fn rows(input: &mut dyn BufRead) -> Result<Rows<'_>, CliError> {
    let unreadable = |error| CliError::usage(format!("the rows cannot be read: {error}"));
    let start = input.fill_buf().map_err(unreadable)?;
    let start = start.strip_prefix("\u{feff}".as_bytes()).unwrap_or(start);
    match start.iter().find(|b| !b.is_ascii_whitespace()) {
        Some(b'{') => Ok(Box::new(JsonLines { input, line: 0, is_over: false })),
        _ => csv_rows(input),
    }
}

struct JsonLines<'r> {
    input: &'r mut dyn BufRead,
    line: u64,
    is_over: bool,
}

impl Iterator for JsonLines<'_> {
    type Item = Result<ImportRow, RefusedRow>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut text = Vec::new();
        while !self.is_over {
            text.clear();
            self.line += 1;
            let limit = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
            let read = std::io::Read::take(&mut *self.input, limit).read_until(b'\n', &mut text);
            match read {
                Ok(0) => return None,
                Ok(length) if length == MAX_LINE && !text.ends_with(b"\n") => {
                    self.is_over = true;
                    return Some(Err(self.refused("the line is too long; the rest was not read")));
                }
                Ok(_) if text.trim_ascii().is_empty() => {}
                Ok(_) => return Some(self.parse(&text)),
                Err(error) => {
                    self.is_over = true;
                    return Some(Err(self.refused(&format!("cannot be read: {error}"))));
                }
            }
        }
        None
    }
}

impl JsonLines<'_> {
    fn parse(&self, text: &[u8]) -> Result<ImportRow, RefusedRow> {
        let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        let mut builder = RowBuilder::new(self.line);
        let mut json = serde_json::Deserializer::from_slice(text);
        let read = json.deserialize_map(RowVisitor(&mut builder)).and_then(|()| json.end());
        // SECURITY: the position only; the text may be quoted in the message, and it has a hash.
        if let Err(error) = read {
            builder.reject(format!("is not a JSON object (column {})", error.column()));
        }
        builder.finish()
    }

    fn refused(&self, reason: &str) -> RefusedRow {
        RefusedRow { line: self.line, id: String::new(), reason: reason.to_owned() }
    }
}

/// Reads the members one after another, so that a repeated one is noticed.
struct RowVisitor<'b>(&'b mut RowBuilder);

impl<'de> Visitor<'de> for RowVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            match map.next_value::<Field>()? {
                // A database has no value where it is not known that the token is active.
                Field(None) if name == "active" || name == "status" => {
                    self.0.set(&name, FieldValue::Text(String::new()))
                }
                Field(None) => {}
                Field(Some(value)) => self.0.set(&name, value),
            }
        }
        Ok(())
    }
}

/// `None` for null.
struct Field(Option<FieldValue>);

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: serde::Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let text = |value: Value| match value {
            Value::String(text) => Ok(text),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(value) => Ok(value.to_string()),
            _ => Err(D::Error::custom("an object")),
        };
        Ok(Self(match Value::deserialize(json)? {
            Value::Null => None,
            Value::Array(entries) => {
                Some(FieldValue::List(entries.into_iter().map(text).collect::<Result<_, _>>()?))
            }
            value => Some(FieldValue::Text(text(value)?)),
        }))
    }
}

fn csv_rows(input: &mut dyn BufRead) -> Result<Rows<'_>, CliError> {
    // The line numbers of the library are right for this terminator only.
    let newline = csv::Terminator::Any(b'\n');
    let mut reader = csv::ReaderBuilder::new().flexible(true).terminator(newline).from_reader(input);
    let header = reader.headers().map_err(|error| CliError::usage(format!("the header: {error}")))?.clone();
    if header.is_empty() {
        return Err(CliError::usage("there are no rows: neither JSON Lines nor CSV with a header"));
    }
    let rows = reader.into_records().map(move |record| {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                let reason = "is not a row of CSV in UTF-8".to_owned();
                return Err(RefusedRow { line, id: String::new(), reason });
            }
        };
        let mut builder = RowBuilder::new(record.position().map_or(0, csv::Position::line));
        if record.len() != header.len() {
            builder.reject(format!("has {} fields, and the header has {}", record.len(), header.len()));
        }
        for (name, value) in header.iter().zip(&record) {
            let value = value.strip_suffix('\r').unwrap_or(value);
            builder.set(name.trim_start_matches('\u{feff}').trim(), FieldValue::Text(value.to_owned()));
        }
        builder.finish()
    });
    Ok(Box::new(rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Result<ImportRow, RefusedRow>> {
        rows(&mut text.as_bytes()).ok().unwrap().collect()
    }

    #[test]
    fn the_same_row_is_read_from_json_lines_and_csv() {
        let json = "\n{\"id\":7,\"owner\":\"alice\",\"name\":\"a, b\",\"scopes\":[\"x:read\"],\"active\":false,\
                    \"expires_at\":null,\"hash\":\"00\"}\n";
        let csv = "\u{feff}id,owner,name,scopes,active,expires_at,hash\r\n7,alice,\"a, b\",x:read,0,,00\r\n";
        for text in [json, csv] {
            let rows = read(text);
            let [Ok(row)] = rows.as_slice() else { panic!("{text}") };
            assert_eq!((row.line, row.id.as_str(), row.owner.as_str()), (2, "7", "alice"));
            assert_eq!((row.name.as_str(), row.scopes.as_slice()), ("a, b", &["x:read".to_owned()][..]));
            assert!(row.inactive && row.expires_at.is_none() && row.hash == "00");
        }
    }

    #[test]
    fn a_row_that_cannot_be_read_is_refused_and_its_hash_is_not_quoted() {
        for (text, reason) in [
            ("{\"id\":1,\"id\":2}", "id: is given twice"),
            ("{\"id\":1,\"hsah\":\"5ec7e7\"}", "\"hsah\" is not a field"),
            ("{\"id\":1,\"hash\":\"5ec7e7\"", "is not a JSON object"),
            ("{\"id\":1} {\"hash\":\"5ec7e7\"}", "is not a JSON object"),
            ("{\"id\":1,\"hash\":{\"a\":\"5ec7e7\"}}", "is not a JSON object"),
            ("{\"id\":1,\"hash\":[\"5ec7e7\"]}", "hash: must not be a list"),
            ("{\"id\":1,\"active\":\"maybe\"}", "active: must be true or false"),
            ("{\"id\":1,\"iterations\":\"many\"}", "iterations: must be a number"),
            ("id,hash\n1,5ec7e7,2", "has 3 fields, and the header has 2"),
            ("id,hsah\n1,5ec7e7", "\"hsah\" is not a field"),
        ] {
            let rows = read(text);
            let [Err(refused)] = rows.as_slice() else { panic!("{text}") };
            assert!(refused.reason.contains(reason), "{text}: {}", refused.reason);
            assert!(!refused.reason.contains("5ec7e7"), "{text}");
        }
        let long = format!("{{\"id\":\"{}\"}}\n{{\"id\":2}}", "x".repeat(70_000));
        assert!(matches!(read(&long).as_slice(), [Err(refused)] if refused.reason.contains("too long")));
        assert!(rows(&mut "".as_bytes()).is_err());
    }
}
