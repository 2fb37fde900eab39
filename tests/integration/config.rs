//! One row per mistake, asserting the message: file, line, section, key, and
//! what is expected. Then the syntax of existing files.

use tempfile::TempDir;

use crate::support::{Answer, Provider, Spool, Websms, daemon, section};

/// A configuration without mistakes that the rows add to.
const SOUND: &str = "[websms]\nhost=https://h\nauth_user=u\n";

fn check(config: &str) -> (Option<i32>, String, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("websms.conf");
    std::fs::write(&path, config).unwrap();
    let output = std::process::Command::new(crate::support::program())
        .env_clear()
        .args(["check", "--file-only", "--config"])
        .arg(&path)
        .output()
        .unwrap();
    let report = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), report, directory)
}

/// The errors that `check` finds, from the line number on.
fn errors(config: &str) -> Vec<String> {
    let (status, output, directory) = check(config);
    let prefix = format!("error: {}/websms.conf", directory.path().display());
    let errors: Vec<_> = output
        .lines()
        .filter_map(|line| line.strip_prefix(&prefix))
        .map(str::to_owned)
        .collect();
    assert_eq!(
        status,
        Some(if errors.is_empty() { 0 } else { 78 }),
        "{output}"
    );
    errors
}

#[test]
fn mistake_is_named_with_line_key_and_remedy() {
    for (line, expected) in [
        (
            "auth_method = basc",
            ":4: [websms] auth_method = \"basc\": expected basic, bearer, digest, header, oauth2, zadarma, \
             plain or none (did you mean \"basic\"?)",
        ),
        (
            "auth_metod = basic",
            ":4: [websms] auth_metod: unknown key (did you mean \"auth_method\"?)",
        ),
        ("zzz [1] = x", ":4: [websms] zzz [1]: unknown key"),
        (
            "[webmsd]\nkey_to = x",
            ":5: [webmsd] key_to: unknown section (did you mean \"websmsd\"?)",
        ),
        (
            "timeout = ten",
            ":4: [websms] timeout = \"ten\": expected seconds, from 2 to 120",
        ),
        (
            "timeout = 1",
            ":4: [websms] timeout = \"1\": expected seconds, from 2 to 120",
        ),
        (
            "max_segments = 256",
            ":4: [websms] max_segments = \"256\": expected a number from 0 to 255",
        ),
        (
            "max_segments [1] = two",
            ":4: [websms] max_segments [1] = \"two\": expected a number from 0 to 255",
        ),
        (
            "connect_timeout = 10",
            ":4: [websms] connect_timeout = \"10\": must be less than timeout: otherwise \
             a slow connection looks like a missing response",
        ),
        (
            "host = https://h2",
            ":4: [websms] host = \"https://h2\": is given twice, first on line 2: remove one",
        ),
        (
            "url_host = https://h2",
            ":4: [websms] url_host = \"https://h2\": is another name of host, given on line 2: \
             remove one",
        ),
        (
            "key_body = \"\"",
            ":4: [websms] key_body = \"\": must not be empty, unless path or header \
             contains {body}",
        ),
        (
            "resp_error = /^ERR: (\\d+/",
            ":4: [websms] resp_error = \"/^ERR: (\\\\d+/\": not a pattern: found open group without \
             closing ')'",
        ),
        (
            "resp_error = /^ERR: \\d+/",
            ":4: [websms] resp_error = \"/^ERR: \\\\d+/\": the pattern has no (group): put what is \
             wanted in one",
        ),
        (
            "resp_reason = /^ERR: (.*)",
            ":4: [websms] resp_reason = \"/^ERR: (.*)\": the pattern is not closed (expected \
             /pattern/ with a / at its end)",
        ),
        (
            "retry_on = http_status=4xx",
            ":4: [websms] retry_on = \"http_status=4xx\": \"http_status=4xx\" names no status \
             (expected e.g. http_status=402)",
        ),
        (
            "key_to = Body",
            ":None: [websms] key_body: the parameter \"Body\" is already used by another key",
        ),
        (
            "val_static = To=1",
            ":4: [websms] val_static: the parameter \"To\" is already used by \
             another key",
        ),
        (
            "val_static = a",
            ":4: [websms] val_static: item 1 is not a pair (expected name=value,name=value)",
        ),
        (
            "number_format = E165",
            ":4: [websms] number_format = \"E165\": expected E123, omit+, no+, E164, plus, \
             nanp10, nanp11, nanp+, jid or jid- (did you mean \"E164\"?)",
        ),
        (
            "charset = latin-1",
            ":4: [websms] charset = \"latin-1\": expected UCS-2, UTF-8 or name=value",
        ),
        (
            "response_check = success",
            ":4: [websms] response_check = \"success\": \"success\" is not a condition (expected \
             key=value, /pointer=value, /pointer, http_status=2xx or /pattern/, several joined by \
             \" & \")",
        ),
        (
            "response_check = \"/(/\"",
            ":4: [websms] response_check = \"/(/\": not a pattern: found open group without \
             closing ')'",
        ),
        (
            "response_check = /x/u",
            ":4: [websms] response_check = \"/x/u\": unknown flags \"u\" (expected some of i, \
             m, s, x)",
        ),
        (
            "ca_file = ca.pem",
            ":4: [websms] ca_file = \"ca.pem\": expected an absolute path, which starts with /",
        ),
        (
            "path = sms",
            ":4: [websms] path = \"sms\": does not continue the host: start the path with /",
        ),
        (
            "path = @evil.example.com/",
            ":4: [websms] path = \"@evil.example.com/\": does not continue the host: start the \
             path with /",
        ),
        (
            "auth_method = plain",
            ":None: [websms] key_user: is not set, and auth_method needs it (auth_method = none \
             needs nothing)",
        ),
        (
            "auth_method = zadarma",
            ":None: [websms] auth_passwd: is not set, and auth_method needs it (auth_method = \
             none needs nothing)",
        ),
        (
            "auth_passwd = pa;ss",
            ":4: [websms] auth_passwd: contains a ; that starts a comment: put the value in quotes",
        ),
        (
            "val_static = token=a;b",
            ":4: [websms] val_static: contains a ; that starts a comment: put the value in quotes",
        ),
        (
            "auth_passwd = p\u{fffd}ss",
            ":4: [websms] auth_passwd: contains a byte that is not UTF-8: save the file in UTF-8",
        ),
        (
            "[websmsd]\npermit_addr [api-1] = 192.0.2.1\nkey_to [api1] = x",
            ":None: [websmsd] permit_addr [api1]: is not set, nor is request_uri, so this \
             interface accepts what the others refuse: set one of them (did you mean \
             \"api-1\"?)",
        ),
        (
            "auth_passwd = file:",
            ":4: [websms] auth_passwd: names no file (expected file:/path/to/secret)",
        ),
        (
            "auth_passwd = \"open",
            ":4: auth_passwd: the quote is not closed",
        ),
        (
            "just words",
            ":4: this line is neither a comment, a [section] nor key = value: put ; before a \
             comment",
        ),
        (
            "[websmsd",
            ":4: a section is written as [name] on a line of its own",
        ),
        (
            "timeout [1 = 5",
            ":4: timeout [1: the index is not closed: write key [index] = value",
        ),
        (
            "[websmsd]\npermit_addr = 1.2.3",
            ":5: [websmsd] permit_addr = \"1.2.3\": \"1.2.3\" is not an address (expected \
             addresses and networks, e.g. 185.45.152.42,3.104.90.0/24,2001:db8::/32)",
        ),
        (
            "[websmsd]\nproxy_addr = 10.0.0.0/33",
            ":5: [websmsd] proxy_addr = \"10.0.0.0/33\": \"10.0.0.0/33\" is not an address \
             (expected addresses and networks, e.g. 185.45.152.42,3.104.90.0/24,2001:db8::/32)",
        ),
        (
            "[websmsd]\nproxy_addr [1] = 10.0.0.0/8",
            ":5: [websmsd] proxy_addr [1] = \"10.0.0.0/8\": takes no [index]: it applies to all \
             interfaces",
        ),
        (
            "[websmsd]\nproxy_header = X Forwarded",
            ":5: [websmsd] proxy_header = \"X Forwarded\": expected the name of a header, e.g. \
             X-Forwarded-For",
        ),
        (
            "[websmsd]\nurl_path = hook",
            ":5: [websmsd] url_path = \"hook\": \"hook\" is not a path (expected paths, e.g. \
             /hook/1,/hook/2, without ? and blanks)",
        ),
        (
            "[websmsd]\nmax_body = 1",
            ":5: [websmsd] max_body = \"1\": expected a number from 1024 to 16777216",
        ),
        (
            "[websmsd]\nfrom_default = AT&T",
            ":5: [websmsd] from_default = \"AT&T\": expected a number, or up to 24 letters, digits, \
             blanks and . _ + -",
        ),
        (
            "[astqueue]\nmaxretries = many",
            ":5: [astqueue] maxretries = \"many\": expected a number from 0 to 1000000",
        ),
        (
            "[astqueue]\nwaittime [1] = 5",
            ":5: [astqueue] waittime [1] = \"5\": takes no [index]: it applies to all interfaces",
        ),
        (
            "[astqueue]\narchive = perhaps",
            ":5: [astqueue] archive = \"perhaps\": expected yes or no",
        ),
        (
            "[astqueue]\ncontext = a/b",
            ":5: [astqueue] context = \"a/b\": expected a context: 1 to 79 letters, digits \
             and _ - . +",
        ),
        (
            "[astqueue]\nmessage_encode = base64",
            ":5: [astqueue] message_encode = \"base64\": expected rfc3986",
        ),
        (
            "[astqueue]\nfilemode = 0400",
            ":5: [astqueue] filemode = \"0400\": expected a file mode, octal, from 0600 to 0666",
        ),
        (
            "[astqueue]\nfileowner = :x",
            ":5: [astqueue] fileowner = \":x\": expected user or user:group",
        ),
        (
            "[astqueue]\noutgoingdir = spool",
            ":5: [astqueue] outgoingdir = \"spool\": expected an absolute path, which starts with /",
        ),
        (
            "[astqueue]\nstagingdir = /var/spool/asterisk/outgoing",
            ":5: [astqueue] stagingdir = \"/var/spool/asterisk/outgoing\": is the same as \
             outgoingdir: Asterisk would read half-written files",
        ),
    ] {
        let errors = errors(&format!("{SOUND}{line}\n"));
        let expected = expected.replace(":None:", ":");
        assert_eq!(errors, [expected], "{line}");
    }
}

