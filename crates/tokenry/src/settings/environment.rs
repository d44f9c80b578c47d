//! Settings from the environment: `TOKENRY_SECTION__NAME`, or `TOKENRY_SECTION__NAME_FILE` with a file of the value.

mod injected;
mod value_file;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use self::injected::Injected;
use super::{
    key::{self, Key, Preset},
    problem::SettingSource,
    source::{BLANK, Raw, Sources, has_clean_ends},
};

/// Names the configuration file.
const CONFIG: &str = "TOKENRY_CONFIG";
/// Names a profile.
const PROFILE: &str = "TOKENRY_PROFILE";
/// The short name of the log filter, which takes precedence over the long one. There is no `_FILE` variant, because it
/// would be mistaken for a log file.
pub(super) const LOG: &str = "TOKENRY_LOG";
/// The conventional name of the database URL; `TOKENRY_DATABASE_URL` takes precedence.
const DATABASE_URL: &str = "DATABASE_URL";
/// A file that holds the database URL.
const DATABASE_URL_FILE: &str = "DATABASE_URL_FILE";
/// Disables colours.
const NO_COLOR: &str = "NO_COLOR";
/// The prefix of variables that configure the tests.
const TESTS: &str = "TOKENRY_TEST_";
/// The suffix of variables that name a file with the value.
const FILE: &str = "_FILE";

/// The non-empty variables that concern Tokenry. Empty ones count as unset, because container platforms cannot unset a
/// variable. `None` is a value that is not UTF-8.
#[derive(Default)]
pub(crate) struct Environment(BTreeMap<String, Option<String>>);

impl Environment {
    /// The environment of this process.
    pub(crate) fn of_process() -> Self {
        let is_relevant = |name: &str| {
            name.starts_with("TOKENRY_") || [DATABASE_URL, DATABASE_URL_FILE, NO_COLOR].contains(&name)
        };
        let variables = std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), value));
        let ours = variables.filter(|(name, value)| is_relevant(name) && !value.is_empty());
        Self(ours.map(|(name, value)| (name, value.into_string().ok())).collect())
    }

    /// An environment with these variables.
    #[cfg(test)]
    pub(crate) fn of(variables: &[(&str, &str)]) -> Self {
        let set = variables.iter().filter(|(_, value)| !value.is_empty());
        Self(set.map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect())
    }

    /// Whether `NO_COLOR` is set to anything (<https://no-color.org>).
    pub(crate) fn forbids_color(&self) -> bool {
        self.0.contains_key(NO_COLOR)
    }

    /// The file that `TOKENRY_CONFIG` names.
    pub(super) fn config(&self, sources: &mut Sources) -> Option<PathBuf> {
        match self.text(CONFIG) {
            Ok(text) => text.map(PathBuf::from),
            Err(line) => {
                sources.reject(line);
                None
            }
        }
    }

    /// The profile that `TOKENRY_PROFILE` names.
    pub(super) fn profile(&self, sources: &mut Sources) -> Option<String> {
        self.text(PROFILE).map_err(|line| sources.reject(line)).ok().flatten()
    }

    /// Adds the values of the variables and reports unknown variables. File names are relative to `directory`.
    pub(super) fn read(&self, directory: &Path, sources: &mut Sources) {
        for &key in key::ALL {
            for name in names(key) {
                match self.value_of(&name, directory) {
                    Ok(None) => continue,
                    Ok(Some((name, text))) if !has_clean_ends(&text) => {
                        // Added as text, so that the whole value is checked and not only its list items.
                        sources.add(key, SettingSource::Variable(name), Some(Raw::Text(text)));
                    }
                    Ok(Some((name, text))) => {
                        sources.add(key, SettingSource::Variable(name), typed(key, &text))
                    }
                    Err(line) => sources.reject(line),
                }
                // The first name that is set wins, even if its value could not be read.
                break;
            }
        }
        let injected = Injected::of(&self.0);
        for name in self.0.keys().filter(|name| !is_known(name)) {
            if injected.has(name) {
                sources.foreign.push(name.clone());
            } else if let Some(table) = Key::structured_variable(name) {
                sources.reject(format!("{name}: is not a setting; use {table} in the file"));
            } else {
                let nearest = nearest(name).unwrap_or_default();
                sources.reject(format!("{name}: is not a setting; the nearest is {nearest}"));
            }
        }
    }

    /// The value of this variable or of its `_FILE` variant, and the name of the variable that was used.
    fn value_of(&self, name: &str, directory: &Path) -> Result<Option<(String, String)>, String> {
        let text = self.text(name)?;
        let Some(file) = file_variable(name) else {
            return Ok(text.map(|text| (name.to_owned(), text)));
        };
        match (text, self.text(&file)?) {
            (Some(_), Some(_)) => Err(format!("{file}: is set together with {name}; keep one of them")),
            (Some(text), None) => Ok(Some((name.to_owned(), text))),
            (None, Some(path)) => match value_file::read(&path, directory) {
                Ok(text) => Ok(Some((file, text))),
                Err(what) => Err(format!("{file}: {what}")),
            },
            (None, None) => Ok(None),
        }
    }

    fn text(&self, name: &str) -> Result<Option<String>, String> {
        match self.0.get(name) {
            None => Ok(None),
            Some(None) => Err(format!("{name}: must be UTF-8 text")),
            Some(Some(text)) if name.ends_with(FILE) || [CONFIG, PROFILE].contains(&name) => {
                match has_clean_ends(text) {
                    true => Ok(Some(text.clone())),
                    false => Err(format!("{name}: {BLANK}")),
                }
            }
            Some(Some(text)) => Ok(Some(text.clone())),
        }
    }
}

