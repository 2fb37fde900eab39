//! The library behind `asterisk-websms`: a messaging bridge between Asterisk
//! and the HTTP APIs of SMS providers and WhatsApp gateways. It is private but
//! for what the binary and the tests need.
//!
//! The tour, in the order of the data:
//!
//! * `command` wires the modules for each subcommand of [`cli`], as [`config`]
//!   says, and ends with an [`exit`] status.
//! * A message comes in: `http::server` takes the request, `inbound` reads it,
//!   [`spool`] stores it and hands it to Asterisk as a call file; `media` keeps
//!   the pictures that came with it.
//! * A message goes out: `agi` reads the arguments of `websms`, `outbox` keeps the
//!   message until it is sent, `outbound` makes the request to the provider.
//! * `otp` verifies phones by codes that it sends through `outbound`; `sak`
//!   manages the account at a WhatsApp gateway; `health` answers monitoring.
//! * At the bottom, `http`, `storage`, `resilience` and `document` know no messages;
//!   [`model`] has the types of messages; every module uses `crypto`, `secret` and
//!   `logging`. `privileges` gives up root, `accounts` knows users and groups.
//!
//! A module uses those below it and none above. `inbound` and `outbound` never
//! use each other. Decisions are pure functions; clock, disk, network and
//! environment are at the edges.

pub mod cli;
pub mod command;
pub mod config;
pub mod exit;
#[cfg(any(test, fuzzing))]
pub mod fuzz;

mod agi;
mod health;
mod inbound;
mod media;
mod otp;
mod outbound;
mod outbox;
mod sak;
pub mod spool;

mod accounts;
mod crypto;
mod document;
mod http;
mod logging;
pub mod model;
mod privileges;
mod resilience;
mod secret;
mod storage;
