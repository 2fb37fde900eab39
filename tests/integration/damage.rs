//! Every file that the daemon reads may be damaged in every way: it starts, serves,
//! and logs what it put aside.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, SystemTime};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::support::daemon::Daemon;
use crate::support::{Answer, Installation, Provider, wait_for};

const JOHN: &str = "+12025550160";
const REMOTE: &str = "+12025550183";

/// The number of a call file that waits for Asterisk and of a text for a provider.
const ID: &str = "1700000000000000-0000000a";
/// What a random name is made of.
const DIGITS: &str = "0123456789abcdef0123456789abcdef";

/// What may become of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    Cut,
    Device,
    Directory,
    Empty,
    Fifo,
    /// One bit is another one.
    Flipped,
    Future,
    Garbage,
    Huge,
    Link,
    /// Every number is the largest of 64 bits.
    Numbers,
}

impl Damage {
    const ALL: [Self; 11] = [
        Self::Cut,
        Self::Device,
        Self::Directory,
        Self::Empty,
        Self::Fifo,
        Self::Flipped,
        Self::Future,
        Self::Garbage,
        Self::Huge,
        Self::Link,
        Self::Numbers,
    ];

    /// Puts a file with this content there, and damages it.
    fn place(self, path: &Path, content: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let bytes = content.as_bytes();
        match self {
            Self::Cut => fs::write(path, &bytes[..bytes.len() / 2]).unwrap(),
            Self::Device => symlink("/dev/zero", path).unwrap(),
            Self::Directory => fs::create_dir_all(path.join("inner")).unwrap(),
            Self::Empty => fs::write(path, "").unwrap(),
            Self::Fifo => mkfifo(path, Mode::S_IRWXU).unwrap(),
            Self::Flipped => {
                let mut bytes = bytes.to_vec();
                let middle = bytes.len() / 2;
                bytes[middle] |= 0x80;
                fs::write(path, bytes).unwrap();
            }
            Self::Future => {
                fs::write(path, bytes).unwrap();
                let future = SystemTime::now() + Duration::from_secs(200 * 365 * 86_400);
                let file = File::options().write(true).open(path).unwrap();
                file.set_modified(future).unwrap();
            }
            Self::Garbage => fs::write(path, (0..=255).collect::<Vec<u8>>().repeat(4)).unwrap(),
            Self::Huge => {
                fs::write(path, bytes).unwrap();
                let file = File::options().write(true).open(path).unwrap();
                file.set_len(8 << 30).unwrap();
            }
            Self::Link => symlink("nowhere", path).unwrap(),
            Self::Numbers => fs::write(path, with_largest_numbers(content)).unwrap(),
        }
    }

    /// Whether no file can be read there, whatever should be in it.
    fn is_no_file(self) -> bool {
        matches!(
            self,
            Self::Device | Self::Directory | Self::Fifo | Self::Huge | Self::Link
        )
    }
}

fn with_largest_numbers(content: &str) -> String {
    let mut text = String::new();
    for part in content.split_inclusive(|c: char| !c.is_ascii_digit()) {
        let digits = part.trim_end_matches(|c: char| !c.is_ascii_digit());
        if !digits.is_empty() {
            text.push_str(&u64::MAX.to_string());
        }
        text.push_str(&part[digits.len()..]);
    }
    text
}

fn installation(provider: &Provider) -> Installation {
    let installation = Installation::new(|spool| {
        let path = |name: &str| spool.path().join(name).display().to_string();
        format!(
            "[websms]\nhost = {}\nauth_user = id\nauth_passwd = secret\ndelivery = queue\n\
             outboxdir = {}\nretry_min = 1\nretry_max = 1\n\
             [websmsd]\nkey_media = MediaUrl#\nkey_id = Id\nmedia = store\nmedia_dir = {}\n\
             media_url = https://sms.example.com/media\n\
             [otp]\nlisten = 127.0.0.1:0\notpdir = {}\nchannel = sms\nsms_from = {JOHN}\n\
             sms_text = {{code}}\n\
             {}archive = yes\ndonedir = {}\nfaileddir = {}\n",
            provider.url(),
            path("outbox"),
            path("media"),
            path("otp"),
            spool.section(),
            path("done"),
            path("failed"),
        )
    });
    for name in ["media", "done", "failed"] {
        fs::create_dir(installation.path(name)).unwrap();
    }
    installation
}

