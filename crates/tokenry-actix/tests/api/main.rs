//! The HTTP API as a client sees it, on both databases.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
#![allow(clippy::disallowed_methods, reason = "a test measures how long an answer takes")]

mod admin;
mod api;
mod authzen;
mod client_ip;
mod credential_forms;
mod credentials;
mod documented;
mod documents;
mod events;
mod forward;
mod github_reports;
mod guard;
mod jwt;
mod leak_reports;
mod leaks;
mod limits;
mod lists;
mod matrix;
mod nodes;
mod oauth;
mod oidc;
mod patterns;
mod policy;
mod presented;
mod protected_resource;
mod rotate;
mod session;
mod tokens;
mod tokens_api;
mod uncached;
mod usage;
mod verify;
