//! Users and groups of this system, from `/etc/passwd` and `/etc/group`.
//!
//! The C library would need its name service modules for them, which a static
//! binary does not have.

use std::path::Path;
use std::{fs, io};

use thiserror::Error;

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// A user and a group by number, as files and processes have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ids {
    pub(crate) user: u32,
    pub(crate) group: u32,
}

/// The accounts of this system (passwd(5), group(5)).
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    passwd: String,
    group: String,
}

impl Accounts {
    /// Reads both files. A missing one has no accounts: a container may have none.
    ///
    /// # Errors
    /// When a file exists and cannot be read.
    pub(crate) fn read() -> Result<Self, UnreadableAccounts> {
        Ok(Self {
            passwd: read(PASSWD)?,
            group: read(GROUP)?,
        })
    }

    /// The numbers of a user and a group, each a name or a number. Without a group
    /// it is the user's primary one.
    ///
    /// # Errors
    /// When there is no such name, or the user's primary group is unknown.
    pub(crate) fn ids(&self, user: &str, group: Option<&str>) -> Result<Ids, UnknownAccount> {
        let by_name = entry(&self.passwd, 0, user);
        let user_id = user.parse().ok().or_else(|| number(by_name.as_deref()?, 2));
        let user_id = user_id.ok_or_else(|| UnknownAccount::new("user", user, PASSWD))?;
        let group_id = match group {
            Some(name) => name
                .parse()
                .ok()
                .or_else(|| number_of_group(&self.group, name)),
            None => by_name
                .or_else(|| entry(&self.passwd, 2, user))
                .and_then(|fields| number(&fields, 3)),
        };
        let group = group.unwrap_or(user);
        Ok(Ids {
            user: user_id,
            group: group_id.ok_or_else(|| UnknownAccount::new("group", group, GROUP))?,
        })
    }

    /// The supplementary groups of a user; none if it has no entry in `/etc/passwd`.
    pub(crate) fn supplementary_groups(&self, user: u32) -> Vec<u32> {
        let Some(name) = entry(&self.passwd, 2, &user.to_string())
            .and_then(|fields| fields.first().map(|name| (*name).to_owned()))
        else {
            return Vec::new();
        };
        let is_member = |fields: &Vec<&str>| {
            let members = fields.get(3).copied().unwrap_or_default();
            members.split(',').any(|member| member == name)
        };
        lines(&self.group)
            .filter(is_member)
            .filter_map(|fields| number(&fields, 2))
            .collect()
    }
}

fn read(path: &'static str) -> Result<String, UnreadableAccounts> {
    match fs::read(Path::new(path)) {
        // A name in another encoding must not hide the other accounts.
        Ok(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(UnreadableAccounts { path, source }),
    }
}

fn lines(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| line.split(':').collect())
}

/// The fields of the first line whose field at `index` is `value`.
fn entry<'a>(text: &'a str, index: usize, value: &str) -> Option<Vec<&'a str>> {
    lines(text).find(|fields| fields.get(index).is_some_and(|field| *field == value))
}

fn number(fields: &[&str], index: usize) -> Option<u32> {
    fields.get(index)?.parse().ok()
}

fn number_of_group(groups: &str, name: &str) -> Option<u32> {
    number(&entry(groups, 0, name)?, 2)
}

/// The accounts of this system cannot be read.
#[derive(Debug, Error)]
#[error("read {path}")]
pub(crate) struct UnreadableAccounts {
    path: &'static str,
    source: io::Error,
}

/// This system has no such user or group.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("find the {what} {name:?} in {file}")]
pub(crate) struct UnknownAccount {
    /// `user` or `group`.
    what: &'static str,
    name: String,
    file: &'static str,
}

impl UnknownAccount {
    fn new(what: &'static str, name: &str, file: &'static str) -> Self {
        Self {
            what,
            name: name.to_owned(),
            file,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Accounts {
        Accounts {
            passwd: "root:x:0:0:root:/root:/bin/sh\nasterisk:x:101:103::/:/bin/false\n\
                     broken\nlost:x:102::\n"
                .to_owned(),
            group: "root:x:0:\naudio:x:29:bob,asterisk\ndialout:x:20:asterisk\n\
                    asterisk:x:103:\nasterisk-web:x:104:asterisk2\n"
                .to_owned(),
        }
    }

    #[test]
    fn names_and_numbers_are_resolved() {
        for (user, group, expected) in [
            ("asterisk", None, Some((101, 103))),
            ("101", None, Some((101, 103))),
            ("asterisk", Some("audio"), Some((101, 29))),
            ("4711", Some("4712"), Some((4711, 4712))),
            ("nobody", None, None),
            ("4711", None, None),
            ("lost", None, None),
            ("asterisk", Some("nothing"), None),
        ] {
            let ids = accounts().ids(user, group).ok();
            assert_eq!(ids.map(|ids| (ids.user, ids.group)), expected, "{user}");
        }
    }

    #[test]
    fn supplementary_groups_are_those_that_name_the_user() {
        assert_eq!(accounts().supplementary_groups(101), [29, 20]);
        assert!(accounts().supplementary_groups(0).is_empty());
        assert!(accounts().supplementary_groups(4711).is_empty());
    }
}
