//! Whether the issuer answers from here: name, connection, certificate, discovery, clock, keys; and what it
//! says to this very client.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use oidc_crds::rng::SystemRng;
use reqwest::header::{DATE, LOCATION};
use reqwest::tls::TlsInfo;
use serde_json::Value;
use tokio::net::{TcpStream, lookup_host};
use url::Url;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::line::Line;
use crate::oidc::issuer::{Reach, discovery_url, issuer_url};
use crate::oidc::request::{Kept, authorize_url};
use crate::output::{plain, span};
use crate::party::Party;
use crate::shell::now;

/// How far clocks may differ: what verifiers allow commonly.
const SKEW: SignedDuration = SignedDuration::from_secs(10);
/// A certificate that ends within this is told of.
const SOON: SignedDuration = SignedDuration::from_hours(3 * 24);

/// What the issuer said, for checks that need it.
struct Said {
    status: u16,
    body: Vec<u8>,
    location: Option<String>,
    date: Option<Timestamp>,
    certificate: Option<Vec<u8>>,
    /// When it was asked, and how long that took.
    asked_at: Timestamp,
    took: SignedDuration,
}

/// Asks the issuer; each step is tried only if the one before went well. `kids`: what must be published, if
/// known; `redirect_uri`: the one that is asked about.
pub(super) async fn lines(
    party: &Party,
    reach: &Reach,
    kids: Option<&[String]>,
    redirect_uri: Option<&str>,
) -> Vec<Line> {
    let mut lines = Vec::new();
    let url = match issuer_url(&party.issuer) {
        Ok(url) => url,
        Err(error) => {
            return vec![Line::failed(
                "issuer",
                error.to_string(),
                "correct the chart's issuer.url",
            )];
        }
    };
    let Some(addresses) = name(&url, reach, &mut lines).await else {
        return lines;
    };
    if !connection(&addresses, &mut lines).await {
        return lines;
    }
    let http = match reach.client(&url, party.ca.as_deref()).await {
        Ok(http) => http,
        Err(error) => {
            lines.push(Line::failed(
                "tls",
                format!("{error:#}"),
                "give the issuer's CA with --ca-file",
            ));
            return lines;
        }
    };
    let discovery = match ask(http.get(discovery_url(&party.issuer))).await {
        Ok(said) => said,
        Err(error) => {
            lines.push(no_answer(&error, url.scheme() == "https", party.ca.is_some()));
            return lines;
        }
    };
    if url.scheme() == "https" {
        lines.push(certificate(
            discovery.certificate.as_deref(),
            party.ca.as_deref(),
            now(),
        ));
    }
    let (line, jwks_uri) = document(discovery.status, &discovery.body, &party.issuer);
    lines.push(line);
    lines.push(clock(discovery.date, discovery.asked_at, discovery.took));
    if let Some(jwks_uri) = jwks_uri {
        lines.push(match ask(http.get(jwks_uri)).await {
            Ok(said) => keys(said.status, &said.body, kids),
            Err(error) => Line::failed(
                "jwks",
                plain(&causes(&error)),
                "ask again: the issuer answered a moment ago",
            ),
        });
    }
    if let Some(line) = authentication(&http, party).await {
        lines.push(line);
    }
    let registered = party.redirect_uris.as_ref().and_then(|(uris, _)| uris.first());
    if let Some(redirect_uri) = redirect_uri.or(registered.map(String::as_str)) {
        lines.push(request(&http, party, redirect_uri).await);
    }
    lines
}

async fn ask(request: reqwest::RequestBuilder) -> Result<Said, reqwest::Error> {
    let asked_at = now();
    let answer = request.send().await?;
    let took = now().duration_since(asked_at);
    let header = |name| {
        answer
            .headers()
            .get(name)
            .and_then(|value: &reqwest::header::HeaderValue| value.to_str().ok())
    };
    let date = header(DATE).and_then(http_date);
    let location = header(LOCATION).map(str::to_owned);
    let certificate = answer
        .extensions()
        .get::<TlsInfo>()
        .and_then(TlsInfo::peer_certificate)
        .map(<[u8]>::to_vec);
    Ok(Said {
        status: answer.status().as_u16(),
        location,
        date,
        certificate,
        asked_at,
        took,
        body: answer.bytes().await?.to_vec(),
    })
}

/// RFC 9110 §5.6.7.
fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|time| time.timestamp())
}

