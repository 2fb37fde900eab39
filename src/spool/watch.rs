//! What happens in Asterisk's directory, as the kernel tells it.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::mpsc::Sender;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent};

/// What the feeder is told.
#[derive(Debug)]
pub(crate) enum SpoolEvent {
    /// The writer has made a call file durable.
    Stored(super::name::CallFileName),
    /// A file has left outgoing.
    Left(OsString),
    /// Asterisk has written into a file in outgoing.
    Written(OsString),
    /// The administrator wants a message tried again.
    Retry,
    /// Something was missed: time to look for oneself.
    Scan,
    /// Nothing more will be stored.
    Stop,
}

/// Tells `events` what happens in `outgoing`, and when something comes into
/// `retry`, until nobody listens. The thread ends with the process.
///
/// # Errors
/// When the kernel has no watch to give (`fs.inotify.max_user_instances`), or a
/// directory is not there.
pub(crate) fn watch(outgoing: &Path, retry: &Path, events: Sender<SpoolEvent>) -> io::Result<()> {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC)?;
    let left = AddWatchFlags::IN_DELETE | AddWatchFlags::IN_MOVED_FROM;
    let itself = AddWatchFlags::IN_DELETE_SELF | AddWatchFlags::IN_MOVE_SELF;
    let outgoing = inotify.add_watch(outgoing, left | itself | AddWatchFlags::IN_CLOSE_WRITE)?;
    inotify.add_watch(retry, AddWatchFlags::IN_MOVED_TO)?;
    let meaning = move |event: InotifyEvent| match event.name {
        Some(_) if event.wd != outgoing => SpoolEvent::Retry,
        Some(name) if event.mask.intersects(left) => SpoolEvent::Left(name),
        Some(name) => SpoolEvent::Written(name),
        // The queue has overflown, or the directory itself has gone.
        None => SpoolEvent::Scan,
    };
    std::thread::spawn(move || {
        while let Ok(happened) = inotify.read_events() {
            for event in happened {
                if events.send(meaning(event)).is_err() {
                    return;
                }
            }
        }
    });
    Ok(())
}
