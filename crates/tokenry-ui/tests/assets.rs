//! The static files: complete translations and no resources of other origins.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

#[path = "common/translations.rs"]
mod translations;

use translations::texts;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets")
}

/// Every file, with its path.
fn files() -> Vec<PathBuf> {
    files_in(&folder())
}

/// All files in a folder and its subfolders.
fn files_in(folder: &Path) -> Vec<PathBuf> {
    fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            match entry.path().is_dir() {
                true => collect(&entry.path(), into),
                false => into.push(entry.path()),
            }
        }
    }
    let mut files = Vec::new();
    collect(folder, &mut files);
    files
}

/// The `{names}` of placeholders.
fn placeholders(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0)).collect()
}

/// The key of a text without the form of its plural.
fn without_plural(key: &str) -> &str {
    key.trim_end_matches(".one").trim_end_matches(".other")
}

#[test]
fn both_languages_have_the_same_keys_and_placeholders() {
    let (english, chinese) = (texts("en"), texts("zh"));
    let [english_keys, chinese_keys] = [&english, &chinese]
        .map(|texts| texts.keys().map(|key| without_plural(key)).collect::<BTreeSet<_>>());
    assert_eq!(english_keys, chinese_keys);
    for (key, text) in &english {
        // Chinese has one form for all numbers.
        let translated = chinese.get(key).unwrap_or_else(|| &chinese[without_plural(key)]);
        assert_eq!(placeholders(text), placeholders(translated), "{key}");
        assert!(!text.trim().is_empty() && !translated.trim().is_empty(), "{key}");
    }
}

/// The quoted strings of scripts, on one line each.
fn quoted(scripts: &str, quote: char) -> BTreeSet<String> {
    let lines = scripts.lines().flat_map(|line| line.split(quote).skip(1).step_by(2));
    lines.map(str::to_owned).collect()
}

/// Whether `key` is `before${…}between${…}after`.
fn fits(template: &str, key: &str) -> bool {
    let mut parts = template.split("${").enumerate().map(|(number, part)| match number {
        0 => part,
        _ => part.rsplit_once('}').map_or("", |(_, after)| after),
    });
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = key.strip_prefix(first).filter(|_| !first.is_empty()) else { return false };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

#[test]
fn every_text_is_used_by_a_script() {
    let scripts = files().into_iter().filter(|file| file.extension().is_some_and(|ending| ending == "js"));
    let scripts: String = scripts.map(|file| fs::read_to_string(file).unwrap()).collect();
    let (names, templates) = (quoted(&scripts, '\''), quoted(&scripts, '`'));
    let is_used = |key: &str| names.contains(key) || templates.iter().any(|template| fits(template, key));
    let keys = texts("en").into_keys();
    let unused: Vec<_> = keys.filter(|key| !is_used(key) && !is_used(without_plural(key))).collect();
    assert_eq!(unused, Vec::<String>::new());
    assert!(!fits("status.${name}", "stat.x") && fits("a.${x}.b", "a.q.b") && !fits("${x}", "anything"));
}

#[test]
fn every_code_of_a_field_of_a_token_has_a_text() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let sources = ["tokenry-service/src", "tokenry-actix/src"].map(|folder| files_in(&crates.join(folder)));
    let mut codes =
        BTreeSet::from(["beyond_caller", "invalid_instant", "invalid_address"].map(str::to_owned));
    for source in sources.concat() {
        let text = fs::read_to_string(source).unwrap();
        let words: Vec<_> = text.split('"').collect();
        for found in words.windows(3) {
            let [pointer, between, code] = found else { unreachable!() };
            let is_field = [
                "/name",
                "/description",
                "/scopes",
                "/expires_at",
                "/allowed_ips",
                "/not_before",
                "/metadata",
            ]
            .contains(pointer);
            // A wrong type or an unknown name is a defect of the page that users cannot correct.
            // Another pointer is the product's name of the field.
            if is_field && between.trim() == "," && *code != "invalid_type" && !code.starts_with('/') {
                codes.insert((*code).to_owned());
            }
        }
    }
    let texts = texts("zh");
    let missing: Vec<_> = codes.iter().filter(|code| !texts.contains_key(&format!("field.{code}"))).collect();
    assert_eq!(missing, Vec::<&String>::new());
    assert!(codes.len() > 8, "{codes:?}");
}

/// Chromium remembers a module that failed to load, also for modules that import it; only the page's own are loaded.
#[test]
fn a_module_loaded_on_first_use_imports_only_modules_of_every_page() {
    let mut checked = 0;
    for name in ["dialog", "edit", "events", "form", "revoke", "rotate", "secret"] {
        let text = fs::read_to_string(folder().join(format!("static/{name}.js"))).unwrap();
        for line in text.lines().filter(|line| line.starts_with("import ")) {
            let is_loaded = ["ui", "app", "list"].iter().any(|own| line.ends_with(&format!("'./{own}.js';")));
            assert!(is_loaded, "{name}.js: {line}");
            checked += 1;
        }
    }
    assert!(checked > 7, "{checked}");
}

#[test]
fn no_file_names_another_origin_or_turns_text_into_markup() {
    for file in files() {
        let text = fs::read_to_string(&file).unwrap();
        let text = text.replace("http://www.w3.org/2000/svg", "");
        for word in
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "srcdoc", "onclick="]
        {
            assert!(!text.contains(word), "{} has {word}", file.display());
        }
        for scheme in
            ["src=\"http", "href=\"http", "url(http", "from 'http", "from \"http", "@import", "fetch('http"]
        {
            assert!(!text.contains(scheme), "{} has {scheme}", file.display());
        }
    }
}
