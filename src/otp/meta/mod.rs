//! Meta's Graph API, as far as one-time passwords need it besides sending: which
//! numbers an account has, what became of a template, and a new one.
//!
//! The token goes in a header alone, and only to where the configuration says that
//! the API is: of the link to another page of a list no more is taken than the
//! cursor in it. [`request`] writes, [`response`] reads, [`error_codes`] knows the codes.

use serde_json::Value;

use crate::config::{Identifier, WhatsappAccount, WhatsappCodes};
use crate::http::client::json_api::{
    ApiClient, ApiClientError, ApiError, ApiProfile, ApiRequest, ErrorText,
};
use crate::secret::Secret;

pub(crate) mod account;
pub(crate) mod error_codes;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod template_approval;

pub(crate) use request::{NewTemplate, TemplateKind};
pub(crate) use response::{BusinessNumber, CreatedTemplate, Template};

/// Pages of a list that are read, each of up to 100: Meta allows no account more
/// than 6,000 templates.
const PAGES_MAX: usize = 100;

/// The API, with its pool of connections.
#[derive(Debug)]
pub(crate) struct GraphApi {
    client: ApiClient,
}

impl GraphApi {
    /// Prepares connections; makes none.
    ///
    /// # Errors
    /// When the certificates cannot be had.
    pub(crate) fn new(codes: &WhatsappCodes) -> Result<Self, ApiClientError> {
        let (url, timeout) = (codes.api.clone(), codes.timeout);
        let client = ApiClient::new(url, timeout, codes.ca_file.as_deref(), &META)?;
        Ok(Self { client })
    }

    /// The numbers of an account.
    ///
    /// # Errors
    /// When there is no answer, or none of success.
    pub(crate) async fn phone_numbers(
        &self,
        waba: &Identifier,
        token: &Secret,
    ) -> Result<Vec<BusinessNumber>, ApiError> {
        let mut all = Vec::new();
        let page = |after: Option<&str>| request::phone_numbers(waba, token, after);
        let look = |data: &Value| {
            all.extend(response::phone_numbers(data)?);
            Ok(None::<()>)
        };
        self.search_pages(token, page, look).await?;
        Ok(all)
    }

    /// The template of an account.
    ///
    /// # Errors
    /// When there is no answer, none of success, or no such template.
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

    /// Makes a template, which Meta then looks at.
    ///
    /// # Errors
    /// When there is no answer, or none of success.
    pub(crate) async fn create(
        &self,
        waba: &Identifier,
        token: &Secret,
        new: &NewTemplate,
    ) -> Result<CreatedTemplate, ApiError> {
        let request = request::create(waba, token, new);
        response::created(&self.client.send(&request, &[token]).await?)
    }

    /// Reads a list page by page until `look` has found something in it.
    async fn search_pages<T>(
        &self,
        token: &Secret,
        page: impl Fn(Option<&str>) -> ApiRequest,
        mut look: impl FnMut(&Value) -> Result<Option<T>, ApiError>,
    ) -> Result<Option<T>, ApiError> {
        let mut after = None;
        for _ in 0..PAGES_MAX {
            let data = self.client.send(&page(after.as_deref()), &[token]).await?;
            if let Some(found) = look(&data)? {
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
        summary: "Meta broke off",
        remedy: "try again; see whether api_url in [otp] is http where it should be https",
    },
    too_large: ErrorText {
        summary: "the answer does not end",
        remedy: "see api_url in [otp], and that it is Meta's API which is there",
    },
    timed_out: ErrorText {
        summary: "Meta did not answer in time",
        remedy: "try again; timeout in [otp] is how long it may take",
    },
    no_connection: ErrorText {
        summary: "there is no connection to Meta",
        remedy: "see that this machine can reach graph.facebook.com, or what api_url in [otp] names",
    },
    untrusted: ErrorText {
        summary: "whoever is there cannot be trusted to be Meta",
        remedy: "see who stands between this machine and api_url in [otp]; ca_file in [otp] names \
                 an authority of your own",
    },
    invalid_request: ErrorText {
        summary: "the request cannot be written",
        remedy: "see access_token, which holds what no header can",
    },
};
