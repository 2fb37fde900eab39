//! What the administrator reads of an answer: tables, and lines that are ready
//! for `websms.conf`.

use std::fmt::Write as _;

use crate::sak::response::{CreatedSession, Session, Webhook, WebhookDelivery};
use crate::secret::Secret;

/// Sessions, a line each.
#[must_use]
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

/// One session.
#[must_use]
pub(crate) fn session(session: &Session) -> String {
    let Session {
        id,
        name,
        status,
        phone,
        last,
    } = session;
    let phone = if phone.is_empty() { "none" } else { phone };
    let last = if last.is_empty() { "never" } else { last };
    format!(
        "session  {id}\nname     {name}\nstatus   {status}\nphone    {phone}\nlast     {last}\n"
    )
}

/// A new session: comments and keys, as a part of `websms.conf`. The keys are
/// shown nowhere else.
#[must_use]
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
        "; The gateway shows these keys this once: keep them, in websms.conf.\n{name}\
         [whatsapp]\n{id}{session_key}\
         [websms]\n; with auth_method = header and auth_header = \"x-api-key: {{secret}}\"\n\
         {secret}{webhook}"
    )
}

/// A new webhook, in the same way.
#[must_use]
pub(crate) fn webhook(webhook: &Webhook) -> String {
    let lines = webhook_lines(webhook);
    format!("; The gateway shows this secret this once: keep it, in websms.conf.\n{lines}")
}

fn webhook_lines(webhook: &Webhook) -> String {
    let url = line("; posted to: ", &webhook.url);
    let secret = key_line("auth_secret", webhook.secret.expose());
    format!(
        "[websmsd]\n{url}; with auth = hmac, auth_place = header:X-Webhook-Signature and \
         auth_prefix = sha256=\n{secret}"
    )
}

/// A new key of the user, in the same way.
#[must_use]
pub(crate) fn user_key(key: &Secret) -> String {
    let line = key_line("user_key", key.expose());
    format!("; The gateway shows this key this once: keep it, in websms.conf.\n[whatsapp]\n{line}")
}

fn line(start: &str, text: &str) -> String {
    format!("{start}{text}\n")
}

/// `key = "value"`, as `websms.conf` reads it.
fn key_line(key: &str, value: &str) -> String {
    let guarded = value.replace('\\', "\\\\").replace('"', "\\\"");
    format!("{key:<11} = \"{guarded}\"\n")
}

/// What became of the test of webhooks, and whether all is well.
#[must_use]
pub(crate) fn deliveries(deliveries: &[WebhookDelivery]) -> (String, bool) {
    let word = |taken| match taken {
        None => "tried",
        Some(false) => "not taken",
        Some(true) => "taken",
    };
    let rows: Vec<_> = deliveries
        .iter()
        .map(|WebhookDelivery { url, taken, said }| {
            vec![url.clone(), word(*taken).to_owned(), said.clone()]
        })
        .collect();
    let well = !rows.is_empty()
        && deliveries
            .iter()
            .all(|delivery| delivery.taken != Some(false));
    (table(&["WEBHOOK", "RESULT", "ANSWER"], &rows), well)
}

/// Rows under their headings, and how many there are.
#[must_use]
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let headings: Vec<String> = headings.iter().map(|&heading| heading.to_owned()).collect();
    let lines: Vec<&Vec<String>> = std::iter::once(&headings).chain(rows).collect();
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..headings.len()).map(width).collect();
    let mut said = String::new();
    for line in &lines {
        let cells = line.iter().zip(&widths);
        let padded: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        // Writing to a String cannot fail.
        let _ = writeln!(said, "{}", padded.join("  ").trim_end());
    }
    let _ = writeln!(said, "{} in all", rows.len());
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::syntax::ini;

    #[test]
    fn keys_are_read_back_as_they_are() {
        let secret = |text: &str| Secret::new(text.to_owned());
        let text = created(&CreatedSession {
            session: Session {
                id: "s-1".parse().unwrap(),
                name: "[x] = \"y\"".to_owned(),
                status: String::new(),
                phone: String::new(),
                last: String::new(),
            },
            key: secret("a\"b\\c;d"),
            webhook: Some(Webhook {
                url: "https://h/x".to_owned(),
                secret: secret("'; w"),
            }),
        });
        let (entries, problems) = ini::parse(&text);
        assert_eq!(problems, [], "{text}");
        let read: Vec<_> = entries
            .iter()
            .map(|entry| {
                (
                    entry.section.as_str(),
                    entry.key.as_str(),
                    entry.value.as_str(),
                )
            })
            .collect();
        let expected = [
            ("whatsapp", "session", "s-1"),
            ("whatsapp", "session_key", "a\"b\\c;d"),
            ("websms", "auth_passwd", "a\"b\\c;d"),
            ("websmsd", "auth_secret", "'; w"),
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn table_is_aligned_and_counted() {
        let rows = [vec!["ä".to_owned(), "b".to_owned()]];
        assert_eq!(
            table(&["ONE", "TWO"], &rows),
            "ONE  TWO\nä    b\n1 in all\n"
        );
    }

    #[test]
    fn test_of_no_webhook_is_no_success() {
        assert!(!deliveries(&[]).1);
    }
}
