//! Items on one line, without what is not part of the API: documentation and bodies.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::{Attribute, File, Item, Macro, Signature, TraitItem, Type, Variant, Visibility, parse_quote};

/// The attributes that matter to a user of an item.
const ATTRIBUTES: &[&str] = &["cfg", "deprecated", "non_exhaustive"];

pub(super) fn item(item: Item) -> String {
    let file: File = parse_quote!(#item);
    let text = prettyplease::unparse(&file).split_whitespace().collect::<Vec<_>>().join(" ");
    let text = text
        .replace("( ", "(")
        .replace(", )", ")")
        .replace(" )", ")")
        .replace(", }", " }")
        .replace(", >", ">")
        .replace("< ", "<");
    within("", &text, " {}")
}

pub(super) fn function(attributes: &[Attribute], visibility: &Visibility, signature: &Signature) -> String {
    let attributes = relevant(attributes);
    item(parse_quote!(#(#attributes)* #visibility #signature {}))
}

pub(super) fn variant(variant: &Variant) -> String {
    let mut variant = variant.clone();
    variant.attrs.clear();
    variant.fields.iter_mut().for_each(|field| field.attrs = relevant(&field.attrs));
    let text = item(parse_quote!(enum E { #variant }));
    within("enum E { ", &text, " }").trim_end_matches(',').to_owned()
}

pub(super) fn trait_item(member: &TraitItem) -> String {
    let mut member = member.clone();
    if let TraitItem::Fn(function) = &mut member {
        function.attrs = relevant(&function.attrs);
        function.default = function.default.as_ref().map(|_| parse_quote!({ provided }));
    }
    let text = item(parse_quote!(trait T { #member }));
    within("trait T { ", &text, " }")
}

pub(super) fn type_of(shown: &Type) -> String {
    let text = item(parse_quote!(type T = #shown;));
    within("type T = ", &text, ";")
}

pub(super) fn relevant(attributes: &[Attribute]) -> Vec<Attribute> {
    let is_relevant = |attribute: &&Attribute| ATTRIBUTES.iter().any(|name| attribute.path().is_ident(name));
    attributes.iter().filter(is_relevant).cloned().collect()
}

pub(super) fn attribute(attribute: &Attribute) -> String {
    within("", &item(parse_quote!(#attribute type T = T;)), " type T = T;")
}

/// `text` without what is around the part that is shown.
fn within(before: &str, text: &str, after: &str) -> String {
    let text = text.strip_prefix(before).unwrap_or(text);
    text.strip_suffix(after).unwrap_or(text).to_owned()
}

/// The arguments of a call of a macro, or the rules of a definition.
pub(super) fn macro_tokens(call: &Macro) -> String {
    without_bodies(call.tokens.clone()).to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `tokens` without documentation and without the bodies of functions.
fn without_bodies(tokens: TokenStream) -> TokenStream {
    let mut kept = Vec::new();
    let mut in_signature = false;
    for token in tokens {
        match token {
            TokenTree::Group(group) if in_signature && group.delimiter() == Delimiter::Brace => {
                in_signature = false;
                kept.push(TokenTree::Group(Group::new(Delimiter::Brace, TokenStream::new())));
            }
            TokenTree::Group(group) if is_documentation(&group) => {
                kept.pop();
            }
            TokenTree::Group(group) => {
                kept.push(TokenTree::Group(Group::new(group.delimiter(), without_bodies(group.stream()))));
            }
            token => {
                in_signature |= matches!(&token, TokenTree::Ident(word) if word == "fn");
                kept.push(token);
            }
        }
    }
    kept.into_iter().collect()
}

/// `[doc = "…"]`, behind its `#`.
fn is_documentation(group: &Group) -> bool {
    let first = group.stream().into_iter().next();
    group.delimiter() == Delimiter::Bracket && matches!(first, Some(TokenTree::Ident(word)) if word == "doc")
}
