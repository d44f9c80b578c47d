//! The binary as people and scripts see it.
#![allow(clippy::indexing_slicing, reason = "a test may panic")]

mod audit;
mod database;
mod doctor;
mod environment;
mod folder;
mod grammar;
mod limits;
mod policy;
mod roles;
mod rotate;
mod serve;
mod server;
mod sign_in;
mod switchover;
mod tokens;
mod usage;
mod users;
