//! The environment: every key as `TOKENRY_SECTION__NAME`, or as the file that `TOKENRY_SECTION__NAME_FILE` names.

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

/// Where the file is named.
const CONFIG: &str = "TOKENRY_CONFIG";
/// The log filter under a shorter name, which is stronger than the long one. It has no `_FILE`, which everybody would
/// take for the file that is logged to.
pub(super) const LOG: &str = "TOKENRY_LOG";
/// What other programs call the database's address; weaker than `TOKENRY_DATABASE_URL`.
const DATABASE_URL: &str = "DATABASE_URL";
/// The same, in a file.
const DATABASE_URL_FILE: &str = "DATABASE_URL_FILE";
/// Set by whoever wants no colours from any program.
const NO_COLOR: &str = "NO_COLOR";
/// Variables of this beginning belong to the tests.
const TESTS: &str = "TOKENRY_TEST_";
/// What the name of a variable ends with that names a file which holds the value.
pub(super) const FILE: &str = "_FILE";

/// The variables that concern Tokenry and are not empty: container platforms cannot unset a variable, only empty it.
/// `None` is a value that is not UTF-8.
#[derive(Default)]
pub(crate) struct Environment(BTreeMap<String, Option<String>>);

impl Environment {
    /// The environment of this process.
    pub(crate) fn of_process() -> Self {
        let concerns_us = |name: &str| {
            name.starts_with("TOKENRY_") || [DATABASE_URL, DATABASE_URL_FILE, NO_COLOR].contains(&name)
        };
        let variables = std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), value));
        let ours = variables.filter(|(name, value)| concerns_us(name) && !value.is_empty());
        Self(ours.map(|(name, value)| (name, value.into_string().ok())).collect())
    }

    /// An environment made of these variables.
    #[cfg(test)]
    pub(crate) fn of(variables: &[(&str, &str)]) -> Self {
        let said = variables.iter().filter(|(_, value)| !value.is_empty());
        Self(said.map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect())
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
                sources.refuse(line);
                None
            }
        }
    }

    /// Adds what the variables say, and refuses those that say nothing known. Names of files are relative to
    /// `directory`.
    pub(super) fn read(&self, directory: &Path, sources: &mut Sources) {
        for &key in key::ALL {
            for name in names(key) {
                match self.said(&name, directory) {
                    Ok(None) => continue,
                    Ok(Some((name, text))) if !has_clean_ends(&text) => {
                        // Not only its items, if it is a list.
                        sources.add(key, SettingSource::Variable(name), Some(Raw::Text(text)));
                    }
                    Ok(Some((name, text))) => {
                        sources.add(key, SettingSource::Variable(name), typed(key, &text))
                    }
                    Err(line) => sources.refuse(line),
                }
                // A weaker name says nothing any more, above all not where the stronger one could not be read.
                break;
            }
        }
        let injected = Injected::of(&self.0);
        for name in self.0.keys().filter(|name| !is_known(name)) {
            if injected.has(name) {
                sources.foreign.push(name.clone());
            } else if let Some(written) = Key::rich_variable(name) {
                sources.refuse(format!("{name}: is not a setting; write {written} in the file"));
            } else {
                let nearest = Key::nearest_variable(name).unwrap_or_default();
                sources.refuse(format!("{name}: is not a setting; the nearest is {nearest}"));
            }
        }
    }

    /// What is said under this name, as it stands there or in the file that it names, and the name of the variable.
    fn said(&self, name: &str, directory: &Path) -> Result<Option<(String, String)>, String> {
        let text = self.text(name)?;
        let Some(file) = file_variable(name) else {
            return Ok(text.map(|text| (name.to_owned(), text)));
        };
        match (text, self.text(&file)?) {
            (Some(_), Some(_)) => Err(format!("{file}: is set beside {name}; keep one of them")),
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
            Some(Some(text)) if name.ends_with(FILE) || name == CONFIG => match has_clean_ends(text) {
                true => Ok(Some(text.clone())),
                false => Err(format!("{name}: {BLANK}")),
            },
            Some(Some(text)) => Ok(Some(text.clone())),
        }
    }
}

/// The names of a key, the stronger first.
fn names(key: &'static Key) -> Vec<String> {
    match key.variable() {
        name if std::ptr::eq(key, &key::DATABASE_URL) => vec![name, DATABASE_URL.to_owned()],
        name if std::ptr::eq(key, &key::LOG_FILTER) => vec![LOG.to_owned(), name],
        name => vec![name],
    }
}

/// The variable that names the file in which the value of the variable `name` is.
fn file_variable(name: &str) -> Option<String> {
    (name != LOG).then(|| format!("{name}{FILE}"))
}

/// Whether a variable of this name says something, or is somebody's who may say what they like.
fn is_known(name: &str) -> bool {
    let is_of = |known: String| known == name || file_variable(&known).is_some_and(|file| file == name);
    [CONFIG, NO_COLOR].contains(&name)
        || name.starts_with(TESTS)
        || key::ALL.iter().any(|key| names(key).into_iter().any(is_of))
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
    fn no_name_means_two_things() {
        let names: Vec<_> = key::ALL.iter().flat_map(|key| names(key)).collect();
        let files: Vec<_> = names.iter().filter_map(|name| file_variable(name)).collect();
        let mut all = [names, files, vec![CONFIG.to_owned(), NO_COLOR.to_owned()]].concat();
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
        for name in all {
            assert!(!injected::has_form(&name), "{name} could be another program's");
        }
    }
}
