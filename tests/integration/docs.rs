//! The shipped configuration, reference and dialplan are correct. (The tables of keys
//! are compared with the code in `src/config/syntax/keys/docs.rs`.)

use std::path::PathBuf;
use std::process::Command;

use asterisk_websms::config;
use asterisk_websms::exit::Exit;

use crate::support::program;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap()
}

#[test]
fn reference_lists_every_exit_status() {
    let reference = read("conf/REFERENCE.md");
    for exit in Exit::ALL {
        let row = format!("| {} | ", exit.status());
        assert!(reference.contains(&row), "{row}");
    }
}

#[test]
fn shipped_files_pass_check() {
    for name in ["conf/websms.conf", "conf/websms.conf.sample"] {
        // A temporary file is readable by its owner only, as the file demands.
        let copy = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(copy.path(), read(name)).unwrap();
        let output = Command::new(program())
            .args(["check", "--file-only", "--config"])
            .arg(copy.path())
            .output()
            .unwrap();
        let report = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{name}: {report}");
        if name == "conf/websms.conf" {
            assert_eq!(report.lines().count(), 1, "{report}");
        }
    }
    let (config, _) = config::load(&path("conf/websms.conf")).unwrap();
    assert!(config.spool.call_file.max_retries > 0 && config.spool.call_file.archive);
}

/// Every line of the dialplan that uses a value from a phone or a provider. Each was
/// reviewed by hand: it sets, filters, measures, cuts or decodes the value, sends it,
/// or passes it on in base64.
const ALLOWED: &[&str] = &[
    "Gosub(websms_endpoint,s,1(${HINT}))",
    "Gosub(websms_notice,s,1(${WEBSMS_TO}))",
    "GotoIf($[${LEN(${HINT})} > 0]?internal)",
    "GotoIf($[${LEN(${WEBSMS_TO})} != ${LEN(${EXTEN})}]?send)",
    "GotoIf($[${LEN(${digits})} = 0]?unnumbered)",
    "GotoIf($[${LEN(${digits})} != ${LEN(${number})}]?unnumbered)",
    "Set(MESSAGE(body)=${URIDECODE(${MESSAGE(body)})})",
    "Set(MESSAGE(body)=${MASTER_CHANNEL(MESSAGE(body))})",
    "Set(MESSAGE(from)=${MASTER_CHANNEL(MESSAGE(from))})",
    "Log(WARNING,websms: no contact of ${WEBSMS_ENDPOINT} could be sent to - the text for \
     ${EXTEN} waits)",
    "Set(MESSAGE(body)=Not delivered to ${WEBSMS_TO}: ${WEBSMS_ERROR})",
    "Set(MESSAGE(body)=Not delivered to ${WEBSMS_TO}: the phone is off)",
    "Set(MESSAGE(body)=Not delivered: this is not a number)",
    "Set(MESSAGE(body)=Perhaps not delivered to ${WEBSMS_TO}: ${WEBSMS_ERROR})",
    "Set(MESSAGE(from)=${WEBSMS_FROM})",
    "Set(LOCAL(callerid)=${PJSIP_ENDPOINT(${WEBSMS_PHONE},callerid)})",
    "Set(LOCAL(contacts)=${PJSIP_DIAL_CONTACTS(${ARG1})})",
    "Set(LOCAL(digits)=${FILTER(0-9+,${number})})",
    "Set(LOCAL(number)=${CUT(callerid,<,2)})",
    "Set(LOCAL(number)=${IF($[${LEN(${number})} > 0]?${CUT(number,>,1)}:${callerid})})",
    "Set(LOCAL(text)=${STRREPLACE(text,%,%25)})",
    "Set(LOCAL(text)=${STRREPLACE(text,:,%3A)})",
    "Set(WEBSMS_BODY=${BASE64_ENCODE(${text})})",
    "Set(WEBSMS_FROM=${WEBSMS_PHONE})",
    "Set(WEBSMS_FROM=${digits})",
    "Set(WEBSMS_INDEX=${PJSIP_ENDPOINT(${WEBSMS_PHONE},@websms_index)})",
    "Set(WEBSMS_PHONE=${FILTER(A-Za-z0-9_.+\\x2D,${WEBSMS_PHONE})})",
    "Set(WEBSMS_PHONE=${PJSIP_PARSE_URI_FROM(WEBSMS_FROM,user)})",
    "Set(WEBSMS_TO=${FILTER(0-9+,${EXTEN})})",
    // The pattern of the extension allows only a digit there.
    "Set(WEBSMS_INDEX=${WEBSMS_INDEX_${EXTEN:1:1}})",
    "Set(WEBSMS_TO=${FILTER(0-9+,${EXTEN:2})})",
    "Set(WEBSMS_TO=lid${FILTER(0-9,${EXTEN:3})})",
    "Gosub(websms_to_provider,s,1(${LEN(${EXTEN:2})}))",
    "Gosub(websms_to_provider,s,1(${LEN(${EXTEN})}))",
    "Set(MESSAGE(body)=Not delivered to ${WEBSMS_TO}: there is no account *${EXTEN:1:1})",
    "Gosub(websms_to_contacts,s,1(${WEBSMS_PHONE}))",
    "While($[${LEN(${SET(contact=${SHIFT(contacts,&):6})})} > 0])",
    "MessageSend(pjsip:${contact},${MESSAGE(from)})",
    "Log(WARNING,websms: sending to ${contact} failed: ${MESSAGE_SEND_STATUS})",
    "Log(WARNING,websms: nobody has the number ${EXTEN} - give it a hint in [websms_phones])",
    "Log(ERROR,websms: a text for ${EXTEN} was lost: its phone went away while it was on its way)",
    "Verbose(2,websms: ${WEBSMS_ENDPOINT} is not registered - the text for ${EXTEN} waits)",
    // A caller's number is used only if filtering does not change it.
    "Gosub(websms_verify,s,1(${CALLERID(num)}))",
    "Set(LOCAL(number)=${FILTER(0-9+,${ARG1})})",
    "GotoIf($[${LEN(${number})} != ${LEN(${ARG1})}]?done)",
    "AGI(${WEBSMS_OTP},send,${number})",
    "Set(LOCAL(code)=)",
    "Read(code,${prompt},${length},,2,${wait})",
    "Read(code,,${length},,2,${wait})",
    "Set(LOCAL(code)=${FILTER(0-9,${code})})",
    "GotoIf($[${LEN(${code})} = 0]?done)",
    "AGI(${WEBSMS_OTP},verify,${number},${code})",
    "AGI(${WEBSMS},${WEBSMS_TO},${BASE64_ENCODE(${WEBSMS_FROM})},${WEBSMS_BODY},\
     ${WEBSMS_INDEX},base64-percent)",
];

