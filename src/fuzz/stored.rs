//! Files that we wrote, as a disk or an administrator may have changed them.

use std::ffi::OsStr;
use std::fmt::Debug;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config::DeliverySettings;
use crate::fuzz::Input;
use crate::http::safe_fetch::failure::FetchError;
use crate::inbound::dedupe;
use crate::media::job::MediaJob;
use crate::model::id::Id;
use crate::model::unix_time::{seconds, time};
use crate::otp::phone_state::PhoneState;
use crate::outbound::verdict::{Outcome, Reason, Verdict};
use crate::outbox::name::OutboxName;
use crate::outbox::record::Record;
use crate::outbox::retry::{NextStep, next_step};
use crate::outbox::sent::SentMessage;
use crate::spool::callfile;
use crate::spool::name::CallFileName;
use crate::spool::progress::{Progress, attempts, progress, without_attempts};

/// The content of any file, at any time: what can be read is the same when it is
/// written and read again, and no time in it overflows.
pub fn stored_records(data: &[u8]) {
    let mut input = Input(data);
    let kind = input.byte();
    let now = input.number();
    match kind % 7 {
        0 => record(input, now),
        1 => drop(reread::<SentMessage>(input.rest())),
        2 => phone_state(input, now),
        3 => media_job(input, now),
        4 => dedupe_lines(input.rest()),
        5 => call_file(input.rest(), now),
        _ => names(input, now),
    }
}

/// A value of a file, after it was written and read again.
fn reread<T: Serialize + DeserializeOwned + PartialEq + Debug>(json: &[u8]) -> Option<T> {
    let read: T = serde_json::from_slice(json).ok()?;
    let written = serde_json::to_vec_pretty(&read).unwrap_or_default();
    let again: Option<T> = serde_json::from_slice(&written).ok();
    assert_eq!(again.as_ref(), Some(&read));
    again
}

fn record(mut input: Input<'_>, now: u64) {
    let wait = Duration::from_secs(input.number());
    let id = Id::next(None, time(now), 1);
    let Ok(record) = Record::from_json(input.rest()) else {
        return;
    };
    assert_eq!(
        Record::from_json(&record.to_json()).ok().as_ref(),
        Some(&record)
    );
    let now = time(now);
    let _ = record.message();
    let delivery = DeliverySettings::default();
    let retry = &delivery.retry;
    let remaining = |record: &Record, now| record.remaining_wait(now, retry);
    assert!(remaining(&record, now) <= retry.lifetime);
    assert_eq!(
        OutboxName::parse(&record.name(id).to_os_string()),
        Some(record.name(id))
    );
    let mut failed = Verdict::not_sent(Outcome::Failed, Reason::Busy, "busy".to_owned());
    failed.retry_after = Some(wait);
    let next = record.clone().after_attempt(&failed, Some(wait), now);
    assert!(next.attempts >= record.attempts);
    let due = seconds(now).saturating_add(wait.as_secs());
    assert_eq!(next.not_before, Some(due));
    assert!(remaining(&next, now) <= wait.min(retry.lifetime));
    assert_eq!(remaining(&next, time(u64::MAX)), Duration::ZERO);
    assert_eq!(
        Record::from_json(&next.to_json()).ok().as_ref(),
        Some(&next)
    );
    assert_eq!(remaining(&record.clone().reset(), now), Duration::ZERO);
    let left = retry.lifetime;
    for age in [Duration::ZERO, wait, Duration::MAX] {
        let step = next_step(&failed, &delivery, record.attempts, age, 1.0);
        let fits = |wait: Duration| wait <= left.saturating_sub(age);
        assert!(matches!(step, NextStep::GiveUp) || matches!(step, NextStep::Retry(w) if fits(w)));
    }
}

fn phone_state(mut input: Input<'_>, now: u64) {
    let max = u32::from(input.byte());
    let later = input.number();
    let Some(mut state) = reread::<PhoneState>(input.rest()) else {
        return;
    };
    let _ = (state.is_expired(now), state.is_expired(later));
    let was_active = state.has_active_code(now);
    let mut wrong = state.clone();
    for _ in 0..=max {
        wrong.check(Some("0"), max, now, |_, _| false);
    }
    assert!(!wrong.has_active_code(now), "a code outlives its attempts");
    let verified = state.clone().check(Some("0"), max, now, |_, _| true);
    assert!(was_active || verified != crate::otp::outcome::OtpOutcome::Verified);
    let allowed = (0..=max)
        .filter(|_| state.count(Some(max), now).is_ok())
        .count();
    // At a limit of none the first is allowed: settings have one at least.
    assert!(allowed <= usize::try_from(max.max(1)).unwrap_or_default());
    assert!(allowed == 0 || !state.is_expired(now));
    let _ = state.count(Some(max), later);
    state.uncount(now);
    let json = serde_json::to_vec(&state).unwrap_or_default();
    assert_eq!(reread::<PhoneState>(&json), Some(state));
}

fn media_job(input: Input<'_>, now: u64) {
    let Some(job) = reread::<MediaJob>(input.rest()) else {
        return;
    };
    let name = job.name.as_str();
    assert!(name.len() <= 49 && !name.contains('/') && !name.starts_with('.'));
    assert!(serde_json::from_slice::<MediaJob>(&job.to_json()).is_ok_and(|again| again == job));
    let _ = job.notice();
    let failed = FetchError::Temporary("busy".to_owned());
    let wait = job.retry_after(&failed, time(now));
    assert!(wait.is_none_or(|wait| wait <= Duration::from_secs(600)));
}

fn dedupe_lines(text: &[u8]) {
    for line in String::from_utf8_lossy(text).lines() {
        let Some((key, until)) = dedupe::read(line) else {
            continue;
        };
        let mut written = String::new();
        dedupe::line(&mut written, key, until);
        assert_eq!(dedupe::read(written.trim_end()), Some((key, until)));
    }
}

fn call_file(text: &[u8], now: u64) {
    // Neither we nor Asterisk write a CR.
    let text = String::from_utf8_lossy(text).replace('\r', "");
    let bare = without_attempts(&text);
    assert_eq!(without_attempts(&bare), bare);
    assert_eq!((progress(&bare), attempts(&bare)), (Progress::Untouched, 0));
    if let Progress::Begun(begun) = progress(&text) {
        let _ = time(now).duration_since(time(begun)).unwrap_or_default();
    }
    assert_eq!(callfile::read(&text), callfile::read(&bare));
}

fn names(input: Input<'_>, now: u64) {
    let rest = input.rest();
    let name = OsStr::from_bytes(rest);
    let id = match (OutboxName::parse(name), CallFileName::parse(name)) {
        (Some(outbox), _) => outbox.id(),
        (_, Some(call_file)) => {
            let _ = (call_file.is_last(), call_file.part_of());
            call_file.id()
        }
        _ => match std::str::from_utf8(rest).map(str::parse::<Id>) {
            Ok(Ok(id)) => id,
            _ => return,
        },
    };
    assert_eq!(id.to_string().parse(), Ok(id));
    let _ = time(now).duration_since(id.time()).unwrap_or_default();
    let next = Id::next(Some(id), time(now), 7);
    // There is none after the last.
    let is_last = id.to_string().starts_with(&u64::MAX.to_string());
    assert!(next > id || is_last, "{next} is before {id}");
}
