//! What `check` and the start say of listeners that let in too many, and of secrets
//! that others can read or guess: one row for each, with line, key and remedy.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::support::{Daemon, Spool, program};

/// Settings of `[websmsd]` and `[astqueue]` that get no warning.
const SOUND: &str = "[astqueue]\nmaxretries = 1\narchive = yes\n[websmsd]\nproxy_addr = \"\"\n";

/// Status and findings of `check`, without the path of the file.
fn check(config: &str, more: &[&str]) -> (Option<i32>, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("websms.conf");
    std::fs::write(&path, config).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let output = std::process::Command::new(program())
        .env_clear()
        .args(["check", "--config"])
        .arg(&path)
        .args(more)
        .output()
        .unwrap();
    let report = String::from_utf8(output.stdout).unwrap();
    let path = format!("{}:", path.display());
    let lines = report.lines().map(|line| line.replacen(&path, "", 1));
    (output.status.code(), lines.collect())
}

/// Asserts that `check` succeeds with these warnings and no others; each is the start
/// of a line, and the end of that.
fn assert_warnings(config: &str, expected: &[(&str, &str)]) {
    let (status, lines) = check(config, &["--file-only"]);
    assert_eq!(status, Some(0), "{config}\n{lines:#?}");
    let warnings: Vec<_> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("warning: "))
        .collect();
    assert_eq!(warnings.len(), expected.len(), "{config}\n{warnings:#?}");
    for (warning, (start, end)) in warnings.iter().zip(expected) {
        let fits = warning.trim_start().starts_with(start) && warning.ends_with(end);
        assert!(fits, "{start} … {end}\nis not in\n{warnings:#?}");
    }
}

#[test]
fn listener_that_admits_anyone_is_named_with_line_key_and_remedy() {
    const TO_PHONES: &str = "list the addresses from which your provider posts, or set auth";
    const PROXY: &str = "list only your reverse proxy";
    for (lines, expected) in [
        (
            "",
            &[("[websmsd] permit_addr: is not set, so anyone", TO_PHONES)][..],
        ),
        (
            "permit_addr = 0.0.0.0/0,::/0",
            &[(
                "6: [websmsd] permit_addr = \"0.0.0.0/0,::/0\": permits anyone",
                TO_PHONES,
            )],
        ),
        ("permit_addr = 192.0.2.1", &[]),
        (
            "permit_addr = 192.0.2.1\nhealth_listen = 0.0.0.0:8081",
            &[(
                "7: [websmsd] health_listen = \"0.0.0.0:8081\": is beyond loopback",
                "or let a firewall admit only your monitoring",
            )],
        ),
        (
            "permit_addr = 192.0.2.1\nhealth_listen = 127.0.0.1:8081\nagi_listen = [::1]:4573",
            &[],
        ),
        (
            "permit_addr = 192.0.2.1\nagi_listen = 0.0.0.0:4573\nagi_permit_addr = 192.0.2.10",
            &[],
        ),
        (
            "permit_addr = 192.0.2.1\nagi_listen = 0.0.0.0:4573\nagi_permit_addr = 0.0.0.0/0",
            &[(
                "8: [websmsd] agi_permit_addr = \"0.0.0.0/0\": permits anyone",
                "list only the addresses of Asterisk",
            )],
        ),
    ] {
        assert_warnings(&format!("{SOUND}{lines}\n"), expected);
    }
    let otp = "permit_addr = 192.0.2.1\n[otp]\ninfo_file = /x\nlisten = 0.0.0.0:3000\n";
    let anyone = "permit_addr = 0.0.0.0/0\n";
    let warning = (
        "10: [otp] permit_addr = \"0.0.0.0/0\": contains addresses of other machines",
        "set client_token",
    );
    let token = "client_token = 0123456789abcdef\n";
    assert_warnings(&format!("{SOUND}{otp}{anyone}"), &[warning]);
    assert_warnings(&format!("{SOUND}{otp}{anyone}{token}"), &[]);
    let permitted = "permit_addr = 192.0.2.1\n";
    for proxies in ["0.0.0.0/0", "::/0", "0.0.0.0/1, 128.0.0.0/1", "2000::/3"] {
        let config = SOUND.replace("\"\"", proxies);
        let location = format!("5: [websmsd] proxy_addr = \"{proxies}\": holds anyone");
        assert_warnings(&format!("{config}{permitted}"), &[(&location, PROXY)]);
    }
    for proxies in ["10.0.0.0/8", "172.16.0.0/12, fd00::/8", "104.16.0.0/13"] {
        let config = SOUND.replace("\"\"", proxies);
        assert_warnings(&format!("{config}{permitted}"), &[]);
    }
}

