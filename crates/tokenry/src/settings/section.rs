//! Tables of structured settings, read key by key, each value with its line.

use super::{
    key,
    problem::{Problem, SettingSource},
    source::{BLANK, has_clean_ends},
    structured::{Entries, Value},
};

/// One table and its faults.
pub(super) struct Section<'f> {
    /// The header of the table, such as `[catalog]` or `[[issuers]]`.
    title: &'static str,
    file: &'f str,
    line: usize,
    entries: &'f Entries,
    problems: Vec<Problem>,
    /// The keys whose values could not be read and are not checked further.
    unread: Vec<String>,
}

/// A kind of table: its header and its keys.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) title: &'static str,
    pub(super) keys: &'static [&'static str],
    /// Former names of keys: still read, never suggested.
    pub(super) former_keys: &'static [&'static str],
}

impl Shape {
    /// A kind of table without former names of keys.
    pub(super) const fn new(title: &'static str, keys: &'static [&'static str]) -> Self {
        Self { title, keys, former_keys: &[] }
    }
}

/// The structured settings of all files.
pub(super) struct Roots<'f> {
    /// In order of precedence.
    files: Vec<Section<'f>>,
    /// For settings that no file has.
    absent: Section<'f>,
}

impl<'f> Roots<'f> {
    pub(super) fn of(files: &'f [(String, Entries)]) -> Self {
        static NOTHING: Entries = Entries::new();
        let files = files.iter().map(|(file, entries)| Section::root(file, entries)).collect();
        Self { files, absent: Section::root("", &NOTHING) }
    }

    /// The settings of the first file that has this one.
    pub(super) fn with(&mut self, key: &str) -> &mut Section<'f> {
        self.files.iter_mut().find(|root| root.has(key)).unwrap_or(&mut self.absent)
    }

    pub(super) fn into_problems(self) -> impl Iterator<Item = Problem> {
        self.files.into_iter().flat_map(Section::into_problems)
    }
}

impl<'f> Section<'f> {
    /// The structured settings of the file.
    fn root(file: &'f str, entries: &'f Entries) -> Self {
        Self { title: "", file, line: 1, entries, problems: Vec::new(), unread: Vec::new() }
    }

    fn of(shape: Shape, file: &'f str, line: usize, entries: &'f Entries) -> Self {
        let mut section =
            Self { title: shape.title, file, line, entries, problems: Vec::new(), unread: Vec::new() };
        let is_known = |key: &str| shape.keys.contains(&key) || shape.former_keys.contains(&key);
        for key in entries.keys().filter(|key| !is_known(key)) {
            let nearest = shape.keys.iter().min_by_key(|known| strsim::osa_distance(known, key));
            let nearest = nearest.copied().unwrap_or_default();
            section.unreadable(key, &format!("is not a setting; the nearest is {} {nearest}", shape.title));
        }
        section
    }

    /// Whether the key is present.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// The line of the key, or of the table if the key is absent.
    fn line_of(&self, key: &str) -> usize {
        self.entries.get(key).map_or(self.line, |node| node.line)
    }

    /// Records a fault of the key, or of the table if the key is absent.
    pub(super) fn reject(&mut self, key: &str, what: &str) {
        self.reject_line(key, self.line_of(key), what);
    }

    fn reject_line(&mut self, key: &str, line: usize, what: &str) {
        let origin = SettingSource::File { name: self.file.to_owned(), line };
        let path = [self.title, key].join(" ");
        self.problems.push(Problem::in_file(path.trim(), &origin, what));
    }

    fn unreadable(&mut self, key: &str, what: &str) {
        self.reject(key, what);
        self.unread.push(key.to_owned());
    }

    /// Whether all values could be read. Rules between unread values would only repeat a fault.
    pub(super) fn is_read(&self) -> bool {
        self.unread.is_empty()
    }

    /// Whether the value of this key could be read or is absent.
    pub(super) fn has_read(&self, key: &str) -> bool {
        !self.unread.iter().any(|unread| unread == key)
    }

    /// Whether there is no fault so far.
    pub(super) fn is_valid(&self) -> bool {
        self.problems.is_empty()
    }

    /// A warning about the key, which does not make the settings invalid.
    pub(super) fn warning(&self, key: &str, what: &str) -> Problem {
        let origin = SettingSource::File { name: self.file.to_owned(), line: self.line_of(key) };
        Problem::in_file(&[self.title, key].join(" "), &origin, what)
    }

