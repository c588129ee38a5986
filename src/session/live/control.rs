//! The server's side of the control channel: takes orders from the run's owner and passes them on to the lanes.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::session::control::{Answer, Asked, MOST_BYTES, SOCKET, Socket, line};

/// The temporary name of the socket before it is renamed.
const NEXT: &str = ".control.sock.new";
/// The most simultaneous connections.
const CONNECTIONS: usize = 8;
/// How long a connection may be idle.
const PATIENCE: Duration = Duration::from_secs(60);

/// Passes an order on, or says why not.
pub(super) type Obey = dyn Fn(Asked) -> Result<(), String> + Send + Sync;

/// The open channel. Dropping it closes it and removes the socket.
#[derive(Debug)]
pub(super) struct Control {
    folder: PathBuf,
    closed: Arc<AtomicBool>,
}

impl Control {
    /// Opens it in a run's folder. Requires the lock of the run, so that an existing socket can only be that of a
    /// process that has ended.
    pub(super) fn open(folder: &Path, obey: Arc<Obey>) -> io::Result<Control> {
        let listener = listen(folder)?;
        let closed = Arc::new(AtomicBool::new(false));
        let control = Control { folder: folder.to_owned(), closed: Arc::clone(&closed) };
        // After a panic, further connections are accepted.
        let body = move || {
            let accept = || accept(&listener, &obey, &closed);
            while catch_unwind(AssertUnwindSafe(accept)).is_err() && !closed.load(Ordering::SeqCst) {}
        };
        thread::Builder::new().name("control".to_owned()).spawn(body)?;
        Ok(control)
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for connections.
        let _ = Socket::in_folder(&self.folder, SOCKET).and_then(|socket| UnixStream::connect(socket.path));
        let _ = fs::remove_file(self.folder.join(SOCKET));
    }
}

/// Listens in a folder. The socket is renamed into place once it is accessible only to its owner.
fn listen(folder: &Path) -> io::Result<UnixListener> {
    let next = folder.join(NEXT);
    let _ = fs::remove_file(&next);
    let listener = UnixListener::bind(Socket::in_folder(folder, NEXT)?.path)?;
    fs::set_permissions(&next, fs::Permissions::from_mode(0o600))?;
    fs::rename(&next, folder.join(SOCKET))?;
    Ok(listener)
}

