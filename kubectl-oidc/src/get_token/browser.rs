//! Opening the person's browser.

use std::process::{Command, Stdio};

/// Opens an address with a program, or with the system's. `false` if it did not start.
pub(super) fn open(url: &str, program: Option<&str>) -> bool {
    let (program, arguments): (&str, &[&str]) = match program {
        Some(program) => (program, &[]),
        None if cfg!(target_os = "macos") => ("open", &[]),
        None if cfg!(windows) => ("rundll32", &["url.dll,FileProtocolHandler"]),
        None => ("xdg-open", &[]),
    };
    // its words must not get into the answer on standard output
    Command::new(program)
        .args(arguments)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .is_ok()
}
