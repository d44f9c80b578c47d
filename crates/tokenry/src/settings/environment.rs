//! The environment: every key as `TOKENRY_SECTION__NAME`.

use std::{collections::BTreeMap, path::PathBuf};

use super::{
    key::{self, Key, Preset},
    problem::Origin,
    source::{Raw, Sources},
};

/// Where the file is named.
const CONFIG: &str = "TOKENRY_CONFIG";
/// The log filter under a shorter name, which is stronger than the long one.
pub(super) const LOG: &str = "TOKENRY_LOG";
/// What other programs call the database's address; weaker than `TOKENRY_DATABASE_URL`.
const DATABASE_URL: &str = "DATABASE_URL";
/// Set by whoever wants no colours from any program.
const NO_COLOR: &str = "NO_COLOR";
/// Variables of this beginning belong to the tests.
const TESTS: &str = "TOKENRY_TEST_";

/// The variables that concern Tokenry; `None` is a value that is not UTF-8.
#[derive(Default)]
pub(crate) struct Environment(BTreeMap<String, Option<String>>);

impl Environment {
    /// The environment of this process.
    pub(crate) fn of_process() -> Self {
        let concerns_us =
            |name: &str| name.starts_with("TOKENRY_") || [DATABASE_URL, NO_COLOR].contains(&name);
        let variables = std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), value));
        let ours = variables.filter(|(name, _)| concerns_us(name));
        Self(ours.map(|(name, value)| (name, value.into_string().ok())).collect())
    }

    /// An environment made of these variables.
    #[cfg(test)]
    pub(crate) fn of(variables: &[(&str, &str)]) -> Self {
        Self(variables.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect())
    }

    /// Whether `NO_COLOR` is set to anything (<https://no-color.org>).
    pub(crate) fn forbids_color(&self) -> bool {
        self.0.get(NO_COLOR).is_some_and(|value| value.as_deref() != Some(""))
    }

    /// The file that `TOKENRY_CONFIG` names.
    pub(super) fn config(&self, sources: &mut Sources) -> Option<PathBuf> {
        self.text(CONFIG, sources).map(PathBuf::from)
    }

    /// Adds what the variables say, and refuses those that say nothing known.
    pub(super) fn read(&self, sources: &mut Sources) {
        for &key in key::ALL {
            let aliases = match key.variable() {
                name if std::ptr::eq(key, &key::DATABASE_URL) => vec![name, DATABASE_URL.to_owned()],
                name if std::ptr::eq(key, &key::LOG_FILTER) => vec![LOG.to_owned(), name],
                name => vec![name],
            };
            for name in aliases {
                if let Some(text) = self.text(&name, sources) {
                    sources.add(key, Origin::Variable(name), typed(key, &text));
                    break;
                }
            }
        }
        let special =
            |name: &str| [CONFIG, LOG, DATABASE_URL, NO_COLOR].contains(&name) || name.starts_with(TESTS);
        for name in self.0.keys().filter(|name| !special(name)) {
            if let Some(written) = Key::rich_variable(name) {
                sources.refuse(format!("{name}: is not a setting; write {written} in the file"));
            } else if !key::ALL.iter().any(|key| key.variable() == *name) {
                let nearest = Key::nearest_variable(name).unwrap_or_default();
                sources.refuse(format!("{name}: is not a setting; the nearest is {nearest}"));
            }
        }
    }

    /// The text of a variable. An empty one is refused: it is more often a lost value than a wish for the default.
    fn text(&self, name: &str, sources: &mut Sources) -> Option<String> {
        match self.0.get(name)? {
            None => sources.refuse(format!("{name}: must be UTF-8 text")),
            Some(text) if text.is_empty() => {
                sources.refuse(format!("{name}: is empty; give it a value or unset it"))
            }
            Some(text) => return Some(text.clone()),
        }
        None
    }
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
