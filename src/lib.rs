//! The library behind `asterisk-websms`: a messaging bridge between Asterisk
//! and the HTTP APIs of SMS providers.
//!
//! A message from a provider flows down through
//!
//! * [`inbound`]: HTTP request to message,
//! * [`spool`]: message to call file, where Asterisk takes it,
//! * [`media`]: the pictures that came with it, fetched and kept;
//!
//! a message to a provider through
//!
//! * [`agi::submit`]: a call of `websms` to a message; [`agi::fastagi`] takes them without
//!   a process for each,
//! * [`outbox`]: where it waits, and is sent from by the daemon,
//! * [`outbound`]: Asterisk's arguments to HTTP request, answer to verdict.
//!
//! [`otp`] verifies phones by codes that it sends, by WhatsApp or [`outbound`].
//!
//! [`health`] tells whoever watches over the daemon how that goes; [`sak`]
//! looks after the account at a WhatsApp gateway; by [`outbox::reply_route`] an answer goes the
//! way that the question came.
//!
//! [`command`] wires these for each subcommand, from what [`cli`] and
//! [`config`] say. Both ways stand on the same ground: [`model`]
//! for what is carried, [`document`] for looking into it and writing it,
//! [`storage`] for the disk, [`http`] for the network, [`secret`],
//! [`logging`] and [`exit`] for the administrator.
//!
//! A module uses those below it and none above; [`inbound`] and [`outbound`]
//! never use each other, [`otp`] uses [`outbound`] alone, and of [`media`]
//! [`inbound`] uses but what notes a picture. Decisions are pure functions; clock,
//! disk, network and environment are in the `mod.rs` above them.

pub mod agi;
pub mod cli;
pub mod command;
pub mod config;
pub mod document;
pub mod exit;
pub mod health;
pub mod http;
pub mod inbound;
pub mod logging;
pub mod media;
pub mod model;
pub mod otp;
pub mod outbound;
pub mod outbox;
pub mod sak;
pub mod secret;
pub mod spool;
pub mod storage;
