//! The command-line interface of the binary.
#![allow(clippy::indexing_slicing, reason = "a test may panic")]

mod audit;
mod database;
mod doctor;
mod environment;
mod folder;
mod grammar;
mod imports;
mod leaks;
mod limits;
mod policy;
mod presented;
mod roles;
mod rotate;
mod scan;
mod serve;
mod server;
mod sign_in;
mod switchover;
mod tokens;
mod usage;
mod users;
