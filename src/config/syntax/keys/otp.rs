//! Keys of `[otp]`: one-time passwords.

use crate::config::syntax::keys::key::{self, keys};
use crate::config::syntax::section::Section;
use crate::config::syntax::value::{
    AbsolutePath, BaseUrl, Custom, HostList, Limit, ListenAddress, NetworkList, Number,
    OptionalPath, OptionalText, Seconds, SecretText,
};

keys! { Section::Otp;
    /// Where `websmsd` serves [codes by HTTP](#one-time-passwords-by-http), unencrypted: put a reverse
    /// proxy with HTTPS in front of it, and name that in `proxy_addr` of `[websmsd]`.
    LISTEN: "listen" = "127.0.0.1:3000", ListenAddress, "";

    /// Addresses that may ask: each code costs money. A request through a proxy that `proxy_addr` does
    /// not name is refused if one of its headers shows the proxy (`Forwarded`, `X-Forwarded-For`,
    /// `X-Real-IP`); the default of `proxy_addr` names none here. A proxy on this machine that sets no
    /// such header, like nginx and HAProxy by default, makes every client look like this machine: have
    /// it set `proxy_header`, or set `client_token`. By FastAGI neither address nor token is checked.
    PERMIT_ADDR: "permit_addr" = "127.0.0.0/8,::1", NetworkList, "who may have codes sent";

    /// Names and addresses by which clients reach this server, if not by an address of `listen` or as
    /// `localhost`: `otp.example.com` of a reverse proxy that passes the Host header on. Without ports. A
    /// request for another host is refused with 403, and so is one that a web page of another site causes
    /// (`Sec-Fetch-Site`, `Origin`): a browser on a permitted machine must not have codes sent. A request
    /// without Host is taken from this machine alone. A `listen` at all addresses has every address.
    OTP_HOST: "otp_host" = "", HostList, "names of this server, e.g. otp.example.com";

    /// What clients must show as well: `Authorization: Bearer …`. `file:` and `env:` as in `[websms]`.
    CLIENT_TOKEN: "client_token" = "", SecretText, secret, "what clients must show, or file:/path";

    /// How a code is sent, in this order. The second channel takes what the first refuses, and what a
    /// receipt later reports as not delivered (the webhook of the same account in `[websmsd]`), unless
    /// `websmsd` was started again in between: codes are not stored in the clear.
    CHANNEL: "channel" = "whatsapp", Custom("whatsapp, sms, whatsapp,sms or sms,whatsapp"),
        "or sms, or whatsapp,sms";

    /// Digits of a code. The first one is not 0.
    CODE_LENGTH: "code_length" = "6", Number<u32>(4, 15), "digits";

    /// How long a code is valid. `otp setup` writes it into the template, in minutes.
    LIFETIME: "lifetime" = "300", Seconds(10, 5400), "seconds";

    /// Wrong codes after which the right one is not accepted any more.
    MAX_ATTEMPTS: "max_attempts" = "3", Number<u32>(1, 100), "";

    /// Codes that one phone gets within an hour, including those that may have been sent though the
    /// provider did not confirm it. Kept across restarts.
    PER_PHONE: "per_phone" = "5", Limit<u32>(1_000_000), "an hour, 0 is no limit";

    /// Codes that one client (an address; with IPv6 a network of 64 bits) may ask for within an hour.
    /// Forgotten at a restart. Codes that were certainly not sent do not count. This machine, with
    /// Asterisk and all that asks from 127.0.0.0/8 or `::1`, is one client.
    PER_CLIENT: "per_client" = "100", Limit<u32>(1_000_000), "an hour, 0 is no limit";

    /// Codes for all clients and phones together within an hour: the most that can be spent if somebody
    /// finds a way to ask. Counted as `per_client`.
    PER_HOUR: "per_hour" = "1000", Limit<u32>(1_000_000), "an hour in all, 0 is no limit";

    /// Directory with the state of codes: a file for each phone, under a name that does not show its
    /// number.
    OTPDIR: "otpdir" = "/var/spool/asterisk/otp", AbsolutePath, "";

    /// Key with which codes are hashed: any long secret, of at least 16 bytes, that is not stored in or
    /// beside `otpdir`. Not set: `access_token`, or the secret of the interface that sends SMS. When it
    /// changes, no code is valid any more.
    HASH_KEY: "hash_key" = "", SecretText, secret, "not set: the account's secret";

    /// File with the account at Meta, `whatsapp-info.json`, as `otp setup` and the setup scripts of
    /// Meta's sample write it: the next four keys, as JSON. Use it instead of them.
    INFO_FILE: "info_file" = "", OptionalPath,
        "/etc/asterisk/whatsapp-info.json, or the next four";

    /// WhatsApp Business Account.
    WABA_ID: "waba_id" = "", Custom("an id, digits"), "";

    /// Access token of a system user, with `whatsapp_business_management` and
    /// `whatsapp_business_messaging`. `file:` and `env:` as in `[websms]`.
    ACCESS_TOKEN: "access_token" = "", SecretText, secret, "or file:/path, or env:NAME";

    /// The number that codes are sent from.
    PHONE_NUMBER_ID: "phone_number_id" = "", Custom("an id, digits"), "";

    /// The authentication template of the message.
    TEMPLATE_ID: "template_id" = "", Custom("an id, digits"), "";

    /// Base URL of Meta's Graph API.
    API_URL: "api_url" = "https://graph.facebook.com", BaseUrl("https://graph.facebook.com"), "";

    /// Its version. (The sample's v21.0 ends in January 2027.)
    API_VERSION: "api_version" = "v25.0", Custom("a version, e.g. v25.0"), "";

    /// Interface of `[websms]` that sends SMS, with its fallbacks, at once and whatever its `delivery`:
    /// a code is never put into the outbox. Not set: the first.
    SMS_INDEX: "sms_index" = "", OptionalText, "index in [websms], not set: the first";

    /// Number that SMS are sent from. Required with `channel = sms`.
    SMS_FROM: "sms_from" = "", OptionalText, "number that SMS are sent from";

    /// Text of an SMS. It must contain `{code}`, and may contain `{minutes}`.
    SMS_TEXT: "sms_text" = "{code} is your verification code.",
        Custom("text with {code} and perhaps {minutes}"), "";

    /// For a request to Meta.
    TIMEOUT: "timeout" = "10", Seconds(2, 120), "seconds";

    /// PEM file with certificates of authorities to trust besides those of the system.
    CA_FILE: "ca_file" = "", OptionalPath, "PEM file with authorities to trust";
}
