//! The texts of the page.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;

/// The texts of one language; nested keys are joined with dots.
pub(crate) fn texts(language: &str) -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("assets/static/i18n/{language}.json"));
    let mut texts = BTreeMap::new();
    flatten("", &serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap(), &mut texts);
    texts
}

fn flatten(before: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let key = [before, name.as_str()].into_iter().filter(|part| !part.is_empty());
                let key = key.collect::<Vec<_>>().join(".");
                flatten(&key, value, into);
            }
        }
        other => drop(into.insert(before.to_owned(), other.as_str().unwrap().to_owned())),
    }
}
