//! A small crate in a temporary folder, and what its listing shows.

use std::collections::BTreeSet;
use std::fs;

use super::{difference, listing};

const ROOT: &str = r#"
//! Documentation.
mod hidden;
mod macros;
pub mod open;
#[cfg(feature = "more")]
pub mod more;

pub use crate::hidden::Shown;
pub use open::{Choice, State as Condition};
pub use other::Foreign;

pub const LIMIT: usize = 1;
pub fn run<'a>(text: &'a str, count: u8) -> Option<&'a str> { None }
fn private() {}

#[cfg(test)]
mod tests { pub fn only_in_tests() {} }
"#;

const HIDDEN: &str = r#"
use std::{fmt, str::FromStr};
/// A type in a private module, named by the root.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Shown { pub count: u8, secret: u8 }
impl Shown {
    pub const MAX: u8 = 1;
    #[must_use]
    pub fn new(count: u8) -> Self { Self { count, secret: 0 } }
    pub(crate) fn inner(&self) {}
    fn own(&self) {}
    foreign! { with_count(count: u8) }
}
impl fmt::Display for Shown { fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { Ok(()) } }
impl FromStr for Shown { type Err = (); fn from_str(_: &str) -> Result<Self, ()> { Err(()) } }
impl Private for Shown {}
impl From<Row> for Shown { fn from(_: Row) -> Self { Self::new(1) } }
impl From<Row> for String { fn from(_: Row) -> Self { Self::new() } }
trait Private {}
struct Row;
mod inner { use super::*; impl From<Shown> for String { fn from(_: Shown) -> Self { Self::new() } } impl Default for Row {} }
pub struct Unnamed { pub field: u8 }
impl Unnamed { pub fn method(&self) {} }
"#;

const OPEN: &str = r#"
#[derive(PartialEq)]
pub enum Choice { One, Two(u8), Three { a: u8 } }
pub struct State(pub u8, u8);
pub trait Act: Send { type Out; fn must(&self) -> u8; fn may(&self) -> u8 { 1 } }
impl<T: Act> Act for Vec<T> { type Out = u8; fn must(&self) -> u8 { 1 } }
pub type Alias<T> = Result<T, ()>;
struct Private;
id! { Id }
"#;

const MACROS: &str = r#"
macro_rules! id { ($name:ident) => { pub struct $name(u8); impl $name { pub fn get(&self) -> u8 { self.0 } } }; }
#[macro_export]
macro_rules! exported { ($a:expr) => { $a }; }
"#;

const LISTING: &[&str] = &[
    "impl From<Shown> for String",
    "impl<T: Act> Act for Vec<T> { type Out = u8; }",
    "pub use Choice = open::Choice",
    "pub use Condition = open::State",
    "pub use Foreign = ::other::Foreign",
    "pub const LIMIT: usize",
    "#[non_exhaustive] pub struct Shown { .. }",
    "impl Clone for Shown",
    "impl Debug for Shown",
    "impl FromStr for Shown { type Err = (); }",
    "impl fmt::Display for Shown",
    "Shown has foreign! { with_count (count : u8) }",
    "pub const Shown::MAX: u8",
    "Shown::count: u8",
    "pub fn Shown::new(count: u8) -> Self",
    "macro_rules! exported { ($ a : expr) => { $ a } ; }",
    "#[cfg(feature = \"more\")] pub mod more",
    "#[cfg(feature = \"more\")] pub fn more::extra()",
    "open has id! { Id }",
    "open has macro_rules! id { ($ name : ident) => { pub struct $ name (u8) ; impl $ name { pub fn get (& self) -> u8 { } } } ; }",
    "pub mod open",
    "pub trait open::Act: Send",
    "fn open::Act::may(&self) -> u8 { provided }",
    "fn open::Act::must(&self) -> u8;",
    "type open::Act::Out;",
    "pub type open::Alias<T> = Result<T, ()>;",
    "impl PartialEq for open::Choice",
    "pub enum open::Choice",
    "open::Choice::One",
    "open::Choice::Three { a: u8 }",
    "open::Choice::Two(u8)",
    "pub struct open::State { .. }",
    "open::State::0: u8",
    "pub fn run<'a>(text: &'a str, count: u8) -> Option<&'a str>",
];

#[test]
fn every_public_item_is_listed_once_and_no_private_one() {
    let listing = listing(&[]);
    let expected: BTreeSet<_> = LISTING.iter().map(|line| (*line).to_owned()).collect();
    let found: BTreeSet<_> = listing.lines().map(str::to_owned).collect();
    assert_eq!(found, expected, "{listing}");
    assert_eq!(listing.lines().count(), LISTING.len(), "{listing}");
}

#[test]
fn a_public_change_is_seen() {
    for (from, to, line) in [
        ("secret: u8", "secret: u8, pub more: String", "Shown::more: String"),
        ("fn own(&self) {}", "pub fn own(&self) {}", "pub fn Shown::own(&self)"),
        ("derive(Debug, Clone)", "derive(Debug, Clone, Copy)", "impl Copy for Shown"),
        ("enum Choice { One,", "enum Choice { Zero, One,", "open::Choice::Zero"),
        ("hidden::Shown;", "hidden::{Shown, Unnamed};", "pub fn Unnamed::method(&self)"),
        ("pub fn run", "pub fn walk() {} pub fn run", "pub fn walk()"),
        (
            "count: u8) -> Option",
            "count: u16) -> Option",
            "pub fn run<'a>(text: &'a str, count: u16) -> Option<&'a str>",
        ),
        ("#[non_exhaustive]\n", "", "pub struct Shown { .. }"),
        ("id! { Id }", "id! { Id } id! { Other }", "open has id! { Other }"),
    ] {
        let changes = difference(&listing(&[]), &listing(&[(from, to)]));
        assert!(changes.contains(&format!("+ {line}")), "{from}: {changes:?}");
    }
}

#[test]
fn a_private_change_is_not_seen() {
    for (from, to) in [
        ("secret: u8 }", "secret: u8, more: String }"),
        ("fn own(&self) {}", "pub(crate) fn own(&self) { panic!() }"),
        ("fn private() {}", "fn private() {} mod inner { pub fn f() {} }"),
        ("struct Private;", "#[derive(Debug)] struct Private { pub field: u8 }"),
        ("/// A type in", "/// One type in"),
        ("pub struct Unnamed {", "#[derive(Debug)] pub struct Unnamed { pub other: u8,"),
    ] {
        assert_eq!(difference(&listing(&[]), &listing(&[(from, to)])), Vec::<String>::new(), "{from}");
    }
}

/// The listing of the crate in which each text of `changes` is replaced by the other.
fn listing(changes: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut replaced = 0;
    for (name, content) in
        [("lib", ROOT), ("hidden", HIDDEN), ("open", OPEN), ("macros", MACROS), ("more", "pub fn extra() {}")]
    {
        let mut content = content.to_owned();
        for (from, to) in changes {
            replaced += content.matches(from).count();
            content = content.replace(from, to);
        }
        fs::write(folder.path().join(format!("{name}.rs")), content).unwrap();
    }
    assert_eq!(replaced, changes.len(), "each change is made once");
    listing::of(&folder.path().join("lib.rs")).unwrap()
}
