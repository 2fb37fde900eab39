//! Tests with the real reverse proxies, each configured by its snippet in
//! `docs/proxies.md`. `tests/run proxies` installs them and runs the tests.
//!
//! | module | what belongs there |
//! | --- | --- |
//! | `digest` | HTTP Digest, as Apache and lighttpd ask for it |
//! | `health` | what the proxies' health checks do |
//! | `page` | reads `docs/proxies.md` |
//! | `proxy` | runs a proxy; the table of all proxies |
//! | `requests` | single requests: addresses, URLs, sizes |
//! | `restarts` | messages while `websmsd` restarts |
//! | `twilio` | signs and sends as Twilio does |

#![allow(
    clippy::expect_used,
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test ends by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod digest;
mod health;
mod page;
mod proxy;
mod requests;
mod restarts;
mod twilio;
