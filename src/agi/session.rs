//! The commands of an AGI session by `FastAGI`, and Asterisk's answers.

use std::io;
use std::time::Duration;

use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, Take,
};
use tokio::time::timeout;

/// For Asterisk's answer to each command.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of all answers, and of what forged the end of an environment.
const ANSWERS_MAX: u64 = 64 * 1024;

/// What Asterisk sends when the channel is hung up (`res/res_agi.c`, `run_agi`).
const HANGUP: &[u8] = b"HANGUP";

/// A session whose environment seems to have ended.
pub(crate) struct AgiSession<R, W> {
    answers: Take<R>,
    writer: W,
}

impl<R, W> AgiSession<R, W>
where
    R: AsyncBufRead + Unpin,
    W: AsyncWrite + Unpin,
{
    pub(crate) fn new(reader: R, writer: W) -> Self {
        let answers = reader.take(ANSWERS_MAX);
        Self { answers, writer }
    }

    /// Whether the environment that was read is all of it.
    ///
    /// An argument with an empty line in it seems to end the environment, and the
    /// lines that its author put before that stand for the arguments behind it. What
    /// Asterisk sends then comes where the first answer is expected. So Asterisk is
    /// asked for an answer that nobody can have written beforehand, and whatever
    /// comes before it was forged. A hangup is announced at any time.
    ///
    /// # Errors
    /// When the answer does not come.
    pub(crate) async fn is_environment_whole(&mut self) -> io::Result<bool> {
        let question = unguessable()?;
        // What is no variable is substituted by itself (`res/res_agi.c`,
        // `handle_getvariablefull`).
        self.send(&format!("GET FULL VARIABLE {question}")).await?;
        let expected = format!("200 result=1 ({question})");
        let answered = async {
            let mut whole = true;
            loop {
                let line = self.line().await?;
                if line == expected.as_bytes() {
                    return Ok(whole);
                }
                whole &= line == HANGUP;
            }
        };
        timeout(ANSWER_TIMEOUT, answered).await?
    }

    /// Lets Asterisk execute commands, one after another: it does not look for a
    /// command that came together with the one before (`res/res_agi.c`, `run_agi`).
    ///
    /// # Errors
    /// When Asterisk does not take or answer one.
    pub(crate) async fn execute(mut self, commands: &str) -> io::Result<()> {
        for command in commands.lines() {
            self.send(command).await?;
            timeout(ANSWER_TIMEOUT, self.answer()).await??;
        }
        Ok(())
    }

    async fn send(&mut self, command: &str) -> io::Result<()> {
        let command = format!("{command}\n");
        timeout(ANSWER_TIMEOUT, self.writer.write_all(command.as_bytes())).await?
    }

    /// The answer to a command. A hangup is announced at any time, and is none.
    async fn answer(&mut self) -> io::Result<()> {
        while self.line().await? == HANGUP {}
        Ok(())
    }

    async fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        self.answers.read_until(b'\n', &mut line).await?;
        if line.pop() != Some(b'\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line)
    }
}

fn unguessable() -> io::Result<String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(hex::encode(random))
}

#[cfg(test)]
mod tests {
    use tokio::io::{BufReader, duplex, split};

    use super::*;

    /// What the session makes of these bytes, which are followed by Asterisk's own
    /// answer.
    fn is_whole(before: &str) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (ours, asterisk) = duplex(4096);
            let (reader, writer) = split(ours);
            let mut session = AgiSession::new(BufReader::new(reader), writer);
            let answer = async {
                let (reader, mut writer) = split(asterisk);
                writer.write_all(before.as_bytes()).await.unwrap();
                let mut command = String::new();
                BufReader::new(reader)
                    .read_line(&mut command)
                    .await
                    .unwrap();
                let question = command.trim().rsplit(' ').next().unwrap();
                let answer = format!("200 result=1 ({question})\n");
                writer.write_all(answer.as_bytes()).await.unwrap();
            };
            tokio::join!(session.is_environment_whole(), answer)
                .0
                .unwrap()
        })
    }

    #[test]
    fn answer_alone_shows_that_nothing_was_left_to_say() {
        assert!(is_whole(""));
        assert!(is_whole("HANGUP\n"));
        for forged in [
            "\n",
            "HANGUP\n\n",
            "agi_arg_5: base64\n\n",
            "200 result=1 (0123456789abcdef0123456789abcdef)\n\n",
        ] {
            assert!(!is_whole(forged), "{forged:?}");
        }
    }
}
