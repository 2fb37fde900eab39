//! From a message to its provider: build, sign, send, judge.
//!
//! [`request`] decides what is sent: [`values`] are those of the message,
//! [`parameters`] and [`pictures`] how it is written, [`auth`] signs it;
//! [`credentials`] has the secret or a token, and answers a provider that asks for it.
//! [`provider`] sends it, once; [`upload`] fetches a picture that is sent as a
//! file. [`response`] makes a [`verdict`] of the response, [`transport`] of
//! none, [`redaction`] removes
//! from it what must not be repeated, [`report`] logs it.
//!
//! [`fallback`] decides which provider gets a message: the interface's own, or
//! those of its fallbacks. It alone checks that a provider takes messages to the
//! destination, and cuts a text that is too long for one.
//!
//! Certificates are verified, redirects are not followed, time and size are
//! bounded. The verdict says whether another attempt is safe.

pub(crate) mod auth;
mod credentials;
pub(crate) mod fallback;
mod parameters;
mod pictures;
pub(crate) mod provider;
mod redaction;
pub(crate) mod report;
pub(crate) mod request;
pub(crate) mod response;
mod transport;
mod upload;
mod values;
pub(crate) mod verdict;