fn accept(listener: &UnixListener, obey: &Arc<Obey>, closed: &AtomicBool) {
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        if closed.load(Ordering::SeqCst) {
            return;
        }
        crate::panics::if_asked();
        let Ok(stream) = stream else {
            // Most likely too many open files, of which there may be fewer soon.
            thread::sleep(Duration::from_millis(100));
            continue;
        };
        if !is_owner(&stream) {
            refuse(&stream, "it takes orders only from its owner");
            continue;
        }
        if open.fetch_add(1, Ordering::SeqCst) >= CONNECTIONS {
            open.fetch_sub(1, Ordering::SeqCst);
            refuse(&stream, "too many connections at once");
            continue;
        }
        let (obey, counted) = (Arc::clone(obey), Arc::clone(&open));
        let body = move || {
            // Clients that disconnect in the middle of a line are ignored.
            let serve = || _ = serve(&stream, &*obey);
            if catch_unwind(AssertUnwindSafe(serve)).is_err() {
                refuse(&stream, "taking the order panicked; it may have been taken");
            }
            counted.fetch_sub(1, Ordering::SeqCst);
        };
        if thread::Builder::new().name("orders".to_owned()).spawn(body).is_err() {
            open.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

fn refuse(mut stream: &UnixStream, reason: &str) {
    let _ = stream.set_write_timeout(Some(Duration::from_millis(100)));
    let _ = stream.write_all(&line(&Answer::Error(reason.to_owned())));
}

/// Answers each line of a connection.
fn serve(stream: &UnixStream, obey: &Obey) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let (mut source, mut out) = (BufReader::new(stream), stream);
    loop {
        let mut order = Vec::new();
        (&mut source).take(MOST_BYTES).read_until(b'\n', &mut order)?;
        crate::panics::if_asked();
        if order.is_empty() {
            return Ok(());
        }
        let is_whole = order.last() == Some(&b'\n');
        let answer = match serde_json::from_slice::<Asked>(&order) {
            Ok(order) if is_whole => obey(order).map_or_else(Answer::Error, |()| Answer::Ok(true)),
            Ok(_) => Answer::Error(format!("expected a line of less than {MOST_BYTES} bytes")),
            Err(error) => Answer::Error(shortened(format!("expected {{\"order\":..}}: {error}"))),
        };
        out.write_all(&line(&answer))?;
        if !is_whole {
            return Ok(());
        }
    }
}

/// Cuts a reason, which may quote the request, so that the answer fits into a line that is read whole.
fn shortened(mut reason: String) -> String {
    reason.truncate(reason.floor_char_boundary(MOST_BYTES as usize / 4));
    reason
}

/// Whether the client has the user of this process. On systems other than Linux only the file's mode protects the
/// socket.
fn is_owner(stream: &UnixStream) -> bool {
    #[cfg(target_os = "linux")]
    {
        let user = rustix::process::geteuid();
        rustix::net::sockopt::socket_peercred(stream).is_ok_and(|peer| peer.uid == user || peer.uid.is_root())
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = stream;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::order::{LaneOrder, Note, Order};
    use crate::session::control::{ControlError, send};

    type Orders = Arc<Mutex<Vec<LaneOrder>>>;

    /// A channel that records its orders, and refuses a stop.
    fn open(folder: &Path) -> (Control, Orders) {
        let orders = Orders::default();
        let kept = Arc::clone(&orders);
        let obey = move |Asked { order, lane, .. }| {
            let stops = order == Order::Stop;
            kept.lock().unwrap().push(LaneOrder { order, lane });
            if stops { Err("the run is over".to_owned()) } else { Ok(()) }
        };
        (Control::open(folder, Arc::new(obey)).unwrap(), orders)
    }

    #[test]
    fn orders_are_passed_on_and_answered() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(SOCKET), "what a process left that is gone").unwrap();
        let (control, orders) = open(folder.path());
        let socket = folder.path().join(SOCKET);
        assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
        send(folder.path(), &Order::Pause.into()).unwrap();
        send(folder.path(), &Order::Resume.into()).unwrap();
        let note = Order::Note(Note::try_from("\"".repeat(Note::MOST_BYTES)).unwrap());
        send(folder.path(), &note.clone().for_lane("plain")).unwrap();
        let refused = send(folder.path(), &Order::Stop.into()).unwrap_err();
        assert_eq!(refused.to_string(), "the run refused the order: the run is over");
        assert_eq!(
            *orders.lock().unwrap(),
            [Order::Pause.into(), Order::Resume.into(), note.for_lane("plain"), Order::Stop.into()]
        );
        drop(control);
        assert!(!socket.exists());
        assert!(matches!(send(folder.path(), &Order::Pause.into()), Err(ControlError::Absent(_))));
    }

    #[test]
    fn what_is_no_order_is_answered_too() {
        let folder = tempfile::tempdir().unwrap();
        let (_control, orders) = open(folder.path());
        let ask = |text: &[u8]| {
            let mut stream = UnixStream::connect(folder.path().join(SOCKET)).unwrap();
            // A connection that is closed with unread data rejects the rest, and fails after the answer.
            let _ = stream.write_all(text);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let mut answer = String::new();
            let _ = BufReader::new(stream).read_line(&mut answer);
            answer
        };
        assert_eq!(ask(b"{\"order\":\"checkpoint\"}\n"), "{\"ok\":true}\n");
        for text in [&b"{\"order\":\"explode\"}\n"[..], b"\n", b"[[[[[[[[\n", b"\xff\n", &[b'x'; 100_000]] {
            assert!(ask(text).starts_with("{\"error\":\"expected {"), "{}", ask(text));
        }
        for (order, reason) in [
            (r#"{"learning_rate":{"factor":0}}"#, "expected a finite number above zero"),
            (r#"{"learning_rate":0.1}"#, "expected"),
            (r#"{"step":0}"#, "nonzero"),
            (r#"{"note":" "}"#, "nothing but blanks"),
            (r#""lane""#, "expected one of `pause`"),
        ] {
            let answer = ask(format!("{{\"order\":{order}}}\n").as_bytes());
            assert!(answer.starts_with("{\"error\":\"expected {") && answer.contains(reason), "{answer}");
        }
        // Whatever is quoted, the answer is a line that the client reads whole.
        let long = ask(format!("{{\"order\":\"{}\"}}\n", "\u{1b}".repeat(300)).as_bytes());
        assert!(long.ends_with("\"}\n") && long.len() < MOST_BYTES as usize, "{long}");
        assert!(ask(b"{\"order\":\"pause\"}").contains("expected a line"));
        assert_eq!(*orders.lock().unwrap(), [Order::Checkpoint.into()]);
    }

    #[test]
    fn connections_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let (_control, _) = open(folder.path());
        let kept: Vec<UnixStream> = (0..CONNECTIONS)
            .map(|_| {
                let mut stream = UnixStream::connect(folder.path().join(SOCKET)).unwrap();
                stream.write_all(b"{\"order\":\"pause\"}\n").unwrap();
                BufReader::new(&stream).read_line(&mut String::new()).unwrap();
                stream
            })
            .collect();
        let refused = send(folder.path(), &Order::Pause.into()).unwrap_err().to_string();
        assert!(refused.contains("too many connections"), "{refused}");
        drop(kept);
        while send(folder.path(), &Order::Pause.into()).is_err() {
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn what_is_no_socket_of_the_folder_is_not_followed() {
        let [folder, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let (_control, orders) = open(other.path());
        let socket = folder.path().join(SOCKET);
        std::os::unix::fs::symlink(other.path().join(SOCKET), &socket).unwrap();
        let refused = send(folder.path(), &Order::Pause.into()).unwrap_err().to_string();
        assert!(refused.contains("expected a socket, found a symbolic link"), "{refused}");
        fs::remove_file(&socket).unwrap();
        fs::write(&socket, "").unwrap();
        let refused = send(folder.path(), &Order::Pause.into()).unwrap_err().to_string();
        assert!(refused.contains("expected a socket, found a file"), "{refused}");
        assert_eq!(*orders.lock().unwrap(), []);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_long_path_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("x".repeat(90)).join("y".repeat(90));
        fs::create_dir_all(&deep).unwrap();
        let (control, orders) = open(&deep);
        send(&deep, &Order::Checkpoint.into()).unwrap();
        assert_eq!(*orders.lock().unwrap(), [Order::Checkpoint.into()]);
        drop(control);
        assert_eq!(fs::read_dir(&deep).unwrap().count(), 0);
    }
}
