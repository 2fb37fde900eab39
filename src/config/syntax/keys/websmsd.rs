//! Keys of `[websmsd]`: from the provider to Asterisk.

use crate::config::syntax::keys::key::{self, keys};
use crate::config::syntax::section::Section;
use crate::config::syntax::value::{
    Choice, Custom, ExtensionList, HeaderName, Limit, ListenAddress, NetworkList, Number,
    NumberForm, OptionalCondition, OptionalPath, OptionalText, Places, RequiredPlaces, Seconds,
    SecretText, SenderText, UrlPaths, WordList,
};

keys! { Section::Websmsd;
    /// As in `[websms]`.
    PRESET: "preset" = "", Custom("the name of a preset"), "a known provider";

    /// HTTP methods by which messages are accepted. With `GET` the fields are in the query, separated by
    /// `&` or `;`. With `auth`, `GET` needs one that covers the URL, see [Signatures](#signatures).
    METHOD: "method" = "POST", Custom("POST, PUT and GET, separated by commas"),
        "methods accepted, e.g. POST,GET";

    /// Where the destination number is.
    KEY_TO: "key_to" = "To", RequiredPlaces, "where the destination number is";

    /// Where the number or name of the sender is.
    KEY_FROM: "key_from" = "From", RequiredPlaces, "where the sender's number is";

    /// Sender of a message that names none, or one without a letter or digit that can be written. Other
    /// names are written as near as Asterisk and SIP can carry them: `AT&T` as `AT-T`, `Søstrene G` as
    /// `Sostrene G`. A name is never the reason to refuse a text.
    FROM_DEFAULT: "from_default" = "unknown", SenderText, "sender where none is named";

    /// Where the text is. With a destination and a sender, no text is an empty text, unless `match` is not
    /// set and a field is named `status` or so: then it is rather a receipt, see `receipt_match`.
    KEY_BODY: "key_body" = "Body", RequiredPlaces, "where the text is";

    /// Where the provider's id of the message is, e.g. `MessageSid`. A message whose id was seen before,
    /// on the same interface and for the same number, is answered as before and not delivered again. Not
    /// set, or no such field: every message is a new one.
    KEY_ID: "key_id" = "", Places, "where the provider's id is";

    /// Where the URLs of pictures are, up to 20, from all of these places: `MediaUrl#`,
    /// `/data/payload/media/*/url`.
    KEY_MEDIA: "key_media" = "", Places, "where URLs of pictures are";

    /// What a message must fulfil, e.g. `/data/event_type=message.received`. May be given on several
    /// lines, all of which must hold. A request that does not match is answered as if it did, logged,
    /// and not delivered. One that has not even the outermost member of the place has another shape: it
    /// is refused with 400, and the log has the names that are there.
    MATCH: "match" = "", OptionalCondition, repeated, "what a message must fulfil, may be repeated";

    /// What makes a request no message. May be given on several lines, one of which is enough.
    IGNORE: "ignore" = "", OptionalCondition, repeated,
        "what makes it no message, may be repeated";

    /// What the body of a request is. `auto` goes by its Content-Type, and where that says nothing by
    /// what the body looks like. `text`: the whole body is the field `body`, e.g. of Kannel's `post-url`,
    /// which has the numbers in headers.
    BODY_TYPE: "body_type" = "auto", Choice("auto, form, json, multipart or text"),
        "or form, json, multipart, text";

    /// Character set of texts that come without a word about it, e.g. `ISO-8859-1`, `windows-1251`,
    /// `UTF-16BE` or `GSM` (3GPP TS 23.038, a character in each byte). What `key_charset`, the
    /// Content-Type, a part of a multipart form or a field `_charset_` says counts first. UTF-16 and GSM
    /// count for the field of the text alone. Not set: UTF-8, and windows-1252 for what is not UTF-8.
    CHARSET: "charset" = "", Custom("a character set, e.g. ISO-8859-1, UTF-16BE or GSM"),
        "of texts that come without one";

    /// Where a request has the character set of the text: a field such as `charset` or `coding`.
    KEY_CHARSET: "key_charset" = "", Places, "where the text's character set is";

    /// What the values there mean, if they are not names of character sets: `0=GSM, 8=UTF-16BE`.
    CHARSET_VALUES: "charset_values" = "", Custom("VALUE=CHARSET, e.g. 0=GSM, 8=UTF-16BE"),
        "e.g. 0=GSM, 8=UTF-16BE";

    /// How the text is encoded inside its field. `base64` and `hex` are bytes in the character set of
    /// the text. `whatsapp`: `key_body` points at a message as Meta's
    /// Cloud API posts it, and every type becomes readable text: pictures with their captions, locations
    /// with a link to a map, contacts, reactions, choices.
    DECODE: "decode" = "none", Choice("none, percent, base64, hex or whatsapp"),
        "or percent, base64, hex, whatsapp";

    /// As in `[websms]`, for both numbers, so that the dialplan sees one form: `plus`, or `nanp+` for
    /// providers that leave out the country code. `jid` and `jid-` read `12025550183@s.whatsapp.net` as
    /// `+12025550183`, and an identity without a number, `123@lid`, as the sender `lid123`, never as a
    /// number.
    NUMBER_FORMAT: "number_format" | "val_numform" = "", NumberForm, "e.g. plus, nanp+";

    /// How long an id is remembered, across restarts.
    DEDUPE_TTL: "dedupe_ttl" = "86400", Seconds(60, 31_536_000),
        "seconds for which an id is remembered";

    /// Query parameter whose value is returned to a GET request, because some providers test with it,
    /// e.g. `zd_echo`.
    KEY_ECHO: "key_echo" = "", OptionalText, "query parameter to return, e.g. zd_echo";

    /// Query parameter that must hold `echo_secret`, e.g. `hub.verify_token`; otherwise the challenge is
    /// refused with 403.
    KEY_ECHO_SECRET: "key_echo_secret" = "", OptionalText,
        "query parameter that must hold echo_secret";

    /// What the provider must send to have its challenge answered.
    ECHO_SECRET: "echo_secret" = "", SecretText, secret, "";

    /// Not used; accepted because old files have it.
    KEY_ACCOUNT: "key_account" = "", OptionalText, "not used";

    /// Body of the response to an accepted message, e.g. `<Response></Response>`. Its Content-Type is XML,
    /// JSON or text, depending on how it looks. Some providers send it back as an SMS: leave it empty
    /// unless yours needs it.
    REPORT_SUCCESS: "report_success" | "resp_ack" = "", OptionalText, "body of the response";

    /// Content-Type of that response, if not what it looks like.
    RESP_TYPE: "resp_type" = "", Custom("a Content-Type, e.g. application/xml"),
        "if not what it looks like";

    /// Status of that response.
    RESP_CODE: "resp_code" = "200", Number<u16>(200, 299), "of the response";

    /// How a request proves that it is from the provider, see [Signatures](#signatures). A request that
    /// does not is refused with 403 (`basic`: 401), and the log states the reason.
    AUTH: "auth" = "none", Choice("none, basic, token, twilio, hmac, ed25519, jwt or vonage"),
        "basic, token, twilio, hmac, ed25519, jwt, vonage";

    /// User name, with `auth = basic`.
    AUTH_USER: "auth_user" = "", OptionalText, secret, "with basic";

    /// Password, token or secret; with `ed25519` the provider's public key, in base64 or hexadecimal.
    /// `file:` and `env:` as in `[websms]`; a file is read anew for each webhook. `websmsd` does not
    /// start without it.
    AUTH_SECRET: "auth_secret" = "", SecretText, secret, "or file:/path, or env:NAME";

    /// Another secret that is accepted as well, while you change it at the provider.
    AUTH_SECRET_OLD: "auth_secret_old" = "", SecretText, secret, "also accepted, during a change";

    /// Where the token or signature is. `field:` is a field of the form, or of the top level of the JSON.
    /// `path` is for a token: `request_uri` then shows where, `/hook/{token}`.
    AUTH_PLACE: "auth_place" = "", Custom("header:Name, query:name, field:name or path"),
        "header:Name, query:name, field:name or path";

    /// Digest of `hmac`; `md5hash` is for `vonage` alone.
    AUTH_ALGORITHM: "auth_algorithm" = "sha256", Choice("sha256, sha1, sha512, md5 or md5hash"),
        "with hmac and vonage";

    /// How the signature of `hmac` is written; `base64-hex` is base64 of the hexadecimal digits.
    AUTH_ENCODING: "auth_encoding" = "hex", Choice("hex, base64 or base64-hex"),
        "or base64, base64-hex";

    /// What stands before the signature, e.g. `sha256=`.
    AUTH_PREFIX: "auth_prefix" = "", OptionalText, "e.g. sha256=";

    /// What is signed. `{url}`, `{url_noquery}`, `{method}`, `{body}`, `{body_sha256}` (32 bytes),
    /// `{body_sha256_hex}`, `{fields_sorted}` (names and values of the form, sorted and concatenated),
    /// `{timestamp}`, `{nonce}` and `{field:NAME}` are filled in; `\n` is a line end. If only fields are
    /// signed, nothing else of the request is trusted.
    AUTH_TEMPLATE: "auth_template" = "{body}", Custom("a template"), "what is signed";

    /// Where the time of signing is, in seconds or milliseconds since 1970.
    AUTH_TIMESTAMP: "auth_timestamp" = "", Custom("as in auth_place"), "where the time is";

    /// Where the nonce is.
    AUTH_NONCE: "auth_nonce" = "", Custom("as in auth_place"), "where the nonce is";

    /// Seconds that the time of signing may differ, in both directions; 0 sets no limit. Some providers
    /// repeat hours later what they signed once.
    AUTH_MAX_AGE: "auth_max_age" = "300", Limit<u64>(31_536_000), "seconds, 0 is no limit";

    /// Scheme and host, perhaps with the start of a path, under which the provider reaches `websmsd`:
    /// for signatures over the URL. Not set: `http://` and the Host header.
    PUBLIC_URL: "public_url" = "", Custom("a URL, e.g. https://sms.example.com"),
        "e.g. https://sms.example.com";

    /// What makes a request a delivery receipt. May be given on several lines, one of which is enough. A
    /// receipt is never delivered as a text.
    RECEIPT_MATCH: "receipt_match" = "", OptionalCondition, repeated,
        "what makes it a receipt, may be repeated";

    /// Where a receipt has the provider's id of the message, as `resp_id` of `[websms]` found it.
    RECEIPT_ID: "receipt_id" = "", Places, "where a receipt has the message's id";

    /// Where it has the status.
    RECEIPT_STATUS: "receipt_status" = "", Places, "where it has the status";

    /// Statuses that mean delivered, in any case: `delivered,read`.
    RECEIPT_DELIVERED: "receipt_delivered" = "", WordList, "statuses that mean delivered";

    /// Statuses that mean not delivered. Any other means that the message is on its way.
    RECEIPT_FAILED: "receipt_failed" = "", WordList, "statuses that mean not delivered";

    /// Where it has the reason.
    RECEIPT_REASON: "receipt_reason" = "", Places, "where it has the reason";

    /// Where it has the code of an error, for `reason` and `fallback_on` of `[websms]`. Without words
    /// for it the sender gets the status with the code behind it.
    RECEIPT_ERROR: "receipt_error" = "", Places, "where it has the code of an error";

    /// What is done with pictures. `link`: their URLs are put behind the text, one on each line. `store`:
    /// they are fetched into `media_dir` after the response, and URLs under `media_url` are put behind the
    /// text. `none`: nothing.
    MEDIA: "media" = "link", Choice("link, store or none"), "or store, none";

    /// URL, with `{id}`, of a JSON document whose `url` is the address of a file that has only an id:
    /// `https://graph.facebook.com/v25.0/{id}`. The credentials of the interface are sent if the host is
    /// in `media_hosts`. Only with `media = store`.
    MEDIA_LOOKUP: "media_lookup" = "", Custom("a URL with {id}"),
        "URL with {id} that finds a file";

    /// Hosts that get the credentials of the same interface of `[websms]` when pictures are fetched from
    /// them, e.g. `api.twilio.com`. No other host gets them.
    /// Only those of `auth_method = basic`, `bearer` and `header` are sent.
    MEDIA_HOSTS: "media_hosts" = "", WordList, "hosts that get credentials for pictures";

    /// Addresses that may post. **Not set means anyone**, and you are warned.
    PERMIT_ADDR: "permit_addr" | "remt_addr" = "", NetworkList, "who may post, not set: anyone";

    /// Paths that may be posted to. They are compared byte for byte, without the query. Not set means any
    /// path.
    REQUEST_URI: "request_uri" | "url_path" = "", UrlPaths, "paths, e.g. /hook/1,/hook/2";

    /// Addresses of reverse proxies whose header about the client is trusted. List only your own; `""` if
    /// you have none.
    PROXY_ADDR: "proxy_addr" | "prox_addr" = "172.16.0.0/12", NetworkList, process,
        "trusted reverse proxies";

    /// Header in which they name the client, in CGI's spelling or plain: `X-Forwarded-For`, `Forwarded`
    /// (RFC 7239), `X-Real-IP`. It is read from the right, past trusted proxies; a request with an entry
    /// that is no address is refused.
    PROXY_HEADER: "proxy_header" | "prox_header" = "HTTP_X_FORWARDED_FOR", HeaderName, process,
        "in which they name the client";

    /// Largest body of a request, in bytes.
    MAX_BODY: "max_body" = "262144", Number<usize>(1024, 16_777_216), process,
        "bytes of a request";

    /// Where `websmsd` reports its health, e.g. `127.0.0.1:8081`: any GET gets 200, or 503 when messages
    /// cannot be stored or handed on, with JSON that states the reason, how many call files wait, how many
    /// Asterisk has, the age of the oldest and the free bytes of the disk. Each response writes, syncs and
    /// removes a file. Not set means nowhere; do not open it to strangers.
    HEALTH_LISTEN: "health_listen" = "", ListenAddress, process, "e.g. 127.0.0.1:8081";

    /// Where `websmsd` serves FastAGI, e.g. `127.0.0.1:4573`: `AGI(agi://127.0.0.1/websms,…)` does what
    /// `AGI(websms,…)` does, without a process for each message. FROM and BODY must be encoded (ENCODING
    /// `base64` or `base64-percent`). Whoever may connect can send texts and, with `[otp]`, have codes
    /// sent and checked. Not set means nowhere.
    AGI_LISTEN: "agi_listen" = "", ListenAddress, process, "e.g. 127.0.0.1:4573";

    /// Addresses of Asterisk, which may connect to `agi_listen`; nobody else is answered. It must be set
    /// if `agi_listen` is beyond loopback.
    AGI_PERMIT_ADDR: "agi_permit_addr" = "127.0.0.0/8,::1", NetworkList, process,
        "addresses of Asterisk";

    /// Seconds from SIGTERM to the end: webhooks, FastAGI and messages on their way to a provider share them.
    /// What is not finished by then is cut off and logged; a message of the outbox counts as "perhaps sent".
    /// Webhooks have 4 seconds at most, because their senders repeat them. A second SIGTERM ends at once.
    /// Keep it below the time after which your service manager kills: Docker's is 10 seconds.
    SHUTDOWN_TIMEOUT: "shutdown_timeout" = "8", Seconds(1, 300), process, "below Docker's 10";

    /// Directory for fetched pictures, which your web server publishes as `media_url`. It must exist,
    /// belong to the user of `websmsd` and be readable by the web server (0755). The web server should not
    /// list it, should not publish files whose names start with a dot (`.pending` holds what is still to
    /// be fetched), and should send `X-Content-Type-Options: nosniff`. A picture whose URL has no extension
    /// has none here either, so set a default type.
    MEDIA_DIR: "media_dir" = "", OptionalPath, process, "where fetched pictures are kept";

    /// URL of that directory. Names in it cannot be guessed.
    MEDIA_URL: "media_url" = "", Custom("a URL, e.g. https://sms.example.com/media"), process,
        "its URL";

    /// Extensions of files that are fetched; others are refused.
    MEDIA_TYPES: "media_types" = "jpg,jpeg,png,gif,webp,heic,mp4,3gp,mp3,amr,ogg,m4a,pdf,vcf",
        ExtensionList, process, "";

    /// Largest of them, in bytes.
    MEDIA_MAX: "media_max" = "10485760", Number<u64>(1, 1_073_741_824), process, "bytes";

    /// How long they are kept.
    MEDIA_LIFETIME: "media_lifetime" = "2592000", Seconds(3600, 315_360_000), process, "seconds";

    /// Private addresses from which pictures may be fetched: a gateway of your own. All other private
    /// addresses are refused, so that nobody can make `websmsd` send requests inside your network; for the
    /// same reason no proxy is used.
    MEDIA_PERMIT_ADDR: "media_permit_addr" = "", NetworkList, process,
        "private addresses to fetch from";
}
