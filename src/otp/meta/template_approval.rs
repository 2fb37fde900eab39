//! Whether the template that codes go in is approved: looked at when the daemon
//! starts, and again until it is.

use std::time::Duration;

use tokio::time::sleep;
use tracing::{error, warn};

use crate::config::{self, WhatsappAccount, WhatsappCodes};
use crate::http::client::json_api::ApiClientError;
use crate::logging::chain;
use crate::otp::meta::{GraphApi, Template};
use crate::outbound::provider::Provider;
use crate::resilience::backoff::Backoff;
use crate::secret::Secret;

/// Between two looks at a template that is not approved yet.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(60));

/// A template that is to be approved, in an account.
#[derive(Debug)]
pub(crate) struct TemplateApproval {
    codes: WhatsappCodes,
    account: WhatsappAccount<Secret>,
    api: GraphApi,
}

impl TemplateApproval {
    /// Prepares connections; makes none.
    ///
    /// # Errors
    /// When the certificates cannot be had.
    pub(crate) fn new(
        codes: &WhatsappCodes,
        account: &WhatsappAccount<Secret>,
    ) -> Result<Self, ApiClientError> {
        Ok(Self {
            api: GraphApi::new(codes)?,
            codes: codes.clone(),
            account: account.clone(),
        })
    }

    /// Waits until the template is approved, however long that takes; then who sends
    /// it, and what the administrator reads.
    pub(crate) async fn wait(&self) -> (Provider, String) {
        let mut attempts: u32 = 0;
        loop {
            attempts = attempts.saturating_add(1);
            match self.api.template(&self.account).await {
                Ok(template) if template.is_approved() => match self.sender(&template) {
                    Ok(provider) => return (provider, verified(&template)),
                    Err(error) => error!(%error, "codes cannot go by WhatsApp"),
                },
                Ok(template) => {
                    let Template { name, status, .. } = template;
                    let id = &self.account.template_id;
                    warn!(
                        name, %id, status,
                        "codes cannot go by WhatsApp yet: Meta has not approved the template; \
                         see it in the WhatsApp Manager"
                    );
                }
                Err(trouble) => error!(%trouble, "codes cannot go by WhatsApp yet"),
            }
            sleep(BACKOFF.after(attempts)).await;
        }
    }

    fn sender(&self, template: &Template) -> Result<Provider, String> {
        let Template { name, language, .. } = template;
        let outgoing = config::sender(&self.codes, &self.account, name, language)?;
        Provider::new(outgoing).map_err(|error| format!("failed to {}", chain(&error)))
    }
}

fn verified(template: &Template) -> String {
    let Template { name, id, .. } = template;
    format!("Verified OTP template '{name}' with ID {id} is approved and ready to send.")
}