/// The variables of a key in order of precedence.
fn names(key: &'static Key) -> Vec<String> {
    match key.variable() {
        name if std::ptr::eq(key, &key::DATABASE_URL) => vec![name, DATABASE_URL.to_owned()],
        name if std::ptr::eq(key, &key::LOG_FILTER) => vec![LOG.to_owned(), name],
        name => vec![name],
    }
}

/// The variable that names a file with the value of `name`.
fn file_variable(name: &str) -> Option<String> {
    (name != LOG).then(|| format!("{name}{FILE}"))
}

/// Whether this variable is a setting, or one that is deliberately not checked.
fn is_known(name: &str) -> bool {
    let is_of = |known: String| known == name || file_variable(&known).is_some_and(|file| file == name);
    [CONFIG, PROFILE, NO_COLOR].contains(&name)
        || name.starts_with(TESTS)
        || key::ALL.iter().any(|key| names(key).into_iter().any(is_of))
}

/// The setting with the most similar name.
fn nearest(name: &str) -> Option<String> {
    let variables = key::ALL.iter().map(|key| key.variable());
    let files = variables.clone().filter(|_| name.ends_with(FILE)).map(|variable| variable + FILE);
    let all = variables.chain([CONFIG, PROFILE, LOG].map(str::to_owned)).chain(files);
    all.min_by_key(|known| strsim::osa_distance(known, name))
}

fn typed(key: &Key, text: &str) -> Option<Raw> {
    match key.preset {
        Preset::Text(_) => Some(Raw::Text(text.to_owned())),
        Preset::Integer(..) => text.parse().ok().and_then(|number| key.integer(number)),
        Preset::Switch(_) => text.parse().ok().map(Raw::Switch),
        Preset::List if text.starts_with('[') => {
            let mut table: BTreeMap<String, Vec<String>> = toml::from_str(&format!("list = {text}")).ok()?;
            table.remove("list").filter(|_| table.is_empty()).map(Raw::List)
        }
        Preset::List => {
            let items: Vec<_> = text.split(',').map(|item| item.trim().to_owned()).collect();
            (!items.iter().any(String::is_empty)).then_some(Raw::List(items))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variable_names_are_unique() {
        let names: Vec<_> = key::ALL.iter().flat_map(|key| names(key)).collect();
        let files: Vec<_> = names.iter().filter_map(|name| file_variable(name)).collect();
        let mut all =
            [names, files, vec![CONFIG.to_owned(), PROFILE.to_owned(), NO_COLOR.to_owned()]].concat();
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
        for name in all {
            assert!(!injected::has_form(&name), "{name} could be set by another program");
        }
    }
}
