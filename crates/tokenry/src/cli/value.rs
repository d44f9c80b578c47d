//! Parsers of arguments.

use std::ffi::OsStr;

use chrono::NaiveDate;
use clap::{
    Arg, Command, Error,
    builder::{PossibleValuesParser, TypedValueParser},
    error::ErrorKind,
};
use serde_json::{Map, Value};
use tokenry_service::{
    Description, EventKind, Expiry, IpList, Lifetime, PageSize, Reason, Risk, Status, Subject, TokenId,
    TokenName, UnixMillis, UserName,
};

/// The source of the metadata.
#[derive(Debug, Clone)]
pub(crate) enum MetadataArg {
    /// The argument itself.
    Given(Map<String, Value>),
    /// Standard input.
    StandardInput,
}

pub(super) fn subject(text: &str) -> Result<Subject, String> {
    Subject::parse(text).map_err(|error| error.to_string())
}

pub(super) fn user_name(text: &str) -> Result<UserName, String> {
    UserName::parse(text).map_err(|error| error.to_string())
}

pub(super) fn token_name(text: &str) -> Result<TokenName, String> {
    TokenName::parse(text).map_err(|error| error.to_string())
}

pub(super) fn description(text: &str) -> Result<Description, String> {
    Description::parse(text).map_err(|error| error.to_string())
}

pub(super) fn reason(text: &str) -> Result<Reason, String> {
    Reason::parse(text).map_err(|error| error.to_string())
}

/// One address or network, kept as text until the whole list is complete.
pub(super) fn network(text: &str) -> Result<String, String> {
    IpList::parse(&[text]).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// A JSON object, or `-` for standard input.
pub(super) fn metadata(text: &str) -> Result<MetadataArg, String> {
    if text == "-" { Ok(MetadataArg::StandardInput) } else { json_object(text).map(MetadataArg::Given) }
}

/// A JSON object; the service checks its size.
pub(crate) fn json_object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|_| "must be a JSON object such as {\"team\": \"core\"}".to_owned())
}

/// `30d`, `12h`, `2026-12-31` (to the end of that day in UTC), an RFC 3339 time, or `never`.
pub(super) fn expiry(text: &str) -> Result<Expiry, String> {
    if text == "never" {
        return Ok(Expiry::Never);
    }
    let instant = || last_moment(text).or_else(|| text.parse().ok()).map(Expiry::At);
    duration(text).map(Expiry::In).or_else(instant).ok_or_else(|| {
        "must be a duration such as 30d or 12h, a date such as 2026-12-31, an RFC 3339 time, or never"
            .to_owned()
    })
}

/// `2026-12-31` (the start of that day in UTC) or an RFC 3339 time.
pub(super) fn instant(text: &str) -> Result<UnixMillis, String> {
    let wrong = || "must be a date such as 2026-12-31 or an RFC 3339 time".to_owned();
    day(text).or_else(|| text.parse().ok()).ok_or_else(wrong)
}

/// Midnight UTC at the start of a date.
fn day(text: &str) -> Option<UnixMillis> {
    // Only this format: chrono alone would also accept a sign, spaces and short fields.
    let shape = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| shape)?;
    UnixMillis::new(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis())
}

/// The last millisecond of a date, so that the displayed date is the given date.
fn last_moment(text: &str) -> Option<UnixMillis> {
    UnixMillis::new(day(text)?.get() + Lifetime::days(1).millis() - 1)
}

/// A duration of whole seconds in units up to weeks. Months are not accepted: their length varies, and `1M` may be a
/// mistyped `1m`.
fn duration(text: &str) -> Option<Lifetime> {
    let plain = |byte: u8| byte.is_ascii_digit() || b"wdhms ".contains(&byte);
    let span = humantime::parse_duration(text).ok().filter(|_| text.bytes().all(plain))?;
    if span.subsec_nanos() > 0 {
        return None;
    }
    u32::try_from(span.as_secs()).ok().map(Lifetime::seconds)
}

/// `10m` or `1h`.
pub(super) fn grace(text: &str) -> Result<Lifetime, String> {
    duration(text).ok_or_else(|| "must be a duration such as 10m or 1h".to_owned())
}

