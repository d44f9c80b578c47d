//! The values of the command line, the environment and the file before conversion.

use super::{
    key::{Key, Preset},
    problem::{Problem, SettingSource},
    structured::Entries,
};

/// A value of the right type for its key, not checked further.
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

/// The message for a text that [`has_clean_ends`] rejects.
pub(super) const BLANK: &str = "must not begin or end with whitespace or a line break";

/// Whether a text has no invisible characters at its ends. Left by an editor or a shell, they would silently name
/// another file, secret or database.
pub(super) fn has_clean_ends(text: &str) -> bool {
    text.trim_matches(|c: char| c.is_whitespace() || c.is_control()) == text
}

/// The value of one key from one source.
pub(super) struct Entry {
    pub(super) key: &'static Key,
    pub(super) origin: SettingSource,
    pub(super) raw: Raw,
}

/// All values in order of precedence, and all faults.
#[derive(Default)]
pub(super) struct Sources {
    entries: Vec<Entry>,
    /// The structured settings of each file with the name of the file, in order of precedence.
    pub(super) structured: Vec<(String, Entries)>,
    /// Variables that another program set and that only look like settings.
    pub(super) foreign: Vec<String>,
    pub(super) problems: Vec<Problem>,
    /// Warnings about settings that are valid: former names, and values with a risk.
    pub(super) warnings: Vec<Problem>,
}

impl Sources {
    /// Adds a value; values added earlier take precedence.
    pub(super) fn add(&mut self, key: &'static Key, origin: SettingSource, raw: Option<Raw>) {
        match raw {
            Some(raw) if !raw.texts().iter().all(|text| has_clean_ends(text)) => {
                self.problems.push(Problem::at(key, &origin, BLANK));
            }
            Some(raw) => self.entries.push(Entry { key, origin, raw }),
            None => self.problems.push(Problem::at(key, &origin, key.expected())),
        }
    }

    /// Records a fault without a key.
    pub(super) fn reject(&mut self, line: String) {
        self.problems.push(Problem::new(line));
    }

    /// Records a fault of the value of `key`.
    pub(super) fn refuse_value(&mut self, key: &'static Key, what: &str) {
        let (_, origin) = self.find(key);
        self.problems.push(Problem::at(key, &origin, what));
    }

    /// Records a warning about the value of `key`.
    pub(super) fn warn_value(&mut self, key: &'static Key, what: &str) {
        let (_, origin) = self.find(key);
        self.warnings.push(Problem::at(key, &origin, what));
    }

    /// The effective value of `key`, or its default, and its source.
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

    /// The text parsed by `parse`; a rejection is recorded as a fault.
    pub(super) fn text<T>(
        &mut self,
        key: &'static Key,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let (Raw::Text(text), origin) = self.find(key) else { return None };
        parse(&text).map_err(|what| self.problems.push(Problem::at(key, &origin, what))).ok()
    }

    /// The list parsed by `parse`; a rejection is recorded as a fault.
    pub(super) fn list<T>(
        &mut self,
        key: &'static Key,
        parse: impl FnOnce(&[String]) -> Result<T, String>,
    ) -> Option<T> {
        let (Raw::List(list), origin) = self.find(key) else { return None };
        parse(&list).map_err(|what| self.problems.push(Problem::at(key, &origin, what))).ok()
    }

    /// A number; its range was checked when it was read.
    pub(super) fn integer(&self, key: &'static Key) -> Option<u32> {
        if let (Raw::Integer(number), _) = self.find(key) { Some(number) } else { None }
    }

    /// `true` or `false`.
    pub(super) fn switch(&self, key: &'static Key) -> Option<bool> {
        if let (Raw::Switch(on), _) = self.find(key) { Some(on) } else { None }
    }
}

impl Key {
    /// The number, if it is within the range of this key.
    pub(super) fn integer(&self, number: i64) -> Option<Raw> {
        let Preset::Integer(_, range) = &self.preset else { return None };
        u32::try_from(number).ok().filter(|number| range.contains(number)).map(Raw::Integer)
    }
}
