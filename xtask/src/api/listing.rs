//! The public items of a crate, each under the paths by which its users reach it.
//!
//! Items that a macro of the crate defines are not expanded: the definition of the macro and its calls are listed.

mod definition;
mod implementations;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path as FilePath;

use anyhow::Result;
use syn::{Ident, Item, ItemMacro, Macro, Visibility};

use self::definition::{Definition, Member};
use super::one_line;
use super::source::{Path, Source, conditions_of, joined, leaves, name};

/// Lists the crate with this root file, one item a line.
pub(super) fn of(root: &FilePath) -> Result<String> {
    let source = Source::read(root)?;
    let mut lister =
        Lister { source: &source, lines: BTreeSet::new(), reached: BTreeMap::new(), seen: BTreeSet::new() };
    lister.module(&Vec::new(), &Vec::new());
    lister.implementations();
    lister.exported_macros();
    Ok(lister.lines.into_iter().map(|(_, line)| line + "\n").collect())
}

struct Lister<'s> {
    source: &'s Source,
    /// The lines, sorted by path.
    lines: BTreeSet<(String, String)>,
    /// The public path of each item, by where it is defined.
    reached: BTreeMap<Path, Path>,
    seen: BTreeSet<Path>,
}

impl Lister<'_> {
    fn add(&mut self, path: &Path, conditions: &[String], line: String) {
        let conditions = conditions.iter().collect::<BTreeSet<_>>();
        let conditions = conditions.into_iter().map(|condition| format!("{condition} ")).collect::<String>();
        self.lines.insert((path.join("::"), conditions + &line));
    }

    /// Lists what the module `own` shows to those who reach it as `public`. Imports come last, because they may name
    /// what the modules below show.
    fn module(&mut self, own: &Path, public: &Path) {
        let Some(module) = self.source.modules.get(own).filter(|_| self.seen.insert(public.clone())) else {
            return;
        };
        self.reached.entry(own.clone()).or_insert_with(|| public.clone());
        for item in &module.items {
            match (item, name(item)) {
                (Item::Mod(item), Some(name)) if is_public(&item.vis) => {
                    let (below, path) = (joined(own, &name), joined(public, &name));
                    let conditions = [module.conditions.clone(), conditions_of(&item.attrs)].concat();
                    self.add(&path, &conditions, format!("pub mod {}", path.join("::")));
                    self.module(&below, &path);
                }
                (Item::Macro(ItemMacro { ident: None, mac, .. }), _) => {
                    self.macro_call(mac, public, &module.conditions);
                }
                (_, Some(name)) => {
                    self.definition(&joined(own, &name), &joined(public, &name), &module.conditions)
                }
                _ => {}
            }
        }
        for item in &module.items {
            if let Item::Use(item) = item
                && is_public(&item.vis)
            {
                let conditions = [module.conditions.clone(), conditions_of(&item.attrs)].concat();
                for (name, path) in leaves(&item.tree) {
                    self.reexport(own, public, &conditions, &name, &path);
                }
            }
        }
    }

    fn reexport(&mut self, own: &Path, public: &Path, conditions: &[String], name: &str, path: &Path) {
        let shown = joined(public, name);
        let Some(target) = self.source.resolve(own, path) else {
            return self.add(
                &shown,
                conditions,
                format!("pub use {} = ::{}", shown.join("::"), path.join("::")),
            );
        };
        let is_module = self.source.modules.contains_key(&target);
        let first = self.reached.get(&target).or(Some(&target).filter(|target| self.is_reachable(target)));
        match first {
            _ if name == "*" => self.module(&target, public),
            Some(first) => {
                let line = format!("pub use {} = {}", shown.join("::"), first.join("::"));
                self.add(&shown, conditions, line);
            }
            None if is_module => self.module(&target, &shown),
            None => self.definition(&target, &shown, conditions),
        }
    }

    /// Whether every module above `path` is public.
    fn is_reachable(&self, path: &Path) -> bool {
        (0..path.len().saturating_sub(1)).all(|length| {
            let (above, below) = path.split_at(length);
            let items = self.source.modules.get(above).map_or(&[][..], |module| module.items.as_slice());
            items.iter().any(|item| {
                matches!(item, Item::Mod(child) if is_public(&child.vis))
                    && name(item).as_ref() == below.first()
            })
        })
    }

    /// Lists the item that is defined at `own`, if it is public.
    fn definition(&mut self, own: &Path, public: &Path, conditions: &[String]) {
        let Some((own_name, above)) = own.split_last() else { return };
        let Some(module) = self.source.modules.get(above) else { return };
        let conditions = [&module.conditions, conditions].concat();
        let Some(item) = module.items.iter().find(|item| name(item).as_ref() == Some(own_name)) else {
            let above = public.split_last().map(|(_, above)| above.to_vec()).unwrap_or_default();
            for item in &module.items {
                if let Item::Macro(ItemMacro { ident: None, mac, .. }) = item {
                    self.macro_call(mac, &above, &conditions);
                }
            }
            return;
        };
        let Some(definition) = Definition::of(item, &public.join("::")) else { return };
        self.reached.entry(own.clone()).or_insert_with(|| public.clone());
        for derived in definition.derives {
            self.add(public, &conditions, format!("impl {derived} for {}", public.join("::")));
        }
        for Member { name, conditions: own, line } in definition.members {
            self.add(&joined(public, &name), &[conditions.clone(), own].concat(), line);
        }
        self.add(public, &conditions, definition.line);
    }

    /// Lists a call of a macro of this crate that defines public items, and the macro.
    fn macro_call(&mut self, call: &Macro, public: &Path, conditions: &[String]) {
        let Some(name) = call.path.get_ident() else { return };
        if let Some(rules) = self.rules(name).filter(|rules| rules.contains("pub ")) {
            let shown = if public.is_empty() { "crate".to_owned() } else { public.join("::") };
            let call = one_line::macro_tokens(call);
            self.add(public, conditions, format!("{shown} has {name}! {{ {call} }}"));
            self.add(public, &[], format!("{shown} has macro_rules! {name} {{ {rules} }}"));
        }
    }

    /// Lists a call within the methods of a type. One of a macro of another crate is listed too, since what else than
    /// methods could it define; its rules are in the listing of its own crate.
    fn method_macro_call(&mut self, call: &Macro, public: &Path, conditions: &[String]) {
        match call.path.get_ident() {
            Some(name) if self.rules(name).is_none() => {
                let line =
                    format!("{} has {name}! {{ {} }}", public.join("::"), one_line::macro_tokens(call));
                self.add(public, conditions, line);
            }
            _ => self.macro_call(call, public, conditions),
        }
    }

    /// The rules of a macro of this crate.
    fn rules(&self, name: &Ident) -> Option<String> {
        let definition = self.source.macros().find(|item| item.ident.as_ref() == Some(name))?;
        Some(one_line::macro_tokens(&definition.mac))
    }

    /// An exported macro is in the root, wherever it is defined.
    fn exported_macros(&mut self) {
        let is_exported =
            |item: &&ItemMacro| item.attrs.iter().any(|attr| attr.path().is_ident("macro_export"));
        for item in self.source.macros().filter(is_exported) {
            if let Some(name) = &item.ident {
                let line = format!("macro_rules! {name} {{ {} }}", one_line::macro_tokens(&item.mac));
                self.add(&vec![name.to_string()], &[], line);
            }
        }
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}