#[test]
fn config_option_is_taken_before_and_behind_each_command() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("other.conf");
    std::fs::write(&path, "[websms]\nword\n").unwrap();
    let path = path.to_str().unwrap();
    for command in [
        "--config F check --file-only",
        "check --config F --file-only",
        "check --file-only --config=F",
        "--config F queue list",
        "queue --config F list",
        "queue list --config F",
        "queue retry --all --config F",
        "--config F websms 1 2 x",
        "websms --config F 1 2 x",
        "--config F websmsd --port 0",
        "websmsd --port 0 --config F",
        "--config F whatsapp session list",
        "whatsapp --config F session list",
        "whatsapp session --config F list",
        "whatsapp session list --config F",
        "--config F otp setup",
        "otp setup --config F",
        "otp send 15551234567 --config F",
        "otp verify 15551234567 123456 --config F",
    ] {
        let output = std::process::Command::new(crate::support::program())
            .env_clear()
            .env("WEBSMS_CONF", "/nonexistent/websms.conf")
            .args(command.replace('F', path).split(' '))
            .output()
            .unwrap();
        let shown = [output.stdout, output.stderr].concat();
        let shown = String::from_utf8(shown).unwrap();
        assert_eq!(output.status.code(), Some(78), "{command}: {shown}");
        assert!(shown.contains(&format!("{path}:2: ")), "{command}: {shown}");
    }
}

