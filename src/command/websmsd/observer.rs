//! Passes what comes in on to the outbox and to one-time passwords.

use std::io;
use std::sync::Arc;

use tokio::runtime::Handle;

use crate::inbound::observer::{MessageObserver, ReceiptObserver};
use crate::model::message::{Message, Receipt};
use crate::otp::service::OtpService;
use crate::outbox::RunningOutbox;
use crate::outbox::receipts::Tracker;
use crate::outbox::reply_route::ReplyRoutes;

/// The senders of what receipts are about: the outbox and one-time passwords.
pub(super) struct Senders {
    receipts: Option<Arc<Tracker>>,
    otp: Option<Arc<OtpService>>,
    runtime: Handle,
}

impl Senders {
    pub(super) fn new(
        outbox: Option<&RunningOutbox>,
        otp: Option<Arc<OtpService>>,
        runtime: Handle,
    ) -> Self {
        Self {
            receipts: outbox.map(|outbox| Arc::clone(&outbox.receipts)),
            otp,
            runtime,
        }
    }
}

impl ReceiptObserver for Senders {
    fn receipt(&self, receipt: &Receipt) -> io::Result<()> {
        if let Some(otp) = &self.otp {
            otp.on_receipt(receipt, &self.runtime);
        }
        match &self.receipts {
            Some(receipts) => receipts.record(receipt),
            None => Ok(()),
        }
    }
}

impl MessageObserver for ReplyRoutes {
    fn message(&self, message: &Message) -> io::Result<()> {
        let (to, from) = (message.to.as_str(), message.from.as_str());
        self.record(to, from, &message.interface)
    }
}
