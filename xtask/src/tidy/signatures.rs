//! The public signatures of a crate, and the paths that each of them names.
//!
//! Bodies, private items and private fields are left out; `derive`s, the headers of trait implementations and re-exports
//! belong to the interface.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path as FilePath;

use anyhow::Result;
use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Fields, ImplItem, Item, ItemImpl, TraitItem, Type, Visibility};

use crate::api::source::{Path, Source, leaves};

/// The interface of one crate.
pub(super) struct Interface {
    pub(super) signatures: Vec<PublicItem>,
}

/// What one public item shows.
#[derive(Debug)]
pub(super) struct PublicItem {
    /// The modules of the item, its type if it is a method, and its name.
    pub(super) name: String,
    /// Every path in it, as its `use` spells it out.
    pub(super) paths: Vec<Path>,
    /// Its tokens.
    pub(super) text: String,
    /// The crates from which the file imports `*`.
    globs: BTreeSet<String>,
    is_reexport: bool,
}

/// A module of the crate.
struct Module<'s> {
    path: &'s Path,
    items: &'s [Item],
    /// The names that `use` brings in, and where each comes from.
    imports: BTreeMap<String, Path>,
    /// The crates from which it imports `*`.
    globs: BTreeSet<String>,
    /// Whether its public items can be named from outside.
    is_public: bool,
}

/// What can be named from outside although its module is private, and every public type.
struct Shown {
    reexported: BTreeSet<String>,
    types: BTreeSet<String>,
}

impl PublicItem {
    /// Whether the file imports everything of one of these crates or of a module of it.
    pub(super) fn has_glob_of(&self, crates: &[&str]) -> bool {
        crates.iter().any(|name| self.globs.contains(*name))
    }

    /// The parts of its name.
    pub(super) fn module_and_name(&self) -> impl Iterator<Item = &str> {
        self.name.split("::")
    }
}

impl Interface {
    /// Reads the crate with this root file.
    pub(super) fn read(root: &FilePath) -> Result<Self> {
        let source = Source::read(root)?;
        let modules: Vec<_> =
            source.modules.iter().map(|(path, module)| Module::new(path, &module.items, &source)).collect();
        let reexported: BTreeSet<String> = modules.iter().flat_map(Module::reexported).collect();
        let mut types = BTreeSet::new();
        for module in &modules {
            let names = module.items.iter().filter_map(type_definition);
            types.extend(names.filter(|name| module.is_public || reexported.contains(name)));
        }
        let shown = Shown { reexported, types };
        let mut signatures = Vec::new();
        modules.iter().for_each(|module| module.signatures(&shown, &mut signatures));
        Ok(Self { signatures })
    }

    /// The names that the crate passes on of another one.
    pub(super) fn reexports_of(&self, other: &str) -> Vec<&String> {
        let reexports = self.signatures.iter().filter(|signature| signature.is_reexport);
        let paths = reexports.flat_map(|signature| &signature.paths);
        paths
            .filter(|path| path.first().is_some_and(|root| root == other))
            .filter_map(|path| path.last())
            .collect()
    }
}

impl<'s> Module<'s> {
    fn new(path: &'s Path, items: &'s [Item], source: &Source) -> Self {
        let mut module = Self {
            path,
            items,
            imports: BTreeMap::new(),
            globs: BTreeSet::new(),
            is_public: is_reachable(path, source),
        };
        for item in items {
            let Item::Use(item) = item else { continue };
            for (name, path) in leaves(&item.tree) {
                match name.as_str() {
                    "*" => module.globs.extend(path.into_iter().next()),
                    _ => drop(module.imports.insert(name, path)),
                }
            }
        }
        module
    }

    /// The names of its `pub use`.
    fn reexported(&self) -> Vec<String> {
        let uses = self.items.iter().filter_map(|item| match item {
            Item::Use(item) if is_public(&item.vis) => Some(leaves(&item.tree)),
            _ => None,
        });
        uses.flatten().filter_map(|(_, path)| path.last().cloned()).collect()
    }

    fn signatures(&self, shown: &Shown, found: &mut Vec<PublicItem>) {
        for item in self.items {
            match item {
                Item::Impl(block) => self.implementation(block, &shown.types, found),
                Item::Use(item) if is_public(&item.vis) => {
                    for (name, path) in leaves(&item.tree) {
                        let signature = self.signature(&name, &TokenStream::new());
                        found.push(PublicItem { paths: vec![path], is_reexport: true, ..signature });
                    }
                }
                item => {
                    let definition = definition(item);
                    let is_shown = |name: &String| self.is_public || shown.reexported.contains(name);
                    if let Some((name, tokens)) = definition.filter(|(name, _)| is_shown(name)) {
                        found.push(self.signature(&name, &tokens));
                    }
                }
            }
        }
    }