#[test]
fn invalid_host_is_refused() {
    for (host, problem) in [
        ("", "empty host"),
        ("ftp://h", "neither http nor https"),
        ("https://", "empty host"),
        ("https://u:p@h", "contains a user"),
        ("https://h?x=1", "contains a ? or #"),
        (
            "https://h h",
            "contains a blank or another invalid character",
        ),
        ("https://h:port", "invalid port number"),
    ] {
        let errors = errors(&format!(
            "[websms]\nhost = \"{host}\"\nauth_method = none\n"
        ));
        assert_eq!(errors.len(), 1, "{host}: {errors:?}");
        assert!(errors[0].contains(problem), "{host}: {errors:?}");
        assert!(errors[0].starts_with(":2: [websms] host = "), "{errors:?}");
    }
    let errors = errors("[websms]\nauth_method = none\n");
    assert!(
        errors[0].starts_with(": [websms] host: is not set: "),
        "{errors:?}"
    );
}

#[test]
fn all_mistakes_are_reported_in_one_run() {
    let errors = errors(
        "[websms]\nhost [a] = ftp://x\nauth_method [a] = b\nhost [b] = https://h\n\
         timeout [b] = x\nword\n[websmsd]\npermit_addr = y\nurl_path [1] = z\n[astqueue]\n\
         waittime = 0\nnothing = 1\n",
    );
    let lines: Vec<_> = errors
        .iter()
        .map(|error| error.split(':').nth(1).unwrap().to_owned())
        .collect();
    let expected = [
        "2",
        "3",
        "5",
        "6",
        "8",
        "9",
        "11",
        "12",
        " [websms] auth_user [b]",
    ];
    assert_eq!(lines, expected, "{errors:#?}");
}

