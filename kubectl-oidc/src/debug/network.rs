//! Whether the issuer answers from here: name, connection, certificate, discovery, clock, keys; and what it
//! says to this very client. What the answers mean is in [`verdicts`].

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use oidc_crds::rng::SystemRng;
use reqwest::header::{DATE, LOCATION};
use reqwest::tls::TlsInfo;
use tokio::net::{TcpStream, lookup_host};
use url::Url;

use super::line::Line;
use crate::oidc::issuer::{Reach, discovery_url, issuer_url};
use crate::oidc::request::{Kept, authorize_url};
use crate::output::plain;
use crate::party::Party;
use crate::shell::now;
use verdicts::{answered, authenticated, certificate, clock, document, handshake, http_date, keys};

mod verdicts;

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

#[cfg(test)]
mod tests {
    use super::*;

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