/// Runs a command that must not hang.
fn run(installation: &Installation, arguments: &[&str]) -> Output {
    let program = installation.command(arguments);
    std::process::Command::new("timeout")
        .arg("20")
        .arg(program.get_program())
        .args(program.get_args())
        .env("WEBSMS_CONF", installation.path("websms.conf"))
        .output()
        .unwrap()
}

/// Posts a text, and waits until Asterisk could take it.
fn assert_serves(daemon: &Daemon) {
    let files = || -> Vec<_> {
        let entries = fs::read_dir(daemon.spool.outgoing()).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect()
    };
    let response = daemon.send("+12025550199", REMOTE, "x");
    assert_eq!(response.status, 200);
    wait_for("the call file", || {
        let is_new = |name: &std::ffi::OsString| !name.to_string_lossy().starts_with(ID);
        files().into_iter().find(is_new)
    });
}

const ASIDE: Option<&str> = Some("damaged file put aside");

/// Each damage to one file. If the daemon reads it without being asked, `logged` is
/// what it says of one that is no file.
fn assert_damage_is_survived(name: &str, content: &str, logged: Option<&str>) {
    let provider = Provider::answering(Answer::ok());
    for damage in Damage::ALL {
        let mut installation = installation(&provider);
        damage.place(&installation.path(name), content);
        let daemon = installation.start();
        assert_serves(&daemon);
        if damage.is_no_file()
            && let Some(logged) = logged
        {
            let line = daemon.wait_for_log(logged);
            let name = Path::new(name).file_name().unwrap().to_str().unwrap();
            let id = name.get(..ID.len()).unwrap_or(name);
            assert!(line.contains(id), "{damage:?}: {line}");
        }
        if damage.is_no_file() && logged == ASIDE {
            let check = run(&installation, &["check"]);
            let lines = String::from_utf8(check.stdout).unwrap();
            assert!(lines.contains("damaged files in"), "{damage:?}: {lines}");
        }
        for arguments in [&["queue", "list"][..], &["queue", "retry", "--all"]] {
            let output = run(&installation, arguments);
            // A damaged message cannot be retried, which is said; nothing hangs.
            let code = output.status.code();
            assert!(matches!(code, Some(0 | 69)), "{damage:?}: {output:?}");
        }
        let log = installation.stop(daemon);
        assert!(!log.contains("panicked"), "{damage:?}: {log}");
        // And once more with what is left of it.
        let daemon = installation.start();
        assert_serves(&daemon);
        installation.stop(daemon);
    }
}

fn call_file(appended: &str) -> String {
    format!(
        "Channel: Local/{JOHN}@dp_entry_channel_open\nContext: dp_entry_trunk_texting\n\
         Extension: {JOHN}\nPriority: 1\nMaxRetries: 3\nSetvar: MESSAGE(body)=x\n{appended}"
    )
}

fn call_file_name() -> String {
    format!("{ID}-0001of0001-00000000000000aa.call")
}

#[test]
fn call_file_in_staging() {
    let name = format!("staging/{}", call_file_name());
    assert_damage_is_survived(&name, &call_file(""), ASIDE);
}

/// Half a message is still somebody's message: it was accepted.
#[test]
fn part_beside_a_damaged_last_part_arrives() {
    let provider = Provider::answering(Answer::ok());
    let mut installation = installation(&provider);
    let part = |number: u8| format!("{ID}-000{number}of0002-00000000000000aa.call");
    let staged = |number| installation.path("staging").join(part(number));
    fs::write(staged(1), call_file("")).unwrap();
    fs::create_dir(staged(2)).unwrap();
    let daemon = installation.start();
    let handed_over = daemon.spool.outgoing().join(part(1));
    wait_for("the first part", || handed_over.exists().then_some(()));
    daemon.wait_for_log("damaged file put aside");
}

