//! The structured settings as the file has them: every value with its line.

use std::collections::BTreeMap;

use toml::de::{DeArray, DeTable, DeValue};

/// The keys of a table.
pub(super) type Entries = BTreeMap<String, Node>;

/// A value and its line, counted from 1: the line of its key, or of the value itself in a list.
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
}

/// A value of a type that structured settings accept, or [`Value::Other`].
pub(super) enum Value {
    Text(String),
    Switch(bool),
    List(Vec<Node>),
    Table(Entries),
    /// Any other type.
    Other,
}

impl Node {
    /// Converts a value of the file; `line_of` maps a byte offset to its line.
    pub(super) fn of(line: usize, value: &DeValue<'_>, line_of: &impl Fn(usize) -> usize) -> Self {
        let value = match value {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Boolean(on) => Value::Switch(*on),
            DeValue::Array(items) => Value::List(Self::items(items, line_of)),
            DeValue::Table(table) => Value::Table(Self::entries(table, line_of)),
            _ => Value::Other,
        };
        Self { line, value }
    }

    fn items(items: &DeArray<'_>, line_of: &impl Fn(usize) -> usize) -> Vec<Self> {
        items.iter().map(|item| Self::of(line_of(item.span().start), item.get_ref(), line_of)).collect()
    }

    fn entries(table: &DeTable<'_>, line_of: &impl Fn(usize) -> usize) -> Entries {
        let mut entries = Entries::new();
        for (key, value) in table {
            let node = Self::of(line_of(key.span().start), value.get_ref(), line_of);
            entries.insert(key.get_ref().to_string(), node);
        }
        entries
    }

    /// The text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }
}
