//! The user's settings and the palette in a real pseudo-terminal: keys of `config.toml`, what is wrong in it, undo, the
//! clipboard, and saved views.

use std::fs;

use crate::cli::folder_with_a_run;
use crate::dashboard::start;

/// On so narrow a screen only the tabs of the open view and of the first ones have names.
const NARROW: (u16, u16) = (46, 24);

#[test]
#[cfg(target_os = "linux")]
fn keys_of_the_user_the_palette_undo_the_clipboard_and_saved_views() {
    let (folder, _) = folder_with_a_run();
    fs::create_dir(folder.path().join("skiplane")).unwrap();
    let config = "[keys]\nz = \"view_heatmap\"\nq = \"no_op\"\nx = \"smoting\"\n";
    fs::write(folder.path().join("skiplane/config.toml"), config).unwrap();
    let mut terminal = start(&["review", "latest"], folder.path(), NARROW);
    terminal.wait_for("1 overview");
    terminal.press("qz");
    terminal.wait_for("3 heatmap");
    terminal.press(":");
    terminal.wait_for("Palette:");
    terminal.press("view find");
    terminal.wait_for(": view find");
    terminal.press("\r");
    terminal.wait_for("6 findings");
    terminal.press("u");
    terminal.wait_for("3 heatmap");
    terminal.press("U");
    terminal.wait_for("6 findings");
    terminal.press("\x19");
    terminal.wait_for("copied this view");
    let copied = b"\x1b]52;c;";
    assert!(terminal.written().windows(copied.len()).any(|bytes| bytes == copied));
    terminal.press("W");
    terminal.wait_for("saved ./");
    let names: Vec<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("-findings-"))
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
    terminal.press("\x10quit\r");
    let status = terminal.finish();
    terminal.assert_restored();
    assert_eq!(status, 0, "{}", terminal.text());
    let text = terminal.text().replace('\n', "");
    assert!(
        text.contains("config.toml:4: expected an action, found `smoting`; the nearest is `smoothing`"),
        "{text}"
    );
}