/// The same keys that the header `Idempotency-Key` accepts.
pub(super) fn idempotency_key(text: &str) -> Result<String, String> {
    let fits = (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    fits.then(|| text.to_owned()).ok_or_else(|| "must be 1 to 255 ASCII characters".to_owned())
}

/// The number of rows of a page.
pub(super) fn page_size(text: &str) -> Result<PageSize, String> {
    text.parse().ok().and_then(PageSize::new).ok_or_else(|| format!("must be from 1 to {}", PageSize::MAX))
}

/// The status of a token by name.
pub(super) fn status() -> impl TypedValueParser<Value = Status> {
    PossibleValuesParser::new(Status::ALL.iter().map(|status| status.as_str()))
        .try_map(|text| text.parse::<Status>())
}

/// The risk of a token by name.
pub(super) fn risk() -> impl TypedValueParser<Value = Risk> {
    PossibleValuesParser::new(Risk::ALL.iter().map(|risk| risk.as_str())).try_map(|text| text.parse::<Risk>())
}

/// The kind of an audit event by name.
pub(super) fn event_kind() -> impl TypedValueParser<Value = EventKind> {
    PossibleValuesParser::new(EventKind::ALL.iter().map(|kind| kind.as_str()))
        .try_map(|text| text.parse::<EventKind>())
}

/// Parses the id of a token. The error does not quote the value, which may be a token's secret text.
#[derive(Clone, Copy)]
pub(super) struct Id;

impl TypedValueParser for Id {
    type Value = TokenId;

    fn parse_ref(&self, command: &Command, _: Option<&Arg>, value: &OsStr) -> Result<TokenId, Error> {
        let id = value.to_str().and_then(|text| text.parse().ok());
        id.ok_or_else(|| {
            let text = "the id of a token must be a UUID, as `tokenry token list` shows it\n";
            Error::raw(ErrorKind::ValueValidation, text).with_cmd(command)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Expiry {
        Expiry::At(text.parse().unwrap())
    }

    #[test]
    fn an_expiry_has_four_forms() {
        for (text, expected) in [
            ("never", Expiry::Never),
            ("30d", Expiry::In(Lifetime::days(30))),
            ("12h", Expiry::In(Lifetime::seconds(43_200))),
            ("45m", Expiry::In(Lifetime::seconds(2_700))),
            ("2w", Expiry::In(Lifetime::days(14))),
            ("1d 12h", Expiry::In(Lifetime::seconds(129_600))),
            ("2026-12-31", at("2026-12-31T23:59:59.999Z")),
            ("2028-02-29", at("2028-02-29T23:59:59.999Z")),
            ("9999-12-31", at("9999-12-31T23:59:59.999Z")),
            ("2026-12-31T10:00:00+02:00", at("2026-12-31T08:00:00Z")),
        ] {
            assert_eq!(expiry(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn other_expiries_are_refused() {
        for text in [
            "",
            "30",
            "-30d",
            "d",
            "1M",
            "1month",
            "1y",
            "500ms",
            "1us",
            "NEVER",
            "2026-13-01",
            "2026-02-29",
            "2026-1-1",
            "+2026-01-01",
            "20260101",
            "2026-12-31T10:00:00",
            "1969-12-31",
            "99999999999d",
            "200000000w",
            "٣d",
        ] {
            let message = expiry(text).unwrap_err();
            let expected = "must be a duration such as 30d or 12h, a date such as 2026-12-31, an RFC 3339 time, or never";
            assert_eq!(message, expected, "{text}");
        }
    }

    #[test]
    fn a_date_as_a_start_is_the_beginning_of_that_day() {
        assert_eq!(instant("2026-12-31").unwrap().to_string(), "2026-12-31T00:00:00.000Z");
        assert!(instant("30d").is_err() && instant("never").is_err());
    }

    #[test]
    fn a_grace_is_a_duration() {
        for (text, seconds) in [("10m", 600), ("1h", 3600), ("0s", 0), ("1d 1s", 86_401)] {
            assert_eq!(grace(text), Ok(Lifetime::seconds(seconds)), "{text}");
        }
        for text in ["", "10", "never", "2026-12-31", "500ms", "-1m"] {
            assert_eq!(grace(text).unwrap_err(), "must be a duration such as 10m or 1h", "{text}");
        }
    }

    #[test]
    fn an_idempotency_key_accepts_what_the_header_accepts() {
        for text in ["a", "8e03978e-40d5-43dd-bc93-6894a57f9324", "job 7", &"x".repeat(255)] {
            assert_eq!(idempotency_key(text).as_deref(), Ok(text));
        }
        for text in ["", "a\nb", "ключ", &"x".repeat(256)] {
            assert!(idempotency_key(text).is_err(), "{text}");
        }
    }

    #[test]
    fn metadata_is_an_object_or_standard_input() {
        assert!(matches!(metadata("-"), Ok(MetadataArg::StandardInput)));
        assert!(matches!(metadata("{\"a\": 1}"), Ok(MetadataArg::Given(_))));
        for text in ["", "[]", "1", "null", "{", "{} {}"] {
            assert!(metadata(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,40}", digits in "[0-9wdhms:TZ+. -]{0,30}") {
            for text in [text, digits] {
                let _ = (expiry(&text), instant(&text), metadata(&text), network(&text), page_size(&text));
            }
        }
    }
}
