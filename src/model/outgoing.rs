//! A message on its way to a provider.

use crate::model::address::Address;
use crate::model::message::Text;

/// A message on its way to a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutgoingMessage {
    /// The number at the provider's side.
    pub to: Address,
    /// Our number or name.
    pub from: Address,
    pub text: Text,
}