    /// The faults of the table.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// The text, without recording a fault if it is invalid or absent.
    pub(super) fn get(&self, key: &str) -> Option<&'f str> {
        self.entries.get(key)?.text()
    }

    pub(super) fn text(&mut self, key: &str) -> Option<&'f str> {
        let node = self.entries.get(key)?;
        match node.text() {
            None => self.unreadable(key, key::EXPECTED_TEXT),
            Some(text) if !has_clean_ends(text) => {
                self.unreadable(key, BLANK);
                return None;
            }
            Some(_) => {}
        }
        node.text()
    }

    /// A required text.
    pub(super) fn required(&mut self, key: &str) -> Option<&'f str> {
        if !self.has(key) {
            self.unreadable(key, "is missing");
        }
        self.text(key)
    }

    /// The text parsed by `parse`; `None` if it is invalid or absent.
    pub(super) fn parsed<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(key)?;
        parse(text).map_err(|what| self.reject(key, &what)).ok()
    }

    /// A list of texts; empty if absent.
    pub(super) fn texts(&mut self, key: &str) -> Vec<String> {
        let texts = match self.entries.get(key).map(|node| &node.value) {
            None => Some(Vec::new()),
            Some(Value::List(items)) => items.iter().map(|item| item.text().map(str::to_owned)).collect(),
            Some(_) => None,
        };
        let expected = match texts {
            Some(texts) if texts.iter().all(|text| has_clean_ends(text)) => return texts,
            Some(_) => BLANK,
            None => key::EXPECTED_LIST,
        };
        self.unreadable(key, expected);
        Vec::new()
    }

    /// `true` or `false`; `false` if absent.
    pub(super) fn switch(&mut self, key: &str) -> bool {
        match self.entries.get(key).map(|node| &node.value) {
            Some(Value::Switch(on)) => *on,
            None => false,
            Some(_) => {
                self.unreadable(key, key::EXPECTED_SWITCH);
                false
            }
        }
    }

    /// A table of texts, each parsed by `parse`.
    pub(super) fn pairs<T>(
        &mut self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<(String, T)> {
        let entries = match self.entries.get(key).map(|node| &node.value) {
            Some(Value::Table(entries)) => entries,
            None => return Vec::new(),
            Some(_) => {
                self.unreadable(key, "must be a table of strings, such as { \"a\" = \"b\" }");
                return Vec::new();
            }
        };
        let mut pairs = Vec::new();
        for (name, node) in entries {
            let text = match node.text() {
                Some(text) if has_clean_ends(text) => Ok(text),
                Some(_) => Err(BLANK.to_owned()),
                None => Err(key::EXPECTED_TEXT.to_owned()),
            };
            match text.and_then(&parse) {
                Ok(value) => pairs.push((name.clone(), value)),
                Err(what) => self.reject_line(key, node.line, &what),
            }
        }
        pairs
    }

    /// The table under this key, if present.
    pub(super) fn section(&mut self, key: &str, shape: Shape) -> Option<Section<'f>> {
        let node = self.entries.get(key)?;
        match &node.value {
            Value::Table(entries) => return Some(Section::of(shape, self.file, node.line, entries)),
            _ => self.refuse_shape(key, node.line, shape, "must be a table"),
        }
        None
    }

    /// The tables in the list under this key.
    pub(super) fn sections(&mut self, key: &str, shape: Shape) -> Vec<Section<'f>> {
        let Some(node) = self.entries.get(key) else { return Vec::new() };
        let Value::List(items) = &node.value else {
            self.refuse_shape(key, node.line, shape, "must be a list of tables");
            return Vec::new();
        };
        let mut sections = Vec::new();
        for item in items {
            match &item.value {
                Value::Table(entries) => sections.push(Section::of(shape, self.file, item.line, entries)),
                _ => self.refuse_shape(key, item.line, shape, "must be a table"),
            }
        }
        sections
    }

    fn refuse_shape(&mut self, key: &str, line: usize, shape: Shape, what: &str) {
        let origin = SettingSource::File { name: self.file.to_owned(), line };
        self.problems.push(Problem::in_file(shape.title, &origin, what));
        self.unread.push(key.to_owned());
    }
}
