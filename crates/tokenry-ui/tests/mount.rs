//! The responses of the page at the root and under a path.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use actix_web::{
    App, Error,
    body::to_bytes,
    dev::{Service, ServiceResponse},
    http::{Method, StatusCode, header::HeaderMap},
    middleware::from_fn,
    rt::System,
    test::{TestRequest, init_service},
    web,
};
use tokenry_actix::{fallback, outer_middleware};
use tokenry_ui::{PAGE_POLICY, PAGES};

/// A complete response.
struct Response {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Response {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// The response of the page under `path`, which is empty for the root, with the middleware of the binary.
fn ask(path: &str, request: TestRequest) -> Response {
    System::new().block_on(async {
        let scope = web::scope(path).configure(tokenry_ui::configure);
        let app = match path {
            "" => App::new().configure(tokenry_ui::configure),
            _ => App::new().service(scope),
        };
        let app = app.default_service(fallback::not_found()).wrap(from_fn(outer_middleware));
        let service = init_service(app).await;
        let response: Result<ServiceResponse<_>, Error> = service.call(request.to_request()).await;
        let response = response.unwrap().into_parts().1;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = to_bytes(response.into_body()).await.ok().unwrap();
        Response { status, headers, body: String::from_utf8(body.to_vec()).unwrap() }
    })
}

fn get(mounted: &str, path: &str) -> Response {
    ask(mounted, TestRequest::with_uri(path))
}

/// The URL of a file in the first page, with its hash.
fn file_address(name: &str) -> String {
    let page = get("", "/").body;
    let (_, rest) = page.split_once("assets/").unwrap();
    let (hash, _) = rest.split_once('/').unwrap();
    format!("/assets/{hash}/{name}")
}

/// The names of the files under `assets/static`, as in their URLs.
fn file_names() -> Vec<String> {
    fn collect(folder: &std::path::Path, before: &str, names: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let name = format!("{before}{}", entry.file_name().to_str().unwrap());
            match entry.path().is_dir() {
                true => collect(&entry.path(), &format!("{name}/"), names),
                false => names.push(name),
            }
        }
    }
    let mut names = Vec::new();
    collect(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/static"), "", &mut names);
    names
}

#[test]
fn every_page_is_served_at_the_root_and_in_a_scope() {
    for mounted in ["", "/tokens-app"] {
        for name in PAGES.iter().chain(&[""]) {
            let response = get(mounted, &format!("{mounted}/{name}"));
            assert_eq!(response.status, 200, "{mounted}/{name}");
            assert_eq!(response.header("content-type"), "text/html; charset=utf-8");
            assert_eq!(response.header("content-security-policy"), PAGE_POLICY);
            assert_eq!(response.header("x-content-type-options"), "nosniff");
            assert_eq!(response.header("referrer-policy"), "no-referrer");
            assert_eq!(response.header("cross-origin-opener-policy"), "same-origin");
            assert_eq!(response.header("cache-control"), "no-cache");
            assert!(!response.body.contains('{'), "{name}");
        }
    }
}

#[test]
fn every_page_loads_its_own_script() {
    for (address, name) in PAGES.iter().map(|name| (*name, *name)).chain([("", "tokens")]) {
        let page = get("", &format!("/{address}")).body;
        let script = file_address(&format!("{name}.js"));
        assert!(page.contains(&format!("src=\"{}\"", &script[1..])), "{name}: {page}");
        assert_eq!(get("", &script).header("content-type"), "text/javascript; charset=utf-8", "{name}");
    }
}

#[test]
fn the_content_security_policy_forbids_inline_code_and_other_origins() {
    assert!(
        !PAGE_POLICY.contains("unsafe") && !PAGE_POLICY.contains("http") && !PAGE_POLICY.contains("data:")
    );
    for part in [
        "default-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ] {
        assert!(PAGE_POLICY.contains(part), "{part}");
    }
}

#[test]
fn every_file_has_its_content_type_and_is_cached_for_a_year() {
    for name in file_names() {
        let response = get("", &file_address(&name));
        assert_eq!(response.status, 200, "{name}");
        assert_eq!(response.header("cache-control"), "public, max-age=31536000, immutable");
        assert_ne!(response.header("content-type"), "application/octet-stream", "{name}");
        assert_eq!(response.header("content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
    }
}

#[test]
fn a_cached_page_is_304_without_a_body() {
    let etag = get("", "/create").header("etag").to_owned();
    assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() > 8);
    for known in [etag.clone(), format!("W/{etag}"), format!("\"other\", {etag}"), "*".to_owned()] {
        let request = TestRequest::with_uri("/create").insert_header(("if-none-match", known.as_str()));
        let response = ask("", request);
        assert_eq!((response.status, response.body.as_str()), (StatusCode::NOT_MODIFIED, ""), "{known}");
        assert_eq!(response.header("etag"), etag);
        assert_eq!(response.header("cache-control"), "no-cache");
    }
    let request = TestRequest::with_uri("/create").insert_header(("if-none-match", "\"other\""));
    assert_eq!(ask("", request).status, 200);
}

#[test]
fn head_is_answered_like_get_and_other_methods_are_405() {
    for path in ["/".to_owned(), "/create".to_owned(), file_address("icon.svg")] {
        let response = ask("", TestRequest::with_uri(&path).method(Method::HEAD));
        assert_eq!(response.status, 200, "{path}");
        assert_ne!(response.header("etag"), "", "{path}");
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
            let response = ask("", TestRequest::with_uri(&path).method(method));
            assert_eq!(response.status, 405, "{path}");
            assert_eq!(response.header("allow"), "GET, HEAD");
            assert_eq!(response.header("content-type"), "application/problem+json");
        }
    }
}

#[test]
fn a_scope_without_its_slash_redirects_to_the_one_with_it() {
    let response = get("/a/tokens-app", "/a/tokens-app?status=active");
    assert_eq!(response.status, 308);
    assert_eq!(response.header("location"), "./tokens-app/?status=active");
}

#[test]
fn an_unknown_file_is_404() {
    let known = file_address("");
    for path in [
        "/nothing".to_owned(),
        "/create.html".to_owned(),
        "/create/".to_owned(),
        "/page.html".to_owned(),
        "/assets/".to_owned(),
        known.clone(),
        "/assets/000000000000/icon.svg".to_owned(),
        "/assets//icon.svg".to_owned(),
        format!("{known}nothing.js"),
        format!("{known}i18n"),
        format!("{known}i18n/"),
        format!("{known}/icon.svg"),
        format!("{known}./icon.svg"),
        format!("{known}i18n/../icon.svg"),
        format!("{known}..%2Fpage.html"),
        format!("{known}../page.html"),
        format!("{known}../../Cargo.toml"),
        format!("{known}%2e%2e/%2e%2e/Cargo.toml"),
        format!("{known}..%5C..%5CCargo.toml"),
        format!("{known}/etc/passwd"),
        format!("{known}%2Fetc%2Fpasswd"),
        format!("{known}icon.svg%00"),
    ] {
        let response = get("", &path);
        assert_eq!(response.status, 404, "{path}");
        assert_eq!(response.header("content-type"), "application/problem+json", "{path}");
    }
}
