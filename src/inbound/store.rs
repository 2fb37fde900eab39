//! Messages to the spool, each once.

use std::net::IpAddr;
use std::time::Duration;

use tracing::info;

use super::dedupe::{Dedupe, Key};
use crate::id::Id;
use crate::logging::masked;
use crate::message::Message;
use crate::spool::{Spool, SpoolError};

/// Where messages go, and which have gone there already.
#[derive(Debug)]
pub(super) struct Store {
    spool: Spool,
    dedupe: Dedupe,
}

impl Store {
    pub(super) fn new(spool: Spool, dedupe: Dedupe) -> Self {
        Self { spool, dedupe }
    }

    /// Stores what has not been stored before; its ids count for `lifetime`.
    pub(super) async fn once(
        &self,
        client: IpAddr,
        messages: Vec<Message>,
        lifetime: Duration,
    ) -> Result<(), SpoolError> {
        let keys: Vec<_> = messages.iter().filter_map(key).collect();
        let turn = self.dedupe.turn(&keys).await;
        let mut unclaimed = turn.keys.clone();
        let (fresh, known): (Vec<_>, Vec<_>) = messages
            .into_iter()
            .partition(|message| key(message).is_none_or(|key| claim(&mut unclaimed, key)));
        for message in known {
            let (interface, id) = (&message.interface, &message.provider_id);
            info!(%client, %interface, provider_id = ?id, "message known already");
        }
        if fresh.is_empty() {
            return Ok(());
        }
        let stored = self.spool.store(&fresh).await;
        match &stored {
            Ok(ids) => {
                self.dedupe.stored(&turn, lifetime);
                log(client, &fresh, ids);
            }
            Err(_) => self.dedupe.failed(&turn),
        }
        stored.map(|_| ())
    }
}

fn key(message: &Message) -> Option<Key> {
    let id = message.provider_id.as_ref()?;
    Some(Key::new(&message.interface, id))
}

/// Takes a key out of the list; `false` when it is not there.
fn claim(keys: &mut Vec<Key>, key: Key) -> bool {
    let found = keys.iter().position(|other| *other == key);
    found.map(|position| keys.swap_remove(position)).is_some()
}

fn log(client: IpAddr, messages: &[Message], ids: &[Id]) {
    for (message, id) in messages.iter().zip(ids) {
        let (to, from) = (masked(message.to.as_str()), masked(message.from.as_str()));
        let interface = &message.interface;
        info!(%id, %client, %interface, to, from, "message accepted");
    }
}
