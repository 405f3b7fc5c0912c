//! The answer to the authorization request: what it says, and the listener on loopback that takes it
//! (RFC 8252 §7.3).

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::output::plain;
use crate::redirect::Loopback;

/// The most bytes of a request's head.
const HEAD: usize = 16 * 1024;
/// How long a connection may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(10);

/// What an answer is checked by.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    /// The path of the redirect URI.
    pub(crate) path: String,
    /// The request's state.
    pub(crate) state: String,
    /// The issuer that was asked.
    pub(crate) issuer: String,
    /// Whether the issuer says that it names itself in its answers (RFC 9207 §3).
    pub(crate) names_itself: bool,
}

/// What a request to the listener is.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// The code.
    Code(String),
    /// The login failed; for people.
    Failed(String),
    /// Not the answer: a browser's request for an icon, or somebody else's.
    Stray,
}

/// Judges a request's target (path and query).
pub(crate) fn judge(target: &str, expected: &Expected) -> Verdict {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if path != expected.path {
        return Verdict::Stray;
    }
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()).into_owned() {
        // "parameters MUST NOT be included more than once" (RFC 6749 §3.1)
        if parameters.insert(name, value).is_some() {
            return Verdict::Stray;
        }
    }
    // Without our state it is not the answer to our request (RFC 6749 §10.12): another page may send a
    // browser here, and must not end the login.
    if parameters.get("state") != Some(&expected.state) {
        return Verdict::Stray;
    }
    // RFC 9207 §2.4: compared as strings; an answer that lacks it is refused where the issuer always sends it
    match parameters.get("iss") {
        Some(iss) if *iss != expected.issuer => {
            return Verdict::Failed(format!("the answer is of another issuer, {}", plain(iss)));
        }
        None if expected.names_itself => {
            return Verdict::Failed("the answer does not say which issuer it is of".to_owned());
        }
        _ => {}
    }
    if let Some(error) = parameters.get("error") {
        let description = parameters.get("error_description").map_or("", String::as_str);
        return Verdict::Failed(plain(&format!("{error}: {description}")));
    }
    match parameters.remove("code") {
        Some(code) if !code.is_empty() => Verdict::Code(code),
        _ => Verdict::Failed("the answer has no code".to_owned()),
    }
}

/// Listens on loopback.
pub(crate) struct Listener {
    sockets: Vec<TcpListener>,
    /// The port.
    pub(crate) port: u16,
}

impl Listener {
    /// Binds. `localhost` may be either loopback address to a browser, so both are listened on if both are there.
    pub(crate) async fn bind(at: &Loopback) -> Result<Self> {
        let v4 = async |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let v6 = async |port| TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await;
        let wanted = at.port.unwrap_or(0);
        let bound: io::Result<Vec<TcpListener>> = async {
            Ok(match at.host.as_str() {
                "[::1]" => vec![v6(wanted).await?],
                "localhost" => {
                    let first = v4(wanted).await?;
                    let second = v6(first.local_addr()?.port()).await.ok();
                    std::iter::once(first).chain(second).collect()
                }
                _ => vec![v4(wanted).await?],
            })
        }
        .await;
        let sockets = bound.with_context(|| {
            format!(
                "cannot listen at {}: is the port taken? A client with applicationType: native may use any",
                at.uri(wanted)
            )
        })?;
        let port = sockets
            .first()
            .map(TcpListener::local_addr)
            .transpose()?
            .map_or(0, |address: SocketAddr| address.port());
        Ok(Self { sockets, port })
    }

    /// Waits for the answer; its code.
    pub(crate) async fn answer(self, expected: Expected) -> Result<String> {
        let expected = Arc::new(expected);
        let (tell, mut told) = mpsc::channel(1);
        let mut tasks = tokio::task::JoinSet::new();
        for socket in self.sockets {
            let (expected, tell) = (expected.clone(), tell.clone());
            tasks.spawn(async move {
                // a browser opens connections that it never uses: none may keep another waiting
                let mut connections = tokio::task::JoinSet::new();
                while let Ok((stream, _)) = socket.accept().await {
                    let (expected, tell) = (expected.clone(), tell.clone());
                    connections.spawn(async move {
                        let served = tokio::time::timeout(PATIENCE, serve(stream, &expected));
                        if let Ok(Ok(verdict)) = served.await
                            && verdict != Verdict::Stray
                        {
                            let _ = tell.send(verdict).await;
                        }
                    });
                }
            });
        }
        match told.recv().await {
            Some(Verdict::Code(code)) => Ok(code),
            Some(Verdict::Failed(why)) => bail!("the login failed: {why}"),
            _ => bail!("nobody listens any more"),
        }
    }
}

