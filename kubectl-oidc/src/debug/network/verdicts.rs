//! What an answer of the issuer means, or its absence: pure.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::super::line::Line;
use crate::oidc::issuer::discovery_url;
use crate::output::{plain, span};

/// How far clocks may differ: what verifiers allow commonly.
const SKEW: SignedDuration = SignedDuration::from_secs(10);
/// A certificate that ends within this is told of.
const SOON: SignedDuration = SignedDuration::from_hours(3 * 24);

/// RFC 9110 §5.6.7.
pub(super) fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|time| time.timestamp())
}

pub(super) fn handshake(causes: &str, https: bool, has_ca: bool) -> Line {
    let advice = if causes.contains("UnknownIssuer") || causes.contains("BadSignature") {
        if has_ca {
            "the CA is not the one that signed: take CA_CRT from the client's Secret again, or name the right one with --ca-file"
        } else {
            "the CA is not known here: name it with --ca-file (CA_CRT in the client's Secret)"
        }
    } else if causes.contains("Expired") || causes.contains("certificate expired") {
        "the certificate has ended: is the operator running, which renews it? With a Secret of your own, renew it"
    } else if causes.contains("NotValidForName") || causes.contains("not valid for name") {
        "the certificate is for another name: correct the chart's issuer.url, or the certificate"
    } else if causes.contains("NotValidYet") {
        "the certificate is of the future: is this machine's clock right?"
    } else if https && (causes.contains("InvalidContentType") || causes.contains("corrupt message")) {
        "something else than https answers there: correct the chart's issuer.url, or --connect-to"
    } else {
        return Line::failed(
            "https",
            plain(causes),
            "do the pods say why? `kubectl logs -l app.kubernetes.io/component=provider`",
        );
    };
    Line::failed("tls", plain(causes), advice)
}

/// How long certificate and CA are good.
pub(super) fn certificate(leaf: Option<&[u8]>, ca: Option<&str>, now: Timestamp) -> Line {
    let end = |der: &[u8]| {
        let certificate = X509Certificate::from_der(der).ok()?.1;
        Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()
    };
    let mut told = vec!["the certificate is good".to_owned()];
    let mut soon = false;
    let cas = Pem::iter_from_buffer(ca.unwrap_or_default().as_bytes()).filter_map(Result::ok);
    // of several CAs one may end: the latest counts, since an old one stays in the bundle for a while
    let ca_end = cas.filter_map(|pem| end(&pem.contents)).max();
    for (what, end) in [("it", leaf.and_then(end)), ("its CA", ca_end)] {
        let Some(end) = end else { continue };
        let left = end.duration_since(now);
        soon |= left < SOON;
        told.push(format!("{what} ends in {}", span(left)));
    }
    if soon {
        Line::unknown(
            "tls",
            told.join(", "),
            "is the operator running, which renews it? With a Secret of your own, renew it",
        )
    } else {
        Line::ok("tls", told.join(", "))
    }
}

/// Discovery, and where the keys are.
pub(super) fn document(status: u16, body: &[u8], issuer: &str) -> (Line, Option<String>) {
    let url = discovery_url(issuer);
    let Some(document) = (status == 200)
        .then(|| serde_json::from_slice::<Value>(body).ok())
        .flatten()
    else {
        let line = Line::failed(
            "discovery",
            format!("{url} answers {status}, and no document"),
            "is it the issuer that answers there? A proxy in front must pass all paths on",
        );
        return (line, None);
    };
    let jwks = document["jwks_uri"].as_str().map(str::to_owned);
    let line = match document["issuer"].as_str() {
        Some(said) if said == issuer => Line::ok("discovery", format!("the issuer is {issuer}")),
        said => Line::failed(
            "discovery",
            format!(
                "the issuer calls itself {}, not {issuer}",
                plain(said.unwrap_or("nothing"))
            ),
            "make the application's issuer the same to the letter; if the chart's issuer.url was changed, give the pods a moment",
        ),
    };
    (line, jwks)
}