#[test]
fn errors_are_counted() {
    for (config, summary) in [
        ("timeout = x\nnothing = 1\n", "2 errors"),
        ("timeout = x\n", "1 error"),
        ("", "ok: no errors in "),
    ] {
        let (_, output, _directory) = check(&format!("{SOUND}{config}"));
        let last = output.lines().last().unwrap();
        assert!(last.starts_with(summary), "{output}");
    }
}

#[test]
fn mistake_in_a_shared_key_is_reported_once() {
    let errors =
        errors("[websms]\nhost [a]=https://h\nhost [b]=https://h\nauth_user=u\ntimeout=x\n");
    assert_eq!(errors.len(), 1, "{errors:?}");
}

#[test]
fn secret_is_never_shown() {
    for line in [
        "auth_passwd = hunter2;x",
        "auth_secret = hunter2\nauth_passwd = hunter2",
        "auth_pasword = hunter2",
        "[websmsd]\nauth_passwd = hunter2",
        "[webms]\nauth_passwd = hunter2",
        "val_static = hunter2",
        "auth_user = a;hunter2",
        "host [1] = https://user:hunter2@h",
    ] {
        let (status, output, _directory) = check(&format!("{SOUND}{line}\n"));
        assert_eq!(status, Some(78), "{line}");
        assert!(
            output.contains("error: ") && !output.contains("hunter2"),
            "{output}"
        );
    }
}

#[test]
fn misspelt_key_makes_no_interface() {
    let provider = Provider::answering(Answer::ok());
    let config = format!(
        "[websms]\nauth_usr [typo] = x\nhost [a] = {}\nauth_user = u\n",
        provider.url()
    );
    assert_eq!(Websms::configured(&config).status(&["+1", "+2", "x"]), 0);
    assert_eq!(provider.requests().len(), 1);
}

