//! From here to the provider: build, sign, send, judge.
//!
//! [`request`] and [`auth`] decide what is sent, [`segments`](crate::model::segments) how much that is,
//! [`response`] what the answer means; [`provider`] does the sending itself. One attempt is
//! made; [`fallback`] makes one at each of several providers if need be. Certificates are
//! verified, redirects are not followed, time and size are bounded. Whether a
//! failed message may be tried again is told by the verdict, never guessed.

pub(crate) mod auth;
pub(crate) mod fallback;
mod parameters;
mod pictures;
pub(crate) mod provider;
pub(crate) mod report;
pub(crate) mod request;
pub(crate) mod response;
mod upload;
mod values;
pub(crate) mod verdict;
