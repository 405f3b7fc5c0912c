//! Numbers for Prometheus (OpenMetrics). Labels are closed vocabularies, never names of objects or people.

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// One label.
type One = [(&'static str, &'static str); 1];
/// Endpoint and status.
type OfResponse = (One, [(&'static str, u16); 1]);

/// Upper bounds of the buckets of response times, in seconds.
const SECONDS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

/// All metrics of the process.
pub struct Metrics {
    registry: Registry,
    tokens: Family<One, Counter>,
    auth_requests: Family<One, Counter>,
    logins: Family<One, Counter>,
    response_time: Family<One, Histogram, fn() -> Histogram>,
    responses: Family<OfResponse, Counter>,
    rate_limited: Family<One, Counter>,
    account_actions: Family<One, Counter>,
    store_errors: Counter,
    active_sessions: Gauge,
    watch_contact: Family<One, Gauge>,
    last_good: Family<One, Gauge>,
    acknowledgement_failures: Counter,
    limit_exchange_failures: Counter,
    uses_reported: Gauge,
}

/// The numbers of one endpoint that nearly every request touches.
#[derive(Clone)]
pub struct OfEndpoint {
    endpoint: &'static str,
    response_time: Histogram,
    /// Answers with the status 200.
    good: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let metrics = Self {
            tokens: Family::default(),
            auth_requests: Family::default(),
            logins: Family::default(),
            response_time: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            responses: Family::default(),
            rate_limited: Family::default(),
            account_actions: Family::default(),
            store_errors: Counter::default(),
            active_sessions: Gauge::default(),
            watch_contact: Family::default(),
            last_good: Family::default(),
            acknowledgement_failures: Counter::default(),
            limit_exchange_failures: Counter::default(),
            uses_reported: Gauge::default(),
            registry: Registry::default(),
        };
        // counters get `_total` when they are written
        registry.register(
            "oidc_tokens_issued",
            "Answers of the token endpoint that held tokens",
            metrics.tokens.clone(),
        );
        registry.register(
            "oidc_auth_requests",
            "Authorization requests that ended, by outcome",
            metrics.auth_requests.clone(),
        );
        registry.register(
            "oidc_logins",
            "Answered login forms, by outcome",
            metrics.logins.clone(),
        );
        registry.register(
            "oidc_response_time_seconds",
            "Time to answer",
            metrics.response_time.clone(),
        );
        registry.register(
            "oidc_responses",
            "Answers by endpoint and status",
            metrics.responses.clone(),
        );
        registry.register(
            "oidc_rate_limited",
            "Requests that were told to come later, by limit",
            metrics.rate_limited.clone(),
        );
        registry.register(
            "oidc_account_actions",
            "What people did on their account page",
            metrics.account_actions.clone(),
        );
        registry.register(
            "oidc_store_errors",
            "Requests that failed since the store was away",
            metrics.store_errors.clone(),
        );
        registry.register(
            "oidc_active_sessions",
            "Browser sessions that live",
            metrics.active_sessions.clone(),
        );
        registry.register(
            "oidc_watch_contact_timestamp_seconds",
            "When the API server last answered a list or watch",
            metrics.watch_contact.clone(),
        );
        registry.register(
            "oidc_last_good_in_force",
            "1 while an object is gone or unreadable and its last good state rules",
            metrics.last_good.clone(),
        );
        registry.register(
            "oidc_acknowledgement_failures",
            "Writes of the pod's Lease, which says what key set it serves, that failed",
            metrics.acknowledgement_failures.clone(),
        );
        registry.register(
            "oidc_limit_exchange_failures",
            "Times that the pod could not tell the store what it let through of the limits that pods share",
            metrics.limit_exchange_failures.clone(),
        );
        registry.register(
            "oidc_uses_reported_timestamp_seconds",
            "When the store last took which credentials clients used",
            metrics.uses_reported.clone(),
        );
        Self { registry, ..metrics }
    }
}

impl Metrics {
    /// `oidc_tokens_issued_total{grant_type}`: an answer with tokens left.
    pub fn token_issued(&self, grant_type: &'static str) {
        self.tokens.get_or_create(&[("grant_type", grant_type)]).inc();
    }

    /// `oidc_auth_requests_total{outcome}`: an authorization request ended (`code`, or an error code).
    pub fn auth_request(&self, outcome: &'static str) {
        self.auth_requests.get_or_create(&[("outcome", outcome)]).inc();
    }

    /// `oidc_logins_total{outcome}`: a login form was answered (`success`, `wrong_credentials`, `denied`,
    /// `limited`, `session_limit`).
    pub fn login(&self, outcome: &'static str) {
        self.logins.get_or_create(&[("outcome", outcome)]).inc();
    }

    /// `oidc_account_actions_total{action}`: a person did something on their account page (`sign_out`,
    /// `sign_out_others`, `sign_out_everywhere`).
    pub fn account_action(&self, action: &'static str) {
        self.account_actions.get_or_create(&[("action", action)]).inc();
    }

    /// The numbers of an endpoint, looked up once.
    #[must_use]
    pub fn of_endpoint(&self, endpoint: &'static str) -> OfEndpoint {
        OfEndpoint {
            endpoint,
            response_time: self
                .response_time
                .get_or_create(&[("endpoint", endpoint)])
                .clone(),
            good: self.of_status(endpoint, 200),
        }
    }

    /// `oidc_response_time_seconds{endpoint}` and `oidc_responses_total{endpoint,status}`.
    pub fn response(&self, of: &OfEndpoint, status: u16, seconds: f64) {
        of.response_time.observe(seconds);
        if status == 200 {
            of.good.inc();
        } else {
            self.of_status(of.endpoint, status).inc();
        }
    }

    fn of_status(&self, endpoint: &'static str, status: u16) -> Counter {
        let labels = ([("endpoint", endpoint)], [("status", status)]);
        self.responses.get_or_create(&labels).clone()
    }

    /// `oidc_rate_limited_total{limit}`: a request was told to come later (`login_per_account`,
    /// `login_per_address`, `password_hashes`, `registration_per_client`, `requests_per_address`,
    /// `token_per_client`).
    pub fn rate_limited(&self, limit: &'static str) {
        self.rate_limited.get_or_create(&[("limit", limit)]).inc();
    }

    /// `oidc_store_errors_total`: a request failed since the store was away.
    pub fn store_error(&self) {
        self.store_errors.inc();
    }

    /// `oidc_watch_contact_timestamp_seconds{kind}`: the API server answered a list or watch of this kind.
    pub fn watch_contact(&self, kind: &'static str, second: i64) {
        self.watch_contact.get_or_create(&[("kind", kind)]).set(second);
    }

    /// `oidc_last_good_in_force{object}`: an object is gone or unreadable, and its last good state rules.
    pub fn last_good_in_force(&self, object: &'static str, is_so: bool) {
        self.last_good
            .get_or_create(&[("object", object)])
            .set(i64::from(is_so));
    }

    /// `oidc_acknowledgement_failures_total`: the pod could not say in its Lease which key set it serves.
    pub fn acknowledgement_failed(&self) {
        self.acknowledgement_failures.inc();
    }

    /// `oidc_limit_exchange_failures_total`: the store did not take what the pod let through of the limits that
    /// pods share.
    pub fn limit_exchange_failed(&self) {
        self.limit_exchange_failures.inc();
    }

    /// `oidc_uses_reported_timestamp_seconds`: the store took which credentials clients used.
    pub fn uses_reported(&self, second: i64) {
        self.uses_reported.set(second);
    }

    /// The text of `/metrics`; `active_sessions` is `oidc_active_sessions` if the store told it.
    #[must_use]
    pub fn encode(&self, active_sessions: Option<u64>) -> String {
        if let Some(sessions) = active_sessions {
            self.active_sessions
                .set(i64::try_from(sessions).unwrap_or(i64::MAX));
        }
        let mut text = String::new();
        // writing to a String cannot fail
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> String {
        let metrics = Metrics::default();
        metrics.token_issued("refresh_token");
        metrics.auth_request("code");
        metrics.login("success");
        metrics.rate_limited("login_per_account");
        metrics.response(&metrics.of_endpoint("/token"), 200, 0.002);
        metrics.account_action("withdraw");
        metrics.watch_contact("OidcClient", 1);
        metrics.last_good_in_force("key-set", true);
        metrics.acknowledgement_failed();
        metrics.store_error();
        metrics.limit_exchange_failed();
        metrics.uses_reported(7);
        metrics.encode(Some(3))
    }

    #[test]
    fn names_are_those_that_dashboards_know() {
        let text = text();
        for line in [
            r#"oidc_tokens_issued_total{grant_type="refresh_token"} 1"#,
            r#"oidc_auth_requests_total{outcome="code"} 1"#,
            r#"oidc_logins_total{outcome="success"} 1"#,
            r#"oidc_response_time_seconds_count{endpoint="/token"} 1"#,
            r#"oidc_response_time_seconds_bucket{le="0.0025",endpoint="/token"} 1"#,
            r#"oidc_responses_total{endpoint="/token",status="200"} 1"#,
            r#"oidc_rate_limited_total{limit="login_per_account"} 1"#,
            "oidc_store_errors_total 1",
            "oidc_limit_exchange_failures_total 1",
            "oidc_uses_reported_timestamp_seconds 7",
            "oidc_active_sessions 3",
            "# EOF",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
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
        for name in names.filter(|name| name.starts_with("oidc_") && !name.starts_with("oidc_operator_")) {
            let family = name.trim_end_matches("_total").trim_end_matches("_bucket");
            assert!(text.contains(&format!("# TYPE {family} ")), "{name}");
            ours += 1;
        }
        assert!(ours > 3);
    }
}
