//! One line of `websms.conf` that sets a key.

/// One `key [index] = value` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Line in the file, from 1.
    pub line: usize,
    /// Name of its section; empty before the first one.
    pub section: String,
    /// The key as written, without its index.
    pub key: String,
    /// The text between the brackets; `[]` is numbered from 0 as PHP does.
    pub index: Option<String>,
    /// Whether the brackets were empty.
    pub numbered: bool,
    /// The value, without quotes and comment.
    pub value: String,
    /// Whether a comment started right behind the value, without a blank, as in
    /// `pa;ss`: for a password that is hardly what was meant.
    pub cut: bool,
    /// The preset that it comes from; `None` is the file itself.
    pub preset: Option<String>,
}

#[cfg(test)]
impl Entry {
    /// Section, key and value.
    pub(crate) fn triple(&self) -> (&str, &str, &str) {
        (&self.section, &self.key, &self.value)
    }
}
