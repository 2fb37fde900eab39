//! One-time passwords in the daemon: their listener, the approval of their
//! templates, and the removal of expired codes.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tracing::info;

use crate::command::websmsd::{listening, print};
use crate::config::HttpSettings;
use crate::http::server;
use crate::otp::OtpParts;
use crate::otp::channels::WhatsappChannel;
use crate::otp::http::OtpHandler;
use crate::otp::meta::template_approval::TemplateApproval;
use crate::otp::service::OtpService;
use crate::resilience::shutdown::Shutdown;

/// Time between removals of expired codes.
const SWEEP: Duration = Duration::from_secs(60);

/// Serves one-time passwords by HTTP.
pub(super) struct OtpListener {
    listener: TcpListener,
    server: OtpHandler,
    approvals: Vec<(TemplateApproval, WhatsappChannel)>,
}

impl OtpListener {
    pub(super) fn new(opened: OtpParts, listener: TcpListener, daemon: &HttpSettings) -> Self {
        Self {
            listener,
            server: OtpHandler::new(opened.service, opened.token, daemon),
            approvals: opened.approvals,
        }
    }

    /// Serves until the shutdown.
    pub(super) async fn serve(self, shutdown: Shutdown) -> io::Result<()> {
        let address = self.listener.local_addr()?;
        let listener = listening(self.listener, "OTP endpoint listening")?;
        tokio::spawn(sweep(Arc::clone(self.server.service())));
        let approvals = self.approvals;
        tokio::spawn(async move {
            for (approval, template) in approvals {
                let (provider, verified) = approval.wait().await;
                template.activate(provider);
                info!("codes can go by WhatsApp");
                print(&verified);
            }
            print(&format!("Sample app listening on port {}", address.port()));
        });
        server::run(listener, self.server, shutdown).await;
        Ok(())
    }
}

async fn sweep(service: Arc<OtpService>) {
    loop {
        service.sweep().await;
        sleep(SWEEP).await;
    }
}
