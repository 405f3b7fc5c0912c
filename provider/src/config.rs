//! Settings of the process: flags, each of the cluster's also by an environment variable. A wrong one is
//! a single line that names it, and exit code 1.

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use oidc_crds::names::Seconds;

/// The OpenID Connect provider.
#[derive(Debug, Parser)]
#[command(name = "oidc-provider", version)]
pub struct Settings {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How to log.
    #[command(flatten)]
    pub log: Log,
}

/// What the process does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve a Kubernetes cluster: a pod of the chart.
    Serve(Serve),
    /// Serve a folder of manifests: one process, no Kubernetes, no Redis.
    Dev(Dev),
}

/// How to log; to standard error.
#[derive(Debug, Args)]
pub struct Log {
    /// What is logged: error, warn, info, debug, or per module like info,oidc_provider=debug.
    #[arg(
        long = "log",
        env = "OIDC_LOG",
        value_name = "FILTER",
        global = true,
        default_value = "info"
    )]
    pub filter: String,
    /// One JSON object a line, or text.
    #[arg(
        long = "log-format",
        env = "OIDC_LOG_FORMAT",
        global = true,
        default_value = "text"
    )]
    pub format: LogFormat,
}

/// The shape of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Settings of a pod.
#[derive(Debug, Args)]
pub struct Serve {
    /// Name of the installation: its Secrets and its ConfigMap begin with it.
    #[arg(long, env = "OIDC_RELEASE", value_name = "NAME", value_parser = label)]
    pub release: String,
    /// Namespace of the installation.
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAMESPACE", value_parser = label)]
    pub namespace: String,
    /// Name of this pod.
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub pod: String,
    /// UID of this pod.
    #[arg(long, env = "POD_UID", value_name = "UID")]
    pub pod_uid: String,
    /// Redis: redis://… or rediss://…
    #[arg(long = "redis", env = "REDIS_URL", value_name = "URL", hide_env_values = true)]
    pub redis: RedisUrl,
    /// How long to go on accepting after SIGTERM, while the pod is taken out of the Service.
    #[arg(
        long,
        env = "OIDC_SHUTDOWN_DELAY",
        value_name = "DURATION",
        default_value = "5s"
    )]
    pub shutdown_delay: Seconds,
    /// Where to serve https.
    #[arg(long, env = "OIDC_LISTEN", value_name = "ADDR", default_value = "[::]:8443")]
    pub listen: SocketAddr,
    /// Where to serve https with certificates of clients; nowhere unless given.
    #[arg(long, env = "OIDC_MTLS_LISTEN", value_name = "ADDR")]
    pub mtls_listen: Option<SocketAddr>,
    /// Where to serve probes and metrics, in plain http.
    #[arg(
        long,
        env = "OIDC_INTERNAL_LISTEN",
        value_name = "ADDR",
        default_value = "[::]:9090"
    )]
    pub internal_listen: SocketAddr,
}

/// Settings of the standalone provider.
#[derive(Debug, Args)]
pub struct Dev {
    /// Folder of manifests: OidcClient, OidcUser, SigningKey, Secret.
    #[arg(long, value_name = "DIR", default_value = DEFAULT_MANIFESTS)]
    pub manifests: PathBuf,
    /// Where to listen; `localhost:PORT` is 127.0.0.1 and ::1.
    #[arg(long, value_name = "ADDR", default_value = "localhost:5000")]
    pub listen: Listen,
    /// The issuer; default http://localhost:PORT.
    #[arg(long, env = "ISSUER_URL", value_name = "URL")]
    pub issuer: Option<String>,
    /// Keep codes, sessions and tokens in this Redis instead of memory.
    #[arg(long, env = "REDIS_URL", value_name = "URL", hide_env_values = true)]
    pub redis: Option<RedisUrl>,
    /// Folder for keys, seals and generated Secrets.
    #[arg(long, value_name = "DIR", default_value = ".oidc")]
    pub state: PathBuf,
    /// Leave POST /register open to everybody on a listener that is not loopback, too.
    #[arg(long)]
    pub open_registration: bool,
    /// YAML with `lifetimes` and `limits`, as in the chart's values.
    #[arg(long, value_name = "FILE")]
    pub installation: Option<PathBuf>,
}

/// The manifests of a bare start.
pub const DEFAULT_MANIFESTS: &str = "examples/standalone";

/// Where the standalone provider listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// On both loopback addresses, 127.0.0.1 and, if there is IPv6, ::1.
    Localhost(u16),
    /// On this address.
    Address(SocketAddr),
}

impl Listen {
    /// Whether nobody else's machine can reach it.
    #[must_use]
    pub fn is_loopback(self) -> bool {
        match self {
            Self::Localhost(_) => true,
            Self::Address(address) => address.ip().is_loopback(),
        }
    }
}

impl std::str::FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write for example localhost:5000, 127.0.0.1:5000 or [::]:5000".to_owned();
        match text.strip_prefix("localhost:") {
            Some(port) => port.parse().map(Self::Localhost).map_err(|_| wrong()),
            None => text.parse().map(Self::Address).map_err(|_| wrong()),
        }
    }
}

/// An address of Redis, which may hold a password: never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl(String);

impl RedisUrl {
    /// The address itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for RedisUrl {
    fn from(url: String) -> Self {
        Self(url)
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisUrl(…)")
    }
}

