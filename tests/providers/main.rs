//! Tests with the providers' own tools: their SDKs sign requests, and the official
//! description of an API validates ours. `tests/run providers` installs the tools and
//! runs the tests.
//!
//! | module | what belongs there |
//! | --- | --- |
//! | `forged` | requests that an attacker makes from a signed one |
//! | `meta` | WhatsApp: requests to Meta, and its webhooks |
//! | `otp` | WhatsApp: requests for one-time passwords |
//! | `prism` | a mock server that validates requests against a description |
//! | `sdk` | the SDKs, which sign requests |
//! | `signed` | signed requests, unchanged and tampered with |
//! | `twilio` | requests to Twilio |

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

mod forged;
mod meta;
mod otp;
mod prism;
mod sdk;
mod signed;
mod twilio;