async fn name(url: &Url, reach: &Reach, lines: &mut Vec<Line>) -> Option<Vec<SocketAddr>> {
    match reach.address().await {
        Ok(Some(address)) => {
            lines.push(Line::ok("dns", format!("not asked: --connect-to {address}")));
            return Some(vec![address]);
        }
        Ok(None) => {}
        Err(error) => {
            lines.push(Line::failed("dns", format!("{error:#}"), "correct --connect-to"));
            return None;
        }
    }
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or(443);
    let found = lookup_host((host.trim_matches(['[', ']']), port))
        .await
        .map(Iterator::collect::<Vec<_>>);
    match found {
        Ok(addresses) if !addresses.is_empty() => {
            let shown: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
            lines.push(Line::ok("dns", format!("{host} is {}", shown.join(", "))));
            Some(addresses)
        }
        other => {
            let why = other
                .err()
                .map_or_else(|| "no address".to_owned(), |error| error.to_string());
            let advice = if host.contains(".svc") {
                "this name is known inside the cluster only: run this in a pod, or forward a port (`kubectl port-forward \
                 service/RELEASE 8443:443`) and give --connect-to 127.0.0.1:8443; browsers need the name too"
            } else {
                "make a DNS record for the issuer, or correct the chart's issuer.url"
            };
            lines.push(Line::failed("dns", format!("{host}: {why}"), advice));
            None
        }
    }
}

async fn connection(addresses: &[SocketAddr], lines: &mut Vec<Line>) -> bool {
    let mut why = String::new();
    for address in addresses {
        match tokio::time::timeout(Duration::from_secs(5), TcpStream::connect(address)).await {
            Ok(Ok(_)) => {
                lines.push(Line::ok("tcp", format!("{address} accepts connections")));
                return true;
            }
            Ok(Err(error)) => why = format!("{address}: {error}"),
            Err(_) => why = format!("{address}: no answer in 5 s"),
        }
    }
    lines.push(Line::failed(
        "tcp",
        why,
        "is a provider pod ready? Does a NetworkPolicy or a firewall stand in between?",
    ));
    false
}

/// All that an error says, cause by cause.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// Why there is no answer at all.
fn no_answer(error: &reqwest::Error, https: bool, has_ca: bool) -> Line {
    handshake(&causes(error), https, has_ca)
}

fn handshake(causes: &str, https: bool, has_ca: bool) -> Line {
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
fn certificate(leaf: Option<&[u8]>, ca: Option<&str>, now: Timestamp) -> Line {
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
fn document(status: u16, body: &[u8], issuer: &str) -> (Line, Option<String>) {
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
fn clock(date: Option<Timestamp>, asked_at: Timestamp, took: SignedDuration) -> Line {
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
fn keys(status: u16, body: &[u8], kids: Option<&[String]>) -> Line {
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

/// Whether the issuer takes the client's secret: it is asked about a token that is none (RFC 7662 §2.2).
async fn authentication(http: &reqwest::Client, party: &Party) -> Option<Line> {
    let secret = party.secret.as_ref()?;
    let url = format!("{}/introspect", party.issuer);
    let mut form = vec![("token", "none")];
    let mut request = http.post(&url);
    if party.in_body {
        form.extend([
            ("client_id", party.client_id.as_str()),
            ("client_secret", secret.expose()),
        ]);
    } else {
        let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        request = request.basic_auth(encode(&party.client_id), Some(encode(secret.expose())));
    }
    let answer = ask(request.form(&form)).await;
    Some(match answer {
        Ok(said) => authenticated(said.status),
        Err(error) => Line::unknown("credentials", plain(&causes(&error)), ""),
    })
}

fn authenticated(status: u16) -> Line {
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

/// The whole request as an application's browser sends it, without a person: `prompt=none` must come back to the
/// redirect URI with `login_required` (OpenID Connect Core §3.1.2.6).
async fn request(http: &reqwest::Client, party: &Party, redirect_uri: &str) -> Line {
    let kept = Kept::draw(&mut SystemRng);
    let scopes = party.scopes.clone().unwrap_or_else(|| vec!["openid".to_owned()]);
    let endpoint = format!("{}/authorize", party.issuer);
    let mut url = match authorize_url(&endpoint, &party.client_id, redirect_uri, &scopes, &kept) {
        Ok(url) => url,
        Err(error) => return Line::failed("request", format!("{error:#}"), ""),
    };
    url.query_pairs_mut().append_pair("prompt", "none");
    match ask(http.get(url)).await {
        Ok(said) => answered(said.status, said.location.as_deref(), redirect_uri),
        Err(error) => Line::unknown("request", plain(&causes(&error)), ""),
    }
}

fn answered(status: u16, location: Option<&str>, redirect_uri: &str) -> Line {
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
    use super::super::line::Outcome;
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

    #[tokio::test]
    async fn names_that_only_the_cluster_knows_are_explained() {
        let url = Url::parse("https://oidc.idp.svc.invalid").unwrap();
        let mut lines = Vec::new();
        assert!(name(&url, &Reach::default(), &mut lines).await.is_none());
        assert!(lines[0].advice.contains("port-forward"), "{lines:?}");
        let reach = Reach {
            connect_to: Some("127.0.0.1:1".to_owned()),
            ..Reach::default()
        };
        let addresses = name(&url, &reach, &mut lines).await.unwrap();
        assert_eq!(addresses, ["127.0.0.1:1".parse().unwrap()]);
        let closed = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        assert!(!connection(&[closed], &mut lines).await);
        assert_eq!(lines.last().unwrap().check, "tcp");
    }
}
