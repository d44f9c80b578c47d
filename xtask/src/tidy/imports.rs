//! Which files of a crate each of its files names: in `use`, in paths within code, and in the arguments of macros.
//!
//! Tests are left out: they may name anything.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use anyhow::{Result, anyhow};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::tree::Text;

/// A path from the crate's root, such as `["verify", "proof"]`.
pub(super) type Path = Vec<String>;

/// Names of imports can lead on to other imports; more steps than these are a mistake.
const MAX_REEXPORTS: usize = 8;

/// A file as a module of its crate.
struct Module {
    /// Every path that the file names.
    paths: Vec<Path>,
    /// The names that `use` brings in, and where each comes from.
    imports: BTreeMap<String, Path>,
}

/// The modules of one crate, each with the others that it names.
///
/// A name that a module only passes on (`pub use`) counts as the name's own module. The crate's root is left out,
/// since it passes on everything.
pub(super) fn edges(folder: &str, sources: &[&Text]) -> Result<BTreeMap<Path, BTreeSet<Path>>> {
    let files = sources.iter().filter_map(|source| Some((module_path(folder, &source.path)?, source)));
    let files: BTreeMap<_, _> = files.collect();
    let mut modules = BTreeMap::new();
    for (own, source) in &files {
        let is_child = |name: &str| files.contains_key(&joined(own, name));
        let tokens =
            TokenStream::from_str(&source.content).map_err(|err| anyhow!("{}: {err}", source.path))?;
        let mut module = Module { paths: Vec::new(), imports: BTreeMap::new() };
        Reader { own, is_child: &is_child, module: &mut module, in_use: false }.read(tokens, 0);
        modules.insert(own.clone(), module);
    }
    let named = |own: &Path, module: &Module| {
        let targets = module.paths.iter().map(|path| resolve(&modules, path, MAX_REEXPORTS));
        targets.filter(|target| !target.is_empty() && target != own).collect()
    };
    Ok(modules
        .iter()
        .filter(|(own, _)| !own.is_empty())
        .map(|(own, m)| (own.clone(), named(own, m)))
        .collect())
}

/// `crates/x/src/a/b.rs` is `a::b`; `None` for files of tests.
fn module_path(folder: &str, path: &str) -> Option<Path> {
    let path = path.strip_prefix(folder)?.strip_prefix("src/")?.strip_suffix(".rs")?;
    let mut parts: Path = path.split('/').map(str::to_owned).collect();
    if parts.last().is_some_and(|last| matches!(last.as_str(), "lib" | "main" | "mod")) {
        parts.pop();
    }
    (!parts.iter().any(|part| part == "tests")).then_some(parts)
}

fn joined(module: &Path, name: &str) -> Path {
    module.iter().cloned().chain([name.to_owned()]).collect()
}

/// The module in which the last name of `path` is defined, as far as imports tell.
fn resolve(modules: &BTreeMap<Path, Module>, path: &Path, steps: usize) -> Path {
    let lengths = (0..=path.len()).rev();
    let module: Path = lengths
        .map(|length| path.iter().take(length).cloned().collect())
        .find(|prefix| modules.contains_key(prefix))
        .unwrap_or_default();
    let import = path.get(module.len()).and_then(|name| modules.get(&module)?.imports.get(name));
    match import {
        Some(import) if steps > 0 => {
            let rest = path.iter().skip(module.len() + 1);
            resolve(modules, &import.iter().chain(rest).cloned().collect(), steps - 1)
        }
        _ => module,
    }
}

struct Reader<'a> {
    own: &'a Path,
    is_child: &'a dyn Fn(&str) -> bool,
    module: &'a mut Module,
    /// Within a `use` declaration.
    in_use: bool,
}

impl Reader<'_> {
    /// `depth` counts the modules within the file that surround `tokens`.
    fn read(&mut self, tokens: TokenStream, depth: usize) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let mut rest = tokens.as_slice();
        while let [first, after @ ..] = rest {
            rest = after;
            match first {
                TokenTree::Punct(mark) if mark.as_char() == '#' && is_test(after) => rest = after_item(after),
                TokenTree::Group(group) => self.read(group.stream(), depth),
                TokenTree::Ident(word) if word == "mod" => {
                    if let [_, TokenTree::Group(body), after @ ..] = after {
                        self.read(body.stream(), depth + 1);
                        rest = after;
                    }
                }
                TokenTree::Ident(word) if word == "use" => {
                    self.in_use = matches!(after.first(), Some(TokenTree::Ident(_)));
                }
                TokenTree::Punct(mark) if mark.as_char() == ';' => self.in_use = false,
                TokenTree::Ident(word) if is_path_separator(after) => {
                    if let Some(start) = self.start(&word.to_string(), depth) {
                        let used = self.path(after, start);
                        rest = after.get(used..).unwrap_or_default();
                    } else {
                        // The rest of a path of another crate names nothing of this one.
                        rest = after_path(after);
                    }
                }
                _ => {}
            }
        }
    }

    /// Where a path that begins with `word` begins; `None` if it is of another crate.
    fn start(&self, word: &str, depth: usize) -> Option<Path> {
        match word {
            "crate" => Some(Vec::new()),
            "self" | "super" if depth > 0 => Some(self.own.clone()),
            "self" => Some(self.own.clone()),
            "super" => Some(self.own.iter().take(self.own.len().saturating_sub(1)).cloned().collect()),
            child if (self.is_child)(child) => Some(joined(self.own, child)),
            _ => None,
        }
    }

    /// Reads what follows the first word of a path, groups of `use` included; returns how many tokens that were.
    fn path(&mut self, tokens: &[TokenTree], mut path: Path) -> usize {
        let mut used = 0;
        while let Some(after) = tokens.get(used..).filter(|after| is_path_separator(after)) {
            used += 2;
            match after.get(2) {
                Some(TokenTree::Ident(word)) if word == "super" => {
                    path.pop();
                }
                Some(TokenTree::Ident(word)) => path.push(word.to_string()),
                Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                    self.group(group.stream(), &path);
                    return used + 1;
                }
                _ => break,
            }
            used += 1;
        }
        let alias = match tokens.get(used..) {
            Some([TokenTree::Ident(word), TokenTree::Ident(alias), ..]) if word == "as" => {
                Some(alias.to_string())
            }
            _ => None,
        };
        let name = alias.or_else(|| path.last().cloned());
        if let Some(name) = name.filter(|_| self.in_use) {
            self.module.imports.entry(name).or_insert_with(|| path.clone());
        }
        self.module.paths.push(path);
        used
    }

    fn group(&mut self, tokens: TokenStream, prefix: &Path) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        for part in tokens.split(|token| is_mark(token, ',')) {
            match part {
                // Behind a trailing comma.
                [] => {}
                [TokenTree::Ident(word), ..] if word == "self" => self.module.paths.push(prefix.clone()),
                [TokenTree::Ident(word), after @ ..] => {
                    self.path(after, joined(prefix, &word.to_string()));
                }
                _ => self.module.paths.push(prefix.clone()),
            }
        }
    }
}

