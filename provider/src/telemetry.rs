//! Logs: to standard error, as JSON or text. Standard output is for what a person asked for.
//!
//! What may be logged: ids of clients and keys, grants, scopes, error codes, times, request ids. Never
//! bearer values, secrets, passwords, personal data, or a URL with its query. The target `audit` tells
//! who was let in and who was not.

use tracing::Dispatch;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Directive;
use tracing_subscriber::fmt::MakeWriter;

use self::json::{JsonLine, Members};
use self::lines::{Flush, Lines};
use crate::config::{Log, LogFormat};

mod json;
mod lines;

/// The target of audit events.
pub const AUDIT: &str = "audit";

/// Starts logging; the last lines are written when what is returned is dropped.
///
/// # Errors
/// When the filter is malformed: one line that names the setting.
pub fn start(log: &Log) -> Result<Flush, String> {
    let cannot = |error: &dyn std::fmt::Display| format!("logging cannot start: {error}");
    let (lines, flush) = Lines::start(std::io::stderr()).map_err(|error| cannot(&error))?;
    let started = tracing::dispatcher::set_global_default(subscriber(log, lines)?);
    started.map_err(|error| cannot(&error))?;
    Ok(flush)
}

/// What makes lines of events, for `out` to write.
///
/// # Errors
/// When the filter is malformed: one line that names the setting.
pub fn subscriber<W>(log: &Log, out: W) -> Result<Dispatch, String>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter(&log.filter)?)
        .with_writer(out);
    Ok(match log.format {
        LogFormat::Json => builder.fmt_fields(Members).event_format(JsonLine).into(),
        LogFormat::Text => builder.with_ansi(false).into(),
    })
}

/// Levels of what the filter does not speak of. The cluster's client would tell the address of each
/// request at `debug`; in an outage it and its watches would fill the log, of which we tell ourselves.
const DEFAULTS: [(&str, &str); 4] = [
    (AUDIT, "info"),
    ("kube_client", "info"),
    ("kube_client::client::builder", "off"),
    ("kube_runtime", "error"),
];

fn filter(text: &str) -> Result<EnvFilter, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("--log (environment: OIDC_LOG): {error}");
    let mut filter = EnvFilter::builder().parse(text).map_err(|error| wrong(&error))?;
    for (target, level) in DEFAULTS {
        if !text.contains(target) {
            let directive: Directive = format!("{target}={level}")
                .parse()
                .map_err(|error| wrong(&error))?;
            filter = filter.add_directive(directive);
        }
    }
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_filter_names_the_setting() {
        let error = filter("info,oidc_provider=loud").unwrap_err();
        assert!(error.contains("OIDC_LOG") && !error.contains('\n'), "{error}");
    }

    #[test]
    fn audit_and_the_cluster_client_have_levels_of_their_own() {
        let text = filter("error").unwrap().to_string();
        assert!(
            text.contains("audit=info") && text.contains("kube_client=info"),
            "{text}"
        );
        let text = filter("error,audit=off").unwrap().to_string();
        assert!(!text.contains("audit=info"), "{text}");
    }
}
