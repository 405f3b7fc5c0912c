//! How things are shown: tables as kubectl prints them, or JSON.

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// Another form of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// One JSON document.
    Json,
}

/// `-o`.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Output {
    /// The answer as data.
    #[arg(short, long)]
    pub(crate) output: Option<Format>,
}

impl Output {
    /// Prints the answer: as JSON if asked, otherwise this text.
    pub(crate) fn print(&self, answer: &impl Serialize, text: impl FnOnce() -> String) -> Result<()> {
        let text = match self.output {
            Some(Format::Json) => serde_json::to_string_pretty(answer)? + "\n",
            None => text(),
        };
        write(&text)
    }
}

/// Writes to standard output. That nobody reads on (`| head`) is no error.
pub(crate) fn write(text: &str) -> Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// A table with a line of headings; empty cells are `-`. Control characters are shown as `?`: what stands in
/// objects of others must not move a terminal's cursor.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let mut lines: Vec<Vec<String>> = vec![headings.iter().map(|&heading| heading.to_owned()).collect()];
    lines.extend(
        rows.iter()
            .map(|row| row.iter().map(|cell| shown(cell)).collect()),
    );
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(cells.join("   ").trim_end());
        text.push('\n');
    }
    text
}

fn shown(cell: &str) -> String {
    if cell.is_empty() {
        "-".to_owned()
    } else {
        plain(cell)
    }
}

/// Text of others without control characters.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

/// How long ago, as kubectl writes ages: `45s`, `12m`, `3h`, `9d`.
pub(crate) fn age(then: Timestamp, now: Timestamp) -> String {
    span(now.duration_since(then))
}

/// A duration in its largest unit; never negative.
pub(crate) fn span(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=7199 => format!("{}m", seconds / 60),
        7200..=172_799 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [
            vec!["a".to_owned(), String::new()],
            vec!["longer".to_owned(), "x\u{1b}[2J".to_owned()],
        ];
        assert_eq!(
            table(&["NAME", "READY"], &rows),
            "NAME     READY\na        -\nlonger   x?[2J\n"
        );
    }

    #[test]
    fn ages_are_in_their_largest_unit() {
        for (seconds, text) in [
            (-5, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (7200, "2h"),
            (172_800, "2d"),
        ] {
            let now = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
            assert_eq!(age(Timestamp::UNIX_EPOCH, now), text);
        }
    }
}