fn is_path_separator(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [first, second, ..] if is_mark(first, ':') && is_mark(second, ':'))
}

fn is_mark(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(found) if found.as_char() == mark)
}

/// `[cfg(test)]` or `[test]`, behind its `#`.
fn is_test(tokens: &[TokenTree]) -> bool {
    let Some(TokenTree::Group(group)) = tokens.first() else { return false };
    let text = group.stream().to_string().replace(' ', "");
    text == "test" || text.starts_with("cfg(test") || text.starts_with("cfg(all(test")
}

/// What follows the item that begins here: it ends with `;` or with its body.
fn after_item(tokens: &[TokenTree]) -> &[TokenTree] {
    let end = tokens.iter().position(ends_item).map_or(tokens.len(), |at| at + 1);
    tokens.get(end..).unwrap_or_default()
}

fn ends_item(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace) || is_mark(token, ';')
}

/// What follows `::a::b`. A group of a `use` is left to be skipped by its own reader.
fn after_path(mut tokens: &[TokenTree]) -> &[TokenTree] {
    while is_path_separator(tokens) {
        match tokens {
            [_, _, TokenTree::Ident(_), after @ ..] => tokens = after,
            [_, _, TokenTree::Group(_), after @ ..] => return after,
            _ => return tokens.get(2..).unwrap_or_default(),
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_path_is_read() {
        for content in [
            "use crate::b::B;",
            "use crate::{c, b::{self, B}};",
            "pub(crate) use super::b::B as C;",
            "fn f() -> crate::b::B { todo }",
            "fn f() { on!(tx, { super::b::g(tx) }) }",
            "mod inner { use crate::b; }",
            "use crate::B;",
            "use super::Renamed;",
        ] {
            assert!(named("a", content).contains("b"), "{content}: {:?}", named("a", content));
        }
    }

    #[test]
    fn tests_other_crates_and_the_own_file_are_no_imports() {
        for content in [
            "#[cfg(test)]\nmod tests { use crate::b::B; }\nfn f() {}",
            "use other::b::B;",
            "pub(super) fn f() { std::b::g() }",
            "mod inner { use super::f; }",
            "// crate::b\nconst A: &str = \"crate::b::B\";",
        ] {
            assert!(named("a", content).is_empty(), "{content}: {:?}", named("a", content));
        }
    }

    #[test]
    fn a_child_is_named_without_a_prefix() {
        assert_eq!(named("a", "mod d;\nuse d::D;"), BTreeSet::from(["a::d".to_owned()]));
        assert!(named("a/d", "use super::super::b::B;").contains("b"));
    }

    #[test]
    fn a_path_in_code_brings_in_no_name() {
        let files = [
            Text { path: "x/src/a.rs".into(), content: "use crate::c::new;".into() },
            Text { path: "x/src/b.rs".into(), content: String::new() },
            Text { path: "x/src/c.rs".into(), content: "pub fn new() { crate::b::new() }".into() },
        ];
        let edges = edges("x/", &files.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(edges.get(&vec!["a".to_owned()]).unwrap(), &BTreeSet::from([vec!["c".to_owned()]]));
    }

    /// The modules that the file named `path` names when it has this content, beside `b`, `c` and a root.
    fn named(path: &str, content: &str) -> BTreeSet<String> {
        let file =
            |name: &str, content: &str| Text { path: format!("x/src/{name}.rs"), content: content.into() };
        let mut files = vec![
            file("lib", "pub use b::{B, B as Renamed};"),
            file("b", "pub struct B;"),
            file("c", ""),
            file(path, content),
        ];
        if path == "a" {
            files.push(file("a/d", ""));
        }
        let edges = edges("x/", &files.iter().collect::<Vec<_>>()).unwrap();
        let own: Path = path.split('/').map(str::to_owned).collect();
        let found = edges.get(&own).unwrap();
        found.iter().map(|target| target.join("::")).filter(|target| target != "c").collect()
    }
}
