//! When to try again ([`backoff`], [`deadline`]), how often something is allowed
//! ([`rate_limit`]), and until when to finish ([`shutdown`]).

pub(crate) mod backoff;
pub(crate) mod deadline;
pub(crate) mod rate_limit;
pub(crate) mod shutdown;
