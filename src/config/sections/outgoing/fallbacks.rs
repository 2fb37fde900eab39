//! `[websms]`: fallbacks from one interface to another.

use crate::config::sections::outgoing::interface::OutgoingInterface;
use crate::config::syntax::keys::websms as keys;
use crate::config::syntax::problem::{Problem, Severity, did_you_mean, location};
use crate::model::interface::InterfaceName;

/// Fallbacks that do not exist or that form a circle.
pub(crate) fn check(outgoing: &[OutgoingInterface]) -> Vec<Problem> {
    let find = |name: &InterfaceName| outgoing.iter().find(|other| other.interface == *name);
    let known = || outgoing.iter().map(|outgoing| outgoing.interface.as_str());
    let mistake = |start: &OutgoingInterface| {
        let mut seen = vec![&start.interface];
        let mut next = start.delivery.fallback.as_ref();
        while let Some(name) = next {
            let Some(other) = find(name) else {
                let hint = did_you_mean(name.as_str(), known());
                return Some(format!(
                    "there is no interface {:?} in [websms]{hint}",
                    name.as_str()
                ));
            };
            if seen.contains(&name) {
                return Some(format!("forms a circle with interface {:?}", name.as_str()));
            }
            seen.push(name);
            next = other.delivery.fallback.as_ref();
        }
        None
    };
    outgoing
        .iter()
        .filter_map(|start| {
            let index = (!start.interface.is_unnamed()).then(|| start.interface.as_str());
            mistake(start).map(|message| Problem {
                severity: Severity::Mistake,
                line: None,
                location: location("websms", keys::FALLBACK.name, index),
                message,
            })
        })
        .collect()
}
