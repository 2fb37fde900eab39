//! Keys of `[astqueue]`: call files.

use crate::config::syntax::keys::key::{self, keys};
use crate::config::syntax::section::Section;
use crate::config::syntax::value::{
    AbsolutePath, Choice, ContextName, Custom, Number, OptionalPath, Seconds, YesOrNo,
};

keys! { Section::Astqueue;
    /// Directory from which Asterisk takes call files.
    OUTGOINGDIR: "outgoingdir" = "/var/spool/asterisk/outgoing", AbsolutePath, "";

    /// Directory in which call files are written and wait. It is another directory on the same file
    /// system and mount.
    STAGINGDIR: "stagingdir" = "/var/spool/asterisk/staging", AbsolutePath,
        "same file system as outgoingdir";

    /// Seconds to wait until the Local channel answers.
    WAITTIME: "waittime" = "45", Number<u32>(1, 3600), "seconds";

    /// Attempts after the first. With 0, Asterisk deletes the message when the phone is off; the
    /// shipped file has 4320.
    MAXRETRIES: "maxretries" = "0", Number<u32>(0, 1_000_000), "0 gives up at once";

    /// Seconds between attempts.
    RETRYTIME: "retrytime" = "300", Number<u32>(1, 604_800), "seconds";

    /// `yes`: Asterisk keeps finished call files in `donedir`, with a line that states the result;
    /// `websmsd` keeps those that Asterisk gave up on in `faileddir` and removes delivered ones after
    /// `done_lifetime`. `no`: Asterisk deletes both, and nobody can tell them apart.
    ARCHIVE: "archive" = "no", YesOrNo, "yes: keep what Asterisk gave up on";

    /// Context that answers the Local channel: `dp_entry_channel_open` or `dp_entry_answer`.
    CHANNEL_CONTEXT: "channel_context" = "default", ContextName,
        "answers when the phone is registered";

    /// Context that handles the text: `dp_entry_trunk_texting` or `dp_entry_text_in`.
    CONTEXT: "context" = "default", ContextName, "sends the text to the phone";

    /// Priority in that context.
    PRIORITY: "priority" = "1", Number<u32>(1, 10_000), "";

    /// How the text is encoded; there is no other encoding.
    MESSAGE_ENCODE: "message_encode" = "rfc3986", Choice("rfc3986"), "";

    /// Call files that Asterisk has to handle at the same time; the rest waits in `stagingdir`. Those
    /// for phones that are off do not count. From 500 on, Asterisk refuses SIP.
    MAX_OUTGOING: "max_outgoing" = "40", Number<usize>(1, 400), "files at a time in outgoingdir";

    /// Bytes of text in one SIP MESSAGE. A longer text becomes several, cut between characters, in
    /// order.
    // The longest emoji must fit.
    MAX_TEXT: "max_text" = "1000", Number<usize>(40, 1000), "bytes in one SIP MESSAGE";

    /// Call files that may wait. Above that, providers get 503 and try again later.
    MAX_WAITING: "max_waiting" = "100000", Number<usize>(1, 10_000_000), "files in stagingdir";

    /// Bytes of the disk that stay free. Below that, providers get 503.
    MIN_FREE: "min_free" = "10485760", Number<u64>(0, u64::MAX), "bytes of disk that stay free";

    /// Directory in which Asterisk keeps finished call files. Not set: `outgoing_done` beside
    /// `outgoingdir`, which is where Asterisk puts them.
    DONEDIR: "donedir" = "", OptionalPath, "not set: outgoing_done beside outgoingdir";

    /// Directory for call files that Asterisk gave up on. Not set: `failed` beside `stagingdir`. It is
    /// on the same file system and mount as `donedir`.
    FAILEDDIR: "faileddir" = "", OptionalPath, "not set: failed beside stagingdir";

    /// How long delivered call files, with their texts, are kept in `donedir`.
    DONE_LIFETIME: "done_lifetime" = "604800", Seconds(0, 315_360_000), "seconds";

    /// Mode of call files. Asterisk's user must be able to read *and* write them.
    FILEMODE: "filemode" = "0600", Custom("a file mode, octal, from 0600 to 0666"), "";

    /// Owner of call files, by name or number. Not set: the owner of `outgoingdir`, who is Asterisk's
    /// user. Programs that are started as root become the owner of call files.
    FILEOWNER: "fileowner" = "", Custom("user or user:group"), "not set: the owner of outgoingdir";
}
