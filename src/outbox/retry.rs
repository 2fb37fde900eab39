//! Decides what follows an attempt. Pure.

use std::time::Duration;

use crate::config::DeliverySettings;
use crate::outbound::verdict::{Outcome, Verdict};
use crate::resilience::backoff::Backoff;

/// What follows an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NextStep {
    /// Another attempt after this time.
    Retry(Duration),
    /// Nothing: the message was sent.
    Sent,
    /// A notice to the sender.
    GiveUp,
}

/// Decides after attempt number `attempts` of a message that was queued `age`
/// ago. `chance`, from 0 to 1, moves the wait by up to a quarter either way, so
/// that messages that failed together are not sent again together.
pub(crate) fn next_step(
    verdict: &Verdict,
    delivery: &DeliverySettings,
    attempts: u32,
    age: Duration,
    chance: f64,
) -> NextStep {
    let retry = &delivery.retry;
    match verdict.outcome {
        Outcome::Sent | Outcome::Queued => return NextStep::Sent,
        Outcome::Rejected => return NextStep::GiveUp,
        Outcome::Unknown if !delivery.may_repeat() => return NextStep::GiveUp,
        Outcome::Failed | Outcome::Unknown => {}
    }
    if retry.attempts.is_some_and(|max| attempts >= max) {
        return NextStep::GiveUp;
    }
    let left = retry.lifetime.saturating_sub(age);
    let wanted = verdict.retry_after.unwrap_or_default();
    if left.is_zero() || wanted > left {
        return NextStep::GiveUp;
    }
    let backoff = Backoff::new(retry.min, retry.max);
    let wait = backoff.after(attempts);
    let spread = (wait / 2).mul_f64(chance);
    let wait = wait.saturating_sub(wait / 4).saturating_add(spread);
    // The last attempt is made when the lifetime ends, not one wait before.
    NextStep::Retry(wait.max(wanted).min(left))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{DeliveryMode, IdempotencySettings, RetrySettings};
    use crate::model::interface::InterfaceName;
    use crate::outbound::verdict::Reason;

    fn delivery() -> DeliverySettings {
        DeliverySettings {
            mode: DeliveryMode::Queue,
            concurrency: 1,
            rate: None,
            retry: RetrySettings {
                min: seconds(5),
                max: seconds(60),
                lifetime: seconds(1000),
                attempts: None,
                unknown: false,
            },
            fallback: None,
            idempotency: IdempotencySettings::default(),
            notice_failed: String::new(),
            notice_unknown: String::new(),
            notice_undelivered: String::new(),
            notice_more: String::new(),
            receipt_lifetime: Duration::ZERO,
        }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn failed(outcome: Outcome) -> Verdict {
        Verdict::not_sent(outcome, Reason::Busy, String::new())
    }

    fn after(outcome: Outcome, delivery: &DeliverySettings, attempts: u32, age: u64) -> NextStep {
        next_step(&failed(outcome), delivery, attempts, seconds(age), 0.5)
    }

    #[test]
    fn only_safe_attempts_are_repeated() {
        let plain = delivery();
        let sent = Verdict::sent(String::new());
        assert_eq!(next_step(&sent, &plain, 1, seconds(0), 0.5), NextStep::Sent);
        assert_eq!(after(Outcome::Rejected, &plain, 1, 0), NextStep::GiveUp);
        assert_eq!(after(Outcome::Unknown, &plain, 1, 0), NextStep::GiveUp);
        assert_eq!(
            after(Outcome::Failed, &plain, 1, 0),
            NextStep::Retry(seconds(5))
        );
        let mut configured = delivery();
        configured.retry.unknown = true;
        let mut parameter = delivery();
        parameter.idempotency.parameter = Some("id".to_owned());
        let mut header = delivery();
        header.idempotency.header = Some("idempotency-key".to_owned());
        let mut with_fallback = parameter.clone();
        with_fallback.fallback = InterfaceName::parse("other").ok();
        assert_eq!(
            after(Outcome::Unknown, &with_fallback, 1, 0),
            NextStep::GiveUp
        );
        for repeatable in [configured, parameter, header] {
            assert_eq!(
                after(Outcome::Unknown, &repeatable, 1, 0),
                NextStep::Retry(seconds(5))
            );
            assert_eq!(
                after(Outcome::Rejected, &repeatable, 1, 0),
                NextStep::GiveUp
            );
        }
    }

    #[test]
    fn waits_double_up_to_the_maximum_and_end_with_the_lifetime() {
        let delivery = delivery();
        for (attempts, age, expected) in [
            (1, 0, 5),
            (2, 5, 10),
            (3, 15, 20),
            (4, 35, 40),
            (5, 75, 60),
            (40, 800, 60),
            (u32::MAX, 800, 60),
            (41, 990, 10),
        ] {
            let next = after(Outcome::Failed, &delivery, attempts, age);
            assert_eq!(next, NextStep::Retry(seconds(expected)), "{attempts} {age}");
        }
        assert_eq!(after(Outcome::Failed, &delivery, 1, 1000), NextStep::GiveUp);
        assert_eq!(after(Outcome::Failed, &delivery, 1, 5000), NextStep::GiveUp);
    }

    #[test]
    fn number_of_attempts_is_bounded_if_configured() {
        let mut delivery = delivery();
        delivery.retry.attempts = Some(3);
        assert!(matches!(
            after(Outcome::Failed, &delivery, 2, 0),
            NextStep::Retry(_)
        ));
        assert_eq!(after(Outcome::Failed, &delivery, 3, 0), NextStep::GiveUp);
    }

    #[test]
    fn wait_is_as_long_as_the_provider_wants() {
        let delivery = delivery();
        for (wanted, expected) in [
            (0, NextStep::Retry(seconds(5))),
            (100, NextStep::Retry(seconds(100))),
            (1000, NextStep::Retry(seconds(1000))),
            (1001, NextStep::GiveUp),
        ] {
            let mut verdict = failed(Outcome::Failed);
            verdict.retry_after = Some(seconds(wanted));
            assert_eq!(next_step(&verdict, &delivery, 1, seconds(0), 0.5), expected);
        }
    }

    #[test]
    fn waits_are_spread_at_random() {
        let wait = |chance| next_step(&failed(Outcome::Failed), &delivery(), 3, seconds(0), chance);
        assert_eq!(wait(0.0), NextStep::Retry(seconds(15)));
        assert_eq!(wait(1.0), NextStep::Retry(seconds(25)));
    }
}