/// How far this machine's clock is from the issuer's. `Date` has whole seconds, and the answer took a while.
pub(super) fn clock(date: Option<Timestamp>, asked_at: Timestamp, took: SignedDuration) -> Line {
    let Some(date) = date else {
        return Line::unknown("clock", "the issuer does not say what time it is", "");
    };
    let ahead = asked_at.duration_since(date);
    let behind = date.duration_since(asked_at).saturating_sub(took);
    // one second is lost in Date
    let (off, which) = if ahead.saturating_sub(SignedDuration::from_secs(1)) > behind {
        (ahead.saturating_sub(SignedDuration::from_secs(1)), "ahead of")
    } else {
        (behind, "behind")
    };
    if off > SKEW {
        Line::failed(
            "clock",
            format!("this machine's clock is {} {which} the issuer's", span(off)),
            "set both by NTP: tokens are refused as expired, or as of the future",
        )
    } else {
        Line::ok("clock", "this machine and the issuer agree")
    }
}

/// Whether the issuer publishes its keys.
pub(super) fn keys(status: u16, body: &[u8], kids: Option<&[String]>) -> Line {
    let Some(document) = (status == 200)
        .then(|| serde_json::from_slice::<Value>(body).ok())
        .flatten()
    else {
        return Line::failed(
            "jwks",
            format!("it answers {status}, and no keys"),
            "do the pods say why? `kubectl logs -l app.kubernetes.io/component=provider`",
        );
    };
    let published: Vec<&str> = document["keys"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|key| key["kid"].as_str())
        .collect();
    if published.is_empty() {
        return Line::failed("jwks", "no key is published", "see `kubectl oidc status`");
    }
    let missing = kids
        .unwrap_or_default()
        .iter()
        .find(|kid| !published.contains(&kid.as_str()));
    match missing {
        Some(missing) => Line::failed(
            "jwks",
            format!("the key {missing} of the key set is not published"),
            "the pod that answered holds an older key set: see `kubectl oidc status`; or a proxy caches for too long",
        ),
        None => Line::ok("jwks", format!("{} keys are published", published.len())),
    }
}

pub(super) fn authenticated(status: u16) -> Line {
    match status {
        200 => Line::ok(
            "credentials",
            "the issuer takes the secret that is in the client's Secret",
        ),
        401 => Line::failed(
            "credentials",
            "the issuer refuses the client, or the secret that is in its Secret",
            "if all above is well, wait a moment: pods learn of changes within a second; then see the pods' logs",
        ),
        429 => Line::unknown(
            "credentials",
            "the client has asked too often for now",
            "look again in a minute",
        ),
        other => Line::unknown(
            "credentials",
            format!("the issuer answers {other}"),
            "see the pods' logs",
        ),
    }
}

