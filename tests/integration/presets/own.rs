//! The administrator's use of presets: list, show, override, own and wrong presets.

use std::fs;
use std::process::{Command, Output};

use asterisk_websms::config::syntax::preset::PRESETS;
use tempfile::TempDir;

use crate::support::{Answer, Provider, Websms, program};

/// A directory with `websms.conf` and own presets.
struct Setup(TempDir);

impl Setup {
    /// With these files, by name and content.
    fn new(presets: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let own = directory.path().join("own");
        fs::create_dir(&own).unwrap();
        for (name, text) in presets {
            fs::write(own.join(name), text).unwrap();
        }
        Self(directory)
    }

    /// The line of `[websms]` that names the own presets.
    fn presetdir(&self) -> String {
        format!("presetdir = {}", self.0.path().join("own").display())
    }

    /// Writes `websms.conf`: `[websms]` with these lines.
    fn configure(&self, lines: &str) {
        let config = format!("[websms]\n{}\n{lines}\n", self.presetdir());
        fs::write(self.0.path().join("websms.conf"), config).unwrap();
    }

    fn run(&self, arguments: &[&str], more: &[&str]) -> Output {
        Command::new(program())
            .env_clear()
            .args(arguments)
            .arg("--config")
            .arg(self.0.path().join("websms.conf"))
            .args(more)
            .output()
            .unwrap()
    }

    /// The mistakes that `check` finds in a file, from the line number on.
    fn mistakes(&self, lines: &str) -> Vec<String> {
        self.configure(lines);
        let output = self.run(&["check", "--file-only"], &[]);
        let report = String::from_utf8(output.stdout).unwrap();
        let prefix = format!("error: {}/websms.conf", self.0.path().display());
        let mistakes = report.lines().filter_map(|line| line.strip_prefix(&prefix));
        let mistakes: Vec<_> = mistakes.map(str::to_owned).collect();
        assert_eq!(output.status.success(), mistakes.is_empty(), "{report}");
        mistakes
    }

    /// The path that a message of an interface is sent to, which differs between the
    /// presets of these tests.
    fn path(&self, lines: &str, index: &str) -> String {
        let provider = Provider::answering(Answer::ok());
        let config = format!(
            "[websms]\n{}\nhost = {}\n{lines}\n",
            self.presetdir(),
            provider.url()
        );
        let websms = Websms::configured(&config);
        websms.run(&["+12025550183", "+12025550160", "x", index]);
        provider.wait_for(1).remove(0).path
    }
}

#[test]
fn presets_are_listed_with_their_titles() {
    let setup = Setup::new(&[
        ("mine.conf", "; mine: My own gateway\n[websms]\n"),
        ("twilio.conf", "; twilio: Twilio, but mine\n[websms]\n"),
        ("not a name.conf", "; not a name: Nothing\n[websms]\n"),
        ("README", "; README: Nothing\n"),
    ]);
    setup.configure("");
    let output = setup.run(&["presets"], &[]);
    assert!(output.status.success(), "{output:?}");
    let output = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = output.lines().collect();
    assert_eq!(lines.len(), PRESETS.len() + 1, "{output}");
    let names = lines.iter().map(|line| line.split(' ').next());
    assert!(names.is_sorted(), "{output}");
    for (name, text) in PRESETS {
        let title = format!("; {name}: ");
        let title = text.lines().next().unwrap().strip_prefix(&title);
        let title = title.unwrap_or_else(|| panic!("{name}: no title"));
        let title = if *name == "twilio" {
            "Twilio, but mine"
        } else {
            title
        };
        let line = lines
            .iter()
            .find(|line| line.starts_with(&format!("{name} ")));
        assert_eq!(line.unwrap().split_once("  ").unwrap().1.trim(), title);
    }
    assert!(
        output.contains("\nmine                My own gateway\n"),
        "{output}"
    );
}

#[test]
fn preset_is_shown_unchanged() {
    let own = "; twilio: Twilio, but mine\n[websms]\n";
    let setup = Setup::new(&[("twilio.conf", own)]);
    setup.configure("nonsense [");
    for (name, text) in PRESETS {
        let output = setup.run(&["presets"], &["show", name]);
        assert!(output.status.success(), "{output:?}");
        let text = if *name == "twilio" { own } else { text };
        assert_eq!(String::from_utf8(output.stdout).unwrap(), *text);
    }
}

