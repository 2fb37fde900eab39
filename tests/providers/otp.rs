//! The requests of `otp setup`, and of `websmsd` for one-time passwords, fit Meta's
//! own `OpenAPI` description of its Graph API, and the responses in its examples are
//! understood.
//!
//! For lists the description names the parameters, though for templates only `name`;
//! `fields` and `limit` are accepted by all lists of the Graph API. The description
//! defines a new template as hardly more than an object, so requests are compared
//! with its examples. The tests change the description in four points:
//!
//! * The first button of a message has the index 0. The description's example and
//!   text (`0-9`) allow that, but its pattern does not.
//! * The description has the app of a one-tap button in the button itself; Meta's
//!   documentation has it in `supported_apps`.
//! * The ids in the examples of responses to a new template are not numbers. The
//!   examples are removed, so that the mock answers with the example of the id.
//! * The example of a list of numbers has values for quality and verification that
//!   the description does not allow; they are replaced.

use serde_json::{Value, json};

use crate::prism::{Prism, description};
use crate::support::cli::{self, ConfigDirectory};
use crate::support::otp::{OtpDaemon, PHONE};
use crate::support::{Provider, section};

const DESCRIPTION: &str = "meta-business-messaging-v23.yaml";
const TEMPLATES: &str = "/{Version}/{WABA-ID}/message_templates";
const NUMBERS: &str = "/{Version}/{WABA-ID}/phone_numbers";

/// The first number and the first template of the description's examples.
const NUMBER: &str = "1906385232743451";
const TEMPLATE: &str = "1192339204654487";

/// The description with the changes that the module's documentation lists.
fn patched_description() -> Option<Value> {
    let mut description = description(DESCRIPTION)?;
    let response = &mut description["paths"][TEMPLATES]["post"]["responses"]["200"];
    let content = response["content"]["application/json"].as_object_mut();
    let examples = content.unwrap().remove("examples").unwrap();
    assert!(
        examples.to_string().contains("\"template-1\""),
        "{examples}"
    );
    let schemas = &mut description["components"]["schemas"];
    let button = &mut schemas["ButtonComponent"]["allOf"][1]["properties"]["index"];
    assert_eq!(button["pattern"], "^[2-6, 11-14]$");
    button["pattern"] = "^[0-9]$".into();
    schemas["TemplateComponent"]["properties"]["index"]["pattern"] = "^[0-9]$".into();
    let response = &mut description["paths"][NUMBERS]["get"]["responses"]["200"];
    let examples = &mut response["content"]["application/json"]["examples"];
    let number = &mut examples["multiple_phone_numbers"]["value"]["data"][1];
    for (name, invalid, valid) in [
        ("quality_rating", "UNKNOWN", "NA"),
        ("code_verification_status", "NOT_VERIFIED", "UNVERIFIED"),
    ] {
        assert_eq!(number[name], invalid);
        number[name] = valid.into();
    }
    Some(description)
}

/// The result of a setup.
struct Done {
    /// stdout, then stderr.
    output: String,
    statuses: Vec<u16>,
    /// What the mock reports as not described.
    violations: Vec<String>,
    provider: Provider,
}

impl Done {
    /// Both requests were successful and as described.
    #[track_caller]
    fn fits(&self) {
        let output = &self.output;
        assert_eq!(self.violations, [""; 0], "{output}");
        assert_eq!(self.statuses, [200, 200], "{output}");
    }

    /// The body of the only POST.
    fn posted(&self) -> Value {
        let requests = self.provider.requests();
        let mut posted = requests.iter().filter(|request| request.method == "POST");
        let body = &posted.next().unwrap().body;
        assert!(posted.next().is_none());
        serde_json::from_str(body).unwrap()
    }
}

/// Runs `otp setup` with a mock of this description, and with these keys and options.
fn setup(description: &Value, more: &[(&str, &str)], options: &[&str]) -> Done {
    let prism = Prism::start(description);
    let (provider, answers) = prism.provider();
    let url = provider.url();
    let mut pairs = vec![
        ("api_url", url.as_str()),
        ("waba_id", "102290129340398"),
        ("access_token", "EAAJB123-_."),
        ("phone_number_id", NUMBER),
    ];
    pairs.extend_from_slice(more);
    let directory = ConfigDirectory::new(&section("otp", &pairs));
    let arguments = [&["otp", "setup", "--wait", "0"], options].concat();
    let finished = cli::run(&mut directory.command(&arguments));
    let answers = answers.lock().unwrap();
    let statuses = answers.iter().map(|answer| answer.status).collect();
    let violations = answers
        .iter()
        .filter_map(|answer| answer.headers.get("sl-violations"));
    Done {
        output: finished.stdout + &finished.stderr,
        statuses,
        violations: violations.cloned().collect(),
        provider,
    }
}

