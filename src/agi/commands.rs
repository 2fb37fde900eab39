//! The AGI commands that set the result of a message in the dialplan.
//!
//! Asterisk executes what an AGI program prints on stdout, so nothing but the fixed
//! words here is ever printed.

use crate::agi::submit::SubmitResult;
use crate::model::id::Id;
use crate::outbound::verdict::Reason;

/// Sets `WEBSMS_STATUS`, `WEBSMS_ID`, `WEBSMS_ERROR` and `WEBSMS_SEGMENTS`.
pub(crate) fn commands(id: Id, result: SubmitResult) -> String {
    let SubmitResult {
        outcome,
        reason,
        segments,
    } = result;
    let status = outcome.as_str();
    let error = reason.map_or("", Reason::text);
    format!(
        "SET VARIABLE WEBSMS_STATUS \"{status}\"\n\
         SET VARIABLE WEBSMS_ID \"{id}\"\n\
         SET VARIABLE WEBSMS_ERROR \"{error}\"\n\
         SET VARIABLE WEBSMS_SEGMENTS \"{segments}\"\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::verdict::Outcome;

    #[test]
    fn commands_are_four_fixed_lines() {
        let id = "0000000000000001-0000000a".parse().unwrap();
        let commands = commands(
            id,
            SubmitResult {
                outcome: Outcome::Rejected,
                reason: Some(Reason::Refused),
                segments: 3,
            },
        );
        assert_eq!(
            commands,
            "SET VARIABLE WEBSMS_STATUS \"REJECTED\"\n\
             SET VARIABLE WEBSMS_ID \"0000000000000001-0000000a\"\n\
             SET VARIABLE WEBSMS_ERROR \"refused by provider\"\n\
             SET VARIABLE WEBSMS_SEGMENTS \"3\"\n"
        );
    }
}
