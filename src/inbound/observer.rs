//! What others learn of what comes in.

use std::io;

use crate::model::message::{Message, Receipt};

/// Learns of messages and receipts that a provider posted. Both methods may
/// block.
pub(crate) trait Observer: Send + Sync {
    /// A message is about to be stored: the phone may answer it as soon as it is.
    ///
    /// # Errors
    /// When it cannot be recorded. The message is stored all the same.
    fn message(&self, message: &Message) -> io::Result<()>;

    /// A provider has reported the state of a message that was sent.
    ///
    /// # Errors
    /// When it cannot be recorded. The provider is asked to post it again.
    fn receipt(&self, receipt: &Receipt) -> io::Result<()>;
}