pub(super) fn answered(status: u16, location: Option<&str>, redirect_uri: &str) -> Line {
    let back = location.filter(|location| (300..400).contains(&status) && location.starts_with(redirect_uri));
    let Some(back) = back else {
        return match status {
            400..500 => Line::failed(
                "request",
                "the issuer refuses the client or the redirect URI, and shows a page that says so",
                "the lines above say why; open `kubectl oidc login-url` in a browser to read the page",
            ),
            _ => Line::unknown(
                "request",
                format!("the issuer answers {status}"),
                "see the pods' logs",
            ),
        };
    };
    let query = back.split_once('?').map_or("", |(_, query)| query);
    let parameters = url::form_urlencoded::parse(query.as_bytes());
    let error = parameters
        .into_owned()
        .find(|(name, _)| name == "error")
        .map(|(_, value)| value);
    match error.as_deref() {
        Some("login_required" | "consent_required" | "interaction_required") | None => Line::ok(
            "request",
            format!("the issuer takes a request for {redirect_uri}"),
        ),
        Some("temporarily_unavailable" | "server_error") => Line::failed(
            "request",
            "the issuer cannot reach its store",
            "is Redis up? See the pods' logs",
        ),
        Some(other) => Line::failed(
            "request",
            format!("the issuer refuses the request: {}", plain(other)),
            "see spec.scopes and spec.responseTypes",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::line::Outcome;
    use super::*;

    #[test]
    fn tls_failures_say_what_is_wrong_with_the_certificate() {
        for (causes, check, told) in [
            ("invalid peer certificate: UnknownIssuer", "tls", "--ca-file"),
            (
                "invalid peer certificate: certificate expired: …",
                "tls",
                "has ended",
            ),
            (
                "invalid peer certificate: certificate not valid for name \"x\"",
                "tls",
                "another name",
            ),
            (
                "received corrupt message of type InvalidContentType",
                "tls",
                "something else than https",
            ),
            ("operation timed out", "https", "logs"),
        ] {
            let line = handshake(causes, true, false);
            assert!(
                line.outcome == Outcome::Failed && line.check == check && line.advice.contains(told),
                "{line:?}"
            );
        }
        assert!(
            handshake("UnknownIssuer", true, true)
                .advice
                .contains("not the one that signed")
        );
    }

    #[test]
    fn discovery_names_the_issuer_to_the_letter() {
        let issuer = "https://i.example";
        let told = |status, body: &str| document(status, body.as_bytes(), issuer);
        let (line, jwks) = told(
            200,
            r#"{"issuer": "https://i.example", "jwks_uri": "https://i.example/jwks.json"}"#,
        );
        assert_eq!(
            (line.outcome, jwks.as_deref()),
            (Outcome::Ok, Some("https://i.example/jwks.json"))
        );
        let (line, _) = told(200, r#"{"issuer": "https://i.example/"}"#);
        assert!(
            line.outcome == Outcome::Failed && line.message.contains("https://i.example/,"),
            "{line:?}"
        );
        for (status, body) in [(404, ""), (200, "<html>"), (502, "{}")] {
            assert_eq!(told(status, body).0.outcome, Outcome::Failed);
        }
    }

    #[test]
    fn clocks_may_differ_by_ten_seconds() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let told =
            |date, asked, took| clock(Some(at(date)), at(asked), SignedDuration::from_secs(took)).outcome;
        assert_eq!(told(1000, 1011, 0), Outcome::Ok);
        assert_eq!(told(1000, 1012, 0), Outcome::Failed);
        assert_eq!(told(1000, 990, 0), Outcome::Ok);
        assert_eq!(told(1000, 989, 0), Outcome::Failed);
        assert_eq!(told(1000, 985, 5), Outcome::Ok, "the answer took its time");
        assert_eq!(clock(None, at(0), SignedDuration::ZERO).outcome, Outcome::Unknown);
        assert_eq!(
            http_date("Wed, 25 Nov 2026 17:00:00 GMT").unwrap().to_string(),
            "2026-11-25T17:00:00Z"
        );
    }

    #[test]
    fn every_key_of_the_set_is_published() {
        let body = br#"{"keys": [{"kid": "a"}, {"kid": "b"}]}"#;
        let kids = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(keys(200, body, Some(&kids(&["a"]))).outcome, Outcome::Ok);
        assert_eq!(keys(200, body, None).outcome, Outcome::Ok);
        assert!(
            keys(200, body, Some(&kids(&["c"])))
                .message
                .contains("c of the key set")
        );
        assert_eq!(keys(200, br#"{"keys": []}"#, None).outcome, Outcome::Failed);
        assert_eq!(keys(503, b"", None).outcome, Outcome::Failed);
    }

    #[test]
    fn the_answer_to_a_whole_request_is_read() {
        let told = |status, location| answered(status, location, "https://a.example/cb").outcome;
        assert_eq!(
            told(303, Some("https://a.example/cb?error=login_required&state=s")),
            Outcome::Ok
        );
        assert_eq!(
            told(303, Some("https://a.example/cb?error=invalid_scope")),
            Outcome::Failed
        );
        assert_eq!(
            told(303, Some("https://a.example/cb?error=temporarily_unavailable")),
            Outcome::Failed
        );
        assert_eq!(told(303, Some("https://elsewhere.example/")), Outcome::Unknown);
        assert_eq!(told(400, None), Outcome::Failed);
        assert_eq!(told(503, None), Outcome::Unknown);
        assert_eq!(authenticated(200).outcome, Outcome::Ok);
        assert_eq!(authenticated(401).outcome, Outcome::Failed);
        assert_eq!(authenticated(429).outcome, Outcome::Unknown);
    }
}
