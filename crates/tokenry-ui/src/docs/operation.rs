//! The description of one operation.

use serde_json::Value;

use super::{
    entries,
    html::{Html, member, text},
    schema,
};

/// Adds an operation, folded below its method, path and summary.
pub(super) fn describe(html: &mut Html, method: &str, path: &str, operation: &Value) {
    html.raw("<details>\n<summary>");
    html.element("code", &format!("{} {path}", method.to_uppercase()));
    html.inline(text(member(operation, "summary")));
    html.raw("</summary>\n");
    let id = text(member(operation, "operationId"));
    html.heading("h3", &format!("operation-{id}"), id);
    html.prose("p", text(member(operation, "description")));
    let is_public = member(operation, "security").as_array().is_none_or(Vec::is_empty);
    html.element("p", if is_public { "No credential is required." } else { "Requires a credential." });
    parameters(html, operation);
    bodies(html, "Request body", member(operation, "requestBody"));
    responses(html, operation);
    html.raw("</details>\n");
}

fn parameters(html: &mut Html, operation: &Value) {
    let Some(parameters) = member(operation, "parameters").as_array().filter(|all| !all.is_empty()) else {
        return;
    };
    html.raw("<h4>Parameters</h4>\n<dl>\n");
    for parameter in parameters {
        html.raw("<dt>");
        html.element("code", text(member(parameter, "name")));
        html.text(text(member(parameter, "in")));
        html.raw(if member(parameter, "required") == true { ", required, " } else { ", " });
        schema::type_of(html, member(parameter, "schema"));
        html.raw("</dt>\n");
        html.prose("dd", text(member(parameter, "description")));
    }
    html.raw("</dl>\n");
}

/// Adds the types of a body, if there is one.
fn bodies(html: &mut Html, title: &str, body: &Value) {
    if entries(member(body, "content")).next().is_none() {
        return;
    }
    html.element("h4", title);
    html.prose("p", text(member(body, "description")));
    content(html, body);
}

fn content(html: &mut Html, body: &Value) {
    for (media_type, content) in entries(member(body, "content")) {
        html.raw("<p>");
        html.element("code", media_type);
        schema::type_of(html, member(content, "schema"));
        html.raw("</p>\n");
    }
}

fn responses(html: &mut Html, operation: &Value) {
    html.raw("<h4>Responses</h4>\n<dl>\n");
    for (status, response) in entries(member(operation, "responses")) {
        html.element("dt", status);
        html.raw("<dd>");
        html.prose("p", text(member(response, "description")));
        content(html, response);
        html.raw("</dd>\n");
    }
    html.raw("</dl>\n");
}