#[test]
fn unsafe_default_is_a_warning_and_works() {
    let (status, output, _directory) =
        check("[websms]\nhost = api.example.com\nauth_user = user\n");
    assert_eq!(status, Some(0));
    for warning in [
        "[websms] host = \"api.example.com\": is http, so texts and password are sent unencrypted",
        "[websmsd] permit_addr: is not set, so anyone who reaches the port",
        "[websmsd] proxy_addr: is not set, so any machine with an address in 172.16.0.0/12",
        "[astqueue] maxretries: is 0, so Asterisk tries once",
        "[astqueue] archive: is no, so messages that Asterisk gave up on",
    ] {
        let found = output
            .lines()
            .any(|line| line.starts_with("warning: ") && line.contains(warning));
        assert!(found, "{warning:?} is not in\n{output}");
    }
}

#[test]
fn interface_without_a_destination_is_a_warning() {
    let warning = "[websms] key_to = \"\": is empty, and neither path nor header contains {to}, so \
                   the provider does not learn whom a text is for: set it, or name in to_match";
    for (lines, warned) in [
        ("key_to = \"\"", true),
        ("key_to = \"\"\nto_match = /^12025550183$/", false),
        ("key_to = \"\"\npath = /sms/{to}", false),
        ("key_to = \"\"\nheader = X-To: {to}", false),
        ("", false),
    ] {
        let (status, output, _directory) = check(&format!("{SOUND}{lines}\n"));
        assert_eq!(status, Some(0), "{output}");
        assert_eq!(output.contains(warning), warned, "{lines}: {output}");
    }
}

#[test]
fn unsafe_setting_of_one_time_passwords_is_a_warning() {
    for (lines, warning) in [
        (
            "permit_addr = 0.0.0.0/0",
            "contains addresses of other machines, and client_token",
        ),
        (
            "permit_addr = 192.0.2.1\nclient_token = x",
            "AGI(websms-otp,…) is refused",
        ),
        (
            "api_url = http://192.0.2.1",
            "codes and the access token are sent unencrypted",
        ),
        ("", ""),
    ] {
        let (status, output, _directory) = check(&format!("[otp]\ninfo_file = /x\n{lines}\n"));
        assert_eq!(status, Some(0), "{output}");
        let mut warnings = output.lines().filter(|line| line.contains("[otp]"));
        match warning {
            "" => assert_eq!(warnings.next(), None),
            _ => assert!(warnings.any(|line| line.contains(warning)), "{output}"),
        }
    }
}

#[test]
fn secret_in_a_world_readable_file_is_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    let file = tempfile::NamedTempFile::new().unwrap();
    let warned = |config: &str, mode: u32| {
        std::fs::write(file.path(), config).unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        let output = std::process::Command::new(crate::support::program())
            .args(["check", "--file-only", "--config"])
            .arg(file.path())
            .output()
            .unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("chmod 0640")
    };
    let secret = format!("{SOUND}auth_passwd = x\n");
    assert!(warned(&secret, 0o644));
    assert!(!warned(&secret, 0o640));
    assert!(!warned(&format!("{SOUND}auth_passwd = env:X\n"), 0o644));
}

#[test]
fn file_of_either_generation_is_read() {
    let first = "[websms]\nhost            = api.example.com\npath            = /sms/send/\n\
                 auth_user       = user\nauth_passwd     = passwd\n\n[websmsd]\n\
                 request_uri[1]   = /hook/1\nreport_success[1] = \"SMS received on /hook/1\"\n\
                 request_uri[2]   = /hook/2\nreport_success[2] = \"SMS received on /hook/2\"\n\n\
                 [astqueue]\nchannel_context = dp_entry_channel_open\n\
                 context         = dp_entry_trunk_texting\n";
    assert_eq!(errors(first), [""; 0]);
    let later = ";\n; websms.conf\n;\n[websms]\nurl_host     [api-1] = https://a.example.com ;one\n\
                 url_host     [api-2] = https://b.example.com\nurl_path           = /v1/\n\
                 auth_method  [api-2] = \"zadarma\"\nauth_user [] = x\nurl_host [] = http://c\n\
                 auth_user    [api-1] = a\nauth_secret  [api-1] = b\nauth_user [api-2] = c\n\
                 auth_secret [api-2] = d\nval_numform = E.164\nval_unicode = \"type=unicode\"\n\
                 val_static = \"a=1,b=2\"\nresp_check = \"status=success\"\n[websmsd]\n\
                 remt_addr [api-1] = 185.45.152.42, 3.104.90.0/24 ,3.1.77.0/24,\n\
                 prox_addr = 172.16.0.0/12,192.168.0.0/16\nprox_header = HTTP_X_FORWARDED_FOR\n\
                 url_path [api-1] = /,/mywebhook/1\nresp_ack = <Response></Response>\n\
                 key_account = \"\"\n[astqueue]\narchive = \"yes\"\n";
    assert_eq!(errors(later), [""; 0]);
}

