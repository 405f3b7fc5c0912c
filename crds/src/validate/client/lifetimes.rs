//! `spec.tokens.*Ttl`: within what the installation has, or grants.

use std::sync::Arc;

use super::{Violations, text};
use crate::names::Seconds;
use crate::resources::Reason;
use crate::resources::oidc_client::Tokens;
use crate::secrets::installation::{Installation, Lifetimes};

/// The lifetimes of what is issued to a client: its own, else the installation's.
pub(super) fn effective(
    tokens: &Tokens,
    namespace: &str,
    installation: &Installation,
    v: &mut Violations,
) -> Arc<Lifetimes> {
    let longest = installation.longest_lifetimes(namespace);
    let mut chosen = |field: &str, own: Option<Seconds>, default: Seconds, most: Seconds| {
        let Some(own) = own else {
            return default;
        };
        let field = format!("spec.tokens.{field}");
        if own == Seconds(0) {
            v.invalid(field, "is zero: leave it out for the installation's");
        } else if own > most {
            let message = format!(
                "{} is longer than {most}, the most that the namespace {namespace} may have: shorten it, or \
                 have the installation's grants raised",
                text::quoted(&own.to_string())
            );
            v.add(Reason::NotGranted, field, message);
        }
        own
    };
    let base = &installation.lifetimes;
    let access_token = chosen(
        "accessTokenTtl",
        tokens.access_token_ttl,
        base.access_token,
        longest.access_token,
    );
    let id_token = chosen("idTokenTtl", tokens.id_token_ttl, base.id_token, longest.id_token);
    let refresh_token = chosen(
        "refreshTokenTtl",
        tokens.refresh_token_ttl,
        base.refresh_token,
        longest.refresh_token,
    );
    let refresh_token_idle = chosen(
        "refreshTokenIdleTtl",
        tokens.refresh_token_idle_ttl,
        base.refresh_token_idle.min(refresh_token),
        longest.refresh_token_idle,
    );
    if refresh_token_idle > refresh_token {
        v.invalid(
            "spec.tokens.refreshTokenIdleTtl",
            format!("is longer than refresh tokens live at all, {refresh_token}"),
        );
    }
    let lifetimes = Lifetimes {
        access_token,
        id_token,
        refresh_token,
        refresh_token_idle,
        ..Lifetimes::clone(base)
    };
    if lifetimes == **base {
        base.clone()
    } else {
        Arc::new(lifetimes)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::{judge, with};
    use super::*;

    fn told(tokens: Value) -> Vec<(String, Reason)> {
        let violations = judge(with(json!({"tokens": tokens}))).err().unwrap_or_default();
        violations
            .into_iter()
            .map(|violation| (violation.field, violation.reason))
            .collect()
    }

    #[test]
    fn jwt_05_a_client_may_shorten_its_lifetimes() {
        let client = judge(with(json!({"tokens": {
            "accessTokenTtl": "1m", "idTokenTtl": "2m", "refreshTokenTtl": "1h",
        }})))
        .unwrap();
        let lifetimes = client.lifetimes();
        assert_eq!(lifetimes.access_token, Seconds(60));
        assert_eq!(lifetimes.id_token, Seconds(120));
        assert_eq!(lifetimes.refresh_token, Seconds(3600));
        // the installation's 14 days would outlive the token
        assert_eq!(lifetimes.refresh_token_idle, Seconds(3600));
        assert_eq!(client.longest_token(), Seconds(120));
    }

    #[test]
    fn jwt_05_longer_lifetimes_need_a_grant() {
        let too_long = json!({
            "accessTokenTtl": "11m", "idTokenTtl": "16m", "refreshTokenTtl": "91d", "refreshTokenIdleTtl": "15d",
        });
        assert_eq!(
            told(too_long),
            [
                "spec.tokens.accessTokenTtl",
                "spec.tokens.idTokenTtl",
                "spec.tokens.refreshTokenTtl",
                "spec.tokens.refreshTokenIdleTtl",
            ]
            .map(|field| (field.to_owned(), Reason::NotGranted))
        );
        // the installation's is 5 minutes, the namespace's grant allows 10
        assert_eq!(told(json!({"accessTokenTtl": "10m"})), []);
    }

    #[test]
    fn jwt_05_senseless_lifetimes_are_refused() {
        let invalid = |field: &str| vec![(format!("spec.tokens.{field}"), Reason::Invalid)];
        assert_eq!(told(json!({"accessTokenTtl": "0s"})), invalid("accessTokenTtl"));
        assert_eq!(
            told(json!({"refreshTokenTtl": "1h", "refreshTokenIdleTtl": "2h"})),
            invalid("refreshTokenIdleTtl")
        );
    }
}
