//! Names of interfaces: the configured accounts at providers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Most bytes of a name.
const INTERFACE_MAX: usize = 64;

/// The name of an interface: the `[index]` of its keys in the configuration.
///
/// Records on disk hold it as text, empty for the unnamed interface.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct InterfaceName(String);

impl TryFrom<String> for InterfaceName {
    type Error = InvalidInterfaceName;

    fn try_from(name: String) -> Result<Self, InvalidInterfaceName> {
        if name.is_empty() {
            return Ok(Self::unnamed());
        }
        Self::parse(&name)
    }
}

impl InterfaceName {
    /// Parses a name of 1 to 64 printable ASCII characters.
    ///
    /// # Errors
    /// When it is empty, longer, or holds another character.
    pub fn parse(raw: &str) -> Result<Self, InvalidInterfaceName> {
        let printable = raw
            .bytes()
            .all(|byte| byte.is_ascii_graphic() || byte == b' ');
        if raw.is_empty() || raw.len() > INTERFACE_MAX || !printable {
            return Err(InvalidInterfaceName);
        }
        Ok(Self(raw.to_owned()))
    }

    /// The only interface of a configuration without indexes.
    #[must_use]
    pub fn unnamed() -> Self {
        Self(String::new())
    }

    /// Whether it is the only interface of a configuration without indexes.
    #[must_use]
    pub fn is_unnamed(&self) -> bool {
        self.0.is_empty()
    }

    /// The index; empty for the unnamed interface.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_unnamed() {
            "default"
        } else {
            &self.0
        })
    }
}

/// The text is not the name of an interface. The administrator must correct the
/// configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an index (expected 1 to {INTERFACE_MAX} printable ASCII characters)")]
pub struct InvalidInterfaceName;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interface_name_is_stored_as_its_text() {
        for (name, json) in [
            (InterfaceName::unnamed(), r#""""#),
            (InterfaceName::parse("api-1").unwrap(), r#""api-1""#),
        ] {
            assert_eq!(serde_json::to_string(&name).unwrap(), json);
            let read: InterfaceName = serde_json::from_str(json).unwrap();
            assert_eq!(read, name);
        }
        let long = format!("\"{}\"", "x".repeat(65));
        for bad in [r#""a\nb""#, r#""\u00e4""#, "null", "1", &long] {
            assert!(serde_json::from_str::<InterfaceName>(bad).is_err(), "{bad}");
        }
    }
}
