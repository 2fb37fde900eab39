//! Text of one value to its type. Nothing here touches clock, disk, network or
//! environment; every failure says what was expected.
//!
//! Each row of the table of keys names the kind of its value: a type that reads it
//! and describes it, for messages and for `conf/REFERENCE.md`.

mod choice;
mod document;
mod kind;
mod network;
mod number;
mod path;
mod text;
mod url;

pub(crate) use choice::{Choice, Custom, NumberForm};
pub(crate) use document::{OptionalCondition, Places, RequiredPlaces};
pub(crate) use kind::{Describe, Kind, expected};
pub(crate) use network::{HeaderName, HostList, ListenAddress, NetworkList, header};
pub(crate) use number::{Limit, Number, Seconds, YesOrNo};
pub(crate) use path::{AbsolutePath, ContextName, ExtensionList, OptionalPath};
pub(crate) use text::{
    OptionalText, PairList, RequiredText, SecretText, SenderText, WordList, optional, pair, pairs,
    words,
};
pub(crate) use url::{BaseUrl, UrlPaths};
