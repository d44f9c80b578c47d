//! A result in the three output formats.

use comfy_table::{Table, presets};
use serde_json::Value;

use super::escape;

/// One object or a list of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct View {
    /// The same objects as the HTTP API.
    pub(crate) json: Value,
    /// The arguments for other commands, one per object.
    pub(crate) names: Vec<String>,
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl View {
    /// A list with one row per object under `header`.
    pub(crate) fn list(
        header: &[&'static str],
        rows: Vec<Vec<String>>,
        names: Vec<String>,
        json: Value,
    ) -> Self {
        Self { json, names, header: header.to_vec(), rows }
    }

    /// One object with one row per attribute.
    pub(crate) fn one(attributes: Vec<(&'static str, String)>, name: String, json: Value) -> Self {
        let rows =
            attributes.into_iter().map(|(attribute, value)| vec![attribute.to_owned(), value]).collect();
        Self { json, names: vec![name], header: Vec::new(), rows }
    }

    /// The same with another attribute in the table.
    pub(crate) fn with_row(mut self, attribute: &str, value: String) -> Self {
        self.rows.push(vec![attribute.to_owned(), value]);
        self
    }

    /// Columns as wide as their longest value, so that ids can be copied.
    pub(super) fn to_table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        if !self.header.is_empty() {
            table.set_header(self.header.clone());
        }
        for row in &self.rows {
            table.add_row(row.iter().map(|cell| escape::line(cell)));
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
    }
}
