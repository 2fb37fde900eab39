//! The measured servers, each in its own process.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::{program, wait_for};

/// The argument that makes this program the bare server.
pub(crate) const HYPER: &str = "hyper";

/// The PHP script, which does the minimum to store a message, without fsync.
const PHP: &str = "<?php
$name = uniqid('', true);
$text = \"Channel: Local/{$_POST['To']}@x\\nExtension: {$_POST['To']}\\n\"
    . \"setvar: MESSAGE(body)=\" . rawurlencode($_POST['Body']) . \"\\n\";
file_put_contents(__DIR__ . \"/staging/$name\", $text);
rename(__DIR__ . \"/staging/$name\", __DIR__ . \"/outgoing/$name\");
";

/// Call files that wait in staging from the start.
#[derive(Clone, Copy)]
pub(crate) struct Waiting(pub(crate) usize);

/// A running server, until it is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn has_php() -> bool {
    Command::new("php").arg("-v").output().is_ok()
}

impl Server {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The bare server: this program again.
    pub(crate) fn hyper() -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(HYPER).stderr(Stdio::null());
        Self::listening(command)
    }

    /// `websmsd` with its spool in `directory`, which logs to a file as under Docker.
    /// Nothing takes call files out of outgoing.
    pub(crate) fn websmsd(directory: &Path, waiting: Waiting) -> Self {
        for name in ["staging", "outgoing"] {
            fs::create_dir(directory.join(name)).unwrap();
        }
        fill(&directory.join("staging"), waiting);
        let config = directory.join("websms.conf");
        let here = directory.display();
        let text = format!(
            "[astqueue]\noutgoingdir = {here}/outgoing\nstagingdir = {here}/staging\n\
             max_waiting = 10000000\n"
        );
        fs::write(&config, text).unwrap();
        let log = File::create(directory.join("log")).unwrap();
        let mut command = Command::new(program());
        command
            .env_clear()
            .args(["websmsd", "--listen", "127.0.0.1:0", "--config"])
            .arg(&config)
            .stderr(log);
        Self::listening(command)
    }

    /// PHP's built-in server.
    pub(crate) fn php(directory: &Path) -> Self {
        for name in ["staging", "outgoing"] {
            fs::create_dir(directory.join(name)).unwrap();
        }
        let script = directory.join("index.php");
        fs::write(&script, PHP).unwrap();
        let log = directory.join("log");
        let mut command = Command::new("php");
        command
            .args(["-S", "127.0.0.1:0"])
            .arg(&script)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap());
        let child = command.spawn().unwrap();
        let address = wait_for("PHP's server", || {
            let log = fs::read_to_string(&log).unwrap();
            let (_, rest) = log.split_once("http://")?;
            rest.split_once(')')?.0.parse().ok()
        });
        Self { child, address }
    }

    /// Starts a server that prints its address in the first line.
    fn listening(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut reader = BufReader::new(child.stdout.take().unwrap().take(200));
        reader.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ");
        let address = address.and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| panic!("did not start: {line:?}"));
        Self { child, address }
    }
}

/// Puts call files of 1,000 conversations into staging, as left by an earlier run.
fn fill(staging: &Path, Waiting(count): Waiting) {
    for number in 0..count {
        let conversation = number % 1000;
        let name = format!("{number:016}-00000000-0001of0001-{conversation:016x}.call");
        fs::write(staging.join(name), "Channel: Local/1@x\n").unwrap();
    }
}
