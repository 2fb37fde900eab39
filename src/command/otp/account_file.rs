//! Where the account goes: into a file of its own, whose name stands in `[otp]`.
//!
//! Both files are replaced whole. Whoever may read websms.conf may read the
//! account, because the daemon is of those; nobody else may.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::Uid;

use crate::command::terminal::{CommandError, OutputFile, hint, print};
use crate::config::OtpDraft;
use crate::config::WhatsappAccount;
use crate::config::syntax::keys;
use crate::otp::meta::account;
use crate::secret::Secret;
use crate::storage::durable::Access;

/// What the file is called when nobody says otherwise; the sample calls it so.
const NAME: &str = "whatsapp-info.json";

/// Where the account goes, and what of it is there already.
pub(super) struct AccountFile<'a> {
    config: &'a Path,
    draft: &'a OtpDraft,
    info: PathBuf,
    /// Whether it is all in `[otp]`, the token too, which need not be in a file
    /// then.
    here: bool,
}

impl<'a> AccountFile<'a> {
    /// Where it goes, by the configuration and the option for it.
    pub(super) fn new(
        config: &'a Path,
        draft: &'a OtpDraft,
        option: Option<&Path>,
    ) -> Result<Self, CommandError> {
        let whole = |path: &Path| {
            std::path::absolute(path).map_err(|error| {
                let path = path.display();
                CommandError::usage(format!("failed to tell where {path} is: {error}"))
            })
        };
        let info = match (option, &draft.info_file) {
            (Some(path), _) => whole(path)?,
            (None, Some(path)) => path.clone(),
            (None, None) => whole(config)?.with_file_name(NAME),
        };
        line(&info).map_err(CommandError::usage)?;
        Ok(Self {
            config,
            draft,
            here: option.is_none() && draft.access_token.is_some(),
            info,
        })
    }

    /// The file.
    pub(super) fn info(&self) -> &Path {
        &self.info
    }

    /// Sees whether it can be written, before there is something to lose.
    pub(super) fn probe(&self) -> Result<(), CommandError> {
        if self.here {
            return Ok(());
        }
        self.default_path()?.probe()
    }

    fn default_path(&self) -> Result<OutputFile, CommandError> {
        let config = self.config.metadata().ok();
        OutputFile::new(&self.info, |there| of_account(there, config.as_ref()))
    }

    /// Puts the account there, and says what the administrator has to do besides.
    pub(super) fn put(
        &self,
        account: &WhatsappAccount<Secret>,
        token_is_new: bool,
    ) -> Result<(), CommandError> {
        if self.here {
            self.tell_lines(account, token_is_new);
        } else {
            let text = account::to_json(account);
            let there = std::fs::read(&self.info);
            if there.is_ok_and(|there| there == text.as_bytes()) {
                print(&format!(
                    "the account is in {} already\n",
                    self.info.display()
                ));
            } else {
                self.default_path()?.store(text.as_bytes())?;
                print(&format!("the account is in {}\n", self.info.display()));
            }
            self.warn_of_root();
            self.point()?;
        }
        if !self.draft.by_whatsapp {
            print("channel in [otp] does not name whatsapp: add it, e.g. channel = whatsapp,sms\n");
        }
        Ok(())
    }

    /// A daemon of another user does not start without the file.
    fn warn_of_root(&self) {
        let roots = |file: &Metadata| file.uid() == 0 && file.gid() == 0;
        if self.info.metadata().as_ref().is_ok_and(roots) {
            let info = self.info.display();
            hint(&format!(
                "root alone can read {info}: if websmsd runs as another user, give it to that one's \
                 group (chgrp asterisk {info})"
            ));
        }
    }

    /// Has `[otp]` name the file. A section that is there is the administrator's.
    fn point(&self) -> Result<(), CommandError> {
        let line = line(&self.info).map_err(CommandError::usage)?;
        let config = self.config.display();
        if !self.draft.given {
            return self.append(&line);
        }
        let keys: Vec<_> = self.draft.keys().iter().map(|key| key.name).collect();
        match &self.draft.info_file {
            Some(file) if *file == self.info => {}
            Some(file) => print(&format!(
                "[otp] in {config} names {}: write this line in its place: {line}\n",
                file.display()
            )),
            None if keys.is_empty() => {
                print(&format!("add this line to [otp] in {config}: {line}\n"));
            }
            None => print(&format!(
                "write this line in place of {} into [otp] in {config}: {line}\n",
                keys.join(", ")
            )),
        }
        Ok(())
    }

