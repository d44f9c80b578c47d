//! [`Html`]: markup whose texts are escaped.

use std::fmt::Write as _;

use serde_json::Value;

/// Markup under construction.
#[derive(Default)]
pub(super) struct Html(String);

impl Html {
    /// Adds markup as it is; it must contain no text of the document.
    pub(super) fn raw(&mut self, markup: &str) {
        self.0.push_str(markup);
    }

    /// Adds a text.
    pub(super) fn text(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '<' => self.raw("&lt;"),
                '>' => self.raw("&gt;"),
                '&' => self.raw("&amp;"),
                '"' => self.raw("&quot;"),
                '\'' => self.raw("&#39;"),
                c => self.0.push(c),
            }
        }
    }

    /// Adds an element with a text.
    pub(super) fn element(&mut self, name: &str, text: &str) {
        let _ = write!(self.0, "<{name}>");
        self.text(text);
        let _ = writeln!(self.0, "</{name}>");
    }

    /// Adds an element with a text in which words between backquotes are code; nothing without a text.
    pub(super) fn prose(&mut self, name: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        let _ = write!(self.0, "<{name}>");
        self.inline(text);
        let _ = writeln!(self.0, "</{name}>");
    }

    /// Adds a text in which words between backquotes are code.
    pub(super) fn inline(&mut self, text: &str) {
        for (index, part) in text.split('`').enumerate() {
            if index % 2 == 1 {
                self.raw("<code>");
                self.text(part);
                self.raw("</code>");
            } else {
                self.text(part);
            }
        }
    }

    /// Adds a heading that links lead to.
    pub(super) fn heading(&mut self, name: &str, id: &str, text: &str) {
        let _ = write!(self.0, "<{name} id=\"");
        self.text(id);
        self.raw("\">");
        self.text(text);
        let _ = writeln!(self.0, "</{name}>");
    }

    /// Adds a link to a heading.
    pub(super) fn link(&mut self, id: &str, text: &str) {
        self.raw("<a href=\"#");
        self.text(id);
        self.raw("\">");
        self.text(text);
        self.raw("</a>");
    }

    /// Adds a link to a heading as an item of a list.
    pub(super) fn item_link(&mut self, id: &str, text: &str) {
        self.raw("<li>");
        self.link(id, text);
        self.raw("</li>\n");
    }

    /// The markup.
    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// A text of the document; empty if it is absent.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A member of an object; `null` if it is absent.
pub(super) fn member<'v>(value: &'v Value, name: &str) -> &'v Value {
    value.get(name).unwrap_or(&Value::Null)
}
