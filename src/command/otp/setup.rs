//! `otp setup`: what codes need at Meta. What the configuration knows is used,
//! what it does not know is asked for; a template is made once.
//!
//! The account is written before Meta has looked at the template: whatever
//! happens while that is waited for, nothing is lost, and the same command goes
//! on where it was.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::cli::OtpSetup;
use crate::command::otp::account_file::AccountFile;
use crate::command::prompt::Question;
use crate::command::terminal::{CommandError, hint, print};
use crate::config::{Identifier, OtpDraft, WhatsappAccount};
use crate::exit::Exit;
use crate::logging::chain;
use crate::otp::meta::account::{self, PartialAccount};
use crate::otp::meta::response;
use crate::otp::meta::{
    BusinessNumber, CreatedTemplate, GraphApi, NewTemplate, Template, TemplateKind,
};
use crate::resilience::backoff::Backoff;
use crate::secret::{Secret, SecretSource};

/// Between two looks at a template.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(10));

/// Seconds that Meta counts as one.
const MINUTE: u64 = 60;

const WABA: Question<'_> = Question {
    prompt: "ID of the WhatsApp Business Account (Meta's business settings, WhatsApp accounts)",
    what: "id of the WhatsApp Business Account",
    otherwise: "give it with --waba-id",
};

const TOKEN: Question<'_> = Question {
    prompt: "Access token of a system user of that account",
    what: "access token",
    otherwise: "say where it is with --token",
};

/// Finds out what is missing, makes it, and writes it down.
pub(super) async fn setup(
    config: &Path,
    draft: &OtpDraft,
    options: &OtpSetup,
) -> Result<(), CommandError> {
    let home = AccountFile::new(config, draft, options.info.as_deref())?;
    let known = known(draft, &home, options)?;
    let waba_id = match known.waba_id {
        Some(id) => id,
        None => WABA.ask(str::parse::<Identifier>)?,
    };
    let token_is_new = options.token.is_some();
    let access_token = match known.access_token {
        Some(token) => token,
        None => {
            account::secret(TOKEN.ask_secret()?.expose().trim()).map_err(CommandError::usage)?
        }
    };
    let graph = GraphApi::new(&draft.codes(home.info()))
        .map_err(|error| CommandError::configuration(format!("failed to {error}")))?;
    let numbers = graph.phone_numbers(&waba_id, &access_token).await?;
    let number = chosen(&numbers, known.phone_number_id.as_ref())?;
    let account = |template_id| WhatsappAccount {
        waba_id: waba_id.clone(),
        access_token: access_token.clone(),
        phone_number_id: number.id.clone(),
        template_id,
    };
    if let Some(id) = known.template_id {
        let account = account(id);
        let template = graph.template(&account).await?;
        print(&format!("there is {}\n", shown(&template)));
        home.put(&account, token_is_new)?;
        return approved(&graph, &account, template, options.wait).await;
    }
    home.probe()?;
    let new = new_template(options, draft.lifetime);
    let created = graph.create(&waba_id, &access_token, &new).await?;
    let template = of(&created, &new);
    print(&format!("made {}\n", shown(&template)));
    let account = account(created.id);
    home.put(&account, token_is_new).map_err(|failure| {
        let id = &account.template_id;
        let text = format!("{} (the template is made, its id is {id})", failure.text);
        CommandError { text, ..failure }
    })?;
    approved(&graph, &account, template, options.wait).await
}

/// What need not be asked for: what the options say, else `[otp]`, else the file.
/// Numbers and templates of another account do not count.
fn known(
    draft: &OtpDraft,
    home: &AccountFile<'_>,
    options: &OtpSetup,
) -> Result<PartialAccount, CommandError> {
    let failed = |error| CommandError::configuration(format!("failed to {error}"));
    let file = account::read(home.info()).map_err(failed)?;
    let mut known = PartialAccount {
        waba_id: draft.waba_id.clone(),
        access_token: None,
        phone_number_id: draft.phone_number_id.clone(),
        template_id: draft.template_id.clone(),
    };
    if let Some(source) = options.token.as_ref().or(draft.access_token.as_ref()) {
        known.access_token = Some(token(source, options.token.is_some())?);
    }
    known = overlaid(known, file.unwrap_or_default());
    let options_say = PartialAccount {
        waba_id: options.waba_id.clone(),
        phone_number_id: options.phone_number_id.clone(),
        ..PartialAccount::default()
    };
    known = overlaid(options_say, known);
    if options.new_template {
        known.template_id = None;
    }
    Ok(known)
}

/// What is known by `first`, and of the same account by `second`.
fn overlaid(first: PartialAccount, second: PartialAccount) -> PartialAccount {
    let same =
        first.waba_id.is_none() || second.waba_id.is_none() || { first.waba_id == second.waba_id };
    let (number, template) = if same {
        (second.phone_number_id, second.template_id)
    } else {
        (None, None)
    };
    PartialAccount {
        waba_id: first.waba_id.or(second.waba_id),
        access_token: first.access_token.or(second.access_token),
        phone_number_id: first.phone_number_id.or(number),
        template_id: first.template_id.or(template),
    }
}

fn token(source: &SecretSource, by_option: bool) -> Result<Secret, CommandError> {
    let name = if by_option {
        "--token"
    } else {
        "[otp] access_token"
    };
    if by_option && matches!(source, SecretSource::Inline(_)) {
        let text = "--token: everybody on this machine can read what stands there: write the token \
                    into a file and give file:/path, or env:NAME";
        return Err(CommandError::usage(text.to_owned()));
    }
    let bad = |problem: String| CommandError::configuration(format!("{name}: {problem}"));
    let token = source.resolve_nonempty();
    let token = token.map_err(|error| bad(format!("failed to {}", chain(&error))))?;
    account::secret(token.expose()).map_err(bad)
}

