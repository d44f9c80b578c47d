//! The fields of a row, from text.

use tokenry_service::{ImportRow, RefusedRow, Status, UnixMillis};

/// The fields of a row, in the order of an export.
pub(in crate::commands) const FIELDS: [&str; 20] = [
    "id",
    "owner",
    "name",
    "description",
    "scopes",
    "created_at",
    "not_before",
    "expires_at",
    "last_used_at",
    "active",
    "status",
    "allowed_ips",
    "prefix",
    "suffix",
    "hash",
    "scheme",
    "salt",
    "iterations",
    "lookup",
    "shape",
];

/// The value of a field.
pub(super) enum FieldValue {
    Text(String),
    List(Vec<String>),
}

/// A row that is being read.
pub(super) struct RowBuilder {
    row: ImportRow,
    problem: Option<String>,
    seen: Vec<&'static str>,
    /// The row says that its token is not valid yet.
    is_pending: bool,
}

impl RowBuilder {
    pub(super) fn new(line: u64) -> Self {
        Self {
            row: ImportRow { line, ..ImportRow::default() },
            problem: None,
            seen: Vec::new(),
            is_pending: false,
        }
    }

    /// Sets a field. The first problem of the row is kept.
    pub(super) fn set(&mut self, name: &str, value: FieldValue) {
        let Some(field) = FIELDS.into_iter().find(|field| *field == name) else {
            let name: String = name.chars().take(40).collect();
            return self.reject(format!("{name:?} is not a field; there are {}", FIELDS.join(", ")));
        };
        if self.seen.contains(&field) {
            return self.reject(format!("{field}: is given twice"));
        }
        self.seen.push(field);
        if let Err(reason) = self.try_set(field, value) {
            self.reject(format!("{field}: {reason}"));
        }
    }

    pub(super) fn reject(&mut self, reason: String) {
        self.problem.get_or_insert(reason);
    }

    pub(super) fn finish(mut self) -> Result<ImportRow, RefusedRow> {
        if self.is_pending && self.row.not_before.is_none() {
            self.reject("status: is pending, and not_before is missing".to_owned());
        }
        match self.problem {
            None => Ok(self.row),
            Some(reason) => {
                Err(RefusedRow { line: self.row.line, id: self.row.id.chars().take(100).collect(), reason })
            }
        }
    }

    fn try_set(&mut self, field: &str, value: FieldValue) -> Result<(), String> {
        let row = &mut self.row;
        let text = match (field, value) {
            ("scopes", FieldValue::List(scopes)) => {
                row.scopes = scopes;
                return Ok(());
            }
            ("scopes", FieldValue::Text(text)) => {
                row.scopes = words(&text)?;
                return Ok(());
            }
            ("allowed_ips", FieldValue::List(networks)) => {
                row.allowed_ips = networks;
                return Ok(());
            }
            ("allowed_ips", FieldValue::Text(text)) => {
                row.allowed_ips = words(&text)?;
                return Ok(());
            }
            (_, FieldValue::List(_)) => return Err("must not be a list".to_owned()),
            (_, FieldValue::Text(text)) => text,
        };
        let given = Some(text.clone()).filter(|text| !text.is_empty());
        match field {
            "id" => row.id = text,
            "owner" => row.owner = text,
            "name" => row.name = text,
            "description" => row.description = given,
            "created_at" => row.created_at = time(given)?,
            "not_before" => row.not_before = time(given)?,
            "expires_at" => row.expires_at = time(given)?,
            "last_used_at" => row.last_used_at = time(given)?,
            "active" => row.inactive |= !switch(&text)?,
            "status" => match text.parse::<Status>().map_err(|error| error.to_string())? {
                Status::Active => {}
                Status::Inactive => row.inactive = true,
                Status::Pending => self.is_pending = true,
                Status::Expired | Status::Revoked => row.ended = true,
            },
            "prefix" => row.prefix = given,
            "suffix" => row.suffix = given,
            "hash" => row.hash = text,
            "scheme" => row.scheme = given,
            "salt" => row.salt = given,
            "iterations" => {
                let number = given.map(|text| text.parse().map_err(|_| "must be a number".to_owned()));
                row.iterations = number.transpose()?;
            }
            "lookup" => row.lookup = given,
            _ => row.shape = given,
        }
        Ok(())
    }
}

/// Words as a JSON array or separated by blanks or commas.
fn words(text: &str) -> Result<Vec<String>, String> {
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).map_err(|_| "must be a list of texts".to_owned());
    }
    let words = text.split(|c: char| c == ',' || c.is_whitespace());
    Ok(words.filter(|scope| !scope.is_empty()).map(str::to_owned).collect())
}

/// An RFC 3339 time, the same with a blank and without an offset (UTC) as databases print it, or seconds since 1970.
fn time(given: Option<String>) -> Result<Option<UnixMillis>, String> {
    let Some(text) = given else { return Ok(None) };
    let refused = || "must be an RFC 3339 time or seconds since 1970".to_owned();
    if text.bytes().all(|b| b.is_ascii_digit()) {
        let number: i64 = text.parse().map_err(|_| refused())?;
        // Later than the year 5138 in seconds: milliseconds.
        let millis = if number >= 100_000_000_000 { Some(number) } else { number.checked_mul(1000) };
        return millis.and_then(UnixMillis::new).map(Some).ok_or_else(refused);
    }
    let mut text = text.replacen(' ', "T", 1);
    let offset = text.get(19..).unwrap_or_default().find(['Z', 'z', '+', '-']);
    match offset {
        None => text.push('Z'),
        // PostgreSQL prints `+00`.
        Some(at) if text.len() - 19 - at == 3 => text.push_str(":00"),
        Some(_) => {}
    }
    text.parse().map(Some).map_err(|_| refused())
}

fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "1" => Ok(true),
        "false" | "f" | "0" => Ok(false),
        // Also for an empty text: a database may have no value where the token is not active.
        _ => Err("must be true or false".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Result<Option<i64>, String> {
        time(Some(text.to_owned())).map(|at| at.map(UnixMillis::get))
    }

    #[test]
    fn times_are_read_as_systems_write_them() {
        let expected = Ok(Some(1_767_261_600_000));
        for text in [
            "2026-01-01T10:00:00Z",
            "2026-01-01 10:00:00",
            "2026-01-01 10:00:00+00",
            "2026-01-01 10:00:00.000000+00:00",
            "2026-01-01T12:00:00+02:00",
            "1767261600",
            "1767261600000",
        ] {
            assert_eq!(at(text), expected, "{text}");
        }
        for text in ["yesterday", "2026-13-01T00:00:00Z", "2026-01-01", "-1", "99999999999999999999"] {
            assert!(at(text).is_err(), "{text}");
        }
    }

    #[test]
    fn scopes_and_networks_are_lists_or_words() {
        for text in ["a:read b:write", "a:read,b:write", "[\"a:read\", \"b:write\"]", " a:read , b:write "] {
            assert_eq!(words(text).unwrap(), ["a:read", "b:write"], "{text}");
        }
        assert!(words("").unwrap().is_empty() && words("[1]").is_err());
    }
}
