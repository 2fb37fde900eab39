//! When to try again ([`backoff`]) and how often something is allowed
//! ([`rate_limit`]). Pure: time is an argument.

pub(crate) mod backoff;
pub(crate) mod rate_limit;
