//! Converts the values of keys to the types of the service.

use std::{ops::RangeInclusive, time::Duration};

use tokenry_service::{
    Bucket, BucketError, DatabaseUrl, HashSettings, Lifetime, Limits, Pepper, Policy, Prefix, ReusePolicy,
    Scheme, SlowHash, UnknownSlowHash,
};

use super::value;

/// `sqlite://path` or `postgres://…`.
pub(super) fn database_url(text: &str) -> Result<DatabaseUrl, String> {
    text.parse::<DatabaseUrl>().map_err(|error| error.to_string())
}

/// The prefix of every token.
pub(super) fn prefix(text: &str) -> Result<Prefix, String> {
    let rule = "must be words of lower-case letters and digits, each followed by `_`, at most 20 characters, \
                such as pat_ or mcp_pat_";
    Prefix::parse(text).map_err(|_| rule.to_owned())
}

/// Former prefixes, which are still accepted.
pub(super) fn prefixes(texts: &[String]) -> Result<Vec<Prefix>, String> {
    // Each one is tried for every presented text that does not have the current prefix.
    const MAX: usize = 16;
    if texts.len() > MAX {
        return Err(format!("must name at most {MAX} prefixes"));
    }
    texts.iter().map(|text| prefix(text)).collect()
}

/// The hash scheme of stored secrets.
pub(super) fn scheme(text: &str) -> Result<Scheme, String> {
    text.parse().map_err(|_| "must be bcrypt, sha256, hmac-sha256 or argon2id".to_owned())
}

/// When a slow hash is computed.
pub(super) fn slow_hash(text: &str) -> Result<SlowHash, String> {
    text.parse().map_err(|error: UnknownSlowHash| error.to_string())
}

/// The settings that determine how secrets are stored and compared.
pub(super) fn hash(scheme: Scheme, bcrypt_cost: u32, peppers: Vec<Pepper>) -> Result<HashSettings, String> {
    if matches!(scheme, Scheme::HmacSha256) && peppers.is_empty() {
        return Err("hmac-sha256 requires a pepper: name its file in pepper_files".to_owned());
    }
    Ok(HashSettings::new(scheme).with_bcrypt_cost(bcrypt_cost).with_peppers(peppers))
}

/// A limit; 0 is no limit.
pub(super) fn limit(number: u32) -> Option<u32> {
    (number > 0).then_some(number)
}

/// The time span whose uses share one row.
pub(super) fn bucket(text: &str) -> Result<Bucket, String> {
    let span = humantime::parse_duration(text).ok().filter(|span| span.subsec_nanos() == 0);
    let span = span.and_then(|span| u32::try_from(span.as_secs()).ok()).map(Lifetime::seconds);
    span.map_or(Err(BucketError), Bucket::new).map_err(|error| error.to_string())
}

/// A duration in whole milliseconds, within `range`.
pub(super) fn lifetime(text: &str, range: RangeInclusive<Duration>) -> Result<Lifetime, String> {
    let span = value::duration(text, range)?;
    let millis = u32::try_from(span.as_millis()).map_err(|_| "is too long".to_owned())?;
    Ok(Lifetime::millis_of(millis))
}

/// The idle timeout of sessions; `0s` is none. Uses are recorded once a minute, so a timeout of less than a few minutes
/// would end sessions that are in use.
pub(super) fn idle(text: &str) -> Result<Option<Lifetime>, String> {
    let day = Duration::from_secs(24 * 3600);
    match lifetime(text, Duration::ZERO..=day * 30)? {
        span if span.millis() == 0 => Ok(None),
        span if span < Lifetime::seconds(300) => Err("must be 0s or at least 5m".to_owned()),
        span => Ok(Some(span)),
    }
}

/// The reaction to the use of a retired secret.
pub(super) fn reuse(text: &str) -> Result<ReusePolicy, String> {
    text.parse::<ReusePolicy>().map_err(|error| error.to_string())
}

/// A number of days; 0 is none.
pub(super) fn days(days: u32) -> Option<Lifetime> {
    (days > 0).then(|| Lifetime::days(days))
}

/// The rules for creating tokens.
pub(super) fn policy(
    limits: Limits,
    default_days: u32,
    max_days: u32,
    allow_never: bool,
) -> Result<Policy, String> {
    if default_days == 0 && !allow_never {
        return Err(
            "must be at least 1, unless allow_never = true permits tokens that never expire".to_owned()
        );
    }
    Ok(Policy::default()
        .with_limits(limits)
        .with_default_lifetime(days(default_days))
        .with_max_lifetime(days(max_days))
        .with_allow_never(allow_never))
}
