//! The health endpoint: 200 when messages are accepted and handed on, 503 and
//! the problems when not.
//!
//! It has an address of its own (`health_listen`), because it shows more than a
//! stranger needs to know.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::{Request, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::http::server::Handler;
use crate::http::server::admission::Admission;
use crate::http::server::body::Body;
use crate::http::server::connection_table::ConnectionLimits;
use crate::http::server::reply::{self, Answer};
use crate::otp::service::OtpService;
use crate::spool::{Spool, SpoolHealth};

/// Looks at the spool at the same time: each one writes to the disk.
const LOOKS_MAX: usize = 4;

/// Answers requests of monitoring.
#[derive(Debug)]
pub(crate) struct HealthHandler {
    spool: Spool,
    otp: Option<Arc<OtpService>>,
    looks: Semaphore,
}

impl HealthHandler {
    pub(crate) fn new(spool: Spool, otp: Option<Arc<OtpService>>) -> Self {
        Self {
            spool,
            otp,
            looks: Semaphore::new(LOOKS_MAX),
        }
    }
}

impl Handler for HealthHandler {
    /// A few monitors, none of which shuts out the others.
    const LIMITS: ConnectionLimits = ConnectionLimits {
        max: 32,
        reserved: 0,
        per_address: 8,
        per_recent_address: 8,
        waiting: 8,
        refused: 8,
    };

    /// Monitoring asks at once.
    const HEAD_TIMEOUT: Duration = Duration::from_secs(2);

    const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

    fn admission(&self) -> Admission {
        Admission::open()
    }

    async fn handle(&self, _peer: IpAddr, _request: Request<Body>) -> Answer {
        let _look = self.looks.acquire().await;
        let spool = self.spool.clone();
        let otp = self.otp.as_ref().map(|otp| otp.counters().to_json());
        Answer::Plain(
            match tokio::task::spawn_blocking(move || spool.health()).await {
                Ok(health) => {
                    let (status, body) = report(&health, otp);
                    reply::json(status, body)
                }
                // The program is ending.
                Err(_) => reply::json(StatusCode::SERVICE_UNAVAILABLE, "{}"),
            },
        )
    }
}

fn report(health: &SpoolHealth, otp: Option<Value>) -> (StatusCode, String) {
    let (status, word) = if health.problems.is_empty() {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "bad")
    };
    let mut report = json!({
        "status": word,
        "problems": health.problems,
        "waiting": health.waiting,
        "with_asterisk": health.with_asterisk,
        "oldest_seconds": health.oldest_seconds,
        "free_bytes": health.free,
    });
    if let (Some(report), Some(otp)) = (report.as_object_mut(), otp) {
        report.insert("otp".to_owned(), otp);
    }
    (status, format!("{report}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(problems: Vec<String>) -> SpoolHealth {
        SpoolHealth {
            problems,
            waiting: 3,
            with_asterisk: 2,
            oldest_seconds: Some(60),
            free: None,
        }
    }

    #[test]
    fn daemon_without_problems_is_200() {
        let (status, body) = report(&health(Vec::new()), None);
        assert_eq!(status, 200);
        assert_eq!(
            body,
            "{\"status\":\"ok\",\"problems\":[],\"waiting\":3,\"with_asterisk\":2,\
             \"oldest_seconds\":60,\"free_bytes\":null}\n"
        );
    }

    #[test]
    fn daemon_with_a_problem_is_503() {
        let (status, body) = report(&health(vec!["disk \"x\"".to_owned()]), None);
        assert_eq!(status, 503);
        assert!(body.starts_with("{\"status\":\"bad\",\"problems\":[\"disk \\\"x\\\"\"],"));
    }
}
