//! Meta's Graph API, as far as one-time passwords need it besides sending: the
//! numbers of an account, the status of a template, and a new template.
//!
//! The token is sent in a header, and only to the configured API: from the link to
//! the next page of a list only the cursor is taken. [`account`] reads the account,
//! [`request`] builds requests, [`response`] reads responses, [`error_codes`] explains
//! errors, [`template_approval`] waits for Meta to approve the template.

use serde_json::Value;

use crate::config::{Identifier, WhatsappAccount, WhatsappCodes};
use crate::http::client::api_error::ApiError;
use crate::http::client::json_api::{ApiClient, ApiClientError, ApiProfile, ApiRequest, ErrorText};
use crate::secret::Secret;

pub(crate) mod account;
pub(crate) mod error_codes;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod template_approval;

pub(crate) use request::{NewTemplate, TemplateKind};
pub(crate) use response::{BusinessNumber, CreatedTemplate, Template};

/// Pages of a list that are read, each of up to 100 entries: Meta allows an account
/// 6,000 templates.
const PAGES_MAX: usize = 100;

#[derive(Debug)]
pub(crate) struct GraphApi {
    client: ApiClient,
}

impl GraphApi {
    /// Prepares connections; makes none.
    ///
    /// # Errors
    /// When certificates cannot be read.
    pub(crate) fn new(codes: &WhatsappCodes) -> Result<Self, ApiClientError> {
        let (url, timeout) = (codes.api.clone(), codes.timeout);
        let client = ApiClient::new(url, timeout, codes.ca_file.as_deref(), &META)?;
        Ok(Self { client })
    }

    /// The phone numbers of an account.
    ///
    /// # Errors
    /// When there is no response, or it does not report success.
    pub(crate) async fn phone_numbers(
        &self,
        waba: &Identifier,
        token: &Secret,
    ) -> Result<Vec<BusinessNumber>, ApiError> {
        let mut all = Vec::new();
        let page = |after: Option<&str>| request::phone_numbers(waba, token, after);
        let collect = |data: &Value| {
            all.extend(response::phone_numbers(data)?);
            Ok(None::<()>)
        };
        self.search_pages(token, page, collect).await?;
        Ok(all)
    }

    /// The template that codes are sent in.
    ///
    /// # Errors
    /// When there is no response, it does not report success, or the account has no
    /// such template.
    pub(crate) async fn template(
        &self,
        account: &WhatsappAccount<Secret>,
    ) -> Result<Template, ApiError> {
        let WhatsappAccount {
            waba_id,
            access_token,
            template_id,
            ..
        } = account;
        let mut seen = 0;
        let page = |after: Option<&str>| request::templates(waba_id, access_token, after);
        let found = self
            .search_pages(access_token, page, |data| {
                let templates = response::templates(data)?;
                seen += templates.len();
                let mut templates = templates.into_iter();
                Ok(templates.find(|template| template.id == *template_id))
            })
            .await?;
        found.ok_or_else(|| response::no_template(template_id, seen))
    }

    /// Creates a template, which Meta then reviews.
    ///
    /// # Errors
    /// When there is no response, or it does not report success.
    pub(crate) async fn create(
        &self,
        waba: &Identifier,
        token: &Secret,
        new: &NewTemplate,
    ) -> Result<CreatedTemplate, ApiError> {
        let request = request::create(waba, token, new);
        response::created(&self.client.send(&request, &[token]).await?)
    }

    /// Reads a list page by page until `search` finds something.
    async fn search_pages<T>(
        &self,
        token: &Secret,
        page: impl Fn(Option<&str>) -> ApiRequest,
        mut search: impl FnMut(&Value) -> Result<Option<T>, ApiError>,
    ) -> Result<Option<T>, ApiError> {
        let mut after = None;
        for _ in 0..PAGES_MAX {
            let data = self.client.send(&page(after.as_deref()), &[token]).await?;
            if let Some(found) = search(&data)? {
                return Ok(Some(found));
            }
            after = response::next(&data)?;
            if after.is_none() {
                return Ok(None);
            }
        }
        Err(response::endless(PAGES_MAX))
    }
}

static META: ApiProfile = ApiProfile {
    parse_response: response::parse,
    connection_lost: ErrorText {
        summary: "Meta closed the connection",
        remedy: "try again; check whether api_url in [otp] is http where it should be https",
    },
    too_large: ErrorText {
        summary: "the response does not end",
        remedy: "check api_url in [otp]: the server may not be Meta's API",
    },
    timed_out: ErrorText {
        summary: "Meta did not answer in time",
        remedy: "try again; timeout in [otp] is the limit",
    },
    no_connection: ErrorText {
        summary: "no connection to Meta",
        remedy: "check that this machine can reach graph.facebook.com, or the host of api_url in [otp]",
    },
    untrusted: ErrorText {
        summary: "the server cannot be trusted to be Meta",
        remedy: "check for a proxy between this machine and api_url in [otp]; ca_file in [otp] can \
                 name an authority of your own",
    },
    invalid_request: ErrorText {
        summary: "the request cannot be written",
        remedy: "access_token holds a character that no header can",
    },
};
