//! Passes what comes in on to the outbox and to one-time passwords.

use std::io;
use std::sync::Arc;

use tokio::runtime::Handle;

use crate::inbound::observer::Observer;
use crate::model::message::{Message, Receipt};
use crate::otp::service::OtpService;
use crate::outbox::RunningOutbox;
use crate::outbox::receipts::Tracker;
use crate::outbox::reply_route::ReplyRoutes;

/// Everybody who learns of messages and receipts.
pub(super) struct Observers {
    receipts: Option<Arc<Tracker>>,
    reply_routes: Option<Arc<ReplyRoutes>>,
    otp: Option<Arc<OtpService>>,
    runtime: Handle,
}

impl Observers {
    pub(super) fn new(
        outbox: Option<&RunningOutbox>,
        otp: Option<Arc<OtpService>>,
        runtime: Handle,
    ) -> Self {
        Self {
            receipts: outbox.map(|outbox| Arc::clone(&outbox.receipts)),
            reply_routes: outbox.and_then(|outbox| outbox.reply_routes.clone()),
            otp,
            runtime,
        }
    }
}

impl Observer for Observers {
    fn message(&self, message: &Message) -> io::Result<()> {
        let Message {
            to,
            from,
            interface,
            ..
        } = message;
        match &self.reply_routes {
            Some(routes) => routes.record(to.as_str(), from.as_str(), interface),
            None => Ok(()),
        }
    }

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
