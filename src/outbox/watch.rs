//! What comes into the outbox, as the kernel tells it.

use std::io;
use std::path::Path;
use std::sync::mpsc::Sender;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::outbox::scheduler::OutboxEvent;

/// Tells `events` what comes into the directory, until nobody listens. The
/// thread ends with the process.
///
/// # Errors
/// When the kernel has no watch to give (`fs.inotify.max_user_instances`).
pub(super) fn watch(directory: &Path, events: Sender<OutboxEvent>) -> io::Result<()> {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC)?;
    inotify.add_watch(directory, AddWatchFlags::IN_MOVED_TO)?;
    std::thread::spawn(move || {
        while let Ok(happened) = inotify.read_events() {
            for event in happened {
                // Without a name the kernel says that it has lost some.
                let event = event.name.map_or(OutboxEvent::Scan, OutboxEvent::Appeared);
                if events.send(event).is_err() {
                    return;
                }
            }
        }
    });
    Ok(())
}
