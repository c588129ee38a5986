//! Records a film of the dashboard: plays a tape in a pseudo-terminal and writes what was seen as a moving SVG.
//! Usage: `cargo run --release --example record -- docs/tapes/tour.tape docs/frames/tour.svg`, after `cargo build --release`.
#![expect(clippy::print_stderr, reason = "it tells what it has written")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

mod film;
mod play;
#[path = "../../tests/it/pseudo_terminal.rs"]
#[expect(dead_code, clippy::unwrap_used, reason = "it is made for tests, which use all of it")]
mod pseudo_terminal;
mod tape;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [from, to] = arguments.as_slice() else { return Err("expected a tape and the file to write".into()) };
    let text = fs::read_to_string(from).map_err(|error| format!("{}: {error}", from.display()))?;
    let tape = tape::parse(&text).map_err(|problem| format!("{}: {problem}", from.display()))?;
    let shots = play::play(&tape, &program()?, Path::new("."))?;
    let film = film::film(&shots);
    fs::write(to, &film)?;
    let seconds: f64 = shots.iter().map(|shot| shot.shown.as_secs_f64()).sum();
    eprintln!("{}: {} shots, {seconds:.1} s, {} kB", to.display(), shots.len(), film.len() / 1000);
    Ok(())
}

/// The program that was built beside this example.
fn program() -> Result<PathBuf, Box<dyn Error>> {
    let own = env::current_exe()?;
    let folder = own.parent().and_then(Path::parent).ok_or("expected the example in target/*/examples")?;
    let program = folder.join("skiplane");
    if !program.exists() {
        return Err(format!("expected {}; build it first", program.display()).into());
    }
    Ok(program)
}
