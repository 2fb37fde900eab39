//! Stores messages in the spool, each once.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tracing::{info, warn};

use crate::inbound::dedupe::{Dedupe, MessageKey};
use crate::inbound::extract::{links, with_links};
use crate::inbound::observer::MessageObserver;
use crate::logging::{chain, masked};
use crate::media::PictureRecorder;
use crate::media::recorder::RecordedPictures;
use crate::model::id::Id;
use crate::model::message::{Message, Text};
use crate::spool::{Spool, SpoolError};
use crate::storage::blocking::blocking;

/// The spool, and which messages it has had already.
pub(crate) struct MessageStore {
    spool: Spool,
    dedupe: Dedupe,
    /// Records the pictures that are to be kept.
    pictures: Option<PictureRecorder>,
    observer: Option<Arc<dyn MessageObserver>>,
}

impl MessageStore {
    pub(crate) fn new(
        spool: Spool,
        dedupe: Dedupe,
        pictures: Option<PictureRecorder>,
        observer: Option<Arc<dyn MessageObserver>>,
    ) -> Self {
        Self {
            spool,
            dedupe,
            pictures,
            observer,
        }
    }

    /// Stores the messages that were not stored before; their ids count for
    /// `lifetime`.
    pub(super) async fn store_once(
        &self,
        client: IpAddr,
        messages: Vec<Message>,
        lifetime: Duration,
    ) -> Result<(), SpoolError> {
        let keys: Vec<_> = messages.iter().filter_map(key).collect();
        let claim = self.dedupe.claim(&keys).await;
        let mut claimed = claim.keys.clone();
        let (fresh, duplicates): (Vec<_>, Vec<_>) = messages
            .into_iter()
            .partition(|message| key(message).is_none_or(|key| take(&mut claimed, key)));
        for message in duplicates {
            let (interface, id) = (&message.interface, &message.provider_id);
            info!(%client, %interface, provider_id = ?id, "duplicate message ignored");
        }
        if fresh.is_empty() {
            return Ok(());
        }
        // First, because a phone may answer as soon as it has the text.
        self.notify_observer(&fresh).await;
        let ids = self.store(&fresh).await?;
        claim.stored(lifetime);
        log(client, &fresh, &ids);
        Ok(())
    }

    async fn notify_observer(&self, messages: &[Message]) {
        let Some(observer) = self.observer.clone() else {
            return;
        };
        let messages = messages.to_vec();
        let recorded = blocking(move || {
            messages
                .iter()
                .try_for_each(|message| observer.message(message))
        });
        if let Err(error) = recorded.await {
            warn!(error = %chain(&error), "reply route not recorded");
        }
    }

    /// Records the pictures of messages and stores the messages with links to
    /// where they will be. The pictures first: a link is a promise.
    async fn store(&self, messages: &[Message]) -> Result<Vec<Id>, SpoolError> {
        if messages.iter().all(|message| message.pictures.is_empty()) {
            return self.spool.store(messages).await;
        }
        let Some(recorder) = &self.pictures else {
            let links = messages.iter().map(|message| links(&message.pictures));
            let linked = append_links(messages, &links.collect::<Vec<_>>());
            return self.spool.store(&linked).await;
        };
        let pictures = record_pictures(recorder.clone(), messages.to_vec()).await?;
        let linked = append_links(messages, &pictures.links);
        match self.spool.store(&linked).await {
            Ok(ids) => {
                recorder.start_fetching(pictures);
                Ok(ids)
            }
            Err(error) => {
                let recorder = recorder.clone();
                // Failing this, a picture is fetched that no message links to.
                let _ = spawn_blocking(move || recorder.forget(&pictures)).await;
                Err(error)
            }
        }
    }
}

async fn record_pictures(
    recorder: PictureRecorder,
    messages: Vec<Message>,
) -> Result<RecordedPictures, SpoolError> {
    let pictures = blocking(move || recorder.record(&messages)).await;
    pictures.map_err(|error| {
        SpoolError::Disk(format!(
            "record its pictures in media_dir: {}",
            chain(&error)
        ))
    })
}

/// The messages with links in place of pictures.
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

/// Takes a key out of the list; `false` when it is not in it.
fn take(keys: &mut Vec<MessageKey>, key: MessageKey) -> bool {
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
