//! `otp setup`: prepares the account at Meta that codes are sent by. It uses the
//! values of the configuration, asks for missing ones, and creates a template
//! unless there is one.
//!
//! The account is written before Meta has reviewed the template: whatever happens
//! during the wait, nothing is lost, and the same command continues.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::cli::OtpSetup;
use crate::command::otp::account_file::AccountFile;
use crate::command::prompt::Question;
use crate::command::terminal::{CommandError, hint, print};
use crate::config::{Identifier, OtpDraft, WhatsappAccount};
use crate::exit::Exit;
use crate::logging::failed;
use crate::otp::meta::account::{self, PartialAccount};
use crate::otp::meta::{
    BusinessNumber, CreatedTemplate, GraphApi, NewTemplate, Template, TemplateKind, response,
};
use crate::resilience::backoff::Backoff;
use crate::secret::{Secret, SecretSource};

/// Between two requests about a template.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(10));

const WABA: Question<'_> = Question {
    prompt: "ID of the WhatsApp Business Account (Meta's business settings, WhatsApp accounts)",
    what: "id of the WhatsApp Business Account",
    otherwise: "give it with --waba-id",
};

const TOKEN: Question<'_> = Question {
    prompt: "Access token of a system user of that account",
    what: "access token",
    otherwise: "name its source with --token",
};

/// Completes the account, creates the template, and writes the account.
pub(super) async fn setup(
    config: &Path,
    draft: &OtpDraft,
    options: &OtpSetup,
) -> Result<(), CommandError> {
    let file = AccountFile::new(config, draft, options.info.as_deref())?;
    let known = known(draft, &file, options)?;
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
    let graph = GraphApi::new(&draft.codes(file.path())).map_err(|error| configuration(&error))?;
    let numbers = graph.phone_numbers(&waba_id, &access_token).await?;
    let number = choose_number(&numbers, known.phone_number_id.as_ref())?;
    let account = |template_id| WhatsappAccount {
        waba_id: waba_id.clone(),
        access_token: access_token.clone(),
        phone_number_id: number.id.clone(),
        template_id,
    };
    if let Some(id) = known.template_id {
        let account = account(id);
        let template = graph.template(&account).await?;
        print(&format!("found {}\n", describe(&template)));
        file.write(&account, token_is_new)?;
        return wait_for_approval(&graph, &account, template, options.wait).await;
    }
    file.probe()?;
    let new = new_template(options, draft.lifetime);
    let created = graph.create(&waba_id, &access_token, &new).await?;
    let template = as_listed(&created, &new);
    print(&format!("created {}\n", describe(&template)));
    let account = account(created.id);
    file.write(&account, token_is_new).map_err(|error| {
        let id = &account.template_id;
        let text = format!("{} (the template was created, its id is {id})", error.text);
        CommandError { text, ..error }
    })?;
    wait_for_approval(&graph, &account, template, options.wait).await
}

/// The values that need not be asked for: of the options, else of `[otp]`, else of
/// the file. Number and template of another account are ignored.
fn known(
    draft: &OtpDraft,
    file: &AccountFile<'_>,
    options: &OtpSetup,
) -> Result<PartialAccount, CommandError> {
    let in_file = account::read(file.path()).map_err(|error| configuration(&error))?;
    let configured = PartialAccount {
        waba_id: draft.waba_id.clone(),
        access_token: match options.token.as_ref().or(draft.access_token.as_ref()) {
            Some(source) => Some(token(source, options.token.is_some())?),
            None => None,
        },
        phone_number_id: draft.phone_number_id.clone(),
        template_id: draft.template_id.clone(),
    };
    let from_options = PartialAccount {
        waba_id: options.waba_id.clone(),
        phone_number_id: options.phone_number_id.clone(),
        ..PartialAccount::default()
    };
    let mut known = merge(from_options, merge(configured, in_file.unwrap_or_default()));
    if options.new_template {
        known.template_id = None;
    }
    Ok(known)
}

/// The values of `first`, else those of `second` if it is the same account.
fn merge(first: PartialAccount, second: PartialAccount) -> PartialAccount {
    let is_same =
        first.waba_id.is_none() || second.waba_id.is_none() || first.waba_id == second.waba_id;
    let (number, template) = if is_same {
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
        let text = "--token: everybody on this machine can read an argument: write the token into a \
                    file and give file:/path, or env:NAME";
        return Err(CommandError::usage(text.to_owned()));
    }
    let bad = |problem: String| CommandError::configuration(format!("{name}: {problem}"));
    let token = source.resolve_nonempty();
    let token = token.map_err(|error| bad(failed(&error)))?;
    account::secret(token.expose()).map_err(bad)
}

