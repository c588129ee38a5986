//! Hints that something in a folder changed, so that a viewer need not wait for its next poll. They may be missed, as
//! on a network file system, and nothing depends on them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};

/// Signals changes in a folder; never, if the system does not support it.
#[derive(Debug)]
pub struct Changes {
    wakeups: Receiver<()>,
    /// Keeps the channel open if there is no thread.
    _keep_open: Sender<()>,
    stop: Arc<AtomicBool>,
}

impl Changes {
    /// Watches folders, as far as the system supports it.
    pub fn watch<'a>(folders: impl IntoIterator<Item = &'a Path>) -> Changes {
        let (keep_open, wakeups) = bounded(1);
        let stop = Arc::new(AtomicBool::new(false));
        start(folders, keep_open.clone(), Arc::clone(&stop));
        Changes { wakeups, _keep_open: keep_open, stop }
    }

    /// Becomes ready after a change; receiving resets it.
    pub fn wakeups(&self) -> &Receiver<()> {
        &self.wakeups
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

#[cfg(target_os = "linux")]
fn start<'a>(folders: impl IntoIterator<Item = &'a Path>, keep_open: Sender<()>, stop: Arc<AtomicBool>) {
    use std::mem::MaybeUninit;
    use std::thread;
    use std::time::Duration;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::fs::inotify::{CreateFlags, Reader, WatchFlags, add_watch, init};
    use rustix::io::Errno;

    /// How soon the thread notices that it should end.
    const POLL: Timespec = Timespec { tv_sec: 0, tv_nsec: 250_000_000 };
    /// Limits the rate of signals for frequent writes.
    const PAUSE: Duration = Duration::from_millis(5);

    let Ok(inotify) = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK) else { return };
    let what = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO;
    let watched = folders.into_iter().filter(|folder| add_watch(&inotify, *folder, what).is_ok()).count();
    if watched == 0 {
        return;
    }
    let body = move || {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        while !stop.load(Ordering::SeqCst) {
            match poll(&mut [PollFd::new(&inotify, PollFlags::IN)], Some(&POLL)) {
                Ok(0) | Err(Errno::INTR) => continue,
                Ok(_) => {}
                Err(_) => return,
            }
            crate::panics::if_asked();
            let mut events = Reader::new(&inotify, &mut buffer);
            while events.next().is_ok() {}
            // If it is full, a signal is pending already.
            let _ = keep_open.try_send(());
            thread::sleep(PAUSE);
        }
    };
    // Without a thread there are no hints.
    let _ = thread::Builder::new().name("changes".to_owned()).spawn(body);
}

#[cfg(not(target_os = "linux"))]
fn start<'a>(_: impl IntoIterator<Item = &'a Path>, _: Sender<()>, _: Arc<AtomicBool>) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_written_rings() {
        let folder = tempfile::tempdir().unwrap();
        let changes = Changes::watch([folder.path()]);
        assert!(changes.wakeups().try_recv().is_err());
        let mut file = fs::File::create(folder.path().join("plain.jsonl")).unwrap();
        assert!(changes.wakeups().recv_timeout(Duration::from_secs(10)).is_ok());
        while changes.wakeups().recv_timeout(Duration::from_millis(50)).is_ok() {}
        file.write_all(b"more").unwrap();
        assert!(changes.wakeups().recv_timeout(Duration::from_secs(10)).is_ok());
    }
}