#[test]
fn value_that_php_changes_is_read_exactly() {
    let provider = Provider::answering(Answer::ok());
    for (written, meant) in [
        ("p&ss", "p&ss"),
        ("p!ss", "p!ss"),
        ("p(s)s", "p(s)s"),
        ("p~s^s|", "p~s^s|"),
        ("a\"b", "a\"b"),
        ("no", "no"),
        ("off", "off"),
        ("null", "null"),
        ("${HOME}", "${HOME}"),
        ("$x#y", "$x#y"),
        ("\"pa;ss\"", "pa;ss"),
        ("'pa;s\"s\\'", "pa;s\"s\\"),
        ("\" blank \"", " blank "),
        ("\"a\\\"b\\\\c\"", "a\"b\\c"),
        ("\"x\" ; comment", "x"),
        ("\u{e4}\u{263a}", "\u{e4}\u{263a}"),
    ] {
        let config = format!(
            "[websms]\nhost = {}\nauth_method = plain\nauth_user = u\nkey_user = u\n\
             key_secret = p\nauth_passwd = {written}\n",
            provider.url()
        );
        assert_eq!(
            Websms::configured(&config).status(&["+1", "+2", "x"]),
            0,
            "{written}"
        );
        let sent = provider.requests().last().unwrap().parameters()["p"].clone();
        assert_eq!(sent, meant, "{written}");
    }
}

#[test]
fn configuration_with_a_mistake_starts_nothing() {
    let provider = Provider::answering(Answer::ok());
    let spool = Spool::new();
    let config = format!(
        "{}[websmsd]\npermit_addr = nonsense\n{}",
        section("websms", &[("host", &provider.url()), ("auth_user", "id")]),
        spool.section()
    );
    let websms = Websms::configured(&config);
    assert_eq!(websms.status(&["+1", "+2", "x"]), 78);
    assert!(provider.requests().is_empty());
    let path = websms.path().join("websms.conf");
    let log = daemon::failed_start(&mut daemon::command(&path));
    assert!(
        log.contains("websms.conf:5: [websmsd] permit_addr"),
        "{log}"
    );
}

#[test]
fn missing_secret_of_a_webhook_prevents_the_start() {
    let empty = tempfile::NamedTempFile::new().unwrap();
    let empty = format!("file:{}", empty.path().display());
    for (scheme, secret, expected) in [
        ("twilio", "", "auth_secret: is not set, and auth needs it"),
        ("basic\nauth_user = u", "", "auth_secret: is not set"),
        ("token\nauth_place = query:t", "", "auth_secret: is not set"),
        ("hmac\nauth_place = header:X", "", "auth_secret: is not set"),
        ("ed25519", "", "auth_secret: is not set"),
        ("jwt", "", "auth_secret: is not set"),
        ("vonage", "", "auth_secret: is not set"),
        (
            "twilio",
            "file:/nonexistent",
            "interface a: failed to read the secret in /nonexistent: No such file",
        ),
        ("twilio", "env:NO_SUCH", "\\\"NO_SUCH\\\": it is not set"),
        ("twilio", &empty, "failed to use the secret: it is empty"),
    ] {
        let spool = Spool::new();
        let config = format!("[websmsd]\nauth = {scheme}\nauth_secret [a] = {secret}");
        let path = spool.configure(&config);
        let log = daemon::failed_start(&mut daemon::command(&path))
            .replace("auth_secret [a] = \"\"", "auth_secret")
            .replace(" [a]", "");
        assert!(log.contains(expected), "{scheme}: {log}");
    }
}

