//! Two processes and one run: the second is refused in whatever state the lock is, another user's lock does not make a
//! run look alive, and an order reaches the intended run.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use skiplane::runlog::{State, Status, discard, summarize};

use crate::cli::{refused, skiplane};
use crate::dashboard::{Background, endless};
use crate::pseudo_terminal::PATIENCE;

/// A user id that is not in use.
const NOBODY: u32 = 65_534;

/// Trains in the background, in `folder`.
fn train(folder: &Path, arguments: &[&str]) -> Background {
    let arguments: Vec<&str> = ["train"].iter().chain(arguments).chain(&["--detach"]).copied().collect();
    let output = skiplane(folder, &arguments);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    Background::find(folder)
}

/// Kills the process of a run, and waits until it is gone.
fn kill(run: &Background) {
    let process = Status::read(&run.0).unwrap().pid.to_string();
    assert!(Command::new("kill").args(["-KILL", &process]).status().unwrap().success());
    wait_for_crash(run);
}

fn wait_for_crash(run: &Background) {
    let end = Instant::now() + PATIENCE;
    while run.state() != State::Crashed {
        assert!(Instant::now() < end, "it is {:?}", run.state());
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_removed_lock_lets_nobody_in_and_a_foreign_one_keeps_nobody_out() {
    let folder = tempfile::tempdir().unwrap();
    let file = endless(folder.path());
    let run = train(folder.path(), &[&file]);
    let lock = run.0.join("run.lock");
    for _ in 0..2 {
        let error = refused(folder.path(), &["train", "--resume", "latest", "--headless"], 2);
        assert!(error.contains("is training it"), "{error}");
        let id = run.0.file_name().unwrap().to_str().unwrap();
        let error = discard(&folder.path().join("runs"), id).unwrap_err().to_string();
        assert!(error.contains("a process is training it"), "{error}");
        assert_eq!(run.state(), State::Running);
        run.wait_for_steps();
        // The second time without it.
        fs::remove_file(&lock).unwrap();
    }
    kill(&run);

    // As an older version made it, and held by another process.
    File::create(&lock).unwrap();
    fs::set_permissions(&lock, Permissions::from_mode(0o644)).unwrap();
    let somebody = File::open(&lock).unwrap();
    somebody.lock().unwrap();
    assert_eq!(run.state(), State::Crashed);
    let again = train(folder.path(), &["--resume", "latest"]);
    assert_eq!(run.state(), State::Running);
    again.stop();
}

#[test]
fn another_user_can_neither_hold_the_lock_nor_be_misled_by_it() {
    if !rustix::process::geteuid().is_root() || Command::new("flock").arg("--version").output().is_err() {
        eprintln!("skipped: needs root, to become another user, and util-linux's flock");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let file = endless(folder.path());
    let run = train(folder.path(), &[&file]);
    kill(&run);
    let lock = run.0.join("run.lock");
    let nobody = |arguments: &[&str]| {
        let mut command = Command::new("flock");
        command.arg("--shared").arg(&lock).args(arguments).uid(NOBODY).gid(NOBODY);
        command
    };
    let output = nobody(&["true"]).output().unwrap();
    assert!(!output.status.success(), "it was locked");
    assert!(String::from_utf8_lossy(&output.stderr).contains("ermission denied"), "{output:?}");

    fs::set_permissions(&lock, Permissions::from_mode(0o644)).unwrap();
    let mut holder = nobody(&["cat"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(holder.stdin.as_mut().unwrap(), b"x").unwrap();
    std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut [0]).unwrap();
    assert!(File::open(&lock).unwrap().try_lock().is_err(), "it is held");
    // Such a lock proves nothing, so the heartbeat decides.
    wait_for_crash(&run);
    train(folder.path(), &["--resume", "latest"]).stop();
    holder.kill().unwrap();
    holder.wait().unwrap();
}

#[test]
fn an_order_reaches_no_other_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = endless(folder.path());
    let run = train(folder.path(), &[&file]);
    let other = crate::replay::new_run(&folder.path().join("others"), "other");
    let socket = other.path().join("control.sock");
    let id = other.id().to_owned();
    let order = ["control", &id, "stop", "--runs", "others"];
    symlink(run.0.join("control.sock"), &socket).unwrap();
    let error = refused(folder.path(), &order, 1);
    assert!(error.contains("expected a socket, found a symbolic link"), "{error}");
    fs::remove_file(&socket).unwrap();
    fs::hard_link(run.0.join("control.sock"), &socket).unwrap();
    let error = refused(folder.path(), &order, 1);
    assert!(error.contains("found one for another"), "{error}");
    run.wait_for_steps();
    assert_eq!(summarize(&run.0, std::time::SystemTime::now()).unwrap().state, State::Running);
    run.stop();
}