/// Answers one request.
async fn serve(mut stream: TcpStream, expected: &Expected) -> io::Result<Verdict> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() > HEAD || stream.read_buf(&mut head).await? == 0 {
            return Ok(Verdict::Stray);
        }
    }
    let head = String::from_utf8_lossy(&head);
    let mut words = head.lines().next().unwrap_or_default().split(' ');
    let verdict = match (words.next(), words.next()) {
        (Some("GET"), Some(target)) => judge(target, expected),
        _ => Verdict::Stray,
    };
    stream.write_all(page(&verdict).as_bytes()).await?;
    stream.shutdown().await?;
    Ok(verdict)
}

/// What the person sees. Nothing of the request is in it.
fn page(verdict: &Verdict) -> String {
    let (status, text) = match verdict {
        Verdict::Code(_) => ("200 OK", "You are signed in. You can close this window."),
        Verdict::Failed(_) => ("400 Bad Request", "The login failed. The terminal says why."),
        Verdict::Stray => ("404 Not Found", "Nothing here."),
    };
    let body = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"color-scheme\" content=\"light dark\">\
         <title>kubectl oidc</title><p>{text}</p></html>\n"
    );
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\
         Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n\
         Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n\r\n{body}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(names_itself: bool) -> Expected {
        Expected {
            path: "/callback".to_owned(),
            state: "s1".to_owned(),
            issuer: "https://i.example".to_owned(),
            names_itself,
        }
    }

    const ISS: &str = "iss=https%3A%2F%2Fi.example";

    #[test]
    fn only_an_answer_with_our_state_counts() {
        for stray in [
            "/favicon.ico",
            "/callback",
            &format!("/callback?code=c&{ISS}"),
            &format!("/callback?code=c&state=s2&{ISS}"),
            &format!("/callback?code=c&state=s1&state=s1&{ISS}"),
            &format!("/callback/?code=c&state=s1&{ISS}"),
            "/callback?error=access_denied",
        ] {
            assert_eq!(judge(stray, &expected(true)), Verdict::Stray, "{stray}");
        }
        let good = format!("/callback?code=c%2F1&state=s1&{ISS}");
        assert_eq!(judge(&good, &expected(true)), Verdict::Code("c/1".to_owned()));
    }

    #[test]
    fn rfc_9207_2_4_the_issuer_of_the_answer_is_checked() {
        let failed =
            |target: &str, names_itself| matches!(judge(target, &expected(names_itself)), Verdict::Failed(_));
        assert!(failed("/callback?code=c&state=s1", true));
        assert!(!failed("/callback?code=c&state=s1", false));
        for names_itself in [true, false] {
            assert!(failed(
                "/callback?code=c&state=s1&iss=https%3A%2F%2Fevil.example",
                names_itself
            ));
            assert!(failed(
                "/callback?code=c&state=s1&iss=https%3A%2F%2Fi.example%2F",
                names_itself
            ));
        }
    }

    #[test]
    fn a_failed_login_is_told_without_control_characters() {
        let target = format!("/callback?error=access_denied&error_description=no%1b%5b2J&state=s1&{ISS}");
        assert_eq!(
            judge(&target, &expected(true)),
            Verdict::Failed("access_denied: no?[2J".to_owned())
        );
        let empty = format!("/callback?code=&state=s1&{ISS}");
        assert!(matches!(judge(&empty, &expected(true)), Verdict::Failed(_)));
    }

    #[tokio::test]
    async fn a_silent_connection_keeps_nobody_waiting() {
        let at = Loopback {
            host: "127.0.0.1".to_owned(),
            port: None,
            path: "/callback".to_owned(),
        };
        let listener = Listener::bind(&at).await.unwrap();
        let address = (Ipv4Addr::LOCALHOST, listener.port);
        let answer = tokio::spawn(listener.answer(expected(true)));
        let _silent = TcpStream::connect(address).await.unwrap();
        let ask = async |target: &str| {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            text
        };
        assert!(ask("/favicon.ico").await.starts_with("HTTP/1.1 404"));
        let told = ask(&format!("/callback?code=c&state=s1&{ISS}")).await;
        assert!(
            told.starts_with("HTTP/1.1 200") && told.contains("signed in"),
            "{told}"
        );
        assert_eq!(answer.await.unwrap().unwrap(), "c");
    }
}