#[test]
fn dialplan_never_interprets_a_text() {
    let dialplan = ["extensions_websms.conf", "extensions_otp.conf"]
        .map(|name| read(&format!("dialplan/{name}")))
        .concat();
    let code: Vec<_> = dialplan
        .lines()
        .map(|line| line.split(';').next().unwrap().trim())
        .filter(|line| !line.is_empty())
        .collect();
    for line in &code {
        for dangerous in [
            "System(",
            "SHELL(",
            "TrySystem(",
            "EVAL(",
            "FILE(",
            "ENV(",
            "Exec(",
        ] {
            assert!(!line.contains(dangerous), "{line}");
        }
        // Values from a phone or a provider.
        let untrusted = [
            "MESSAGE(body)",
            "MESSAGE(from)",
            "WEBSMS_FROM",
            "WEBSMS_PHONE",
            "WEBSMS_BODY",
            "EXTEN",
            "HINT",
            "callerid",
            "number",
            "digits",
            "text",
            "contact",
            "code",
            "CALLERID",
            "ARG1",
        ];
        let words: Vec<_> = line
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .collect();
        let uses = |name: &&str| {
            if name.contains('(') {
                line.contains(*name)
            } else {
                words.contains(name)
            }
        };
        let is_reviewed = line.contains("=> n") || line.contains("CALLERID");
        if untrusted.iter().any(uses) && is_reviewed {
            assert!(
                ALLOWED.iter().any(|allowed| line.ends_with(allowed)),
                "{line}"
            );
        }
    }
    // The contexts exist under both generations of names.
    for context in [
        "dp_entry_channel_open",
        "dp_entry_answer",
        "dp_entry_trunk_texting",
        "dp_entry_text_in",
        "dp_entry_text_inout",
    ] {
        assert!(code.contains(&format!("[{context}]").as_str()), "{context}");
    }
}