#[test]
fn agi_listener_beyond_loopback_needs_the_addresses_of_asterisk() {
    for (lines, refused) in [
        ("agi_listen = 0.0.0.0:4573", true),
        ("agi_listen = 192.0.2.1:4573", true),
        ("agi_listen = [::]:4573", true),
        ("agi_listen = 0.0.0.0:4573\nagi_permit_addr =", true),
        ("agi_listen = 127.0.0.2:4573", false),
        ("agi_listen = [::ffff:127.0.0.1]:4573", false),
        (
            "agi_listen = 0.0.0.0:4573\nagi_permit_addr = 127.0.0.1",
            false,
        ),
    ] {
        let config = format!("{SOUND}permit_addr = 192.0.2.1\n{lines}\n");
        let (status, lines) = check(&config, &["--file-only"]);
        let found = lines.iter().any(|line| {
            line.starts_with("error: 7: [websmsd] agi_listen = ")
                && line
                    .ends_with("set agi_permit_addr to the addresses of Asterisk, e.g. 192.0.2.10")
        });
        assert_eq!(
            (status == Some(78), found),
            (refused, refused),
            "{lines:#?}"
        );
    }
}

#[test]
fn signature_over_the_url_without_public_url_is_a_warning() {
    const REMEDY: &str = "e.g. https://sms.example.com";
    let secret = "auth_secret = 0123456789abcdef\n";
    let signed = |auth: &str| format!("{SOUND}{secret}{auth}\n");
    for (auth, scheme) in [
        ("auth = twilio", Some("twilio")),
        ("auth = jwt", Some("jwt")),
        (
            "auth = hmac\nauth_place = header:X\nauth_template = {url}{body}",
            Some("hmac"),
        ),
        (
            "auth = hmac\nauth_place = header:X\nauth_template = {url_noquery}{body}",
            Some("hmac"),
        ),
        ("auth = hmac\nauth_place = header:X", None),
        ("auth = vonage", None),
        ("auth = ed25519", None),
        ("auth = token\nauth_place = header:X", None),
        ("auth = twilio\npublic_url = https://sms.example.com", None),
    ] {
        let start = scheme.map(|scheme| {
            format!("7: [websmsd] auth = \"{scheme}\": signs the URL, and public_url is not set")
        });
        let expected: Vec<_> = start.iter().map(|start| (start.as_str(), REMEDY)).collect();
        assert_warnings(&signed(auth), &expected);
    }
    let preset = format!("{SOUND}preset = twilio\n{secret}");
    let start = "[websmsd] auth = \"twilio\" (preset twilio, line ";
    assert_warnings(&preset, &[(start, REMEDY)]);
}

#[test]
fn short_secret_is_a_warning_and_is_not_shown() {
    const REMEDY: &str = "use 16 or more, e.g. from `openssl rand -hex 16`";
    let token = "auth = token\nauth_place = path\nrequest_uri = /{token}\n";
    let basic = "auth = basic\nauth_user = u\n";
    for (lines, expected) in [
        (
            format!("{token}auth_secret = a"),
            &[("9: [websmsd] auth_secret: has 1 characters", REMEDY)][..],
        ),
        (
            format!("{basic}auth_secret = 0123456789abcdef\nauth_secret_old = short-one"),
            &[("9: [websmsd] auth_secret_old: has 9 characters", REMEDY)],
        ),
        (
            format!("{basic}auth_secret [a] = 123456789012345"),
            &[("8: [websmsd] auth_secret [a]: has 15 characters", REMEDY)],
        ),
        (format!("{token}auth_secret = 0123456789abcdef"), &[]),
        // Found from one signed webhook.
        (
            "auth = hmac\nauth_place = header:X\nauth_secret = ab".to_owned(),
            &[("8: [websmsd] auth_secret: has 2 characters", REMEDY)],
        ),
    ] {
        assert_warnings(&format!("{SOUND}{lines}\n"), expected);
    }
    let otp = format!("{SOUND}permit_addr = 192.0.2.1\n[otp]\ninfo_file = /x\nclient_token = ");
    let expected = [("9: [otp] client_token: has 14 characters", REMEDY)];
    assert_warnings(&format!("{otp}not-to-be-seen\n"), &expected);
    assert_warnings(&format!("{otp}0123456789abcdef\n"), &[]);
    let (_, lines) = check(&format!("{otp}not-to-be-seen\n"), &["--file-only"]);
    assert!(!lines.concat().contains("not-to-be-seen"));
}

