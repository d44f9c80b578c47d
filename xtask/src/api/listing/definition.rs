//! One item and its parts.

use proc_macro2::Span;
use syn::punctuated::Punctuated;
use syn::{Attribute, Field, Fields, Item, Token, TraitItem, Type};

use super::is_public;
use crate::api::one_line::{self, relevant};
use crate::api::source::{attributes, conditions_of, name};

/// A public item.
pub(super) struct Definition {
    pub(super) line: String,
    pub(super) members: Vec<Member>,
    /// The names of the derived traits.
    pub(super) derives: Vec<String>,
}

/// A public field, a variant or an item of a trait.
pub(super) struct Member {
    /// Where it is sorted below its item.
    pub(super) name: String,
    pub(super) conditions: Vec<String>,
    pub(super) line: String,
}

impl Definition {
    /// `None` if the item is private. `shown` is its public path.
    pub(super) fn of(item: &Item, shown: &str) -> Option<Self> {
        let own_name = name(item)?;
        let derives = derives(attributes(item));
        let mut members = Vec::new();
        let mut bare = item.clone();
        let (visibility, keyword, line) = match &mut bare {
            Item::Fn(item) => (&item.vis, "fn", one_line::function(&item.attrs, &item.vis, &item.sig)),
            Item::Const(item) => (&item.vis, "const", constant("const", &own_name, &item.ty)),
            Item::Static(item) => (&item.vis, "static", constant("static", &own_name, &item.ty)),
            Item::Type(alias) => {
                alias.attrs = relevant(&alias.attrs);
                (&alias.vis, "type", one_line::item(Item::Type(alias.clone())))
            }
            Item::Struct(plain) => {
                let fields = std::mem::replace(&mut plain.fields, Fields::Unit);
                plain.semi_token = Some(Token![;](Span::call_site()));
                plain.attrs = relevant(&plain.attrs);
                let line = one_line::item(Item::Struct(plain.clone())).trim_end_matches(';').to_owned();
                let rest = if fields.iter().all(|field| is_public(&field.vis)) { "" } else { " { .. }" };
                let public = fields.iter().enumerate().filter(|(_, field)| is_public(&field.vis));
                members.extend(public.map(|(index, field)| self::field(shown, index, field)));
                (&plain.vis, "struct", line + rest)
            }
            Item::Enum(choice) => {
                for variant in std::mem::take(&mut choice.variants) {
                    let line = format!("{shown}::{}", one_line::variant(&variant));
                    let (name, conditions) = (variant.ident.to_string(), conditions_of(&variant.attrs));
                    members.push(Member { name, conditions, line });
                }
                choice.attrs = relevant(&choice.attrs);
                (&choice.vis, "enum", one_line::item(Item::Enum(choice.clone())))
            }
            Item::Trait(contract) => {
                members
                    .extend(std::mem::take(&mut contract.items).iter().map(|item| trait_member(shown, item)));
                contract.attrs = relevant(&contract.attrs);
                (&contract.vis, "trait", one_line::item(Item::Trait(contract.clone())))
            }
            _ => return None,
        };
        let line = line.replacen(&format!("{keyword} {own_name}"), &format!("{keyword} {shown}"), 1);
        is_public(visibility).then_some(Self { line, members, derives })
    }
}

fn constant(keyword: &str, name: &str, of_type: &Type) -> String {
    format!("pub {keyword} {name}: {}", one_line::type_of(of_type))
}

fn derives(attributes: &[Attribute]) -> Vec<String> {
    let derives = attributes.iter().filter(|attribute| attribute.path().is_ident("derive"));
    let traits = derives.filter_map(|attribute| {
        attribute.parse_args_with(Punctuated::<syn::Path, Token![,]>::parse_terminated).ok()
    });
    traits.flatten().filter_map(|path| Some(path.segments.last()?.ident.to_string())).collect()
}

fn field(shown: &str, index: usize, field: &Field) -> Member {
    let name = field.ident.as_ref().map_or_else(|| index.to_string(), ToString::to_string);
    let line = format!("{shown}::{name}: {}", one_line::type_of(&field.ty));
    Member { name, conditions: conditions_of(&field.attrs), line }
}

fn trait_member(shown: &str, item: &TraitItem) -> Member {
    let (keyword, name) = match item {
        TraitItem::Const(item) => ("const", item.ident.to_string()),
        TraitItem::Fn(item) => ("fn", item.sig.ident.to_string()),
        TraitItem::Type(item) => ("type", item.ident.to_string()),
        _ => ("", String::new()),
    };
    let line = one_line::trait_item(item);
    let line = line.replacen(&format!("{keyword} {name}"), &format!("{keyword} {shown}::{name}"), 1);
    Member { name, conditions: Vec::new(), line }
}
