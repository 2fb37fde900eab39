//! When to try again ([`backoff`]), how often something is allowed
//! ([`rate_limit`]), and until when to finish ([`shutdown`]).

pub(crate) mod backoff;
pub(crate) mod rate_limit;
pub(crate) mod shutdown;
