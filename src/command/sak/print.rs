//! Formats responses of the gateway: tables, and lines that are ready for
//! `websms.conf`.

use crate::command::terminal::table;
use crate::sak::response::{CreatedSession, Session, Webhook, WebhookDelivery};
use crate::secret::Secret;

pub(crate) fn sessions(sessions: &[Session]) -> String {
    let rows: Vec<_> = sessions
        .iter()
        .map(|session| {
            let Session {
                id,
                name,
                status,
                phone,
                ..
            } = session;
            vec![id.to_string(), name.clone(), status.clone(), phone.clone()]
        })
        .collect();
    table(&["SESSION", "NAME", "STATUS", "PHONE"], &rows)
}

pub(crate) fn session(session: &Session) -> String {
    let Session {
        id,
        name,
        status,
        phone,
        last_connected,
    } = session;
    let phone = if phone.is_empty() { "none" } else { phone };
    let last = if last_connected.is_empty() {
        "never"
    } else {
        last_connected
    };
    format!(
        "session  {id}\nname     {name}\nstatus   {status}\nphone    {phone}\nlast     {last}\n"
    )
}

/// A new session, as comments and keys of `websms.conf`. The gateway never shows
/// the keys again.
pub(crate) fn created(created: &CreatedSession) -> String {
    let CreatedSession {
        session,
        key,
        webhook,
    } = created;
    let name = line("; session: ", &session.name);
    let id = key_line("session", session.id.as_str());
    let session_key = key_line("session_key", key.expose());
    let secret = key_line("auth_passwd", key.expose());
    let webhook = webhook.as_ref().map(webhook_lines).unwrap_or_default();
    format!(
        "; The gateway shows these keys only this once: keep them in websms.conf.\n{name}\
         [whatsapp]\n{id}{session_key}\
         [websms]\n; with auth_method = header and auth_header = \"x-api-key: {{secret}}\"\n\
         {secret}{webhook}"
    )
}

/// A new webhook, in the same form.
pub(crate) fn webhook(webhook: &Webhook) -> String {
    let lines = webhook_lines(webhook);
    format!("; The gateway shows this secret only this once: keep it in websms.conf.\n{lines}")
}

fn webhook_lines(webhook: &Webhook) -> String {
    let url = line("; posted to: ", &webhook.url);
    let secret = key_line("auth_secret", webhook.secret.expose());
    format!(
        "[websmsd]\n{url}; with auth = hmac, auth_place = header:X-Webhook-Signature and \
         auth_prefix = sha256=\n{secret}"
    )
}

/// A new API key of the user, in the same form.
pub(crate) fn user_key(key: &Secret) -> String {
    let line = key_line("user_key", key.expose());
    format!(
        "; The gateway shows this key only this once: keep it in websms.conf.\n[whatsapp]\n{line}"
    )
}

fn line(start: &str, text: &str) -> String {
    format!("{start}{text}\n")
}

/// `key = "value"`, as `websms.conf` reads it.
fn key_line(key: &str, value: &str) -> String {
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
    format!("{key:<11} = \"{escaped}\"\n")
}

/// The results of a webhook test, and whether every webhook has taken it.
pub(crate) fn deliveries(deliveries: &[WebhookDelivery]) -> (String, bool) {
    let result = |accepted| match accepted {
        None => "tried",
        Some(false) => "not taken",
        Some(true) => "taken",
    };
    let rows: Vec<_> = deliveries
        .iter()
        .map(|delivery| {
            let WebhookDelivery {
                url,
                accepted,
                detail,
            } = delivery;
            vec![url.clone(), result(*accepted).to_owned(), detail.clone()]
        })
        .collect();
    let all_accepted = !rows.is_empty()
        && deliveries
            .iter()
            .all(|delivery| delivery.accepted != Some(false));
    (table(&["WEBHOOK", "RESULT", "ANSWER"], &rows), all_accepted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::syntax::entry::Entry;
    use crate::config::syntax::ini;

    #[test]
    fn printed_keys_are_read_back_unchanged() {
        let secret = |text: &str| Secret::new(text.to_owned());
        let text = created(&CreatedSession {
            session: Session {
                id: "s-1".parse().unwrap(),
                name: "[x] = \"y\"".to_owned(),
                status: String::new(),
                phone: String::new(),
                last_connected: String::new(),
            },
            key: secret("a\"b\\c;d"),
            webhook: Some(Webhook {
                url: "https://h/x".to_owned(),
                secret: secret("'; w"),
            }),
        });
        let (entries, problems) = ini::parse(&text);
        assert_eq!(problems, [], "{text}");
        let read: Vec<_> = entries.iter().map(Entry::triple).collect();
        let expected = [
            ("whatsapp", "session", "s-1"),
            ("whatsapp", "session_key", "a\"b\\c;d"),
            ("websms", "auth_passwd", "a\"b\\c;d"),
            ("websmsd", "auth_secret", "'; w"),
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn test_without_a_webhook_fails() {
        assert!(!deliveries(&[]).1);
    }
}