#[test]
fn code_that_can_be_guessed_is_a_warning() {
    const REMEDY: &str = "take more digits, or lower limits, for 1 in 1000";
    let otp = format!("{SOUND}permit_addr = 192.0.2.1\n[otp]\ninfo_file = /x\n");
    for (lines, expected) in [
        ("", &[][..]),
        (
            "code_length = 4",
            &[(
                "9: [otp] code_length = \"4\": makes codes easy to guess",
                REMEDY,
            )],
        ),
        (
            "max_attempts = 10",
            &[(
                "9: [otp] max_attempts = \"10\": makes codes easy to guess",
                REMEDY,
            )],
        ),
        (
            "per_phone = 20",
            &[(
                "9: [otp] per_phone = \"20\": makes codes easy to guess",
                REMEDY,
            )],
        ),
        ("per_phone = 12", &[]),
        ("per_phone = 20\ncode_length = 8", &[]),
        (
            "per_phone = 0",
            &[(
                "9: [otp] per_phone = \"0\": makes codes easy to guess",
                REMEDY,
            )],
        ),
        (
            "per_phone = 0\nper_hour = 0",
            &[("9: [otp] per_phone = \"0\": sets no limit", "set it to 5")],
        ),
    ] {
        assert_warnings(&format!("{otp}{lines}\n"), expected);
    }
    let (_, lines) = check(&format!("{otp}code_length = 4\n"), &["--file-only"]);
    assert!(lines.concat().contains("chance of 1 in 25:"), "{lines:#?}");
}

/// Also at the start of the daemon, which is what an administrator sees who never
/// runs `check`.
#[test]
fn stored_secret_that_others_can_read_or_guess_is_a_warning() {
    let directory = tempfile::tempdir().unwrap();
    let store = |name: &str, secret: &str, mode: u32| {
        let path = directory.path().join(name);
        std::fs::write(&path, secret).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    };
    let open = store("open", "0123456789abcdef\n", 0o644);
    let short = store("short", "0123\n", 0o640);
    let closed = store("closed", "0123456789abcdef\n", 0o640);
    let token = "auth = token\nauth_place = path\nrequest_uri = /{token}\n";
    let config = |incoming: &str, outgoing: &str| {
        format!(
            "{SOUND}{token}auth_secret = file:{incoming}\n\
             [websms]\nhost = https://h\nauth_user = u\nauth_passwd = file:{outgoing}\n"
        )
    };
    let warnings = |config: &str, more: &[&str]| {
        let (_, lines) = check(config, more);
        let warnings = lines
            .into_iter()
            .filter(|line| line.starts_with("warning: "));
        warnings.collect::<Vec<_>>()
    };
    let readable =
        format!("every user of this machine can read {open}: chown root:asterisk, chmod 0640");
    let guessable = "has 4 characters, so it can be guessed: use 16 or more, e.g. from \
                     `openssl rand -hex 16`";
    let found = warnings(&config(&short, &open), &[]);
    let expected = [
        format!("warning: 13: [websms] auth_passwd: {readable}"),
        format!("warning: 9: [websmsd] auth_secret: {guessable}"),
    ];
    let found: Vec<_> = found.iter().map(|line| line.replace(": :", ": ")).collect();
    assert_eq!(found.len(), 2, "{found:#?}");
    for (found, expected) in found.iter().zip(&expected) {
        let parts = expected.split_once(": ").unwrap();
        assert!(
            found.starts_with(parts.0) && found.ends_with(parts.1),
            "{found}"
        );
    }
    assert_eq!(warnings(&config(&open, &closed), &[]).len(), 1);
    assert!(warnings(&config(&closed, &closed), &[]).is_empty());
    assert!(warnings(&config(&short, &open), &["--file-only"]).is_empty());
    let spool = Spool::new();
    let config = format!("{}{}", config(&open, &closed), spool.section());
    let daemon = Daemon::with(
        spool,
        &config.replace("[astqueue]\nmaxretries = 1\narchive = yes\n", ""),
    );
    assert!(daemon.wait_for_log(&readable).contains("WARN"));
}

/// What is not needed must not keep codes from being sent, and if it does, `check`
/// says how to go on.
#[test]
fn half_of_websms_beside_codes_by_whatsapp_is_explained() {
    const ADVICE: &str = "complete it, or remove the whole section if no texts are to be sent";
    let otp = "[otp]\ninfo_file = /x\n";
    let advice = |config: &str| {
        let (status, lines) = check(config, &["--file-only"]);
        let found = lines.iter().find(|line| line.ends_with(ADVICE)).cloned();
        (status, found)
    };
    let (status, found) = advice(&format!("; comment\n[websms]\nhost = https://h\n{otp}"));
    assert_eq!(status, Some(78));
    let found = found.unwrap();
    assert!(found.contains("3: [websms]: is not complete"), "{found}");
    // Keys of the whole section describe no interface.
    let config = format!("[websms]\noutboxdir = /tmp/x\n{otp}");
    assert_eq!(advice(&config), (Some(0), None));
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf");
    for name in ["websms.conf", "websms.conf.sample"] {
        let shipped = std::fs::read_to_string(shipped.join(name)).unwrap();
        let config = shipped.replace("[otp]\n", "");
        assert_eq!(
            advice(&format!("{config}\n{otp}")),
            (Some(0), None),
            "{name}"
        );
    }
    // SMS need it.
    let sms = "[otp]\nchannel = sms\nsms_from = +1\n";
    let (status, found) = advice(&format!("[websms]\nhost = https://h\n{sms}"));
    assert_eq!((status, found), (Some(78), None));
}
