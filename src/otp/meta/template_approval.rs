//! Waits until Meta has approved the template that codes are sent in. The daemon
//! begins at its start and asks again until the template is approved.

use std::time::Duration;

use thiserror::Error;
use tokio::time::sleep;
use tracing::{error, warn};

use crate::config::{self, WhatsappAccount, WhatsappCodes};
use crate::http::client::json_api::ApiClientError;
use crate::logging::{chain, failed};
use crate::otp::meta::{GraphApi, Template};
use crate::outbound::provider::{Provider, ProviderError};
use crate::resilience::backoff::Backoff;
use crate::secret::Secret;

/// Between two requests about a template that is not approved yet.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(60));

/// The template of an account, to be approved.
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
    /// When certificates cannot be read.
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

    /// Waits until the template is approved, however long that takes. Returns the
    /// provider that sends it, and the line of Meta's sample server about it.
    pub(crate) async fn wait(&self) -> (Provider, String) {
        let mut attempts: u32 = 0;
        loop {
            attempts = attempts.saturating_add(1);
            match self.api.template(&self.account).await {
                Ok(template) if template.is_approved() => match self.provider(&template) {
                    Ok(provider) => return (provider, verified(&template)),
                    Err(error) => error!(error = %failed(&error), "template not usable"),
                },
                Ok(template) => {
                    let Template { name, status, .. } = template;
                    let id = &self.account.template_id;
                    warn!(
                        name, %id, status,
                        "template not approved yet: see the WhatsApp Manager"
                    );
                }
                Err(error) => error!(error = %chain(&error), "template not verified yet"),
            }
            sleep(BACKOFF.after(attempts)).await;
        }
    }

    fn provider(&self, template: &Template) -> Result<Provider, TemplateError> {
        let Template { name, language, .. } = template;
        let outgoing = config::sender(&self.codes, &self.account, name, language);
        Ok(Provider::new(outgoing.map_err(TemplateError::Name)?)?)
    }
}

fn verified(template: &Template) -> String {
    let Template { name, id, .. } = template;
    format!("Verified OTP template '{name}' with ID {id} is approved and ready to send.")
}

/// Why an approved template cannot be sent.
#[derive(Debug, Error)]
enum TemplateError {
    #[error("use the template: {0}")]
    Name(String),
    #[error(transparent)]
    Provider(#[from] ProviderError),
}
