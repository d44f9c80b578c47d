//! Completeness of both languages on every screen.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    screens::{SCREENS, populate},
    translations::texts,
    visit::Visit,
};

/// All descriptions in an answer.
fn descriptions(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| descriptions(item, into)),
        Value::Object(members) => {
            if let Some(text) = members.get("description").and_then(Value::as_str) {
                into.insert(text.to_owned());
            }
            members.values().for_each(|value| descriptions(value, into));
        }
        _ => {}
    }
}

/// The visible texts and the texts for screen readers.
const SEEN: &str =
    "return [document.title, document.body.innerText, ...[...document.querySelectorAll('*')].flatMap(e =>
    ['aria-label', 'placeholder', 'title'].map(name => e.getAttribute(name) ?? ''))].join('\\n')";

#[test]
fn no_screen_in_chinese_has_an_english_text_or_a_raw_key() {
    let Some(visit) = Visit::start() else { return };
    let id = populate(&visit, "nightly build");
    visit.click("@account summary");
    visit.choose("@language", "zh");
    visit.wait("document.documentElement.lang === 'zh-Hans'");
    let (english, chinese) = (texts("en"), texts("zh"));
    // The parts between placeholders; single words can also be names of resources. Chinese has one form of each plural.
    let parts = english.iter().filter(|(key, text)| chinese.get(*key) != Some(text)).flat_map(|(_, text)| {
        let parts = text.split(['{', '}']).enumerate().filter(|(number, _)| number % 2 == 0);
        parts.map(|(_, part)| part.trim().to_owned())
    });
    // Built-in descriptions of the server are English too.
    let scopes = visit.site.get("api/v1/scopes", &visit.site.root);
    let mut own = BTreeSet::new();
    descriptions(&scopes, &mut own);
    assert!(own.len() > 2, "{scopes}");
    let parts: Vec<_> =
        parts.chain(own).filter(|part| part.split(' ').count() >= 2 && part.len() >= 8).collect();
    assert!(parts.len() > 100);
    for screen in SCREENS {
        screen.show(&visit, &id);
        let seen = visit.eval(SEEN, &[]);
        let seen = seen.as_str().unwrap();
        assert!(visit.holds("document.documentElement.lang === 'zh-Hans'"), "{}", screen.name);
        assert!(
            seen.chars().filter(|c| ('\u{4e00}'..='\u{9fff}').contains(c)).count() > 20,
            "{}",
            screen.name
        );
        let left: Vec<_> = parts.iter().filter(|part| seen.contains(part.as_str())).collect();
        assert!(left.is_empty(), "{}: {left:?}", screen.name);
        let words = seen.split(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c)));
        let keys: Vec<_> = words.filter(|word| word.contains('.') && english.contains_key(*word)).collect();
        assert!(keys.is_empty(), "{}: {keys:?}", screen.name);
        visit.picture(&format!("{}-zh", screen.name));
    }
}

#[test]
fn the_language_of_the_browser_is_used_until_the_user_chooses_one() {
    let Some(visit) = Visit::start() else { return };
    visit.cdp(
        "Emulation.setUserAgentOverride",
        serde_json::json!({ "userAgent": "test", "acceptLanguage": "zh-CN" }),
    );
    visit.open("sign-in");
    visit.wait("document.documentElement.lang === 'zh-Hans'");
    visit.read("h1", &texts("zh")["sign_in.heading"]);
    visit.choose("@language", "en");
    visit.wait("document.documentElement.lang === 'en'");
    visit.read("h1", &texts("en")["sign_in.heading"]);
    visit.open("sign-in");
    visit.read("h1", &texts("en")["sign_in.heading"]);
}
