//! What the waiting process does when the one that trains and draws is killed: it restores the terminal and returns the
//! matching exit status.

use skiplane::runlog::Status;

use crate::dashboard::{Background, endless, start};

#[test]
fn a_dashboard_that_is_killed_leaves_the_terminal_as_it_was() {
    for (signal, expected) in [("KILL", 137), ("QUIT", 131), ("ABRT", 134)] {
        let folder = tempfile::tempdir().unwrap();
        let file = endless(folder.path());
        let mut terminal = start(&["train", &file], folder.path(), (100, 30));
        terminal.wait_for("running");
        let run = Background::find(folder.path());
        assert!(terminal.screen().alternate_screen());
        // The waiting process gets SIGQUIT as from its terminal, and forwards it.
        let process = match signal {
            "QUIT" => terminal.process_id(),
            _ => Status::read(&run.0).unwrap().pid,
        };
        let sent =
            std::process::Command::new("kill").args([&format!("-{signal}"), &process.to_string()]).status();
        assert!(sent.unwrap().success());
        assert_eq!(terminal.finish(), expected, "{signal}: {}", terminal.text());
        terminal.assert_restored();
        let message = format!("ended by SIG{signal}");
        assert!(terminal.text().contains(&message), "{}", terminal.text());
        // A terminal in raw mode does not turn a line feed into a new line.
        let output = String::from_utf8_lossy(terminal.written()).into_owned();
        let after = output.split(&message).nth(1).unwrap();
        assert!(after.contains("\r\n"), "{signal}: the terminal stayed in raw mode: {after:?}");
    }
}
