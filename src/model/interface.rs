//! The name of an interface.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest name of an interface.
const INTERFACE_MAX: usize = 64;

/// The name of a configured provider account: the `[index]` of its keys.
///
/// Records hold it as its text; the empty text is the unnamed interface.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct InterfaceName(String);

impl TryFrom<String> for InterfaceName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        if name.is_empty() {
            return Ok(Self::unnamed());
        }
        Self::parse(&name)
    }
}

impl InterfaceName {
    /// Reads a name of 1 to 64 printable ASCII characters.
    ///
    /// # Errors
    /// When it is longer or holds something else.
    pub fn parse(raw: &str) -> Result<Self, String> {
        let printable = raw
            .bytes()
            .all(|byte| byte.is_ascii_graphic() || byte == b' ');
        if raw.is_empty() || raw.len() > INTERFACE_MAX || !printable {
            return Err(format!(
                "not an index (expected 1 to {INTERFACE_MAX} printable ASCII characters)"
            ));
        }
        Ok(Self(raw.to_owned()))
    }

    /// The one interface of a file that uses no index.
    #[must_use]
    pub fn unnamed() -> Self {
        Self(String::new())
    }

    /// Whether it is the one interface of a file that uses no index.
    #[must_use]
    pub fn is_unnamed(&self) -> bool {
        self.0.is_empty()
    }

    /// The name as text; empty for the unnamed one.
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
