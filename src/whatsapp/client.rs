//! Asks the gateway: one request, no redirect, within a bounded time.

use std::fmt;
use std::time::SystemTime;

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{RequestBuilder, Response, Url, redirect};
use serde_json::Value;

use super::answer::{self, Reason, Trouble};
use super::request::{Method, Request};
use crate::config::Whatsapp;
use crate::exit::Exit;
use crate::outbound;
use crate::secret::Secret;
use crate::tls;
use crate::web::USER_AGENT;

/// As much of an answer as is read; a thousand messages of a history are less.
const ANSWER_MAX: usize = 4 * 1024 * 1024;

/// A gateway, with its pool of connections.
#[derive(Debug)]
pub struct Client {
    url: Url,
    http: reqwest::Client,
}

impl Client {
    /// Prepares connections; makes none.
    ///
    /// # Errors
    /// When the certificates cannot be had.
    pub fn new(whatsapp: &Whatsapp) -> Result<Self, ClientError> {
        let tls = if whatsapp.url.scheme() == "https" {
            tls::trusting(whatsapp.ca_file.as_deref()).map_err(ClientError::Trust)?
        } else {
            tls::unused()
        };
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .timeout(whatsapp.timeout)
            .build()
            .map_err(ClientError::Http)?;
        Ok(Self {
            url: whatsapp.url.clone(),
            http,
        })
    }

    /// Asks, once. What is said of a failure holds none of `secrets`, even if the
    /// gateway repeats them.
    ///
    /// # Errors
    /// When there is no answer, or none of success.
    pub async fn ask(&self, request: &Request, secrets: &[&Secret]) -> Result<Value, Trouble> {
        self.make(request, secrets).await.map_err(|mut trouble| {
            // Whoever only looks can look again.
            if request.method == Method::Get && trouble.reason.exit == Exit::Unknown {
                trouble.reason.exit = Exit::Failed;
            }
            trouble
        })
    }

    async fn make(&self, request: &Request, secrets: &[&Secret]) -> Result<Value, Trouble> {
        let sent = self.written(request).send().await;
        let mut response = sent.map_err(|error| unanswered(&error))?;
        let status = response.status().as_u16();
        let retry_after = outbound::retry_after(response.headers(), SystemTime::now());
        let body = read(&mut response).await?;
        let Err(_) = answer::judge(status, &body) else {
            return answer::judge(status, &body);
        };
        // Some repeat what they got. It is hidden before the start of it is
        // taken, because half a secret cannot be recognised.
        let mut said = String::from_utf8_lossy(&body).into_owned();
        for secret in secrets {
            said = outbound::hidden(&said, secret.expose(), "(the secret)");
        }
        answer::judge(status, said.as_bytes()).map_err(|trouble| Trouble {
            retry_after,
            ..trouble
        })
    }

    fn written(&self, request: &Request) -> RequestBuilder {
        let method = match request.method {
            Method::Delete => reqwest::Method::DELETE,
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
        };
        let mut asking = self.http.request(method, self.target(request));
        for (name, value) in &request.headers {
            // What no header can carry makes the whole request an error.
            asking = match HeaderValue::from_str(value.expose()) {
                Ok(mut value) => {
                    value.set_sensitive(true);
                    asking.header(*name, value)
                }
                Err(_) => asking.header(*name, value.expose()),
            };
        }
        match &request.body {
            Some(body) => asking
                .header(CONTENT_TYPE, "application/json")
                .body(body.to_string()),
            None => asking,
        }
    }

    fn target(&self, request: &Request) -> String {
        let mut base = self.url.clone();
        if request.outside {
            base.set_path("");
        }
        format!("{}{}", base.as_str().trim_end_matches('/'), request.path)
    }
}

async fn read(response: &mut Response) -> Result<Vec<u8>, Trouble> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unanswered(&error))? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_MAX {
            let detail = format!("more than {ANSWER_MAX} bytes");
            return Err(Trouble::new(TOO_LONG, detail));
        }
    }
    Ok(body)
}

const TOO_LONG: Reason = Reason {
    exit: Exit::Unknown,
    words: "the answer does not end",
    remedy: "see url in [whatsapp], and that it is the gateway which is there",
};

/// What became of a request that nobody answered. As long as there was no
/// connection nothing was done; after that nobody knows.
fn unanswered(error: &reqwest::Error) -> Trouble {
    let (exit, words, remedy) = if error.is_builder() {
        (
            Exit::Configuration,
            "the request cannot be written",
            "see token, keys and session in [whatsapp], which hold what no header can",
        )
    } else if error.is_connect() && outbound::is_tls(error) {
        (
            Exit::Failed,
            "the gateway cannot be trusted",
            "see that it speaks https, and its certificate; ca_file in [whatsapp] names an \
             authority of your own",
        )
    } else if error.is_connect() {
        (
            Exit::Failed,
            "there is no connection to the gateway",
            "see that it runs, and url in [whatsapp], also whether that is http or https",
        )
    } else if error.is_timeout() {
        (
            Exit::Unknown,
            "the gateway did not answer in time",
            "see its log; timeout in [whatsapp] is how long it may take",
        )
    } else {
        (
            Exit::Unknown,
            "the gateway broke off",
            "see its log, and whether url in [whatsapp] is http where it should be https",
        )
    };
    let reason = Reason {
        exit,
        words,
        remedy,
    };
    Trouble::new(reason, outbound::chain(error))
}

/// A gateway that cannot be asked. The administrator must act.
#[derive(Debug)]
pub enum ClientError {
    /// The HTTP client cannot be made.
    Http(reqwest::Error),
    /// The certificates cannot be had.
    Trust(tls::TrustError),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(error) => write!(f, "prepare connections: {error}"),
            Self::Trust(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ClientError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn path_goes_behind_the_prefix_or_the_host() {
        for (url, inside, outside) in [
            (
                "http://h:5000/api/v1",
                "http://h:5000/api/v1/health",
                "http://h:5000/health",
            ),
            ("http://h", "http://h/health", "http://h/health"),
        ] {
            let client = Client::new(&Whatsapp {
                url: Url::parse(url).unwrap(),
                token: None,
                user_key: None,
                session_key: None,
                session: None,
                timeout: Duration::from_secs(2),
                ca_file: None,
            })
            .unwrap();
            for (is_outside, expected) in [(false, inside), (true, outside)] {
                let request = Request {
                    method: Method::Get,
                    path: "/health".to_owned(),
                    outside: is_outside,
                    body: None,
                    headers: Vec::new(),
                };
                assert_eq!(client.target(&request), expected);
            }
        }
    }
}
