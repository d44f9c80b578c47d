//! The configuration file: TOML in which every key must be known.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    key::{Key, Preset},
    problem::SettingSource,
    source::{Raw, Sources},
    structured::{Entries, Node},
};

/// The default configuration file.
const DEFAULT_FILE: &str = "tokenry.toml";

/// Adds the values of the file: `named`, which must exist, or else `tokenry.toml` in `directory` if it exists.
pub(super) fn read(named: Option<PathBuf>, directory: &Path, sources: &mut Sources) {
    let must_exist = named.is_some();
    let path = named.unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
    match std::fs::read_to_string(directory.join(&path)) {
        Ok(text) => add(&text, &path.display().to_string(), sources),
        Err(error) if error.kind() == ErrorKind::NotFound && !must_exist => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {
            sources.reject(format!("{}: does not exist; name another file with --config", path.display()));
        }
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            sources.reject(format!("{}: must be UTF-8 text", path.display()));
        }
        Err(error) => sources.reject(format!("{}: cannot be read: {error}", path.display())),
    }
}

/// Adds the values in `text`, the content of the file `name`. Values of files added before take precedence; a structured
/// setting of one file replaces that of another as a whole.
pub(super) fn add(text: &str, name: &str, sources: &mut Sources) {
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => {
            let line = error.span().map_or(1, |span| line_of(text, span.start));
            let what = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
            return sources.reject(format!("{name}:{line}: {what}"));
        }
    };
    let mut structured = Entries::new();
    for (key, value) in table.get_ref() {
        let line = line_of(text, key.span().start);
        if Key::is_structured(key.get_ref()) {
            let node = Node::of(line, value.get_ref(), &|offset| line_of(text, offset));
            structured.insert(key.get_ref().to_string(), node);
            continue;
        }
        match (Key::is_section(key.get_ref()), value.get_ref()) {
            (true, DeValue::Table(table)) => {
                for (entry, value) in table {
                    let line = line_of(text, entry.span().start);
                    let path = format!("{}.{}", key.get_ref(), entry.get_ref());
                    if Key::is_structured(&path) {
                        let node = Node::of(line, value.get_ref(), &|offset| line_of(text, offset));
                        structured.insert(path, node);
                        continue;
                    }
                    set(
                        key.get_ref(),
                        entry.get_ref(),
                        value,
                        SettingSource::File { name: name.to_owned(), line },
                        sources,
                    );
                }
            }
            (true, _) => sources.reject(format!("[{}]: must be a table ({name}:{line})", key.get_ref())),
            (false, value) if holds_tables(value) && Key::find("", key.get_ref()).is_none() => {
                let nearest = Key::nearest_section(key.get_ref()).unwrap_or_default();
                let what = format!("is not a table of settings; the nearest is {nearest}");
                sources.reject(format!("[{}]: {what} ({name}:{line})", key.get_ref()));
            }
            (false, _) => {
                set("", key.get_ref(), value, SettingSource::File { name: name.to_owned(), line }, sources)
            }
        }
    }
    sources.structured.push((name.to_owned(), structured));
}

/// Whether the value is a table or a list of tables.
fn holds_tables(value: &DeValue<'_>) -> bool {
    let is_table = |value: &DeValue<'_>| matches!(value, DeValue::Table(_));
    is_table(value) || value.as_array().is_some_and(|items| items.iter().any(|item| is_table(item.get_ref())))
}

fn set(
    section: &str,
    name: &str,
    value: &Spanned<DeValue<'_>>,
    origin: SettingSource,
    sources: &mut Sources,
) {
    let Some(key) = Key::find(section, name) else {
        let path = if section.is_empty() { name.to_owned() } else { format!("[{section}] {name}") };
        let nearest = Key::nearest(section, name).map(Key::to_string).unwrap_or_default();
        return sources.reject(format!("{path}: is not a setting; the nearest is {nearest}{origin}"));
    };
    let raw = match (&key.preset, value.get_ref()) {
        (Preset::Text(_), DeValue::String(text)) => Some(Raw::Text(text.to_string())),
        (Preset::Integer(..), DeValue::Integer(number)) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().and_then(|number| key.integer(number))
        }
        (Preset::Switch(_), DeValue::Boolean(on)) => Some(Raw::Switch(*on)),
        (Preset::List, DeValue::Array(items)) => {
            let texts = items.iter().map(|item| item.get_ref().as_str().map(str::to_owned));
            texts.collect::<Option<_>>().map(Raw::List)
        }
        _ => None,
    };
    sources.add(key, origin, raw);
}

/// The line, counted from 1, of the byte at `offset`.
fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
