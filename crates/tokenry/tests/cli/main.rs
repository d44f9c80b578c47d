//! The binary as people and scripts see it.

mod audit;
mod doctor;
mod folder;
mod grammar;
mod policy;
mod rotate;
mod serve;
mod sign_in;
mod tokens;
mod users;
