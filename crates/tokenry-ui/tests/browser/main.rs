//! The page in a real browser with a real server: each test has its own pair.
//!
//! `cargo xtask test` finds or installs Chromium and ChromeDriver. Without them these tests are skipped with a message,
//! but fail on a build server. Screenshots of all screens are saved in `target/ui`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may panic and talk"
)]
#![allow(clippy::disallowed_methods, reason = "a test waits for a browser, with the clock of the machine")]

#[path = "../../examples/embed.rs"]
#[allow(dead_code, reason = "of the example only its app is tested here")]
mod embed;

#[path = "../common/translations.rs"]
mod translations;

mod browser;
mod screens;
mod secret;
mod site;
mod visit;

mod admin;
mod appearance;
mod barriers;
mod connection;
mod create;
mod docs;
mod guide;
mod hostile;
mod keyboard;
mod language;
mod list;
mod loading;
mod product;
mod session;
mod sign_in_methods;
mod smoke;
mod token;