/// Why there are no settings.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    /// Help or the version was asked for: the text to print.
    Told(String),
    /// A setting is wrong: one line that names it.
    Wrong(String),
}

impl Settings {
    /// Reads flags and environment.
    ///
    /// # Errors
    /// When help was asked for or a setting is wrong.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, Stop> {
        Self::read_by(Self::command(), arguments.into_iter().collect())
    }

    fn read_by(command: clap::Command, arguments: Vec<OsString>) -> Result<Self, Stop> {
        let matches = command.try_get_matches_from(&arguments);
        matches
            .and_then(|matches| Self::from_arg_matches(&matches))
            .map_err(|error| match error.kind() {
                ErrorKind::DisplayHelp
                | ErrorKind::DisplayVersion
                | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                    Stop::Told(error.render().to_string())
                }
                _ => Stop::Wrong(one_line(&error.render().to_string(), &arguments)),
            })
    }
}

/// A DNS label (RFC 1123), as releases and namespaces are.
fn label(text: &str) -> Result<String, String> {
    let good = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let edges = text.starts_with('-') || text.ends_with('-');
    if text.is_empty() || text.len() > 63 || edges || !text.bytes().all(good) {
        return Err("must be lower case letters, digits and -, 63 at most".to_owned());
    }
    Ok(text.to_owned())
}

/// The first paragraph of clap's message as one line, with the variable that can be set instead.
fn one_line(text: &str, arguments: &[OsString]) -> String {
    let paragraph = text.lines().map(str::trim).take_while(|line| !line.is_empty());
    let line = paragraph.collect::<Vec<_>>().join(" ");
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    let program = Settings::command();
    let command = program
        .get_subcommands()
        .find(|command| arguments.iter().any(|argument| argument == command.get_name()))
        .unwrap_or(&program);
    let variables: Vec<_> = program
        .get_arguments()
        .chain(command.get_arguments())
        .filter(|setting| line.contains(&format!("--{} ", setting.get_long().unwrap_or(" "))))
        .filter_map(|setting| setting.get_env()?.to_str())
        .collect();
    if variables.is_empty() {
        line.to_owned()
    } else {
        format!("{line} (environment: {})", variables.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads flags alone, whatever the environment of the tests is.
    fn read(line: &str) -> Result<Settings, Stop> {
        let alone = |setting: clap::Arg| setting.env(None::<&'static str>);
        let command = Settings::command()
            .mut_args(alone)
            .mut_subcommands(|command| command.mut_args(alone));
        Settings::read_by(command, line.split(' ').map(OsString::from).collect())
    }

    fn wrong(line: &str) -> String {
        match read(line) {
            Err(Stop::Wrong(text)) => text,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn the_command_is_well_formed() {
        Settings::command().debug_assert();
    }

    #[test]
    fn a_wrong_setting_is_one_line_that_names_it() {
        for (line, name) in [
            ("oidc-provider dev --listen nowhere", "--listen"),
            ("oidc-provider dev --listen localhost:70000", "--listen"),
            ("oidc-provider dev --nonsense", "--nonsense"),
            ("oidc-provider dev --log-format xml", "OIDC_LOG_FORMAT"),
            (
                "oidc-provider serve --namespace a --redis redis://x",
                "OIDC_RELEASE",
            ),
            (
                "oidc-provider serve --release a --redis redis://x",
                "POD_NAMESPACE",
            ),
            (
                "oidc-provider serve --release a --namespace a --redis redis://x --pod-uid u",
                "POD_NAME",
            ),
            (
                "oidc-provider serve --release a --namespace a --redis redis://x --pod p",
                "POD_UID",
            ),
            ("oidc-provider serve --release a --namespace a", "REDIS_URL"),
            (
                "oidc-provider serve --release A --namespace a --redis redis://x",
                "OIDC_RELEASE",
            ),
            (
                "oidc-provider serve --release a --namespace a --redis redis://x --shutdown-delay soon",
                "OIDC_SHUTDOWN_DELAY",
            ),
        ] {
            let text = wrong(line);
            assert!(text.contains(name) && !text.contains('\n'), "{line}: {text}");
        }
    }

    #[test]
    fn a_setting_without_a_variable_names_none() {
        let text = wrong("oidc-provider dev --listen nowhere");
        assert!(!text.contains("environment"), "{text}");
    }

    #[test]
    fn the_address_of_redis_is_never_shown() {
        let line =
            "oidc-provider serve --release a --namespace a --redis redis://:canary@x --shutdown-delay 1";
        assert!(!wrong(line).contains("canary"));
        let settings = read("oidc-provider dev --redis redis://:canary@x").unwrap();
        assert!(!format!("{settings:?}").contains("canary"));
    }

    #[test]
    fn loopback_is_told_from_the_rest() {
        for (text, loopback) in [
            ("localhost:1", true),
            ("127.0.0.1:1", true),
            ("127.8.0.1:1", true),
            ("[::1]:1", true),
            ("0.0.0.0:1", false),
            ("[::]:1", false),
            ("192.0.2.1:1", false),
        ] {
            assert_eq!(text.parse::<Listen>().unwrap().is_loopback(), loopback, "{text}");
        }
    }

    #[test]
    fn help_is_no_error() {
        assert!(matches!(read("oidc-provider --help"), Err(Stop::Told(_))));
        assert!(matches!(read("oidc-provider --version"), Err(Stop::Told(_))));
    }
}
