//! Tests of the real binary that run on any machine.
//!
//! | module | what belongs there |
//! | --- | --- |
//! | `vectors` | requests and call files recorded from the PHP WebSMS |
//! | `websms` | arguments, statuses, channel variables |
//! | `provider` | providers that are slow, broken or not trusted |
//! | `outbox` | queued messages to providers, and notices to their senders |
//! | `answers` | answers of providers of every form, and the notices that they become |
//! | `otp` | one-time passwords by HTTP |
//! | `otp_agi` | one-time passwords from the dialplan |
//! | `otp_load` | one-time passwords for many phones, while the daemon is killed |
//! | `otp_whatsapp` | one-time passwords by WhatsApp, and by SMS when that fails |
//! | `queue` | the command `queue` |
//! | `websmsd` | requests and responses: statuses, paths, methods |
//! | `clients` | clients that disconnect, and connections that must be closed |
//! | `connections` | who gets a connection, how it ends, and what a stranger can write to the log |
//! | `shutdown` | signals, and one deadline for everything in progress |
//! | `spool` | the order of call files, clocks, foreign files |
//! | `injection` | attempts to inject into call files |
//! | `config` | one test for each mistake, asserting the message |
//! | `config_access` | one test for each setting that lets in too many |
//! | `damage` | damaged files of every kind |
//! | `dedupe` | messages that a provider posts again |
//! | `digest` | a provider that asks for HTTP Digest, and checks the answer |
//! | `docs` | shipped configuration, reference and dialplan are correct |
//! | `presets` | each preset against recorded data of its provider |
//! | `docs_pages` | pages of the documentation: links, and examples to copy |
//! | `fastagi` | messages from the dialplan by `FastAGI` |
//! | `oauth2` | tokens that a server issues for a provider |
//! | `media` | pictures that come with messages |
//! | `health` | the health endpoint |
//! | `request` | requests of every shape, and that no text escapes from its field |
//! | `renewal` | secrets in files that are replaced while `websmsd` runs |
//! | `receipts` | the provider of docs/providers.md, and its receipts |
//! | `whatsapp` | the command `whatsapp`, with a stand-in gateway |
//! | `whatsapp_sak` | messages through a SAK gateway, with a stand-in gateway |
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

mod answers;
mod charsets;
mod clients;
mod config;
mod config_access;
mod connections;
mod damage;
mod dedupe;
mod demo;
mod digest;
mod docs;
mod docs_pages;
mod fastagi;
mod health;
mod injection;
mod media;
mod oauth2;
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
mod renewal;
mod request;
mod senders;
mod shapes;
mod shutdown;
mod spool;
mod vectors;
mod websms;
mod websmsd;
mod whatsapp;
mod whatsapp_and_sms;
mod whatsapp_sak;
