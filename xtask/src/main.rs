//! Tokenry's own tool: `cargo xtask test`, `ci`, `tidy`, `migrate`, `api`, `openapi`, `client`, `guide`, `package`,
//! `postgres`, `bench`, `chaos`.
//!
//! It uses Rust and `cargo metadata`, no shell scripts, so it works on every machine that has Rust. It depends on no
//! crate of Tokenry, so it also runs while one of them does not compile.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool talks to its terminal")]
#![allow(
    clippy::disallowed_methods,
    reason = "a tool at the edge reads the clock and the environment itself"
)]

mod flags;

mod api;
mod axe;
mod bench;
mod chaos;
mod ci;
mod client;
mod guide;
mod migrate;
mod openapi;
mod package;
mod postgres;
mod programs;
mod testing;
mod tidy;
mod tools;

mod account;
mod install;
mod metadata;
mod packages;
mod stamp;
mod step;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

use flags::{Command, Flags};

fn main() -> ExitCode {
    let result = match Flags::parse().command {
        Command::Test(flags) => testing::run(&flags),
        Command::Ci => ci::run(),
        Command::Tidy => tidy::run(),
        Command::Migrate { action } => migrate::run(&action),
        Command::Guide => guide::run(),
        Command::Api { check } => api::run(check),
        Command::Openapi { check } => openapi::run(check),
        Command::Client { check } => client::run(check),
        Command::Package { verify } => package::run(verify),
        Command::Postgres(flags) => postgres::run(&flags),
        Command::Bench(flags) => bench::run(&flags),
        Command::Chaos(flags) => chaos::run(&flags),
        Command::ChaosGuard { folder } => chaos::guard(&folder),
        Command::PostgresGuard { bin_dir, durable } => {
            let durability = if durable { postgres::Durability::Full } else { postgres::Durability::None };
            postgres::guard(&bin_dir, durability)
        }
    };
    result.unwrap_or_else(|err| {
        eprintln!("xtask: {err:#}");
        ExitCode::FAILURE
    })
}
