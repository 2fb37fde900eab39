//! `demo` shows one message in each direction.

use std::process::Command;

use crate::support::program;

#[test]
fn demo_shows_one_message_in_each_direction() {
    // The caller's proxy and AGI variables have no effect.
    let output = Command::new(program())
        .arg("demo")
        .env("http_proxy", "http://127.0.0.1:9")
        .env("AST_AGI_DIR", "/nonexistent")
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stdout}{stderr}");
    assert_eq!(stderr, "");
    for shown in [
        "POST /sms/send/ HTTP/1.1",
        "authorization: Basic ZGVtbzpzZWNyZXQ=",
        "Body=Hello+from+a+SIP+phone%21+%E2%98%BA&From=%2B12025550160&To=%2B12025550183",
        "SET VARIABLE WEBSMS_STATUS \"SENT\"",
        "HTTP/1.1 200 OK",
        "Channel: Local/+12025550160@dp_entry_channel_open",
        "setvar: MESSAGE(body)=Hello%20from%20the%20world%21%20%F0%9F%98%80",
        "What to do next:",
    ] {
        assert!(stdout.contains(shown), "{shown:?} is not in\n{stdout}");
    }
}
