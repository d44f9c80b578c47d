//! Parsers for the texts of settings. Messages state what is valid and never quote the value.

use std::{
    net::{Ipv4Addr, SocketAddr},
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use tokenry_service::IpList;
use tracing_subscriber::EnvFilter;

/// The format of the log on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Human-readable lines.
    Text,
    /// One JSON object per line.
    Json,
}

/// The language of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// That of the browser.
    Browser,
    /// This one, such as `en`.
    Fixed(&'static str),
}

/// Where a node keeps what was taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JournalSetting {
    /// In the directory that systemd gives the service, if it gives one.
    Auto,
    /// Nowhere.
    Off,
    /// In this file.
    File(PathBuf),
}

/// `auto`, `off`, or a path, which is relative to `directory`.
pub(super) fn journal(text: &str, directory: &Path) -> Result<JournalSetting, String> {
    match text {
        "auto" => Ok(JournalSetting::Auto),
        "off" => Ok(JournalSetting::Off),
        "" => Err("must be auto, off or the path of a file".to_owned()),
        path => Ok(JournalSetting::File(directory.join(path))),
    }
}

/// The language of the page for a user who chose none.
pub(super) fn language(text: &str) -> Result<Language, String> {
    match text {
        "auto" => Ok(Language::Browser),
        "en" => Ok(Language::Fixed("en")),
        "zh" => Ok(Language::Fixed("zh")),
        _ => Err("must be auto, en or zh".to_owned()),
    }
}

/// An address and a port; `localhost` is 127.0.0.1.
pub(super) fn listen(text: &str) -> Result<SocketAddr, String> {
    let local = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
    let local = local.map(|port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    local
        .or_else(|| text.parse().ok())
        .ok_or_else(|| "must be an address and a port, such as 127.0.0.1:8080 or 0.0.0.0:8080".to_owned())
}

/// An address and a port, or an empty text for none.
pub(super) fn optional_listen(text: &str) -> Result<Option<SocketAddr>, String> {
    if text.is_empty() { Ok(None) } else { listen(text).map(Some) }
}

/// A duration such as `500ms`, `2s` or `1m 30s`, within `range`.
pub(super) fn duration(text: &str, range: RangeInclusive<Duration>) -> Result<Duration, String> {
    let [min, max] = [range.start(), range.end()].map(|bound| humantime::format_duration(*bound));
    let wrong = || format!("must be a duration from {min} to {max}, such as 500ms or 2s");
    humantime::parse_duration(text).ok().filter(|span| range.contains(span)).ok_or_else(wrong)
}

/// A size in MiB or GiB, in bytes.
pub(super) fn mebibytes(text: &str, range: RangeInclusive<u64>) -> Result<u64, String> {
    let mebibytes = match text.strip_suffix("GiB") {
        Some(number) => number.trim_end().parse().ok().and_then(|number: u64| number.checked_mul(1024)),
        None => text.strip_suffix("MiB").and_then(|number| number.trim_end().parse().ok()),
    };
    let wrong =
        || format!("must be a size from {}MiB to {}MiB, such as 64MiB or 2GiB", range.start(), range.end());
    mebibytes.filter(|number| range.contains(number)).map(|number| number << 20).ok_or_else(wrong)
}

/// Addresses and networks.
pub(super) fn networks(entries: &[String]) -> Result<IpList, String> {
    IpList::parse(entries).map_err(|error| error.to_string())
}

/// A level or directives, as `EnvFilter` reads them.
pub(super) fn log_filter(text: &str) -> Result<String, String> {
    let filter = EnvFilter::builder().parse(text);
    let wrong =
        |_| "must be a level (error, warn, info, debug, trace) or directives such as info,tokenry=debug";
    filter.map(|_| text.to_owned()).map_err(wrong).map_err(str::to_owned)
}

/// `text` or `json`.
pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("must be text or json".to_owned()),
    }
}
