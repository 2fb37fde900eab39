//! Writes the account at Meta to a file of its own, which `[otp]` names.
//!
//! Both files are replaced as a whole. Readers of websms.conf may read the account,
//! because the daemon must; no one else may.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::Uid;

use crate::command::terminal::{CommandError, OutputFile, hint, print};
use crate::config::syntax::keys;
use crate::config::{OtpDraft, WhatsappAccount};
use crate::logging::chain;
use crate::otp::meta::account;
use crate::secret::Secret;
use crate::storage::durable::Access;

/// The default name, which is that of Meta's sample.
const NAME: &str = "whatsapp-info.json";

/// The file, and the settings of the account in `[otp]`.
pub(super) struct AccountFile<'a> {
    config: &'a Path,
    draft: &'a OtpDraft,
    path: PathBuf,
    /// Whether `[otp]` itself holds the account, so that no file is written.
    is_in_config: bool,
}

impl<'a> AccountFile<'a> {
    /// Chooses the path: of the option, else of `[otp]`, else beside the
    /// configuration.
    pub(super) fn new(
        config: &'a Path,
        draft: &'a OtpDraft,
        option: Option<&Path>,
    ) -> Result<Self, CommandError> {
        let absolute = |path: &Path| {
            std::path::absolute(path).map_err(|error| {
                let path = path.display();
                let error = chain(&error);
                CommandError::usage(format!(
                    "failed to find the absolute path of {path}: {error}"
                ))
            })
        };
        let path = match (option, &draft.info_file) {
            (Some(path), _) => absolute(path)?,
            (None, Some(path)) => path.clone(),
            (None, None) => absolute(config)?.with_file_name(NAME),
        };
        config_line(&path).map_err(CommandError::usage)?;
        Ok(Self {
            config,
            draft,
            is_in_config: option.is_none() && draft.access_token.is_some(),
            path,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Checks that the file can be written, before a template is created for it.
    pub(super) fn probe(&self) -> Result<(), CommandError> {
        if self.is_in_config {
            return Ok(());
        }
        self.output()?.probe()
    }

    fn output(&self) -> Result<OutputFile, CommandError> {
        let config = self.config.metadata().ok();
        OutputFile::new(&self.path, |existing| {
            account_access(existing, config.as_ref())
        })
    }

    /// Writes the account, and prints what the administrator has to do besides.
    pub(super) fn write(
        &self,
        account: &WhatsappAccount<Secret>,
        token_is_new: bool,
    ) -> Result<(), CommandError> {
        if self.is_in_config {
            self.print_changes(account, token_is_new);
        } else {
            let text = account::to_json(account);
            let path = self.path.display();
            if std::fs::read(&self.path).is_ok_and(|existing| existing == text.as_bytes()) {
                print(&format!("the account is in {path} already\n"));
            } else {
                self.output()?.store(text.as_bytes())?;
                print(&format!("the account was written to {path}\n"));
            }
            self.warn_of_root();
            self.name_in_config()?;
        }
        if !self.draft.by_whatsapp {
            print("channel in [otp] does not name whatsapp: add it, e.g. channel = whatsapp,sms\n");
        }
        Ok(())
    }

    /// A daemon of another user cannot start when only root can read the file.
    fn warn_of_root(&self) {
        let is_root_only = |file: &Metadata| file.uid() == 0 && file.gid() == 0;
        if self.path.metadata().as_ref().is_ok_and(is_root_only) {
            let path = self.path.display();
            hint(&format!(
                "only root can read {path}: if websmsd runs as another user, change its group (chgrp \
                 asterisk {path})"
            ));
        }
    }

    /// Makes `[otp]` name the file. An existing section is left to the administrator.
    fn name_in_config(&self) -> Result<(), CommandError> {
        let line = config_line(&self.path).map_err(CommandError::usage)?;
        let config = self.config.display();
        if !self.draft.given {
            return self.append(&line);
        }
        let keys: Vec<_> = self.draft.keys().iter().map(|key| key.name).collect();
        match &self.draft.info_file {
            Some(file) if *file == self.path => {}
            Some(file) => print(&format!(
                "[otp] in {config} names {}: replace that line with: {line}\n",
                file.display()
            )),
            None if keys.is_empty() => {
                print(&format!("add this line to [otp] in {config}: {line}\n"));
            }
            None => print(&format!(
                "in [otp] in {config} replace {} with this line: {line}\n",
                keys.join(", ")
            )),
        }
        Ok(())
    }

    fn append(&self, line: &str) -> Result<(), CommandError> {
        let config = self.config.display();
        let appended = std::fs::read(self.config)
            .map_err(|error| {
                let error = chain(&error);
                CommandError::configuration(format!("failed to read {config}: {error}"))
            })
            .and_then(|before| {
                let output = OutputFile::new(self.config, unchanged_access)?;
                output.store(&with_section(before, line))
            });
        match appended {
            Ok(()) => {
                print(&format!("added a section [otp] to {config}, with {line}\n"));
                Ok(())
            }
            Err(error) => Err(CommandError::configuration(format!(
                "{}; everything else is done: add the lines [otp] and {line} at the end of {config}",
                error.text
            ))),
        }
    }

    /// Prints the lines of `[otp]` that must be changed.
    fn print_changes(&self, account: &WhatsappAccount<Secret>, token_is_new: bool) {
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
            hint(&format!("set these lines in [otp] in {config}:"));
            print(&lines.concat());
        }
        if token_is_new {
            hint(&format!(
                "the access token is not that of [otp] in {config}: write it to the place that \
                 access_token names"
            ));
        }
    }
}

/// The line of `[otp]` that names the file.
fn config_line(path: &Path) -> Result<String, String> {
    let refused = |reason: &str| {
        let path = path.display();
        format!("{path}: {reason}: name another file with --info")
    };
    let text = path
        .to_str()
        .filter(|text| !text.contains(char::REPLACEMENT_CHARACTER));
    let text = text.ok_or_else(|| refused("the name is not UTF-8"))?;
    if text.chars().any(char::is_control) {
        return Err(refused("the name has a control character"));
    }
    let plain = |character: char| character.is_alphanumeric() || "/._-+@".contains(character);
    let value = if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    };
    Ok(format!("{} = {value}", keys::otp::INFO_FILE.name))
}

/// Adds a section `[otp]` at the end of a file that has none.
fn with_section(mut file: Vec<u8>, line: &str) -> Vec<u8> {
    if file.last().is_some_and(|last| *last != b'\n') {
        file.push(b'\n');
    }
    file.extend(format!("\n[otp]\n{line}\n").bytes());
    file
}

/// The administrator's file keeps its owner and mode.
fn unchanged_access(existing: Option<&Metadata>) -> Access {
    existing.map_or_else(
        || account_access(None, None),
        |file| Access {
            mode: file.mode() & 0o7777,
            user: file.uid(),
            group: file.gid(),
        },
    )
}

/// The owner and mode of the account file: those of the existing file, else those
/// of the configuration; only owner and group may read it.
fn account_access(existing: Option<&Metadata>, config: Option<&Metadata>) -> Access {
    let user = Uid::effective();
    match (existing, config) {
        (Some(file), _) => Access {
            mode: file.mode() & 0o660 | 0o600,
            user: file.uid(),
            group: file.gid(),
        },
        (None, Some(config)) => Access {
            mode: 0o640,
            // Only root can give a file away.
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
    fn file_with_any_name_is_read_back_from_the_section() {
        for path in [
            "/etc/asterisk/whatsapp-info.json",
            "/a b/c;d",
            "/a\"b\\c",
            "/'a'",
            "/\u{e9}",
            "/a=b",
        ] {
            for before in ["", "[websmsd]", "[websmsd]\n", "; \u{fffd}\r\n"] {
                let line = config_line(path.as_ref()).unwrap_or_default();
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
        assert!(config_line("/a\nb".as_ref()).is_err());
    }
}
