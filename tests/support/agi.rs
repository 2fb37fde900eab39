//! Makes `FastAGI` calls as Asterisk does (`res/res_agi.c`).

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};

use super::PATIENCE;

/// A call in progress.
pub(crate) struct AgiCall(BufReader<TcpStream>);

impl AgiCall {
    /// Connects, sends the environment of a script with these arguments, and answers
    /// the question whether that is all.
    pub(crate) fn begin(address: SocketAddr, script: &str, arguments: &[&str]) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut call = Self(BufReader::new(stream));
        let mut lines = String::new();
        for (number, argument) in (1..).zip(arguments) {
            lines.push_str(&format!("agi_arg_{number}: {argument}\n"));
        }
        call.send(&format!(
            "agi_network: yes\nagi_network_script: {script}\n\
             agi_request: agi://127.0.0.1/{script}\nagi_channel: Message/ast_msg_queue\n\
             agi_callerid: unknown\nagi_enhanced: 0.0\nagi_accountcode: \nagi_threadid: 1\n\
             {lines}\n"
        ));
        let command = call.command().unwrap();
        let question = command.strip_prefix("GET FULL VARIABLE ").unwrap();
        call.send(&format!("200 result=1 ({question})\n"));
        call
    }

    /// Executes the commands that set variables, and returns them.
    pub(crate) fn commands(mut self) -> Vec<String> {
        let mut commands = Vec::new();
        while let Some(command) = self.command() {
            commands.push(command);
            self.send("200 result=1\n");
        }
        commands
    }

    fn send(&mut self, lines: &str) {
        self.0.get_mut().write_all(lines.as_bytes()).unwrap();
    }

    /// The next command, until the other side closes the connection.
    fn command(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.0.read_line(&mut line).unwrap();
        // Asterisk reads the next command only after it has answered this one.
        assert!(self.0.buffer().is_empty(), "more than one command");
        (read > 0).then(|| line.trim().to_owned())
    }
}
