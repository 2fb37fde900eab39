//! Keys of `[whatsapp]`: the account at a WhatsApp gateway.

use crate::config::syntax::keys::key::{self, keys};
use crate::config::syntax::section::Section;
use crate::config::syntax::value::{BaseUrl, Custom, OptionalPath, Seconds, SecretText};

keys! { Section::Whatsapp;
    /// Base URL of the gateway's API, with its prefix. Required if anything in this section is set.
    URL: "url" = "", BaseUrl("http://192.0.2.1:5000/api/v1"),
        "e.g. http://192.0.2.1:5000/api/v1";

    /// The token (JWT) that `whatsapp login` gets: `file:/etc/asterisk/whatsapp.token` has it written
    /// there, readable for the owner alone. It is valid for some days. Needed by `webhook register` and
    /// `api-key`.
    TOKEN: "token" = "", SecretText, secret, "file:/path, where whatsapp login writes it";

    /// API key of the user, which `whatsapp api-key create` makes: for sessions in place of the token,
    /// and for messages of every session. `file:` and `env:` as in `[websms]`.
    USER_KEY: "user_key" = "", SecretText, secret, "or file:/path, or env:NAME";

    /// API key of the session, which `whatsapp session create` prints: for `history` and
    /// `webhook test`.
    SESSION_KEY: "session_key" = "", SecretText, secret, "or file:/path, or env:NAME";

    /// Id of the session for commands that name none; `session_key` belongs to it. Not set: the only
    /// session that exists.
    SESSION: "session" = "", Custom("the id of a session"), "not set: the only one that exists";

    /// For a whole request.
    TIMEOUT: "timeout" = "30", Seconds(2, 120), "seconds";

    /// PEM file with certificates of authorities to trust besides those of the system.
    CA_FILE: "ca_file" = "", OptionalPath, "PEM file with authorities to trust";
}
