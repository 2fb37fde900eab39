//! What the table says of a key, and the macro that makes constants of its rows.

use std::ops::Deref;

use crate::config::syntax::section::Section;
use crate::config::syntax::value::{Describe, expected};

/// Makes a constant of each row, and the list `ALL` of a section. The file that
/// calls it imports `key`, `keys` and the kinds of values.
macro_rules! keys {
    ($section:expr; $(
        $(#[doc = $meaning:literal])+
        $id:ident: $name:literal $(| $later:literal)? = $default:literal,
        $kind:ident $(<$type:ty>)? $(($($argument:expr),+))?,
        $($flag:ident,)*
        $hint:literal;
    )+) => {
        $(
            $(#[doc = $meaning])+
            pub(crate) const $id: key::TypedKey<$kind $(<$type>)?> = key::TypedKey {
                key: key::Key::new($section, $name, $default) $(.later($later))? $(.$flag())*,
                kind: $kind $(($($argument),+))?,
            };
        )+

        /// Every key of the section, in the order of the reference.
        pub(super) const ALL: &[key::Key] = &[
            $(key::Key::new($section, $name, $default) $(.later($later))? $(.$flag())*),+
        ];

        /// What the documents say about them, in the same order.
        #[cfg(test)]
        pub(super) const DOCUMENTATION: &[key::Documentation] = &[
            $(key::Documentation {
                meaning: concat!($($meaning),+),
                value: || $id.described(),
                is_words: matches!(stringify!($kind).as_bytes(), b"Choice" | b"NumberForm"),
                hint: $hint,
            }),+
        ];
    };
}

pub(super) use keys;

/// One key of the configuration file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) section: Section,
    /// Its name in the first manual of the PHP WebSMS, and in this program's
    /// documents.
    pub(crate) name: &'static str,
    /// The name that later versions of the PHP WebSMS gave it.
    pub(crate) later_name: Option<&'static str>,
    /// The value if the file does not set it, as it would be written there; empty means
    /// "not set".
    pub(crate) default: &'static str,
    /// Whether it describes one interface and so may carry an `[index]`.
    pub(crate) per_interface: bool,
    /// Whether its value is or may contain a secret, which no message repeats.
    pub(crate) secret: bool,
    /// Whether it may be given on several lines, each of which counts.
    pub(crate) repeated: bool,
}

/// A key with the kind of its value.
#[derive(Debug)]
pub(crate) struct TypedKey<K> {
    pub(crate) key: Key,
    pub(crate) kind: K,
}

/// What the documents say about a key.
#[cfg(test)]
#[derive(Debug)]
pub(super) struct Documentation {
    pub(super) meaning: &'static str,
    /// What its value has to be.
    pub(super) value: fn() -> String,
    /// Whether that is a list of words.
    pub(super) is_words: bool,
    pub(super) hint: &'static str,
}

impl Key {
    pub(super) const fn new(section: Section, name: &'static str, default: &'static str) -> Self {
        Self {
            section,
            name,
            later_name: None,
            default,
            per_interface: matches!(section, Section::Websms | Section::Websmsd),
            secret: false,
            repeated: false,
        }
    }

    pub(super) const fn later(mut self, name: &'static str) -> Self {
        self.later_name = Some(name);
        self
    }

    /// It applies to the process as a whole.
    pub(super) const fn process(mut self) -> Self {
        self.per_interface = false;
        self
    }

    pub(super) const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    pub(super) const fn repeated(mut self) -> Self {
        self.repeated = true;
        self
    }

    /// Whether the file may call it `name`.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.name == name || self.later_name == Some(name)
    }
}

impl<K: Describe> TypedKey<K> {
    #[cfg(test)]
    pub(super) fn described(&self) -> String {
        self.kind.describe()
    }

    /// The message that a value is not what it has to be.
    pub(crate) fn expected(&self) -> String {
        expected(&self.kind)
    }
}

/// What does not depend on the kind of the value.
impl<K> Deref for TypedKey<K> {
    type Target = Key;

    fn deref(&self) -> &Key {
        &self.key
    }
}
