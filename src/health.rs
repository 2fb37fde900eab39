//! An answer for whoever watches over the daemon: 200 when messages are
//! accepted and handed on, 503 when not, and why.
//!
//! On an address of its own (`health_listen`), because it tells more than a
//! stranger needs to know. One connection at a time: each answer costs a write
//! to the disk.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};
use tracing::{debug, error};

use crate::otp::service::OtpService;
use crate::spool::{Spool, SpoolHealth};

/// For a connection in all.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(5);

/// Answers until the process ends.
pub(crate) async fn run(listener: TcpListener, spool: Spool, desk: Option<Arc<OtpService>>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let service = service_fn(|request| answer(request, spool.clone(), desk.clone()));
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .keep_alive(false)
                    .serve_connection(TokioIo::new(stream), service);
                if !matches!(timeout(CONNECTION_TIMEOUT, connection).await, Ok(Ok(()))) {
                    debug!(%peer, "health was asked for and not fetched");
                }
            }
            Err(error) => {
                error!(%error, "failed to accept a connection");
                sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

async fn answer(
    _request: Request<Incoming>,
    spool: Spool,
    desk: Option<Arc<OtpService>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let health = tokio::task::spawn_blocking(move || spool.health()).await;
    let (status, text) = match health {
        Ok(health) => said(&health, desk.map(|desk| desk.tally().to_json())),
        // The program is ending.
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "{}".to_owned()),
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    Ok(response)
}

/// What is said of it.
fn said(health: &SpoolHealth, otp: Option<Value>) -> (StatusCode, String) {
    let (status, word) = if health.problems.is_empty() {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "bad")
    };
    let mut told = json!({
        "status": word,
        "problems": health.problems,
        "waiting": health.waiting,
        "with_asterisk": health.with_asterisk,
        "oldest_seconds": health.oldest_seconds,
        "free_bytes": health.free,
    });
    if let (Some(told), Some(otp)) = (told.as_object_mut(), otp) {
        told.insert("otp".to_owned(), otp);
    }
    (status, format!("{told}\n"))
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
    fn well_is_200() {
        let (status, text) = said(&health(Vec::new()), None);
        assert_eq!(status, 200);
        assert_eq!(
            text,
            "{\"status\":\"ok\",\"problems\":[],\"waiting\":3,\"with_asterisk\":2,\
             \"oldest_seconds\":60,\"free_bytes\":null}\n"
        );
    }

    #[test]
    fn any_problem_is_503_and_said() {
        let (status, text) = said(&health(vec!["disk \"x\"".to_owned()]), None);
        assert_eq!(status, 503);
        assert!(text.starts_with("{\"status\":\"bad\",\"problems\":[\"disk \\\"x\\\"\"],"));
    }
}
