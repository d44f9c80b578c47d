//! The binary as people and scripts see it.

mod folder;
mod grammar;
mod serve;
mod sign_in;
mod tokens;