/// The body of the example with this name.
fn example(description: &Value, name: &str) -> Value {
    let post = &description["paths"][TEMPLATES]["post"]["requestBody"];
    let example = post["content"]["application/json"]["examples"][name]["value"].clone();
    assert!(example.is_object(), "no example {name}");
    example
}

#[test]
fn lists_fit_the_description() {
    let Some(description) = patched_description() else {
        return;
    };
    let done = setup(&description, &[("template_id", TEMPLATE)], &[]);
    done.fits();
    let output = &done.output;
    for part in [
        "codes are sent from +1 631-555-5555 \"Jasper's Market\", id 1906385232743451\n",
        "template hello_world (en_US), id 1192339204654487: APPROVED, of category MARKETING",
    ] {
        assert!(output.contains(part), "{part:?} is not in {output}");
    }
    // The mock checks requests.
    let mut strict = description;
    let parameters = strict["paths"][NUMBERS]["get"]["parameters"].as_array_mut();
    let limit = parameters.unwrap().iter_mut();
    let limit = limit.filter(|parameter| parameter["name"] == "limit");
    limit.for_each(|limit| limit["schema"]["maximum"] = json!(50));
    let done = setup(&strict, &[("template_id", TEMPLATE)], &[]);
    assert_eq!(done.statuses, [422], "{}", done.output);
    assert!(
        done.violations[0].contains("limit"),
        "{:?}",
        done.violations
    );
}

/// The daemon's request for its template, and the message with a code.
#[test]
fn codes_fit_the_description() {
    let Some(description) = patched_description() else {
        return;
    };
    let prism = Prism::start(&description);
    let (provider, answers) = prism.provider();
    let keys = format!(
        "api_url = {}\nwaba_id = 102290129340398\naccess_token = EAAJB123-_.\n\
         phone_number_id = {NUMBER}\ntemplate_id = {TEMPLATE}\n",
        provider.url()
    );
    let otp = OtpDaemon::start("", &keys);
    otp.daemon.wait_for_log("codes can go by WhatsApp");
    assert_eq!(otp.send(PHONE), (200, String::new()));
    let answers = answers.lock().unwrap();
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 200]);
    for answer in answers.iter() {
        let violations = answer.headers.get("sl-violations");
        assert_eq!(violations, None, "{}", answer.text());
    }
    let message = &provider.requests()[1];
    assert_eq!(message.path, format!("/v25.0/{NUMBER}/messages"));
    let body: Value = serde_json::from_str(&message.body).unwrap();
    let code = &body["template"]["components"][1]["parameters"][0]["text"];
    assert_eq!(otp.verify(PHONE, code.as_str().unwrap()).0, 200);
}

#[test]
fn new_template_is_as_in_the_examples() {
    let Some(description) = patched_description() else {
        return;
    };
    let done = setup(&description, &[("lifetime", "600")], &[]);
    done.fits();
    assert!(
        done.output.contains("template_id = 1473688840035974\n"),
        "{}",
        done.output
    );
    let button = |body: &mut Value, change: &dyn Fn(&mut Value)| {
        change(&mut body["components"][2]["buttons"][0]);
    };
    let mut expected = example(
        &description,
        "Create authentication template w/ OTP copy code button",
    );
    expected["name"] = "otp_both_copycode".into();
    button(&mut expected, &|button| button["text"] = "Copy code".into());
    assert_eq!(done.posted(), expected);

    let app = "com.example.luckyshrub=K8a/AINcGX7";
    let done = setup(&description, &[("lifetime", "600")], &["--one-tap", app]);
    done.fits();
    let mut expected = example(
        &description,
        "Create authentication template w/ OTP one-tap autofill button",
    );
    expected["name"] = "otp_both_onetap".into();
    button(&mut expected, &|button| {
        button["text"] = "Copy code".into();
        let members = button.as_object_mut().unwrap();
        let package = members.remove("package_name").unwrap();
        // The example has it percent-encoded.
        assert_eq!(members.remove("signature_hash").unwrap(), "K8a%2FAINcGX7");
        let app = json!({"package_name": package, "signature_hash": "K8a/AINcGX7"});
        members.insert("supported_apps".to_owned(), json!([app]));
    });
    assert_eq!(done.posted(), expected);
}
