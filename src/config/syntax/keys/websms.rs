//! Keys of `[websms]`: from Asterisk to the provider.

use crate::config::syntax::keys::key::{self, keys};
use crate::config::syntax::section::Section;
use crate::config::syntax::value::{
    AbsolutePath, Choice, Custom, ExtensionList, Limit, NetworkList, Number, NumberForm,
    OptionalCondition, OptionalPath, OptionalText, PairList, Places, RequiredText, Seconds,
    SecretText, YesOrNo,
};

keys! { Section::Websms;
    /// A provider that this program knows by name, e.g. `twilio`: the preset gives every key that
    /// this file does not set. `asterisk-websms presets` lists them, `asterisk-websms presets show
    /// NAME` prints one with the steps at the provider's site.
    PRESET: "preset" = "", Custom("the name of a preset"),
        "a known provider, see asterisk-websms presets";

    /// Directory with presets of your own, `NAME.conf` each. One with the name of a shipped preset
    /// replaces it.
    PRESETDIR: "presetdir" = "/etc/asterisk/websms-presets", Custom("a directory"), process, "";

    /// Your account as the provider names it (project, space, plan …), if it is part of host, path
    /// or a parameter: fills in `{account}` there.
    ACCOUNT: "account" = "", OptionalText, "fills in {account}";

    /// Where the provider's API is. Required. Without a scheme it is `http://`, as with PHP, and you
    /// are warned. `{account}` and `{user}` are filled in.
    HOST: "host" | "url_host" = "", Custom("scheme and host, e.g. https://api.example.com"),
        "scheme and host, required";

    /// Path of the API, with a query if it needs one. The URL is host and path put together.
    /// `{account}`, `{user}` (`auth_user`), `{to}`, `{from}`, `{body}` and `{id}` are filled in,
    /// percent-encoded. Zadarma signs the path.
    PATH: "path" | "url_path" = "/", Custom("a path"), "the URL is host and path";

    /// HTTP method of the request. `GET` needs `body_type = query`.
    METHOD: "method" = "POST", Choice("POST, PUT or GET"), "or PUT, GET";

    /// How the parameters are written. `form`: URL-encoded. `json`: see [JSON](#json-in-requests).
    /// `query`: in the URL, without a body. `multipart`: `multipart/form-data`.
    BODY_TYPE: "body_type" = "form", Choice("form, json, query or multipart"),
        "or json, query, multipart";

    /// Content-Type, if the provider wants another than that of `body_type`, e.g.
    /// `application/vnd.api+json`.
    CONTENT_TYPE: "content_type" = "", OptionalText, "if not that of body_type";

    /// One more header. May be given on several lines, or as `header[]`. The same words as in `path`
    /// are filled in; line ends and what is not ASCII are percent-encoded.
    HEADER: "header" = "", Custom("Name: value"), secret, repeated, "Name: value, may be repeated";

    /// Parameter for the destination number; with `body_type = json` it may be a JSON Pointer. Leave
    /// it empty if `path` or `header` contains `{to}`, or if the account writes to one number alone:
    /// `to_match` then names that.
    KEY_TO: "key_to" = "To", OptionalText, "parameter for the destination number";

    /// Parameter for the sender's number. Leave it empty if the account has only one number and the
    /// provider knows it.
    KEY_FROM: "key_from" = "From", OptionalText, "parameter for the sender's number";

    /// Parameter for the text. Leave it empty if `path` or `header` contains `{body}`. In JSON it may
    /// be several JSON Pointers, separated by commas: the text is put in each place.
    KEY_BODY: "key_body" = "Body", Custom("text"), "parameter for the text";

    /// Parameter for `auth_user`, with `auth_method = plain`.
    KEY_USER: "key_user" = "", OptionalText, "parameter for auth_user, with plain";

    /// Parameter for `auth_passwd`, with `auth_method = plain`.
    KEY_SECRET: "key_secret" = "", OptionalText, "parameter for auth_passwd, with plain";

    /// How the request authenticates. `basic`: RFC 7617. `bearer`: `Authorization: Bearer` with
    /// `auth_passwd`. `digest`: RFC 7616; the provider refuses the first request with 401 and asks,
    /// and the request is sent a second time. `header`: as `auth_header` says. `oauth2`: a token that
    /// `token_url` issues for `auth_user` (the id of the client) and `auth_passwd`. `zadarma`: a
    /// signature over path and parameters. `plain`: two more parameters. `none`: not at all.
    AUTH_METHOD: "auth_method" = "basic",
        Choice("basic, bearer, digest, header, oauth2, zadarma, plain or none"),
        "or bearer, digest, header, oauth2, zadarma, plain, none";

    /// User name, account or API key.
    AUTH_USER: "auth_user" = "", OptionalText, secret, "";

    /// Password, token or signing secret. `file:/path` reads it from a file, `file:name` from
    /// systemd's credentials directory (`$CREDENTIALS_DIRECTORY`), `env:NAME` from the environment. A
    /// file is read anew for each request, so a renewed token needs no restart.
    AUTH_PASSWD: "auth_passwd" | "auth_secret" = "", SecretText, secret,
        "or file:/path, or env:NAME";

    /// The header of `auth_method = header`, with `{secret}` and perhaps `{user}` in it:
    /// `Authorization: App {secret}`, `X-Api-Key: {secret}`.
    AUTH_HEADER: "auth_header" = "", Custom("Name: value with {secret}"),
        "a header with {secret}, for auth_method = header";

    /// Where `auth_method = oauth2` gets a token (RFC 6749, client credentials). Each process keeps its
    /// token until shortly before it expires, and gets another one when the provider answers 401. The
    /// request has the same `timeout` of its own.
    TOKEN_URL: "token_url" = "", Custom("a URL, e.g. https://login.example.com/oauth/token"),
        "where auth_method = oauth2 gets a token";

    /// What the token is for, if the provider wants to know: `scope`.
    TOKEN_SCOPE: "token_scope" = "", OptionalText, "scope of the token";

    /// How `auth_user` and `auth_passwd` are sent there. `basic`: HTTP Basic. `post`: as `client_id`
    /// and `client_secret` in the form.
    TOKEN_AUTH: "token_auth" = "basic", Choice("basic or post"), "or post: id and secret in the form";

    /// Other parameters of that request, e.g. `audience=https://api.example.com`.
    VAL_TOKEN: "val_token" = "", PairList, secret, "other parameters of that request";

    /// What the response must contain, besides a 2xx status, to mean "sent", e.g. `status=success`,
    /// `/^OK/`, `/messages/*/status=0` or `http_status=202`. Not set: the status alone decides.
    RESPONSE_CHECK: "response_check" | "resp_check" = "", OptionalCondition,
        "what means sent, e.g. status=success";

    /// Where the response has the provider's id of the message, e.g. `/data/id`; or a `/pattern/`
    /// over the text of the response, whose first group is the id. Needed for receipts.
    RESP_ID: "resp_id" = "", Custom("places, or a pattern"),
        "where the response has the message's id";

    /// Where the response has the code of an error, e.g. `/error/code`, when it does not mean "sent";
    /// or a `/pattern/` over its text, whose first group is the code, e.g. `/^ERR: (\d+)/`. The code is
    /// looked up in `reason`, `retry_on` and `fallback_on`. There `http_status=402` stands for the
    /// status of the response; without `resp_error` the status is the code, `402`.
    RESP_ERROR: "resp_error" = "", Custom("places, or a pattern"),
        "where the response has the code of an error";

    /// Where the response has the reason in words; or a `/pattern/`, as in `resp_error`. The sender
    /// gets it if `reason` does not know the code.
    RESP_REASON: "resp_reason" = "", Custom("places, or a pattern"),
        "where the response has the reason";

    /// What the code of an error means, for the sender, the log and `queue show`. May be given on
    /// several lines.
    REASON: "reason" = "", Custom("code: words, e.g. 131026: not on WhatsApp"), repeated,
        "CODE: what it means, may be repeated";

    /// Codes of errors after which the message is tried again, as after 429: not sent, but perhaps
    /// later.
    RETRY_ON: "retry_on" = "", Custom("codes, separated by commas"), "codes: try again later";

    /// Codes of errors after which the `fallback` is used although the provider refused the message,
    /// in a response or later in a receipt. If this is set, the fallback is used for nothing else,
    /// unless the word `failed` is in the list: that is every failure that is safe to repeat.
    FALLBACK_ON: "fallback_on" = "", Custom("codes, separated by commas"), "codes: use the fallback";

    /// How numbers are written. `omit+`: without `+`. `no+` or `E164`: without a leading `+` and
    /// without the prefix `00`. `E123`: unchanged. `plus`: with `+`, and without `00`. `nanp10`: North
    /// American numbers in 10 digits; `nanp11`: in 11; `nanp+`: with `+1`, others with `+`. These four
    /// do not change short codes of up to 6 digits; none of them changes names. `jid`: as WhatsApp
    /// gateways write it, `12025550183@c.us`; `jid-`: the same without the server.
    NUMBER_FORMAT: "number_format" | "val_numform" = "", NumberForm,
        "omit+, no+, E164, E123, plus, nanp10, nanp11, nanp+";

    /// A pattern that the destination must match, in the number format of the provider. Other
    /// destinations are refused with "not a number for this provider" before anything is sent.
    TO_MATCH: "to_match" = "", Custom("a pattern, e.g. /^[0-9]{11,15}$/"),
        "/pattern/ of destinations";

    /// `UCS-2`: characters beyond U+FFFF (most emoji) become U+FFFD. `name=value`: this parameter is
    /// added to texts with such characters.
    CHARSET: "charset" | "val_unicode" = "", Custom("UCS-2, UTF-8 or name=value"),
        "UCS-2, or name=value to add";

    /// SMS segments that a text may need; 0 sets no limit. A text that needs more is not sent, and its
    /// sender is told "text too long". One segment holds 160 characters of the GSM alphabet, several
    /// hold 153 each (`^ { } [ ] ~ \ | €` and form feed count twice). With one character outside of
    /// it, like `ç` or an emoji, it is 70 and 67, and most emoji count twice. The text is counted as
    /// it is sent; the provider may count differently.
    MAX_SEGMENTS: "max_segments" = "0", Custom("a number from 0 to 255"),
        "refuse longer texts, 0 is no limit";

    /// Characters of one message; a longer text is sent as several, cut where a reader would.
    MAX_CHARS: "max_chars" = "0", Limit<usize>(1_000_000), "of one message, 0 is no limit";

    /// Parameters that are always sent: `name1=value1,name2=value2`.
    VAL_STATIC: "val_static" = "", Custom("name=value,name=value"), secret,
        "name=value,name=value to add always";

    /// More of them, besides those of a preset, e.g. `StatusCallback=https://…`. `{account}` and
    /// `{user}` are filled in here and in `val_static`.
    VAL_EXTRA: "val_extra" = "", Custom("name=value,name=value"), secret,
        "more of them, besides a preset's";

    /// Parameters that are sent with a text that the GSM alphabet cannot hold, in place of others with
    /// the same name: `type=unicode`.
    VAL_UCS2: "val_ucs2" = "", Custom("name=value,name=value"), secret,
        "with texts that GSM-7 cannot hold";

    /// Parameter for the URL of a picture: a name, which is repeated for each picture; `media#` for
    /// `media1`, `media2` and so on; or with JSON a pointer like `/media/*`.
    KEY_MEDIA: "key_media" = "", OptionalText, "parameter for a picture's URL";

    /// Parameter for the text when a picture is sent with it, in place of `key_body`; left out when
    /// there is no text besides the picture.
    KEY_CAPTION: "key_caption" = "", OptionalText, "parameter for the text beside a picture";

    /// Pictures in one message; the URLs of others stay in the text.
    MEDIA_MOST: "media_most" = "10", Number<usize>(1, 10), "pictures in one message";

    /// Path of the API for messages with a picture, if it is another one.
    PATH_MEDIA: "path_media" = "", Custom("a path"), "path for messages with a picture";

    /// `yes`: sends the picture itself and not its URL: as a file in a form, under the name of
    /// `key_media`, one with each message, at most 16 MiB. It is fetched within `timeout`, from public
    /// addresses and those of `media_permit_addr`.
    MEDIA_UPLOAD: "media_upload" = "no", YesOrNo, "yes: send the picture itself and not its URL";

    /// Path to which the picture is uploaded before the message, with `media_upload = yes`, if the
    /// provider gives it an id; the message then has the id in `key_media`.
    PATH_UPLOAD: "path_upload" = "", Custom("a path"), "path to upload it to before the message";

    /// Field for the file in that upload.
    KEY_UPLOAD: "key_upload" = "file", RequiredText, "field for the file in that upload";

    /// Other fields in that upload, e.g. `messaging_product=whatsapp`.
    VAL_UPLOAD: "val_upload" = "", PairList, "other fields in that upload";

    /// Where the response to that upload has the id.
    RESP_UPLOAD: "resp_upload" = "/id", Places, "where its response has the id";

    /// Private addresses from which pictures may be fetched for `media_upload`.
    MEDIA_PERMIT_ADDR: "media_permit_addr" = "", NetworkList,
        "private addresses to fetch pictures from";

    /// Extensions of pictures, e.g. `jpg,jpeg,png,gif`: a URL in the text, with blanks around it, whose
    /// path ends in one of them is taken out of the text and sent in `key_media`, up to `media_most`.
    /// Not set: URLs stay in the text. `{kind}` in `key_media`, `key_caption`, `val_media` and
    /// `path_media` becomes `image`, `video`, `audio` or `document`.
    MEDIA_OUT: "media_out" = "", ExtensionList, "extensions of URLs to send as pictures";

    /// Parameters that are sent with a picture, in place of others with the same name:
    /// `method=sendMMS`.
    VAL_MEDIA: "val_media" = "", Custom("name=value,name=value"), secret,
        "parameters to send with a picture";

    /// For the whole request and its response. Meanwhile Asterisk's other messages wait.
    TIMEOUT: "timeout" = "10", Seconds(2, 120), "seconds for the whole request";

    /// For DNS, connection and TLS; less than `timeout`.
    CONNECT_TIMEOUT: "connect_timeout" = "5", Seconds(1, 60), "seconds for the connection";

    /// PEM file with certificates of authorities to trust besides those of the system, for a gateway
    /// of your own. Certificates are always verified.
    CA_FILE: "ca_file" = "", OptionalPath, "PEM file with authorities to trust";

    /// `direct`: `websms` makes the request while the dialplan waits. `queue`: `websms` puts the
    /// message into the outbox and ends at once, and `websmsd` sends it. The shipped file has `queue`,
    /// because Asterisk hands over the messages of all phones one after another.
    DELIVERY: "delivery" = "direct", Choice("direct or queue"),
        "queue: websmsd sends, the phones do not wait";

    /// Directory in which messages wait for the provider. It is created if it does not exist, and
    /// belongs to Asterisk's user.
    OUTBOXDIR: "outboxdir" = "/var/spool/asterisk/websms", AbsolutePath, process, "";

    /// Requests at the same time. Messages between the same two parties are still sent one after
    /// another.
    CONCURRENCY: "concurrency" = "8", Number<usize>(1, 100), "requests at the same time";

    /// Messages per second.
    RATE: "rate" = "0", Limit<u32>(1000), "messages per second, 0 is no limit";

    /// Wait before the second attempt. It doubles with each attempt, and varies at random by a quarter.
    /// A provider's `Retry-After` is respected.
    RETRY_MIN: "retry_min" = "5", Seconds(1, 86_400), "seconds before the second attempt";

    /// Longest wait between two attempts.
    RETRY_MAX: "retry_max" = "300", Seconds(1, 86_400), "seconds between attempts at most";

    /// Time for all attempts; then the sender is told.
    QUEUE_LIFETIME: "queue_lifetime" = "14400", Seconds(1, 2_592_000), "seconds for all attempts";

    /// Attempts to send a message, within its lifetime.
    MAX_ATTEMPTS: "max_attempts" = "0", Limit<u32>(100_000), "0 is no limit";

    /// `yes`: sends a message again although it may have been sent, and so perhaps twice.
    RETRY_UNKNOWN: "retry_unknown" = "no", YesOrNo, "yes may send a message twice";

    /// Parameter for the id of the message, for a provider that takes two requests with the same id
    /// for one. Then every failure can be tried again, unless there is a `fallback`, which does not
    /// know that id.
    KEY_IDEMPOTENCY: "key_idempotency" = "", OptionalText, "parameter for the message's id";

    /// The same as a header, e.g. `Idempotency-Key`.
    HEADER_IDEMPOTENCY: "header_idempotency" = "", Custom("the name of a header"),
        "header for the message's id";

    /// Which interface sends a message that names none. `first`: the first in the file. `auto`: the one
    /// on which the other party last wrote to our number, so that a reply goes back by the interface
    /// that the question came in on; the index `auto` does the same for one message. The interfaces are
    /// remembered in `outboxdir/last`.
    REPLY_INDEX: "reply_index" = "first", Choice("first or auto"), process,
        "auto: the interface they last wrote to";

    /// Another index, which is tried at once when this interface fails in a way that is safe to repeat.
    /// It may have a fallback of its own.
    FALLBACK: "fallback" = "", Custom("an index"), "another index";

    /// What the sender's phone gets, from the number that they wrote to, when a message from the outbox
    /// was not sent. `{to}`, `{from}`, `{text}` and `{reason}` are filled in; `""` sends nothing. One
    /// sender gets at most 20 a minute, and `notice_more` for the others.
    NOTICE_FAILED: "notice_failed" = "Not delivered to {to}: {reason}", OptionalText, "";

    /// The same when the message may have been sent.
    NOTICE_UNKNOWN: "notice_unknown" = "Perhaps not delivered to {to}: {reason}", OptionalText, "";

    /// The same when the provider accepted the message and a receipt says later that it was not
    /// delivered; `{reason}` is in the provider's words.
    NOTICE_UNDELIVERED: "notice_undelivered" = "Not delivered to {to}: {reason}", OptionalText, "";

    /// What a sender's phone gets a minute after 20 notices, for all further messages that were not
    /// delivered, or perhaps not. `{count}` is filled in; `""` sends nothing.
    NOTICE_MORE: "notice_more" = "... and {count} more messages not delivered, or perhaps not", OptionalText, "";

    /// How long a message that was sent from the outbox is kept for its receipt, in `outboxdir/sent`;
    /// 0 keeps none. `asterisk-websms queue show` shows it.
    RECEIPT_TTL: "receipt_ttl" = "259200", Seconds(0, 31_536_000), "seconds to wait for a receipt";
}
