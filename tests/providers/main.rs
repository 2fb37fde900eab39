//! What the providers' own programs say: their SDKs sign requests, and the
//! official description of an API judges ours. `tests/run providers` installs
//! them and runs it.
//!
//! | module | what belongs there |
//! | --- | --- |
//! | `forged` | what a stranger could make of a request that he has seen |
//! | `meta` | WhatsApp: what goes out to Meta, and what comes in from there |
//! | `otp` | WhatsApp: what sets up one-time passwords at Meta |
//! | `prism` | the mock that knows an API by its description |
//! | `sdk` | the SDKs, which sign |
//! | `signed` | requests with signatures, as they are and tampered with |
//! | `twilio` | what goes out to Twilio |

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
