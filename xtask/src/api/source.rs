//! The modules of a crate, and where the names in them are defined.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path as FilePath;

use anyhow::{Context, Result};
use syn::{Attribute, Item, ItemMacro, UseTree};

use super::one_line;

/// A path from the crate's root; the root itself is empty.
pub(crate) type Path = Vec<String>;

/// Imports can lead on to other imports; more steps than these are a circle.
const MAX_IMPORTS: usize = 16;

/// One module.
#[derive(Default)]
pub(crate) struct Module {
    pub(crate) items: Vec<Item>,
    /// The conditions under which the module is compiled.
    pub(super) conditions: Vec<String>,
    /// The names that it defines.
    names: BTreeSet<String>,
    imports: BTreeMap<String, Path>,
    /// The modules whose names it imports with `*`.
    globs: Vec<Path>,
}

/// The modules of one crate.
#[derive(Default)]
pub(crate) struct Source {
    pub(crate) modules: BTreeMap<Path, Module>,
}

impl Source {
    /// Reads the crate with this root file.
    pub(crate) fn read(root: &FilePath) -> Result<Self> {
        let mut source = Self::default();
        let folder = root.parent().context("the root file is in no folder")?;
        source.read_file(root, folder, Vec::new(), Vec::new())?;
        Ok(source)
    }

    /// `folder` holds the files of the module's children.
    fn read_file(
        &mut self,
        file: &FilePath,
        folder: &FilePath,
        path: Path,
        conditions: Vec<String>,
    ) -> Result<()> {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let items = syn::parse_file(&text).with_context(|| file.display().to_string())?.items;
        self.add(items, folder, path, conditions)
    }

    fn add(
        &mut self,
        items: Vec<Item>,
        folder: &FilePath,
        path: Path,
        conditions: Vec<String>,
    ) -> Result<()> {
        let mut module = Module { conditions, ..Module::default() };
        for item in items.into_iter().filter(|item| !is_test(attributes(item))) {
            if let Item::Mod(child) = &item {
                let name = child.ident.to_string();
                let (below, own_folder) = (joined(&path, &name), folder.join(&name));
                let conditions = [module.conditions.clone(), conditions_of(&child.attrs)].concat();
                match &child.content {
                    Some((_, items)) => self.add(items.clone(), &own_folder, below, conditions)?,
                    None => {
                        self.read_file(&folder.join(format!("{name}.rs")), &own_folder, below, conditions)?
                    }
                }
            }
            if let Item::Use(import) = &item {
                for (name, path) in leaves(&import.tree) {
                    if name == "*" {
                        module.globs.push(path);
                    } else {
                        module.imports.insert(name, path);
                    }
                }
            }
            module.names.extend(name(&item));
            module.items.push(item);
        }
        self.modules.insert(path, module);
        Ok(())
    }

    /// The definitions of macros, and their calls that stand for items.
    pub(super) fn macros(&self) -> impl Iterator<Item = &ItemMacro> {
        let items = self.modules.values().flat_map(|module| &module.items);
        items.filter_map(|item| if let Item::Macro(item) = item { Some(item) } else { None })
    }

    /// Where `path`, as the module `from` writes it, is defined; `None` if that is in another crate.
    ///
    /// A name that its module does not define is taken for one that a macro defines there.
    pub(super) fn resolve(&self, from: &Path, path: &[String]) -> Option<Path> {
        self.resolve_within(from, path, MAX_IMPORTS)
    }

    fn resolve_within(&self, from: &Path, path: &[String], steps: usize) -> Option<Path> {
        let (first, rest) = path.split_first()?;
        let start = match first.as_str() {
            "crate" => Vec::new(),
            "self" => from.clone(),
            "super" => from.split_last()?.1.to_vec(),
            name if self.modules.get(from)?.names.contains(name) => joined(from, name),
            name => {
                let steps = steps.checked_sub(1)?;
                match self.modules.get(from)?.imports.get(name) {
                    Some(import) if import.as_slice() == path => return None,
                    Some(import) => self.resolve_within(from, import, steps)?,
                    None => self.resolve_glob(from, name, steps)?,
                }
            }
        };
        let absolute = start.into_iter().chain(rest.iter().cloned()).collect::<Path>();
        self.definition(&absolute, steps)
    }

    /// Where a name is defined that `from` imports with `*`.
    fn resolve_glob(&self, from: &Path, name: &str, steps: usize) -> Option<Path> {
        self.modules.get(from)?.globs.iter().find_map(|glob| {
            let module = self.resolve_within(from, glob, steps).filter(|module| module != from)?;
            let has_name = self.modules.get(&module)?.names.contains(name);
            has_name.then(|| joined(&module, name)).or_else(|| {
                let import = self.modules.get(&module)?.imports.get(name)?;
                self.resolve_within(&module, import, steps)
            })
        })
    }

    fn definition(&self, absolute: &[String], steps: usize) -> Option<Path> {
        let mut splits = (0..=absolute.len()).rev().map(|length| absolute.split_at(length));
        let (module, rest) = splits.find(|(module, _)| self.modules.contains_key(*module))?;
        let Some(name) = rest.first() else { return Some(absolute.to_vec()) };
        let is_import = self.modules.get(module)?.imports.contains_key(name);
        if is_import {
            self.resolve_within(&module.to_vec(), rest, steps.checked_sub(1)?)
        } else {
            Some(absolute.to_vec())
        }
    }
}

/// Each name that an import brings in, and the path behind it. A glob has the name `*`.
pub(crate) fn leaves(tree: &UseTree) -> Vec<(String, Path)> {
    match tree {
        UseTree::Path(path) => {
            let first = path.ident.to_string();
            let below = leaves(&path.tree).into_iter().map(|(name, rest)| {
                let name = if name == "self" { first.clone() } else { name };
                let rest = rest.into_iter().filter(|part| part != "self" || first == "super");
                (name, std::iter::once(first.clone()).chain(rest).collect())
            });
            below.collect()
        }
        UseTree::Name(name) => vec![(name.ident.to_string(), vec![name.ident.to_string()])],
        UseTree::Rename(rename) => vec![(rename.rename.to_string(), vec![rename.ident.to_string()])],
        UseTree::Glob(_) => vec![("*".to_owned(), Vec::new())],
        UseTree::Group(group) => group.items.iter().flat_map(leaves).collect(),
    }
}

pub(super) fn joined(path: &[String], name: &str) -> Path {
    path.iter().cloned().chain([name.to_owned()]).collect()
}

/// The conditions in `attributes`, such as `#[cfg(feature = "jwt")]`.
pub(super) fn conditions_of(attributes: &[Attribute]) -> Vec<String> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).map(one_line::attribute).collect()
}

fn is_test(attributes: &[Attribute]) -> bool {
    conditions_of(attributes).iter().any(|condition| condition.starts_with("#[cfg(test"))
}

/// The name that `item` defines.
pub(super) fn name(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Mod(item) => &item.ident,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

/// The attributes of `item`.
pub(super) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