#[test]
fn unknown_key_is_a_warning_at_start() {
    let provider = Provider::answering(Answer::ok());
    let websms = Websms::to(&provider, &[("host_typo", "x")]);
    assert_eq!(websms.status(&["+1", "+2", "x"]), 0);
    let daemon = crate::support::Daemon::start("[websmsd]\nkey_two = x\n");
    daemon.wait_for_log("[websmsd] key_two: unknown key (did you mean \"key_to\"?)");
}

#[test]
fn check_reports_problems_of_the_spool() {
    let spool = Spool::new();
    let check = |config: &str| {
        let path = spool.path().join("websms.conf");
        std::fs::write(&path, config).unwrap();
        let output = std::process::Command::new(crate::support::program())
            .env_clear()
            .args(["check", "--config"])
            .arg(&path)
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let (status, output) = check(&spool.section());
    assert_eq!(status, Some(0), "{output}");
    assert!(
        output.contains("ok: call files can be written and handed to Asterisk"),
        "{output}"
    );
    assert!(spool.is_untouched());
    let us = nix::unistd::geteuid();
    let numbers = format!("{}fileowner = {us}\n", spool.section());
    let (status, output) = check(&numbers);
    assert_eq!(status, Some(0), "{output}");
    let unknown = format!("{}fileowner = nobody-of-that-name\n", spool.section());
    let (status, output) = check(&unknown);
    assert_eq!(status, Some(78));
    assert!(
        output.contains("find the user \"nobody-of-that-name\" in /etc/passwd (name Asterisk's user in fileowner"),
        "{output}"
    );
    std::fs::remove_dir(spool.staging()).unwrap();
    let (status, output) = check(&spool.section());
    assert_eq!(status, Some(78));
    assert!(
        output.contains("install -d -o asterisk -g asterisk -m 0750"),
        "{output}"
    );
    std::fs::write(spool.staging(), "").unwrap();
    let (_, output) = check(&spool.section());
    assert!(
        output.contains("not a directory (set stagingdir to a directory)"),
        "{output}"
    );
    // With such a configuration the daemon does not start either.
    let path = spool.path().join("websms.conf");
    daemon::failed_start(&mut daemon::command(&path));
    // Secrets and certificates are checked as well.
    let missing_secret = "[websms]\nhost=https://h\nauth_user=u\nauth_passwd=file:/nonexistent\n";
    let (status, output) = check(missing_secret);
    assert_eq!(status, Some(78));
    assert!(
        output.contains("interface default: failed to read the secret in /nonexistent"),
        "{output}"
    );
}

/// A file may come from elsewhere, and a terminal obeys what it contains.
#[test]
fn control_characters_of_a_file_are_escaped() {
    let controls = "\u{1b}[2J\u{7}\u{9b}31m\u{7f}\u{202e}\u{2069}\u{200e}\u{61c}\r";
    for line in [
        format!("ke{controls}y = x"),
        format!("timeout = 1{controls}0"),
        format!("timeout [{controls}] = 10"),
        format!("[web{controls}sms]\nhost = x"),
        format!("preset = {controls}x"),
        format!("ca_file = {controls}"),
        controls.to_owned(),
    ] {
        let (status, output, _directory) = check(&format!("{SOUND}{line}\n"));
        assert_eq!(status, Some(78), "{output:?}");
        let raw = |character: &char| {
            character.is_control() && *character != '\n'
                || "\u{202e}\u{2069}\u{200e}\u{61c}".contains(*character)
        };
        assert_eq!(output.chars().find(raw), None, "{output:?}");
    }
    let (_, output, _directory) = check(&format!("{SOUND}k\u{1b}\u{202e} = x\n"));
    assert!(
        output.contains("[websms] k\\u{1b}\\u{202e}: unknown key"),
        "{output}"
    );
}
