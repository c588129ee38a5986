//! What `--out` does to an existing target: files are replaced atomically, links followed, pipes and devices written
//! to, and a run's own files never touched.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::cli::{folder_with_a_run, output, refused};

const EXPORT: [&str; 5] = ["export", "latest", "--format", "csv", "--out"];
const SNAPSHOT: [&str; 5] = ["snapshot", "latest", "--view", "overview", "--out"];

fn to<'a>(command: [&'a str; 5], out: &'a str) -> Vec<&'a str> {
    command.into_iter().chain([out]).collect()
}

/// What a command prints without `--out`.
fn printed(folder: &Path, command: [&str; 5]) -> String {
    output(folder, &command[..4])
}

#[test]
fn a_link_stays_a_link_and_a_file_keeps_its_permissions() {
    let (folder, _) = folder_with_a_run();
    let folder = folder.path();
    fs::create_dir(folder.join("there")).unwrap();
    fs::write(folder.join("there/table"), "before").unwrap();
    fs::set_permissions(folder.join("there/table"), Permissions::from_mode(0o604)).unwrap();
    symlink("there/table", folder.join("near")).unwrap();
    symlink("near", folder.join("far")).unwrap();
    symlink("there/new", folder.join("dangling")).unwrap();
    for command in [EXPORT, SNAPSHOT] {
        for (link, file) in [("far", "there/table"), ("dangling", "there/new")] {
            assert_eq!(output(folder, &to(command, link)), "");
            assert!(fs::symlink_metadata(folder.join(link)).unwrap().is_symlink(), "{link}");
            assert_eq!(fs::read_to_string(folder.join(file)).unwrap(), printed(folder, command));
        }
        assert_eq!(fs::metadata(folder.join("there/table")).unwrap().mode() & 0o777, 0o604);
    }
    assert_eq!(fs::read_dir(folder.join("there")).unwrap().count(), 2, "nothing else is left behind");
    symlink("b", folder.join("a")).unwrap();
    symlink("a", folder.join("b")).unwrap();
    assert!(refused(folder, &to(EXPORT, "a"), 1).contains("could not write a"));
}

#[test]
fn pipes_and_devices_are_written_to() {
    let (folder, _) = folder_with_a_run();
    let folder = folder.path();
    mknodat(CWD, folder.join("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    for command in [EXPORT, SNAPSHOT] {
        let reader = Command::new("cat").arg(folder.join("pipe")).stdout(Stdio::piped()).spawn().unwrap();
        assert_eq!(output(folder, &to(command, "pipe")), "");
        let read = reader.wait_with_output().unwrap();
        assert_eq!(String::from_utf8(read.stdout).unwrap(), printed(folder, command));
        assert!(fs::symlink_metadata(folder.join("pipe")).unwrap().file_type().is_fifo());
        assert_eq!(output(folder, &to(command, "/dev/null")), "");
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
        assert_eq!(output(folder, &to(command, "/dev/stdout")), printed(folder, command));
    }
    if Path::new("/dev/full").exists() {
        assert!(refused(folder, &to(EXPORT, "/dev/full"), 1).contains("No space left"));
    }
}

/// If standard output goes into a file, its earlier content and later output are kept.
#[test]
fn standard_output_by_name_is_gone_on_with() {
    let (folder, _) = folder_with_a_run();
    let folder = folder.path();
    let binary = env!("CARGO_BIN_EXE_skiplane");
    let script =
        format!("(echo first; '{binary}' export latest --format csv --out /dev/stdout; echo last) > file");
    assert!(Command::new("sh").args(["-c", &script]).current_dir(folder).status().unwrap().success());
    let expected = format!("first\n{}last\n", printed(folder, EXPORT));
    assert_eq!(fs::read_to_string(folder.join("file")).unwrap(), expected);
}

#[test]
fn what_may_not_be_written_is_not_replaced() {
    let (folder, _) = folder_with_a_run();
    let folder = folder.path();
    assert!(refused(folder, &to(EXPORT, "runs"), 2).contains("expected a file, found a folder"));
    if rustix::process::geteuid().is_root() {
        eprintln!("skipped: root may write what is read-only");
        return;
    }
    fs::write(folder.join("kept"), "kept").unwrap();
    fs::set_permissions(folder.join("kept"), Permissions::from_mode(0o444)).unwrap();
    assert!(refused(folder, &to(EXPORT, "kept"), 1).contains("could not write kept"));
    assert_eq!(fs::read_to_string(folder.join("kept")).unwrap(), "kept");
    // A writable file in a folder that is not writable.
    fs::create_dir(folder.join("fixed")).unwrap();
    File::create(folder.join("fixed/table")).unwrap();
    fs::set_permissions(folder.join("fixed"), Permissions::from_mode(0o555)).unwrap();
    assert_eq!(output(folder, &to(EXPORT, "fixed/table")), "");
    assert_eq!(fs::read_to_string(folder.join("fixed/table")).unwrap(), printed(folder, EXPORT));
    fs::set_permissions(folder.join("fixed"), Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_run_that_is_read_is_not_written_over() {
    let (folder, run) = folder_with_a_run();
    let folder = folder.path();
    let log = run.path().join("plain.jsonl");
    let before = fs::read(&log).unwrap();
    symlink(&log, folder.join("link")).unwrap();
    symlink(run.path(), folder.join("alias")).unwrap();
    fs::hard_link(&log, folder.join("twin")).unwrap();
    fs::write(run.checkpoints().join("one"), "").unwrap();
    fs::hard_link(run.checkpoints().join("one"), folder.join("saved")).unwrap();
    let own = log.to_str().unwrap().to_owned();
    let new = run.path().join("new.csv").to_str().unwrap().to_owned();
    let count = fs::read_dir(run.path()).unwrap().count();
    for command in [EXPORT, SNAPSHOT] {
        for out in [own.as_str(), &new, "link", "alias/residual.jsonl", "alias/x", "twin", "saved"] {
            let error = refused(folder, &to(command, out), 2);
            assert!(error.contains("expected a file outside the folder of the run"), "{out}: {error}");
        }
    }
    assert_eq!(fs::read(&log).unwrap(), before);
    assert_eq!(fs::read_dir(run.path()).unwrap().count(), count);
}
