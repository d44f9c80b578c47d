//! What the command line, the environment and the file say, before anything is made of it.

use super::{
    key::{Key, Preset},
    problem::{Problem, SettingSource},
    section::Entries,
};

/// A value of the right type for its key, and nothing more is known about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Raw {
    Text(String),
    Integer(u32),
    Switch(bool),
    List(Vec<String>),
}

impl Raw {
    fn texts(&self) -> &[String] {
        match self {
            Self::Text(text) => std::slice::from_ref(text),
            Self::List(texts) => texts,
            Self::Integer(_) | Self::Switch(_) => &[],
        }
    }
}

/// What is said of a text that [`has_clean_ends`] refuses.
pub(super) const BLANK: &str = "must not begin or end with a blank or a line break";

/// Whether nothing stands at an end that nobody sees: left by an editor or by a shell, it would make another file, another
/// secret or another database of what somebody meant.
pub(super) fn has_clean_ends(text: &str) -> bool {
    text.trim_matches(|c: char| c.is_whitespace() || c.is_control()) == text
}

/// What one source says about one key.
pub(super) struct Entry {
    pub(super) key: &'static Key,
    pub(super) origin: SettingSource,
    pub(super) raw: Raw,
}

/// All that was said, the stronger source first, and all that was wrong about it.
#[derive(Default)]
pub(super) struct Sources {
    entries: Vec<Entry>,
    /// What the file of this name says that is too rich for the table of keys.
    pub(super) structured: (String, Entries),
    /// Variables that another program made, whose names only look like ours.
    pub(super) foreign: Vec<String>,
    pub(super) problems: Vec<Problem>,
    /// Former names of settings, which still work.
    pub(super) warnings: Vec<Problem>,
}

impl Sources {
    /// Adds what a source says; whatever was added earlier is stronger.
    pub(super) fn add(&mut self, key: &'static Key, origin: SettingSource, raw: Option<Raw>) {
        match raw {
            Some(raw) if !raw.texts().iter().all(|text| has_clean_ends(text)) => {
                self.problems.push(Problem::at(key, &origin, BLANK));
            }
            Some(raw) => self.entries.push(Entry { key, origin, raw }),
            None => self.problems.push(Problem::at(key, &origin, key.expected())),
        }
    }

    /// Notes a fault that belongs to no key.
    pub(super) fn refuse(&mut self, line: String) {
        self.problems.push(Problem::new(line));
    }

    /// Notes a fault of the value that `key` has.
    pub(super) fn refuse_value(&mut self, key: &'static Key, what: &str) {
        let (_, origin) = self.find(key);
        self.problems.push(Problem::at(key, &origin, what));
    }

    /// The strongest value of `key`, or its default, and where that is from.
    pub(super) fn find(&self, key: &'static Key) -> (Raw, SettingSource) {
        match self.entries.iter().find(|entry| std::ptr::eq(entry.key, key)) {
            Some(entry) => (entry.raw.clone(), entry.origin.clone()),
            None => {
                let raw = match key.preset {
                    Preset::Text(text) => Raw::Text(text.to_owned()),
                    Preset::Integer(number, _) => Raw::Integer(number),
                    Preset::Switch(on) => Raw::Switch(on),
                    Preset::List => Raw::List(Vec::new()),
                };
                (raw, SettingSource::Default)
            }
        }
    }

    /// What `parse` makes of a text, unless it refuses.
    pub(super) fn text<T>(
        &mut self,
        key: &'static Key,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let (Raw::Text(text), origin) = self.find(key) else { return None };
        parse(&text).map_err(|what| self.problems.push(Problem::at(key, &origin, what))).ok()
    }

    /// What `parse` makes of a list, unless it refuses.
    pub(super) fn list<T>(
        &mut self,
        key: &'static Key,
        parse: impl FnOnce(&[String]) -> Result<T, String>,
    ) -> Option<T> {
        let (Raw::List(list), origin) = self.find(key) else { return None };
        parse(&list).map_err(|what| self.problems.push(Problem::at(key, &origin, what))).ok()
    }

    /// A number; its range was checked where it was read.
    pub(super) fn integer(&self, key: &'static Key) -> Option<u32> {
        if let (Raw::Integer(number), _) = self.find(key) { Some(number) } else { None }
    }

    /// `true` or `false`.
    pub(super) fn switch(&self, key: &'static Key) -> Option<bool> {
        if let (Raw::Switch(on), _) = self.find(key) { Some(on) } else { None }
    }
}

impl Key {
    /// The number, if it is in the range of this key.
    pub(super) fn integer(&self, number: i64) -> Option<Raw> {
        let Preset::Integer(_, range) = &self.preset else { return None };
        u32::try_from(number).ok().filter(|number| range.contains(number)).map(Raw::Integer)
    }
}