    /// The header of a trait implementation that concerns a public type, or the public methods of such a type.
    fn implementation(&self, block: &ItemImpl, types: &BTreeSet<String>, found: &mut Vec<PublicItem>) {
        let own = type_name(&block.self_ty).unwrap_or_default();
        let Some((path, _)) = &block.trait_ else {
            let methods = block.items.iter().filter_map(|item| match item {
                ImplItem::Fn(function) if is_public(&function.vis) => Some(&function.sig),
                _ => None,
            });
            for signature in methods.filter(|_| types.contains(&own)) {
                let name = format!("{own}::{}", signature.ident);
                found.push(self.signature(&name, &signature.to_token_stream()));
            }
            return;
        };
        let (generics, own_type) = (&block.generics, &block.self_ty);
        let signature = self.signature(&own, &quote!(impl #generics #path for #own_type));
        let is_local = |path: &&Path| path.len() == 1 || path.first().is_some_and(|first| is_own_root(first));
        let mut names = signature.paths.iter().filter(is_local).filter_map(|path| path.last());
        if types.contains(&own) || names.any(|name| types.contains(name)) {
            found.push(signature);
        }
    }

    fn signature(&self, name: &str, tokens: &TokenStream) -> PublicItem {
        let name = self.path.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join("::");
        let mut paths = Vec::new();
        self.paths(tokens.clone(), &mut paths);
        PublicItem { name, paths, text: tokens.to_string(), globs: self.globs.clone(), is_reexport: false }
    }

    /// Every path in `tokens`, with its first name replaced by what the file imports under it.
    fn paths(&self, tokens: TokenStream, found: &mut Vec<Path>) {
        let mut path = Path::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(mark) if mark.as_char() == ':' => colons += 1,
                TokenTree::Ident(word) => {
                    if colons != 2 {
                        self.end(&mut path, found);
                    }
                    path.push(word.to_string());
                    colons = 0;
                }
                TokenTree::Group(group) => {
                    self.end(&mut path, found);
                    self.paths(group.stream(), found);
                    colons = 0;
                }
                _ => {
                    self.end(&mut path, found);
                    colons = 0;
                }
            }
        }
        self.end(&mut path, found);
    }

    /// Ends a path. A single word in lower case is the name of a function, a field or an argument.
    fn end(&self, path: &mut Path, found: &mut Vec<Path>) {
        let words = std::mem::take(path);
        let Some((first, rest)) = words.split_first() else { return };
        if rest.is_empty() && first.starts_with(char::is_lowercase) {
            return;
        }
        let mut full = self.imports.get(first).cloned().unwrap_or_else(|| vec![first.clone()]);
        full.extend(rest.iter().cloned());
        found.push(full);
    }
}

/// Whether every `mod` that leads to this module is public.
fn is_reachable(path: &Path, source: &Source) -> bool {
    (0..path.len()).all(|length| {
        let (above, below) = path.split_at(length);
        let items = source.modules.get(above).map_or(&[][..], |module| module.items.as_slice());
        items.iter().any(|item| {
            matches!(item, Item::Mod(child) if is_public(&child.vis) && below.first().is_some_and(|name| child.ident == name))
        })
    })
}

fn is_own_root(name: &str) -> bool {
    ["crate", "self", "super"].contains(&name)
}

/// The name of a public item and what it shows; `None` for a private one.
fn definition(item: &Item) -> Option<(String, TokenStream)> {
    let (vis, name, tokens) = match item {
        Item::Fn(item) => (&item.vis, &item.sig.ident, item.sig.to_token_stream()),
        Item::Const(item) => (&item.vis, &item.ident, item.ty.to_token_stream()),
        Item::Static(item) => (&item.vis, &item.ident, item.ty.to_token_stream()),
        Item::Type(item) => (&item.vis, &item.ident, item.to_token_stream()),
        Item::Enum(item) => (&item.vis, &item.ident, item.to_token_stream()),
        Item::Trait(item) => {
            let mut item = item.clone();
            item.items.iter_mut().for_each(|part| {
                if let TraitItem::Fn(function) = part {
                    function.default = None;
                }
            });
            return is_public(&item.vis).then(|| (item.ident.to_string(), item.to_token_stream()));
        }
        Item::Struct(item) => {
            let mut item = item.clone();
            keep_public(&mut item.fields);
            return is_public(&item.vis).then(|| (item.ident.to_string(), item.to_token_stream()));
        }
        _ => return None,
    };
    is_public(vis).then(|| (name.to_string(), tokens))
}

fn type_definition(item: &Item) -> Option<String> {
    match item {
        Item::Struct(_) | Item::Enum(_) | Item::Trait(_) | Item::Type(_) => {
            definition(item).map(|(name, _)| name)
        }
        _ => None,
    }
}

fn keep_public(fields: &mut Fields) {
    match fields {
        Fields::Named(named) => {
            named.named =
                std::mem::take(&mut named.named).into_iter().filter(|field| is_public(&field.vis)).collect();
        }
        Fields::Unnamed(unnamed) => {
            let fields = std::mem::take(&mut unnamed.unnamed);
            unnamed.unnamed = fields.into_iter().filter(|field| is_public(&field.vis)).collect();
        }
        Fields::Unit => {}
    }
}

fn type_name(of: &Type) -> Option<String> {
    match of {
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
        Type::Reference(reference) => type_name(&reference.elem),
        _ => None,
    }
}

fn is_public(vis: &Visibility) -> bool {
    matches!(vis, Visibility::Public(_))
}