#[test]
fn config_option_is_taken_before_and_behind_show() {
    let own = "; twilio: Twilio, but mine\n[websms]\n";
    let setup = Setup::new(&[("twilio.conf", own)]);
    setup.configure("");
    let command = ["presets", "show", "twilio"];
    for place in 0..=command.len() {
        let (before, behind) = command.split_at(place);
        let output = setup.run(before, behind);
        let shown = String::from_utf8(output.stdout).unwrap();
        assert_eq!(shown, own, "--config behind {before:?}");
    }
}

#[test]
fn presets_are_shown_without_a_configuration() {
    let setup = Setup::new(&[]);
    let output = setup.run(&["presets"], &["show", "telnyx"]);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn unknown_preset_is_not_shown() {
    let setup = Setup::new(&[]);
    fs::write(setup.0.path().join("secret.conf"), "[websms]\n").unwrap();
    setup.configure("");
    for name in ["twillio", "../secret", "", "own/twilio"] {
        let output = setup.run(&["presets"], &["show", name]);
        assert_eq!(output.status.code(), Some(69), "{name}");
        assert!(output.stdout.is_empty(), "{name}");
        let output = String::from_utf8(output.stderr).unwrap();
        let expected =
            format!("there is no preset {name:?}; `asterisk-websms presets` lists them\n");
        assert_eq!(output, expected);
    }
}

#[test]
fn own_preset_wins_over_a_shipped_one() {
    let own = "[websms]\npath = /own\nauth_method = none\n";
    let setup = Setup::new(&[("twilio.conf", own), ("mine.conf", own)]);
    for name in ["twilio", "mine"] {
        assert_eq!(setup.path(&format!("preset = {name}"), ""), "/own");
    }
    let without = Setup::new(&[]);
    let lines = "preset = twilio\nauth_user = AC1\nauth_secret = x";
    let path = "/2010-04-01/Accounts/AC1/Messages.json";
    assert_eq!(without.path(lines, ""), path);
}

#[test]
fn key_of_the_file_wins_over_the_preset() {
    let own = "[websms]\nurl_path = /preset\nauth_method = none\n";
    let setup = Setup::new(&[("mine.conf", own)]);
    for (lines, index, expected) in [
        ("preset = mine", "", "/preset"),
        ("preset = mine\npath = /file", "", "/file"),
        ("preset = mine\nurl_path = /file", "", "/file"),
        ("preset [a] = mine", "a", "/preset"),
        ("preset [a] = mine\npath [a] = /a", "a", "/a"),
        // A key of the file without an index is for all interfaces.
        ("preset [a] = mine\npath = /file", "a", "/file"),
        ("preset [a] = mine\npath = /file\npath [a] = /a", "a", "/a"),
        (
            "preset = mine\npath [a] = /a\nauth_method [b] = none",
            "a",
            "/a",
        ),
        (
            "preset = mine\npath [a] = /a\nauth_method [b] = none",
            "b",
            "/preset",
        ),
        // The preset of one interface is not for the other.
        ("preset [a] = mine\nauth_method [b] = none", "b", "/"),
    ] {
        assert_eq!(setup.path(lines, index), expected, "{lines}");
    }
}

#[test]
fn repeated_key_of_the_file_replaces_all_of_the_preset() {
    let own = "[websms]\nauth_method = none\nheader = X-One: 1\nheader = X-Two: 2\n";
    let setup = Setup::new(&[("mine.conf", own)]);
    for (lines, expected) in [
        ("preset = mine", [true, true, false]),
        ("preset = mine\nheader = X-Three: 3", [false, false, true]),
    ] {
        let provider = Provider::answering(Answer::ok());
        let (presetdir, url) = (setup.presetdir(), provider.url());
        let config = format!("[websms]\n{presetdir}\nhost = {url}\n{lines}\n");
        let output = Websms::configured(&config).run(&["+12025550183", "+12025550160", "x"]);
        assert!(output.status.success(), "{output:?}");
        let request = provider.wait_for(1).remove(0);
        let has = ["x-one", "x-two", "x-three"].map(|name| request.headers.contains_key(name));
        assert_eq!(has, expected, "{lines}");
    }
}

#[test]
fn unknown_preset_is_a_mistake_with_a_remedy() {
    let setup = Setup::new(&[("mine.conf", "[websms]\n")]);
    let remedy = "unknown preset: `asterisk-websms presets` lists the known ones, and a file \
                  NAME.conf in presetdir adds another";
    for (lines, expected) in [
        (
            "host = https://h\nauth_user = u\npreset = twillio",
            format!(":5: [websms] preset = \"twillio\": {remedy} (did you mean \"twilio\"?)"),
        ),
        (
            "host = https://h\nauth_user = u\n[websmsd]\npreset [a] = ../mine",
            format!(":6: [websmsd] preset [a] = \"../mine\": {remedy}"),
        ),
    ] {
        assert_eq!(setup.mistakes(lines), [expected], "{lines}");
    }
}

#[test]
fn mistake_in_an_own_preset_is_named_with_preset_and_line() {
    for (preset, expected) in [
        (
            "; mine: Mine\n[websms]\nauth_method = basc\n",
            ": [websms] auth_method = \"basc\" (preset mine, line 3): expected basic, bearer, \
             digest, header, oauth2, zadarma, plain or none (did you mean \"basic\"?)",
        ),
        (
            "[websms]\n\nkey_too = to\n",
            ": [websms] key_too (preset mine, line 3): unknown key (did you mean \"key_to\"?)",
        ),
        (
            "[websms]\nkey_to [a] = to\n",
            ": [websms] key_to [a] (preset mine, line 2): is not allowed in a preset, which is for \
             one interface: remove it",
        ),
        (
            "[websms]\noutboxdir = /tmp\n",
            ": [websms] outboxdir (preset mine, line 2): is not allowed in a preset, which is for \
             one interface: remove it",
        ),
        (
            "[websmsd]\nproxy_addr = 10.0.0.1\n",
            ": [websmsd] proxy_addr (preset mine, line 2): is not allowed in a preset, which is for \
             one interface: remove it",
        ),
        (
            "[websms]\npreset = twilio\n",
            ": [websms] preset (preset mine, line 2): is not allowed in a preset, which is for one \
             interface: remove it",
        ),
        (
            "[astqueue]\ncontext = x\n",
            ": [astqueue] context (preset mine, line 2): is not allowed in a preset, which is for \
             one interface: remove it",
        ),
        (
            "[websms]\nkey_to = to\nkey_to = too\n",
            ": [websms] key_to = \"too\" (preset mine, line 3): is given twice, first on line 2: \
             remove one",
        ),
        ("key_to = to\n", ": [] key_to (preset mine, line 1): "),
        (
            "[webmsd]\nkey_to = to\n",
            ": [webmsd] key_to (preset mine, line 2): ",
        ),
        ("[websms]\nkey_to\n", ": (preset mine, line 2): "),
    ] {
        let setup = Setup::new(&[("mine.conf", preset)]);
        for lines in [
            "host = https://h\nauth_user = u\npreset = mine",
            "host = https://h\nauth_user = u\npreset = mine\n[websmsd]\npreset [a] = mine",
            "host = https://h\nauth_user = u\npreset = mine\n[websmsd]\npreset = mine",
        ] {
            let mistakes = setup.mistakes(lines);
            assert!(
                mistakes.len() == 1 && mistakes[0].starts_with(expected),
                "{preset}{lines}\n{mistakes:#?}"
            );
        }
    }
}

#[test]
fn preset_that_cannot_be_read_is_a_mistake() {
    let setup = Setup::new(&[]);
    fs::create_dir(setup.0.path().join("own/mine.conf")).unwrap();
    let mistakes = setup.mistakes("host = https://h\nauth_user = u\npreset = mine");
    let expected = ":5: [websms] preset = \"mine\": cannot be read: Is a directory (os error 21)";
    assert_eq!(mistakes, [expected]);
}

#[test]
fn secret_in_a_preset_is_not_echoed() {
    let setup = Setup::new(&[("mine.conf", "[websms]\nauth_secret = hunter2;x\n")]);
    setup.configure("host = https://h\nauth_user = u\npreset = mine");
    let output = setup.run(&["check", "--file-only"], &[]);
    let output = String::from_utf8(output.stdout).unwrap();
    assert!(output.contains("(preset mine, line 2)"), "{output}");
    assert!(!output.contains("hunter2"), "{output}");
}
