//! What others learn of what comes in.

use std::io;

use crate::model::message::{Message, Receipt};

/// Learns of messages that a provider posted. May block.
pub(crate) trait MessageObserver: Send + Sync {
    /// A message is about to be stored: the phone may answer it as soon as it is.
    ///
    /// # Errors
    /// When it cannot be recorded. The message is stored all the same.
    fn message(&self, message: &Message) -> io::Result<()>;
}

/// Learns of receipts that a provider posted. May block.
pub(crate) trait ReceiptObserver: Send + Sync {
    /// A provider has reported the state of a message that was sent.
    ///
    /// # Errors
    /// When it cannot be recorded. The provider is asked to post it again.
    fn receipt(&self, receipt: &Receipt) -> io::Result<()>;
}