/// The number that codes come from: the one that is known, the only one, or the
/// one that the administrator chooses.
fn chosen<'a>(
    numbers: &'a [BusinessNumber],
    known: Option<&Identifier>,
) -> Result<&'a BusinessNumber, CommandError> {
    let number = match (known, numbers) {
        (_, []) => {
            return Err(CommandError::configuration(
                "the account has no phone number: add one in the WhatsApp Manager, or take the \
                 test number of the app's dashboard"
                    .to_owned(),
            ));
        }
        (Some(id), _) => numbers.iter().find(|number| number.id == *id),
        (None, [only]) => Some(only),
        (None, _) => {
            list(numbers);
            let count = numbers.len();
            let which = Question {
                prompt: &format!("Which of them shall codes come from (1 to {count})"),
                what: "number of the sender",
                otherwise: "give its id with --phone-number-id",
            };
            let place = which.ask(|typed| {
                let place = typed.parse().ok();
                let place = place.filter(|place| (1..=count).contains(place));
                place.ok_or_else(|| format!("expected 1 to {count}"))
            })?;
            numbers.get(place - 1)
        }
    };
    let Some(number) = number else {
        list(numbers);
        let text = "phone_number_id is none of the account's numbers: give another one with \
                    --phone-number-id";
        return Err(CommandError::configuration(text.to_owned()));
    };
    print(&format!("codes come from {}\n", of_number(number)));
    Ok(number)
}

fn list(numbers: &[BusinessNumber]) {
    for (place, number) in (1..).zip(numbers) {
        hint(&format!("{place:>3}  {}", of_number(number)));
    }
}

fn of_number(number: &BusinessNumber) -> String {
    let BusinessNumber {
        id,
        display,
        verified_name,
    } = number;
    format!("{display} {verified_name:?}, id {id}")
}

/// The template as it shall be.
fn new_template(options: &OtpSetup, lifetime: Duration) -> NewTemplate {
    let kind = options.one_tap.clone().unwrap_or(TemplateKind::CopyCode);
    let name = match kind {
        TemplateKind::CopyCode => "otp_both_copycode",
        TemplateKind::OneTap { .. } => "otp_both_onetap",
    };
    NewTemplate {
        name: options.template.clone().unwrap_or_else(|| name.to_owned()),
        language: options.language.clone(),
        kind,
        minutes: lifetime.as_secs().div_ceil(MINUTE).max(1),
    }
}

/// The new template as a list would show it.
fn of(created: &CreatedTemplate, new: &NewTemplate) -> Template {
    Template {
        id: created.id.clone(),
        name: new.name.clone(),
        language: new.language.clone(),
        status: created.status.clone(),
        category: response::AUTHENTICATION.to_owned(),
    }
}

fn shown(template: &Template) -> String {
    let Template {
        id,
        name,
        language,
        status,
        category,
    } = template;
    let category = if category == response::AUTHENTICATION {
        String::new()
    } else {
        format!(", of category {category} and so not for codes")
    };
    format!("template {name} ({language}), id {id}: {status}{category}")
}

/// Waits until Meta has made up its mind, and says which way.
async fn approved(
    graph: &GraphApi,
    account: &WhatsappAccount<Secret>,
    mut template: Template,
    seconds: u64,
) -> Result<(), CommandError> {
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut attempts = 1;
    let mut pause = BACKOFF.after(attempts);
    while template.is_pending() && Instant::now() + pause <= end {
        sleep(pause).await;
        attempts += 1;
        pause = BACKOFF.after(attempts);
        match graph.template(account).await {
            Ok(now) => template = now,
            // A new template may not be in the list yet.
            Err(trouble) if trouble.class.exit == Exit::Rejected => return Err(trouble.into()),
            Err(trouble) => {
                hint(&format!("{trouble} (asking on)"));
                pause = pause.max(trouble.retry_after.unwrap_or_default());
            }
        }
    }
    let (name, status) = (&template.name, &template.status);
    if template.is_approved() {
        print(&format!(
            "template {name} is approved: codes can be sent, once websmsd is started anew\n"
        ));
    } else if template.is_pending() {
        print(&format!(
            "template {name} is still {status}: Meta looks at it, mostly within minutes; websmsd \
             looks again by itself, and this command shows what became of it\n"
        ));
    } else {
        return Err(CommandError::new(
            Exit::Rejected,
            format!(
                "template {name} is {status}, so no code can be sent by it: the WhatsApp Manager \
                 says why; `asterisk-websms otp setup --new-template --template NAME` makes \
                 another one"
            ),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(ids: [&str; 3]) -> PartialAccount {
        let [waba_id, phone_number_id, template_id] = ids.map(|id| id.parse().ok());
        PartialAccount {
            waba_id,
            access_token: None,
            phone_number_id,
            template_id,
        }
    }

    #[test]
    fn number_and_template_of_another_account_do_not_count() {
        for (first, second, expected) in [
            (["", "", ""], ["1", "2", "3"], ["1", "2", "3"]),
            (["1", "", ""], ["1", "2", "3"], ["1", "2", "3"]),
            (["1", "7", ""], ["1", "2", "3"], ["1", "7", "3"]),
            (["9", "", ""], ["1", "2", "3"], ["9", "", ""]),
            (["9", "7", ""], ["", "2", "3"], ["9", "7", "3"]),
        ] {
            let laid = overlaid(known(first), known(second));
            let ids = [laid.waba_id, laid.phone_number_id, laid.template_id];
            let ids = ids.map(|id| id.map_or(String::new(), |id| id.to_string()));
            assert_eq!(ids, expected, "{first:?} over {second:?}");
        }
    }
}
