//! Requests to Meta's Graph API. Nothing here sends them.

use serde_json::{Value, json};

use crate::config::Identifier;
use crate::http::client::json_api::{ApiMethod, ApiRequest};
use crate::secret::Secret;

/// Entries of a page; Meta's default is 25.
const PAGE_SIZE: u32 = 100;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewTemplate {
    /// Small letters, digits and `_`.
    pub name: String,
    /// As Meta writes languages: `en_US`.
    pub language: String,
    pub kind: TemplateKind,
    /// How long a code is valid, 1 to 90; the message says so.
    pub minutes: u64,
}

/// How a user gets the code from the message into an app or page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TemplateKind {
    /// A button copies it.
    CopyCode,
    /// A button passes it to an app for Android.
    OneTap {
        /// The Android package of the app.
        package_name: String,
        /// The hash of the app's signature, 11 characters.
        signature_hash: String,
    },
}

/// The phone numbers of an account; the page after the cursor `after`.
pub(crate) fn phone_numbers(waba: &Identifier, token: &Secret, after: Option<&str>) -> ApiRequest {
    let fields = "id,display_phone_number,verified_name";
    list(&format!("/{waba}/phone_numbers"), fields, token, after)
}

/// The templates of an account; the page after the cursor `after`.
pub(crate) fn templates(waba: &Identifier, token: &Secret, after: Option<&str>) -> ApiRequest {
    let fields = "id,name,language,status,category,rejected_reason";
    list(&format!("/{waba}/message_templates"), fields, token, after)
}

pub(crate) fn create(waba: &Identifier, token: &Secret, new: &NewTemplate) -> ApiRequest {
    let components = json!([
        {"type": "BODY", "add_security_recommendation": true},
        {"type": "FOOTER", "code_expiration_minutes": new.minutes},
        {"type": "BUTTONS", "buttons": [button(&new.kind)]},
    ]);
    let body = json!({
        "name": new.name,
        "language": new.language,
        "category": "AUTHENTICATION",
        "components": components,
    });
    ApiRequest {
        method: ApiMethod::Post,
        path: format!("/{waba}/message_templates"),
        at_host_root: false,
        body: Some(body),
        headers: bearer(token),
    }
}

/// Meta's sample names the app in the button itself, which `supported_apps` has
/// replaced.
fn button(kind: &TemplateKind) -> Value {
    match kind {
        TemplateKind::CopyCode => {
            json!({"type": "OTP", "otp_type": "COPY_CODE", "text": "Copy code"})
        }
        TemplateKind::OneTap {
            package_name,
            signature_hash,
        } => json!({
            "type": "OTP",
            "otp_type": "ONE_TAP",
            "text": "Copy code",
            "autofill_text": "Autofill",
            "supported_apps": [
                {"package_name": package_name, "signature_hash": signature_hash},
            ],
        }),
    }
}

fn list(path: &str, fields: &str, token: &Secret, after: Option<&str>) -> ApiRequest {
    let mut query =
        form_urlencoded::Serializer::new(format!("{path}?fields={fields}&limit={PAGE_SIZE}"));
    if let Some(after) = after {
        query.append_pair("after", after);
    }
    ApiRequest {
        method: ApiMethod::Get,
        path: query.finish(),
        at_host_root: false,
        body: None,
        headers: bearer(token),
    }
}

fn bearer(token: &Secret) -> Vec<(&'static str, Secret)> {
    let value = format!("Bearer {}", token.expose());
    vec![("authorization", Secret::new(value))]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waba() -> Identifier {
        "102290129340398".parse().unwrap()
    }

    #[test]
    fn token_is_in_the_header_and_a_cursor_is_encoded() {
        let token = Secret::new("EAAB".to_owned());
        let first = phone_numbers(&waba(), &token, None);
        assert_eq!(
            first.path,
            "/102290129340398/phone_numbers?fields=id,display_phone_number,verified_name&limit=100"
        );
        let second = templates(&waba(), &token, Some("QVFI=&access_token=x/.."));
        assert_eq!(
            second.path,
            "/102290129340398/message_templates?fields=id,name,language,status,category,rejected_reason&limit=100\
             &after=QVFI%3D%26access_token%3Dx%2F.."
        );
        for request in [first, second] {
            let (name, value) = &request.headers[0];
            assert_eq!((*name, value.expose()), ("authorization", "Bearer EAAB"));
            assert!(request.body.is_none() && !request.path.contains("EAAB"));
        }
    }

    #[test]
    fn new_template_is_as_meta_documents_it() {
        let token = Secret::new("EAAB".to_owned());
        let one_tap = TemplateKind::OneTap {
            package_name: "com.example.app".to_owned(),
            signature_hash: "K8a/AINcGX7".to_owned(),
        };
        for (kind, button) in [
            (
                TemplateKind::CopyCode,
                json!({"type": "OTP", "otp_type": "COPY_CODE", "text": "Copy code"}),
            ),
            (
                one_tap,
                json!({
                    "type": "OTP", "otp_type": "ONE_TAP", "text": "Copy code",
                    "autofill_text": "Autofill",
                    "supported_apps": [
                        {"package_name": "com.example.app", "signature_hash": "K8a/AINcGX7"},
                    ],
                }),
            ),
        ] {
            let new = NewTemplate {
                name: "otp_both_copycode".to_owned(),
                language: "en_US".to_owned(),
                kind,
                minutes: 5,
            };
            let request = create(&waba(), &token, &new);
            assert_eq!(request.path, "/102290129340398/message_templates");
            let expected = json!({
                "name": "otp_both_copycode",
                "language": "en_US",
                "category": "AUTHENTICATION",
                "components": [
                    {"type": "BODY", "add_security_recommendation": true},
                    {"type": "FOOTER", "code_expiration_minutes": 5},
                    {"type": "BUTTONS", "buttons": [button]},
                ],
            });
            assert_eq!(request.body, Some(expected));
        }
    }
}
