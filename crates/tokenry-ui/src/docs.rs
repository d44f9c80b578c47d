//! The page `/docs`: the OpenAPI document as HTML, without scripts.

mod html;
mod operation;
mod schema;

use std::sync::OnceLock;

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde_json::{Map, Value};
use tokenry_actix::{ApiError, openapi_of};

use self::html::{Html, member, text};
use crate::{PageSettings, bundle::Bundle, response};

/// The rendered document of an app, made by the first request.
#[derive(Default)]
pub(crate) struct Docs(OnceLock<String>);

/// The response for `/docs`.
pub(crate) async fn show(req: HttpRequest) -> Result<HttpResponse, ApiError> {
    let settings = req.app_data::<Data<PageSettings>>().map(|settings| settings.get_ref().clone());
    let render = || page(&openapi_of(&settings.unwrap_or_default().tokens_api));
    let page = match req.app_data::<Data<Docs>>() {
        Some(docs) => docs.0.get_or_init(render).clone(),
        None => render(),
    };
    Ok(response::generated(&req, Bundle::current().with_assets(&page)))
}

/// The document as a page whose files are at `{assets}`.
fn page(document: &str) -> String {
    let document: &Value = &serde_json::from_str(document).unwrap_or_default();
    let info = member(document, "info");
    let mut html = Html::default();
    html.raw(concat!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n",
        "<meta name=\"viewport\" content=\"width=device-width\">\n<title>Tokenry API</title>\n",
        "<link rel=\"icon\" href=\"{assets}/icon.svg\">\n<link rel=\"stylesheet\" href=\"{assets}/style.css\">\n",
        "<body class=\"docs\">\n<main>\n"
    ));
    html.element("h1", &format!("{} API {}", text(member(info, "title")), text(member(info, "version"))));
    html.prose("p", text(member(info, "description")));
    html.raw("<p><a href=\"openapi.json\">The OpenAPI document</a></p>\n<nav aria-label=\"Contents\"><ul>\n");
    let tags: Vec<_> = member(document, "tags").as_array().into_iter().flatten().collect();
    for tag in &tags {
        html.item_link(&format!("tag-{}", text(member(tag, "name"))), text(member(tag, "name")));
    }
    html.item_link("schemas", "schemas");
    html.raw("</ul></nav>\n");
    for tag in tags {
        section(&mut html, document, tag);
    }
    html.raw("<section>\n<h2 id=\"schemas\">Schemas</h2>\n");
    for (name, schema) in entries(member(member(document, "components"), "schemas")) {
        schema::describe(&mut html, name, schema);
    }
    html.raw("</section>\n</main>\n");
    html.finish()
}

/// The operations with a tag.
fn section(html: &mut Html, document: &Value, tag: &Value) {
    let name = text(member(tag, "name"));
    html.raw("<section>\n");
    html.heading("h2", &format!("tag-{name}"), name);
    html.prose("p", text(member(tag, "description")));
    for (path, item) in entries(member(document, "paths")) {
        for (method, operation) in entries(item) {
            if member(operation, "tags").as_array().into_iter().flatten().any(|of| text(of) == name) {
                operation::describe(html, method, path, operation);
            }
        }
    }
    html.raw("</section>\n");
}

/// The members of an object.
fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_and_schema_is_on_the_page() {
        let document: Value = serde_json::from_str(tokenry_actix::openapi()).unwrap();
        let page = page(tokenry_actix::openapi());
        let mut count = 0;
        for (_, item) in entries(&document["paths"]) {
            for (_, operation) in entries(item) {
                count += 1;
                let id = text(&operation["operationId"]);
                assert_eq!(page.matches(&format!("id=\"operation-{id}\"")).count(), 1, "{id}");
            }
        }
        assert!(count > 30, "{count}");
        for (name, _) in entries(&document["components"]["schemas"]) {
            assert_eq!(page.matches(&format!("id=\"schema-{name}\"")).count(), 1, "{name}");
        }
        for link in page.split("href=\"#").skip(1).map(|rest| rest.split_once('"').unwrap().0) {
            assert!(page.contains(&format!("id=\"{link}\"")), "{link}");
        }
    }

    #[test]
    fn texts_of_the_document_are_not_markup() {
        let hostile =
            r#"{"info":{"title":"<script>","description":"`<b>` & \"x\""},"tags":[{"name":"a\"><i>"}]}"#;
        let page = page(hostile);
        assert!(!page.contains("<script") && !page.contains("<b>") && !page.contains("<i>"), "{page}");
        assert!(page.contains("<code>&lt;b&gt;</code> &amp; &quot;x&quot;"), "{page}");
    }
}
