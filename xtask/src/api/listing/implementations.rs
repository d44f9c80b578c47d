//! The methods and the traits of the listed types.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{ImplItem, Item, ItemImpl, Type, parse_quote};

use super::{Lister, is_public};
use crate::api::one_line;
use crate::api::source::{Path, conditions_of, joined};

impl Lister<'_> {
    /// Lists the public methods and the traits of every type that was reached.
    pub(super) fn implementations(&mut self) {
        for (path, module) in &self.source.modules {
            for item in &module.items {
                if let Item::Impl(item) = item {
                    let conditions = [module.conditions.clone(), conditions_of(&item.attrs)].concat();
                    self.implementation(path, item, &conditions);
                }
            }
        }
    }

    fn implementation(&mut self, module: &Path, item: &ItemImpl, conditions: &[String]) {
        let own = path_of(&item.self_ty).and_then(|path| self.source.resolve(module, &path));
        let public = match &own {
            Some(own) => match self.reached.get(own) {
                Some(public) => public.clone(),
                None => return,
            },
            None => Vec::new(),
        };
        let mut header = item.clone();
        header.attrs.clear();
        header.items.retain(|member| matches!(member, ImplItem::Type(_)));
        if let (Type::Path(shown), Some(_)) = (header.self_ty.as_mut(), &own) {
            let arguments =
                shown.path.segments.last().map(|segment| segment.arguments.clone()).unwrap_or_default();
            let idents = public.iter().map(|name| syn::Ident::new(name, proc_macro2::Span::call_site()));
            shown.path = parse_quote!(#(#idents)::*);
            if let Some(last) = shown.path.segments.last_mut() {
                last.arguments = arguments;
            }
        }
        if let Some((of_trait, _)) = &item.trait_ {
            let self_type = &item.self_ty;
            if !self.names_hidden(module, of_trait.to_token_stream())
                && !self.names_hidden(module, self_type.to_token_stream())
            {
                self.add(&public, conditions, one_line::item(Item::Impl(header)));
            }
            return;
        }
        let shown = public.join("::");
        for member in &item.items {
            match member {
                ImplItem::Fn(function) if is_public(&function.vis) => {
                    let name = function.sig.ident.to_string();
                    let line = one_line::function(&function.attrs, &function.vis, &function.sig);
                    let line = line.replacen(&format!("fn {name}"), &format!("fn {shown}::{name}"), 1);
                    self.add(&joined(&public, &name), conditions, line);
                }
                ImplItem::Const(constant) if is_public(&constant.vis) => {
                    let name = constant.ident.to_string();
                    let line = format!("pub const {shown}::{name}: {}", one_line::type_of(&constant.ty));
                    self.add(&joined(&public, &name), conditions, line);
                }
                ImplItem::Macro(call) => self.method_macro_call(&call.mac, &public, conditions),
                _ => {}
            }
        }
    }
}

impl Lister<'_> {
    /// Whether `tokens` name an item of the crate that its users cannot name.
    fn names_hidden(&self, module: &Path, tokens: TokenStream) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Group(group) => self.names_hidden(module, group.stream()),
            TokenTree::Ident(name) => {
                let own = self.source.resolve(module, &[name.to_string()]);
                own.is_some_and(|own| {
                    !self.reached.contains_key(&own) && !self.source.modules.contains_key(&own)
                })
            }
            _ => false,
        })
    }
}

fn path_of(shown: &Type) -> Option<Path> {
    let Type::Path(path) = shown else { return None };
    Some(path.path.segments.iter().map(|segment| segment.ident.to_string()).collect())
}