#[test]
fn call_file_to_be_retried() {
    let name = format!("staging/retry/{}", call_file_name());
    assert_damage_is_survived(&name, &call_file(""), None);
}

#[test]
fn call_file_with_asterisk() {
    let name = format!("outgoing/{}", call_file_name());
    let appended = "\nStartRetry: 1 1 (1700000000)\n";
    assert_damage_is_survived(&name, &call_file(appended), ASIDE);
}

#[test]
fn call_file_that_asterisk_finished() {
    let name = format!("done/{}", call_file_name());
    let appended = "\nStartRetry: 1 1 (1700000000)\nStatus: Expired\n";
    assert_damage_is_survived(&name, &call_file(appended), ASIDE);
}

#[test]
fn call_file_that_failed() {
    let name = format!("failed/{}", call_file_name());
    let appended = "\nStartRetry: 1 1 (1700000000)\nStatus: Expired\n";
    assert_damage_is_survived(&name, &call_file(appended), None);
}

#[test]
fn ids_of_stored_messages() {
    let content = format!("1900000000 {DIGITS}\n1900000001 {DIGITS}\n");
    assert_damage_is_survived("staging/dedupe", &content, ASIDE);
}

#[test]
fn state_of_a_phone() {
    let content = "{\"sends\":[1700000000000],\"code\":{\"hash\":\"00\",\"from\":1700000000000,\
                   \"until\":1900000000000,\"attempts\":3}}";
    assert_damage_is_survived(&format!("otp/{DIGITS}"), content, ASIDE);
}

#[test]
fn job_for_a_picture() {
    let content = format!(
        "{{\"url\": \"https://127.0.0.1:9/\", \"name\": \"{DIGITS}.gif\", \"interface\": \"\", \
         \"to\": \"{JOHN}\", \"from\": \"{REMOTE}\", \"since\": 1, \"tries\": 2}}"
    );
    let name = format!("media/.pending/{DIGITS}.json");
    assert_damage_is_survived(&name, &content, ASIDE);
}

fn record() -> String {
    format!(
        "{{\"interface\":\"\",\"to\":\"{REMOTE}\",\"from\":\"{JOHN}\",\"text\":\"x\",\
         \"attempts\":1,\"not_before\":1700000000}}"
    )
}

fn record_name() -> String {
    format!("{ID}-00000000000000aa.json")
}

#[test]
fn message_for_a_provider() {
    let name = format!("outbox/{}", record_name());
    let logged = Some("invalid file moved to failed");
    assert_damage_is_survived(&name, &record(), logged);
}

#[test]
fn message_that_was_being_sent() {
    let name = format!("outbox/sending/{}", record_name());
    assert_damage_is_survived(&name, &record(), ASIDE);
}

#[test]
fn message_that_was_not_sent() {
    let name = format!("outbox/failed/{}", record_name());
    assert_damage_is_survived(&name, &record(), None);
}

#[test]
fn message_whose_sender_is_to_be_notified() {
    let name = format!("outbox/notices/{}", record_name());
    let logged = Some("waiting notice unreadable");
    assert_damage_is_survived(&name, &record(), logged);
}

#[test]
fn message_that_waits_for_its_receipt() {
    let name = format!("outbox/sent/{DIGITS}01234567.json");
    let sent = format!(
        "{{\"id\":\"{ID}\",\"provider_id\":\"p\",\"interface\":\"\",\"message\":{}}}",
        record()
    );
    assert_damage_is_survived(&name, &sent, None);
}

#[test]
fn interface_of_the_last_message() {
    let name = format!("outbox/last/{DIGITS}01234567");
    assert_damage_is_survived(&name, "api-1\n", None);
}
