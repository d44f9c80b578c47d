//! The description of one schema, and of the type of a value.

use serde_json::Value;

use super::{
    entries,
    html::{Html, member, text},
};

/// Rules that are shown with their names.
const RULES: [(&str, &str); 7] = [
    ("format", "format"),
    ("minimum", "at least"),
    ("maximum", "at most"),
    ("minLength", "characters at least"),
    ("maxLength", "characters at most"),
    ("maxItems", "items at most"),
    ("pattern", "pattern"),
];

/// Adds a schema, folded below its name.
pub(super) fn describe(html: &mut Html, name: &str, schema: &Value) {
    html.raw("<details>\n<summary>");
    html.element("code", name);
    html.inline(text(member(schema, "description")));
    html.raw("</summary>\n");
    html.heading("h3", &format!("schema-{name}"), name);
    html.raw("<p>");
    type_of(html, schema);
    html.raw("</p>\n<dl>\n");
    let parts = member(schema, "allOf").as_array().into_iter().flatten();
    for part in [schema].into_iter().chain(parts) {
        properties(html, part);
    }
    html.raw("</dl>\n</details>\n");
}

fn properties(html: &mut Html, schema: &Value) {
    let required: Vec<_> = member(schema, "required").as_array().into_iter().flatten().map(text).collect();
    for (name, property) in entries(member(schema, "properties")) {
        html.raw("<dt>");
        html.element("code", name);
        html.raw(if required.contains(&name.as_str()) { "required, " } else { "" });
        type_of(html, property);
        html.raw("</dt>\n");
        html.prose("dd", text(member(property, "description")));
    }
}

/// Adds the type of a value, with a link to a named schema.
pub(super) fn type_of(html: &mut Html, schema: &Value) {
    if let Some(name) = member(schema, "$ref").as_str().and_then(|path| path.rsplit('/').next()) {
        return html.link(&format!("schema-{name}"), name);
    }
    for (keyword, separator) in [("oneOf", " or "), ("anyOf", " or "), ("allOf", " and ")] {
        let parts = member(schema, keyword).as_array().into_iter().flatten();
        for (index, part) in parts.enumerate() {
            html.raw(if index > 0 { separator } else { "" });
            type_of(html, part);
        }
    }
    match member(schema, "type") {
        Value::String(one) => html.text(one),
        Value::Array(all) => html.text(&all.iter().map(text).collect::<Vec<_>>().join(" or ")),
        _ => {}
    }
    if member(schema, "items").is_object() {
        html.raw(" of ");
        type_of(html, member(schema, "items"));
    }
    for (index, value) in member(schema, "enum").as_array().into_iter().flatten().enumerate() {
        html.raw(if index > 0 { ", " } else { ": " });
        html.element("code", text(value));
    }
    for (keyword, name) in RULES {
        if let Some(rule) = schema.get(keyword) {
            html.text(&format!(", {name} "));
            html.element("code", &rule.as_str().map_or_else(|| rule.to_string(), str::to_owned));
        }
    }
}
