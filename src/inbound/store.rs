//! Messages to the spool, each once.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tracing::{info, warn};

use crate::inbound::dedupe::{Dedupe, MessageKey};
use crate::inbound::extract::{links, with_links};
use crate::logging::masked;
use crate::media::PictureRecorder;
use crate::media::recorder::RecordedPictures;
use crate::model::id::Id;
use crate::model::message::{Message, Text};
use crate::outbox::reply_route::ReplyRoutes;
use crate::spool::{Spool, SpoolError};

/// Where messages go, and which have gone there already.
#[derive(Debug)]
pub(super) struct MessageStore {
    spool: Spool,
    dedupe: Dedupe,
    /// Where pictures are noted that are to be kept.
    pictures: Option<PictureRecorder>,
    /// Where it is remembered who wrote by which interface.
    reply_routes: Option<Arc<ReplyRoutes>>,
}

impl MessageStore {
    pub(super) fn new(
        spool: Spool,
        dedupe: Dedupe,
        intake: Option<PictureRecorder>,
        lately: Option<ReplyRoutes>,
    ) -> Self {
        Self {
            spool,
            dedupe,
            pictures: intake,
            reply_routes: lately.map(Arc::new),
        }
    }

    /// Stores what has not been stored before; its ids count for `lifetime`.
    pub(super) async fn store_once(
        &self,
        client: IpAddr,
        messages: Vec<Message>,
        lifetime: Duration,
    ) -> Result<(), SpoolError> {
        let keys: Vec<_> = messages.iter().filter_map(key).collect();
        let turn = self.dedupe.claim(&keys).await;
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
        // First, because a phone may answer as soon as it has the text.
        self.record_reply_routes(&fresh).await;
        let stored = self.store(&fresh).await;
        match &stored {
            Ok(ids) => {
                self.dedupe.stored(&turn, lifetime);
                log(client, &fresh, ids);
            }
            Err(_) => self.dedupe.failed(&turn),
        }
        stored.map(|_| ())
    }

    /// Remembers who wrote by which interface; without that, answers go by the
    /// first one.
    async fn record_reply_routes(&self, messages: &[Message]) {
        let Some(lately) = self.reply_routes.clone() else {
            return;
        };
        let messages = messages.to_vec();
        let noted = spawn_blocking(move || {
            messages.iter().try_for_each(|message| {
                lately.record(
                    message.to.as_str(),
                    message.from.as_str(),
                    &message.interface,
                )
            })
        });
        if let Err(error) = noted.await.map_err(io::Error::other).flatten() {
            warn!(%error, "failed to remember who wrote by which interface");
        }
    }

    /// Notes the pictures of messages and stores them with links to what will be
    /// there. What links promise is noted first.
    async fn store(&self, messages: &[Message]) -> Result<Vec<Id>, SpoolError> {
        if messages.iter().all(|message| message.pictures.is_empty()) {
            return self.spool.store(messages).await;
        }
        let Some(intake) = &self.pictures else {
            let links = messages.iter().map(|message| links(&message.pictures));
            let linked = append_links(messages, &links.collect::<Vec<_>>());
            return self.spool.store(&linked).await;
        };
        let noted = record_pictures(intake.clone(), messages.to_vec()).await?;
        let stored = self
            .spool
            .store(&append_links(messages, &noted.links))
            .await;
        match stored {
            Ok(ids) => {
                intake.start_fetching(noted);
                Ok(ids)
            }
            Err(error) => {
                let intake = intake.clone();
                // If this is cut off, a picture is fetched in vain.
                let _ = spawn_blocking(move || intake.forget(&noted)).await;
                Err(error)
            }
        }
    }
}

async fn record_pictures(
    intake: PictureRecorder,
    messages: Vec<Message>,
) -> Result<RecordedPictures, SpoolError> {
    let noted = spawn_blocking(move || intake.record(&messages)).await;
    let noted = noted.map_err(io::Error::other).flatten();
    noted.map_err(|error| SpoolError::Disk(format!("note its pictures in media_dir: {error}")))
}

/// Messages with links in place of pictures.
fn append_links(messages: &[Message], links: &[Vec<String>]) -> Vec<Message> {
    let linked = |(message, links): (&Message, &Vec<String>)| Message {
        text: Text::new(&with_links(message.text.as_str().to_owned(), links)),
        pictures: Vec::new(),
        ..message.clone()
    };
    messages.iter().zip(links).map(linked).collect()
}

fn key(message: &Message) -> Option<MessageKey> {
    let id = message.provider_id.as_ref()?;
    Some(MessageKey::new(&message.interface, &message.to, id))
}

/// Takes a key out of the list; `false` when it is not there.
fn claim(keys: &mut Vec<MessageKey>, key: MessageKey) -> bool {
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