/// The number that codes are sent from: the known one, the only one, or the one
/// that the administrator chooses.
fn choose_number<'a>(
    numbers: &'a [BusinessNumber],
    known: Option<&Identifier>,
) -> Result<&'a BusinessNumber, CommandError> {
    let number = match (known, numbers) {
        (_, []) => {
            return Err(CommandError::configuration(
                "the account has no phone number: add one in the WhatsApp Manager, or use the \
                 test number of the app's dashboard"
                    .to_owned(),
            ));
        }
        (Some(id), _) => numbers.iter().find(|number| number.id == *id),
        (None, [only]) => Some(only),
        (None, _) => {
            list(numbers);
            let count = numbers.len();
            let question = Question {
                prompt: &format!("Which of them sends the codes (1 to {count})"),
                what: "number of the sender",
                otherwise: "give its id with --phone-number-id",
            };
            let parse = |typed: &str| {
                let problem = || format!("expected 1 to {count}, an id or a number of the list");
                chosen(numbers, typed).ok_or_else(problem)
            };
            Some(question.ask(parse)?)
        }
    };
    let Some(number) = number else {
        list(numbers);
        let text = "phone_number_id is not among the account's numbers: give another one with \
                    --phone-number-id";
        return Err(CommandError::configuration(text.to_owned()));
    };
    print(&format!(
        "codes are sent from {}\n",
        describe_number(number)
    ));
    Ok(number)
}

/// The number that is meant by its place in the list, its id or its digits.
fn chosen<'a>(numbers: &'a [BusinessNumber], typed: &str) -> Option<&'a BusinessNumber> {
    let digits = |text: &str| -> String { text.chars().filter(char::is_ascii_digit).collect() };
    let is_meant = |number: &&BusinessNumber| {
        let same_digits = digits(&number.display) == digits(typed);
        number.id.as_str() == typed || (same_digits && !digits(typed).is_empty())
    };
    let position = typed.parse::<usize>().ok();
    let placed = position.and_then(|position| numbers.get(position.checked_sub(1)?));
    placed.or_else(|| numbers.iter().find(is_meant))
}

fn list(numbers: &[BusinessNumber]) {
    for (position, number) in (1..).zip(numbers) {
        hint(&format!("{position:>3}  {}", describe_number(number)));
    }
}

fn describe_number(number: &BusinessNumber) -> String {
    let BusinessNumber {
        id,
        display,
        verified_name,
    } = number;
    format!("{display} {verified_name:?}, id {id}")
}

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
        minutes: lifetime.as_secs().div_ceil(60).max(1),
    }
}

/// The new template as a list has it.
fn as_listed(created: &CreatedTemplate, new: &NewTemplate) -> Template {
    Template {
        id: created.id.clone(),
        name: new.name.clone(),
        language: new.language.clone(),
        status: created.status.clone(),
        category: response::AUTHENTICATION.to_owned(),
        rejected_reason: String::new(),
    }
}

fn describe(template: &Template) -> String {
    let Template {
        id,
        name,
        language,
        status,
        category,
        ..
    } = template;
    let category = if category == response::AUTHENTICATION {
        String::new()
    } else {
        format!(", of category {category}, which is not for codes")
    };
    format!("template {name} ({language}), id {id}: {status}{category}")
}

/// Waits for Meta's decision and prints it.
async fn wait_for_approval(
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
            Err(error) if error.class.exit == Exit::Rejected => return Err(error.into()),
            // A new template may not be in the list yet.
            Err(error) => {
                hint(&format!("{error} (trying again)"));
                pause = pause.max(error.retry_after.unwrap_or_default());
            }
        }
    }
    let (name, status) = (&template.name, &template.status);
    if template.is_approved() {
        print(&format!(
            "template {name} is approved: start websmsd again to send codes\n"
        ));
    } else if template.is_pending() {
        print(&format!(
            "template {name} is still {status}: Meta usually decides within minutes; websmsd \
             checks it by itself, and this command shows its status\n"
        ));
    } else {
        return Err(CommandError::new(Exit::Rejected, template.why_unusable()));
    }
    Ok(())
}

fn configuration(error: &dyn Error) -> CommandError {
    CommandError::configuration(failed(error))
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
    fn number_and_template_of_another_account_are_ignored() {
        for (first, second, expected) in [
            (["", "", ""], ["1", "2", "3"], ["1", "2", "3"]),
            (["1", "", ""], ["1", "2", "3"], ["1", "2", "3"]),
            (["1", "7", ""], ["1", "2", "3"], ["1", "7", "3"]),
            (["9", "", ""], ["1", "2", "3"], ["9", "", ""]),
            (["9", "7", ""], ["", "2", "3"], ["9", "7", "3"]),
        ] {
            let merged = merge(known(first), known(second));
            let ids = [merged.waba_id, merged.phone_number_id, merged.template_id];
            let ids = ids.map(|id| id.map_or(String::new(), |id| id.to_string()));
            assert_eq!(ids, expected, "{first:?} over {second:?}");
        }
    }
}
