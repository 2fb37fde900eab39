//! Everything that can be tested on any machine, through the real binary.
//!
//! | module | what belongs there |
//! | --- | --- |
//! | `vectors` | what was recorded from the PHP reference, case by case |
//! | `websms` | arguments, statuses, what the dialplan is told |
//! | `provider` | providers that are slow, broken or not trusted |
//! | `outbox` | queued messages to providers, and notices to their senders |
//! | `otp` | one-time passwords by HTTP |
//! | `otp_agi` | one-time passwords from the dialplan |
//! | `otp_load` | one-time passwords for many phones, while the daemon is killed |
//! | `otp_whatsapp` | one-time passwords by WhatsApp, and by SMS when that fails |
//! | `queue` | what the administrator sees and does |
//! | `websmsd` | requests and their answers, statuses, paths, methods |
//! | `clients` | clients that vanish, and a daemon that has to |
//! | `shutdown` | signals, and one deadline for everything in progress |
//! | `spool` | call files on their way: order, clocks, who is in the way |
//! | `injection` | what a stranger could try to get into a call file |
//! | `config` | one test per mistake, asserting the message |
//! | `dedupe` | messages that a provider posts again |
//! | `docs` | shipped configuration, reference and dialplan are sound |
//! | `presets` | each preset against recorded data of its provider |
//! | `docs_pages` | pages for people: links, and examples to copy |
//! | `fastagi` | calls of `websms` without a process |
//! | `media` | pictures that come with messages |
//! | `health` | what the daemon says of itself |
//! | `request` | requests of every shape, and that no text gets out of its place |
//! | `receipts` | the provider of docs/providers.md, and its receipts |
//! | `whatsapp` | the account at a WhatsApp gateway, with a stand-in gateway |
//! | `whatsapp_sak` | messages through a SAK gateway, with the same stand-in |
//! | `whatsapp_and_sms` | two interfaces to the same people: replies, fallback, receipts |
//! | `otp_setup` | `otp setup`, with a stand-in for Meta |
//! | `demo` | `demo` shows one message in each direction |

#![allow(
    clippy::expect_used,
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::unwrap_used,
    reason = "a test ends by panicking, and a table is as long as it is"
)]

#[path = "../support/mod.rs"]
mod support;

mod clients;
mod config;
mod dedupe;
mod demo;
mod docs;
mod docs_pages;
mod fastagi;
mod health;
mod injection;
mod media;
mod otp;
mod otp_agi;
mod otp_load;
mod otp_setup;
mod otp_whatsapp;
mod outbox;
mod presets;
mod provider;
mod queue;
mod receipts;
mod request;
mod shutdown;
mod spool;
mod vectors;
mod websms;
mod websmsd;
mod whatsapp;
mod whatsapp_and_sms;
mod whatsapp_sak;
