//! Logs and metrics. Labels are kinds, verbs and [`Reason`]s, never names of objects.

use std::sync::atomic::AtomicI64;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{Resource, ResourceExt};
use oidc_crds::resources::Reason;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, Settings};
use crate::plan::Standing;

/// Starts logging to stdout.
///
/// # Errors
/// When the filter is malformed or logging was started before.
pub(crate) fn start_logging(settings: &Settings) -> anyhow::Result<()> {
    // kube_client logs the body of an answer that it cannot read; that may be a Secret.
    let filter = EnvFilter::builder().parse(format!(
        "kube_client=info,hyper=info,hyper_util=info,rustls=info,tower=info,{},kube_client::client=error",
        settings.log
    ))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    match settings.log_format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.try_init(),
    }
    .map_err(|error| anyhow::anyhow!("logging does not start: {error}"))
}

/// One line when an object is refused, accepted anew, or ready or not for another reason. The reason only:
/// what a spec holds belongs to its condition.
pub(crate) fn tell_standing<K: Resource<DynamicType = ()>>(object: &K, old: &[Condition], new: &[Condition]) {
    if let Some(now) = Standing::changed(old, new) {
        tracing::info!(
            kind = %K::kind(&()),
            namespace = object.namespace(),
            name = object.name_any(),
            reason = now.reason,
            "{}",
            now.word
        );
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReconcileLabels {
    kind: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WriteLabels {
    kind: &'static str,
    verb: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

/// What `/metrics` tells.
pub(crate) struct Metrics {
    registry: Registry,
    reconciles: Family<ReconcileLabels, Counter>,
    writes: Family<WriteLabels, Counter>,
    watch_failures: Family<KindLabel, Counter>,
    leader: Gauge<i64, AtomicI64>,
    installation_valid: Gauge<i64, AtomicI64>,
    pods_behind: Gauge<i64, AtomicI64>,
    orphaned_keys: Gauge<i64, AtomicI64>,
    uses_known: Gauge<i64, AtomicI64>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("oidc_operator");
        let reconciles = Family::default();
        registry.register(
            "reconciles",
            "Reconciles by their outcome's reason",
            reconciles.clone(),
        );
        let writes = Family::default();
        registry.register(
            "writes",
            "Writes to the API server that succeeded",
            writes.clone(),
        );
        let watch_failures = Family::default();
        registry.register(
            "watch_failures",
            "Watches that broke and were opened again",
            watch_failures.clone(),
        );
        let leader = Gauge::default();
        registry.register("leader", "1 while this process leads", leader.clone());
        let installation_valid = Gauge::default();
        registry.register(
            "installation_valid",
            "1 if the newest version of the installation's ConfigMap is in force",
            installation_valid.clone(),
        );
        let pods_behind = Gauge::default();
        registry.register(
            "pods_behind",
            "Provider pods that count and have not acknowledged the key set as it is",
            pods_behind.clone(),
        );
        let orphaned_keys = Gauge::default();
        registry.register(
            "orphaned_keys",
            "Keys that sign though their SigningKey was deleted",
            orphaned_keys.clone(),
        );
        let uses_known = Gauge::default();
        registry.register(
            "uses_known_timestamp_seconds",
            "Up to when all pods have told which credentials clients used",
            uses_known.clone(),
        );
        Self {
            registry,
            reconciles,
            writes,
            watch_failures,
            leader,
            installation_valid,
            pods_behind,
            orphaned_keys,
            uses_known,
        }
    }

    pub(crate) fn reconciled(&self, kind: &'static str, reason: Reason) {
        let reason = reason.as_str();
        self.reconciles
            .get_or_create(&ReconcileLabels { kind, reason })
            .inc();
    }

    pub(crate) fn wrote(&self, kind: &'static str, verb: &'static str) {
        self.writes.get_or_create(&WriteLabels { kind, verb }).inc();
    }

    pub(crate) fn watch_failed(&self, kind: &'static str) {
        self.watch_failures.get_or_create(&KindLabel { kind }).inc();
    }

    pub(crate) fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    pub(crate) fn installation_valid(&self, valid: bool) {
        self.installation_valid.set(i64::from(valid));
    }

    /// A rotation waits for these; their names are in the condition.
    pub(crate) fn pods_behind(&self, pods: usize) {
        self.pods_behind.set(i64::try_from(pods).unwrap_or(i64::MAX));
    }

    /// These sign for want of another.
    pub(crate) fn orphaned_keys(&self, keys: usize) {
        self.orphaned_keys.set(i64::try_from(keys).unwrap_or(i64::MAX));
    }

    /// Up to then every use of a credential is known.
    pub(crate) fn uses_known(&self, second: i64) {
        self.uses_known.set(second);
    }

    /// The OpenMetrics text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> String {
        let metrics = Metrics::new();
        metrics.reconciled("OidcClient", Reason::Ready);
        metrics.wrote("Secret", "create");
        metrics.watch_failed("Secret");
        metrics.leads(true);
        metrics.pods_behind(2);
        metrics.orphaned_keys(1);
        metrics.uses_known(7);
        metrics.text()
    }

    #[test]
    fn metrics_have_the_promised_names() {
        let text = text();
        for line in [
            "oidc_operator_reconciles_total{kind=\"OidcClient\",reason=\"Ready\"} 1",
            "oidc_operator_writes_total{kind=\"Secret\",verb=\"create\"} 1",
            "oidc_operator_watch_failures_total{kind=\"Secret\"} 1",
            "oidc_operator_leader 1",
            "oidc_operator_installation_valid 0",
            "oidc_operator_pods_behind 2",
            "oidc_operator_orphaned_keys 1",
            "oidc_operator_uses_known_timestamp_seconds 7",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn dashboards_and_alerts_ask_for_metrics_that_are_there() {
        let files = [
            include_str!("../../examples/monitoring/dashboard.json"),
            include_str!("../../examples/monitoring/alerts.yaml"),
        ];
        let text = text();
        let names = files
            .iter()
            .flat_map(|file| file.split(|c: char| !c.is_ascii_lowercase() && c != '_'));
        let mut ours = 0;
        for name in names.filter(|name| name.starts_with("oidc_operator_")) {
            let family = name.trim_end_matches("_total").trim_end_matches("_bucket");
            assert!(text.contains(&format!("# TYPE {family} ")), "{name}");
            ours += 1;
        }
        assert!(ours > 3);
    }
}
