//! What a kind of value can do.

/// What a value has to be.
pub(crate) trait Describe {
    /// Completes "expected …"; also the text in the reference.
    fn describe(&self) -> String;
}

/// How a value is read, in any section.
pub(crate) trait Kind: Describe {
    /// The type of the value.
    type Value;

    /// Reads a value.
    ///
    /// # Errors
    /// What is wrong with it, and what was expected.
    fn parse(&self, raw: &str) -> Result<Self::Value, String>;
}

/// The message that a value is not what it has to be.
pub(crate) fn expected(kind: &impl Describe) -> String {
    format!("expected {}", kind.describe())
}
