//! [`Bundle`]: all files of the page and their common hash.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, LazyLock},
};

use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

use crate::{FIRST, PAGES, PageSettings};

#[derive(RustEmbed)]
#[folder = "assets"]
struct Assets;

/// The HTML of all pages; each has its own script.
const PAGE: &str = "page.html";

/// The folder of the files that pages load.
const STATIC: &str = "static/";

/// The placeholder for the URL of the files.
const ASSETS_URL: &str = "{assets}";

/// The placeholder for the attributes with the settings.
const SETTINGS: &str = " data-settings";

/// The placeholder for the name of the page, which is also that of its script.
const PAGE_NAME: &str = "{screen}";

/// The number of characters of the hash in a URL: 48 bits against accidents; attackers cannot choose files.
const HASH_CHARACTERS: usize = 12;

/// A snapshot of all files. A release embeds them; a debug build reads the disk, so that reloading the page shows
/// changes.
pub(crate) struct Bundle {
    pages: BTreeMap<String, File>,
    files: BTreeMap<String, File>,
    hash: String,
}

/// One file as it is served.
#[derive(Clone)]
pub(crate) struct File {
    pub(crate) content: Cow<'static, [u8]>,
    /// The quoted hash of the content, as in the header.
    pub(crate) etag: String,
}

impl Bundle {
    /// The current files.
    pub(crate) fn current() -> Arc<Self> {
        static LOADED: LazyLock<Arc<Bundle>> = LazyLock::new(|| Arc::new(Bundle::load()));
        if cfg!(debug_assertions) { Arc::new(Self::load()) } else { LOADED.clone() }
    }

    fn load() -> Self {
        let files: BTreeMap<_, _> = Assets::iter()
            .filter_map(|path| {
                let name = path.strip_prefix(STATIC)?.to_owned();
                let content = minified(&name, Assets::get(&path)?.data);
                Some((name, File::new(content)))
            })
            .collect();
        let mut sum = Sha256::new();
        for (name, file) in &files {
            // With lengths, different folders never produce the same bytes.
            for part in [name.as_bytes(), &file.content] {
                sum.update((part.len() as u64).to_be_bytes());
                sum.update(part);
            }
        }
        let hash = short(sum);
        let text = Assets::get(PAGE).map(|file| file.data).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).replace(ASSETS_URL, &format!("assets/{hash}"));
        let mut pages = BTreeMap::new();
        for name in PAGES.iter().chain(&[FIRST]) {
            let page = text.replace(PAGE_NAME, name).into_bytes();
            pages.insert((*name).to_owned(), File::new(Cow::Owned(page)));
        }
        Self { pages, files, hash }
    }

    /// A page by the name of its script, without `.js`.
    pub(crate) fn page(&self, name: &str) -> Option<&File> {
        self.pages.get(name)
    }

    /// A generated page with the URL of the files in the place of its placeholder.
    pub(crate) fn with_assets(&self, page: &str) -> File {
        let page = page.replace(ASSETS_URL, &format!("assets/{}", self.hash));
        File::new(Cow::Owned(page.into_bytes()))
    }

    /// A file by the hash and the name in its URL; `None` if the hash belongs to another version.
    // SECURITY: names are only looked up in the map and never joined to a path.
    pub(crate) fn file(&self, hash: &str, name: &str) -> Option<&File> {
        self.files.get(name).filter(|_| hash == self.hash)
    }
}

impl File {
    fn new(content: Cow<'static, [u8]>) -> Self {
        let etag = format!("\"{}\"", short(Sha256::new_with_prefix(&content)));
        Self { content, etag }
    }

    /// The page with settings that its scripts read, in attributes of its root.
    // SECURITY: paths, names of fields and languages consist of letters, digits and a few signs that need no escaping;
    // their types accept nothing else.
    pub(crate) fn with_settings(&self, settings: &PageSettings) -> Self {
        let api = &settings.tokens_api;
        let names = api.fields.renamed().map(|(field, name)| format!("{field}={name}")).collect::<Vec<_>>();
        let mut attributes = format!(" data-tokens=\"{}\"", api.path.to_string().trim_start_matches('/'));
        if !names.is_empty() {
            attributes += &format!(" data-fields=\"{}\"", names.join(" "));
        }
        if api.fields.scopes_as_text() {
            attributes += " data-scopes=\"text\"";
        }
        if let Some(language) = settings.language {
            attributes += &format!(" data-language=\"{language}\"");
        }
        let text = String::from_utf8_lossy(&self.content).replace(SETTINGS, &attributes);
        Self::new(Cow::Owned(text.into_bytes()))
    }
}

/// The text without comments and unnecessary whitespace.
fn minified(name: &str, content: Cow<'static, [u8]>) -> Cow<'static, [u8]> {
    let Ok(text) = std::str::from_utf8(&content) else { return content };
    let minified = match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("js") => minifier::js::minify(text).to_string(),
        Some("css") => match minifier::css::minify(text) {
            Ok(minified) => minified.to_string().replace(";}", "}"),
            Err(_) => return content,
        },
        Some("json") => minifier::json::minify(text).to_string(),
        _ => return content,
    };
    Cow::Owned(minified.into_bytes())
}

fn short(sum: Sha256) -> String {
    let digest = sum.finalize();
    let mut text = String::with_capacity(HASH_CHARACTERS);
    for byte in digest.iter().take(HASH_CHARACTERS / 2) {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_page_names_its_files_by_the_hash_of_all() {
        let bundle = Bundle::load();
        for (name, page) in &bundle.pages {
            let text = std::str::from_utf8(&page.content).unwrap();
            assert!(!text.contains(ASSETS_URL) && !text.contains(PAGE_NAME), "{name}");
            assert!(text.contains(&format!("assets/{}/{name}.js", bundle.hash)), "{name}");
            assert!(bundle.files.contains_key(&format!("{name}.js")), "{name}");
        }
        let name = bundle.files.keys().next().unwrap();
        assert!(bundle.file(&bundle.hash, name).is_some());
        assert!(bundle.file("000000000000", name).is_none());
    }

    #[test]
    fn all_files_together_are_at_most_128_kib() {
        let bundle = Bundle::load();
        // All pages are rendered from the same HTML.
        let page = bundle.pages.values().map(|file| file.content.len()).max().unwrap();
        let sum: usize = page + bundle.files.values().map(|file| file.content.len()).sum::<usize>();
        assert!(sum <= 128 * 1024, "{sum} bytes, {} too many", sum - 128 * 1024);
    }

    #[test]
    fn minified_texts_parse_to_the_same_json() {
        let bundle = Bundle::load();
        for (name, file) in bundle.files.iter().filter(|(name, _)| name.ends_with(".json")) {
            let original = Assets::get(&format!("{STATIC}{name}")).unwrap().data;
            let [minified, original]: [Value; 2] =
                [&file.content, &original].map(|text| serde_json::from_slice(text).unwrap());
            assert_eq!(minified, original, "{name}");
        }
    }

    #[test]
    fn loading_twice_gives_the_same_hash() {
        assert_eq!(Bundle::load().hash, Bundle::load().hash);
    }
}
