//! Settings of the process: arguments, or the environment that the chart sets.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand, ValueEnum};

/// The controller of oidc-operator: reconciles OidcClient, SigningKey and OidcUser.
#[derive(Debug, Parser)]
#[command(name = "oidc-operator", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the controller until SIGTERM.
    Run(Settings),
}

/// Settings of `oidc-operator run`.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// The release's name: it names the Lease, the installation's ConfigMap and the Secrets.
    #[arg(long, env = "OIDC_RELEASE", value_name = "OIDC_RELEASE", value_parser = label)]
    pub release: String,
    /// The namespace of the installation.
    #[arg(long, env = "POD_NAMESPACE", value_name = "POD_NAMESPACE", value_parser = label)]
    pub namespace: String,
    /// This pod's name, for the Lease and for Events.
    #[arg(long, env = "POD_NAME", value_name = "POD_NAME", value_parser = subdomain)]
    pub pod: String,
    /// What is logged: a level, or levels per module like `info,oidc_operator=debug`.
    #[arg(long, env = "OIDC_LOG", value_name = "OIDC_LOG", default_value = "info", value_parser = filter)]
    pub log: String,
    /// How it is logged.
    #[arg(
        long,
        env = "OIDC_LOG_FORMAT",
        value_name = "OIDC_LOG_FORMAT",
        default_value = "json"
    )]
    pub log_format: LogFormat,
    /// Where health and metrics are served. Without IPv6, `[::]` becomes `0.0.0.0`.
    #[arg(
        long,
        env = "OIDC_INTERNAL_LISTEN",
        value_name = "OIDC_INTERNAL_LISTEN",
        default_value = "[::]:9090"
    )]
    pub internal_listen: SocketAddr,
}

/// The shape of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Why the process ends before it starts: help was asked for, or a setting is wrong.
#[derive(Debug)]
pub struct Stop(clap::Error);

impl Settings {
    /// Reads the process's arguments and environment.
    ///
    /// # Errors
    /// When help or the version is asked for, or a setting is missing or wrong.
    pub fn from_process() -> Result<Self, Stop> {
        Self::from_arguments(std::env::args_os())
    }

    fn from_arguments<T: Into<std::ffi::OsString> + Clone>(
        arguments: impl IntoIterator<Item = T>,
    ) -> Result<Self, Stop> {
        let Command::Run(settings) = Arguments::try_parse_from(arguments).map_err(Stop)?.command;
        Ok(settings)
    }
}

impl Stop {
    /// Prints the help, or one line that names the setting; the code to exit with.
    #[must_use]
    pub fn report(&self) -> ExitCode {
        match self.0.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                print!("{}", self.0);
                ExitCode::SUCCESS
            }
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                eprint!("{}", self.0);
                ExitCode::FAILURE
            }
            _ => {
                eprintln!("{}", self.line());
                ExitCode::FAILURE
            }
        }
    }

    /// The message of clap without its hints, on one line.
    fn line(&self) -> String {
        let text = self.0.to_string();
        let lines: Vec<&str> = text
            .lines()
            .map(str::trim)
            .take_while(|line| !line.is_empty())
            .collect();
        lines.join(" ")
    }
}

fn is_label(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 63
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// A name as RFC 1123 has labels: release and namespace become parts of names.
fn label(text: &str) -> Result<String, String> {
    if is_label(text) {
        Ok(text.to_owned())
    } else {
        Err("use lowercase letters, digits and `-`, 63 at most".into())
    }
}

fn subdomain(text: &str) -> Result<String, String> {
    if text.len() <= 253 && text.split('.').all(is_label) {
        Ok(text.to_owned())
    } else {
        Err("use lowercase letters, digits, `-` and `.`, 253 at most".into())
    }
}

fn filter(text: &str) -> Result<String, String> {
    match tracing_subscriber::EnvFilter::builder().parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [&str; 8] = [
        "oidc-operator",
        "run",
        "--release",
        "oidc",
        "--namespace",
        "identity",
        "--pod",
        "oidc-operator-0",
    ];

    #[test]
    fn good_settings_have_defaults() {
        let settings = Settings::from_arguments(GOOD).expect("good");
        assert_eq!(settings.release, "oidc");
        assert_eq!(settings.log, "info");
        assert_eq!(settings.log_format, LogFormat::Json);
        assert_eq!(settings.internal_listen.port(), 9090);
    }

    #[test]
    fn bad_settings_are_named_on_one_line() {
        for (more, name) in [
            (["--log-format", "xml"], "OIDC_LOG_FORMAT"),
            (["--log", "a=b=c"], "OIDC_LOG"),
            (["--internal-listen", "here"], "OIDC_INTERNAL_LISTEN"),
            (["--colour", "red"], "--colour"),
        ] {
            let stop = Settings::from_arguments(GOOD.into_iter().chain(more)).expect_err(name);
            assert!(stop.line().contains(name), "{}", stop.line());
            assert!(!stop.line().contains('\n'));
        }
    }

    #[test]
    fn names_must_be_names() {
        for bad in ["", "Oidc", "-a", "a-", "a_b", "a.b"] {
            assert!(label(bad).is_err(), "{bad}");
        }
        assert!(subdomain("oidc-operator-7f.x").is_ok());
        assert!(subdomain("a..b").is_err());
    }
}