    fn append(&self, line: &str) -> Result<(), CommandError> {
        let config = self.config.display();
        let appended = std::fs::read(self.config)
            .map_err(|error| {
                CommandError::configuration(format!("failed to read {config}: {error}"))
            })
            .and_then(|before| {
                let place = OutputFile::new(self.config, as_it_was)?;
                place.store(&with_section(before, line))
            });
        match appended {
            Ok(()) => {
                print(&format!("{config} has a section [otp] now, with {line}\n"));
                Ok(())
            }
            Err(failure) => Err(CommandError::configuration(format!(
                "{}; all else is done: write the lines [otp] and {line} at the end of {config}",
                failure.text
            ))),
        }
    }

    /// Which lines of `[otp]` are to be changed.
    fn tell_lines(&self, account: &WhatsappAccount<Secret>, token_is_new: bool) {
        let draft = self.draft;
        let ids = [
            (&keys::otp::WABA_ID, &draft.waba_id, &account.waba_id),
            (
                &keys::otp::PHONE_NUMBER_ID,
                &draft.phone_number_id,
                &account.phone_number_id,
            ),
            (
                &keys::otp::TEMPLATE_ID,
                &draft.template_id,
                &account.template_id,
            ),
        ];
        let changed = ids
            .iter()
            .filter(|(_, old, new)| old.as_ref() != Some(*new));
        let lines: Vec<_> = changed
            .map(|(key, _, new)| format!("{} = {new}\n", key.name))
            .collect();
        let config = self.config.display();
        if !lines.is_empty() {
            hint(&format!("these lines belong into [otp] in {config}:"));
            print(&lines.concat());
        }
        if token_is_new {
            hint(&format!(
                "the access token is another than that of [otp] in {config}: put it where \
                 access_token says"
            ));
        }
    }
}

/// The line of `[otp]` that names the file.
fn line(path: &Path) -> Result<String, String> {
    let refused = |why: &str| format!("{}: {why}: name another file with --info", path.display());
    let text = path
        .to_str()
        .filter(|text| !text.contains(char::REPLACEMENT_CHARACTER));
    let text = text.ok_or_else(|| refused("a name that is not in UTF-8"))?;
    if text.chars().any(char::is_control) {
        return Err(refused("a name with a control character"));
    }
    let plain = |character: char| character.is_alphanumeric() || "/._-+@".contains(character);
    let value = if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    };
    Ok(format!("{} = {value}", keys::otp::INFO_FILE.name))
}

/// The file with a section at its end that it did not have.
fn with_section(mut file: Vec<u8>, line: &str) -> Vec<u8> {
    if file.last().is_some_and(|last| *last != b'\n') {
        file.push(b'\n');
    }
    file.extend(format!("\n[otp]\n{line}\n").bytes());
    file
}

/// A file of the administrator's stays as it is.
fn as_it_was(there: Option<&Metadata>) -> Access {
    there.map_or_else(
        || of_account(None, None),
        |file| Access {
            mode: file.mode() & 0o7777,
            user: file.uid(),
            group: file.gid(),
        },
    )
}

/// Whose the account is: whose it was, else whose the configuration is.
fn of_account(there: Option<&Metadata>, config: Option<&Metadata>) -> Access {
    let user = Uid::effective();
    match (there, config) {
        (Some(file), _) => Access {
            mode: file.mode() & 0o660 | 0o600,
            user: file.uid(),
            group: file.gid(),
        },
        (None, Some(config)) => Access {
            mode: 0o640,
            // Nobody but root can give a file away.
            user: if user.is_root() {
                config.uid()
            } else {
                user.as_raw()
            },
            group: config.gid(),
        },
        (None, None) => Access {
            mode: 0o600,
            user: user.as_raw(),
            group: nix::unistd::Gid::effective().as_raw(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::syntax::ini;

    #[test]
    fn section_names_the_file_whatever_it_is_called() {
        for path in [
            "/etc/asterisk/whatsapp-info.json",
            "/a b/c;d",
            "/a\"b\\c",
            "/'a'",
            "/\u{e9}",
            "/a=b",
        ] {
            for before in ["", "[websmsd]", "[websmsd]\n", "; \u{fffd}\r\n"] {
                let line = line(path.as_ref()).unwrap_or_default();
                let file = with_section(before.into(), &line);
                let text = String::from_utf8(file).unwrap();
                assert!(text.starts_with(before));
                let (entries, problems) = ini::parse(&text);
                assert!(problems.is_empty() && entries.len() == 1, "{text}");
                let entry = &entries[0];
                assert_eq!(
                    (entry.section.as_str(), entry.key.as_str()),
                    ("otp", "info_file")
                );
                assert_eq!(entry.value, path);
            }
        }
        assert!(line("/a\nb".as_ref()).is_err());
    }
}
