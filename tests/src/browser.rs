//! A browser without scripts: cookies, redirects that the caller follows, and one pod after another.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use reqwest::header::{HeaderMap, LOCATION, SET_COOKIE};
use reqwest::{Certificate, Client, Method, RequestBuilder, redirect};
use url::Url;

use crate::forms::{self, Form};

/// What a request brought.
#[derive(Debug, Clone)]
pub struct Page {
    /// The address that was asked.
    pub url: Url,
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub body: String,
}

impl Page {
    /// Where the answer redirects to.
    #[must_use]
    pub fn location(&self) -> Option<Url> {
        self.url.join(self.headers.get(LOCATION)?.to_str().ok()?).ok()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is not JSON; the error shows the answer.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_str(&self.body).with_context(|| self.describe())
    }

    /// The answer in one line, for messages.
    #[must_use]
    pub fn describe(&self) -> String {
        let body: String = self.body.chars().take(600).collect();
        format!("{} answered {}: {body}", self.url.path(), self.status)
    }

    /// Fails unless the status is `status`.
    ///
    /// # Errors
    /// With the answer.
    pub fn expect(self, status: u16) -> Result<Self> {
        if self.status == status {
            Ok(self)
        } else {
            Err(anyhow!("expected {status}: {}", self.describe()))
        }
    }
}

/// An https client that trusts one CA, keeps cookies, and sends each request to the next of its routes.
pub struct Browser {
    routes: Vec<Client>,
    next: AtomicUsize,
    cookies: Mutex<BTreeMap<String, String>>,
}

impl Browser {
    /// Trusts `ca` (PEM) and nothing else. Requests to `host` go round `pods`, or where its name says
    /// if there are none.
    ///
    /// # Errors
    /// When the CA cannot be parsed.
    pub fn new(ca: &str, host: &str, pods: &[SocketAddr]) -> Result<Self> {
        Self::build(Some(ca), host, pods)
    }

    /// Trusts nobody: for a provider that speaks http on this machine.
    ///
    /// # Errors
    /// When the system gives no client.
    pub fn without_tls() -> Result<Self> {
        Self::build(None, "localhost", &[])
    }

    fn build(ca: Option<&str>, host: &str, pods: &[SocketAddr]) -> Result<Self> {
        let trusted = ca.map(|ca| Certificate::from_pem(ca.as_bytes()).context("the issuer's CA"));
        let trusted: Vec<Certificate> = trusted.transpose()?.into_iter().collect();
        let build = |pod: Option<&SocketAddr>| -> Result<Client> {
            let mut builder = Client::builder()
                .tls_certs_only(trusted.clone())
                .redirect(redirect::Policy::none())
                .no_proxy()
                .connect_timeout(Duration::from_secs(3))
                .timeout(Duration::from_secs(10));
            if let Some(pod) = pod {
                builder = builder.resolve(host, *pod);
            }
            Ok(builder.build()?)
        };
        let routes = if pods.is_empty() {
            vec![build(None)?]
        } else {
            pods.iter().map(|pod| build(Some(pod))).collect::<Result<_>>()?
        };
        Ok(Self {
            routes,
            next: AtomicUsize::new(0),
            cookies: Mutex::default(),
        })
    }

    /// How many routes it goes round.
    #[must_use]
    pub fn routes(&self) -> usize {
        self.routes.len()
    }

    /// The cookies that it holds.
    #[must_use]
    pub fn cookies(&self) -> BTreeMap<String, String> {
        self.cookies.lock().map(|jar| jar.clone()).unwrap_or_default()
    }

    /// Begins a request to the next route.
    pub fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let route = self.next.fetch_add(1, Ordering::Relaxed) % self.routes.len();
        self.routes[route].request(method, url)
    }

    /// Sends a request as the browser: cookies go with it, and new ones are kept.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send(&self, mut request: RequestBuilder) -> Result<Page> {
        let cookies: Vec<String> = self
            .cookies()
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        let page = plain(request).await?;
        if let Ok(mut jar) = self.cookies.lock() {
            for header in page.headers.get_all(SET_COOKIE) {
                keep(&mut jar, header.to_str().unwrap_or_default());
            }
        }
        Ok(page)
    }

    /// Opens an address.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn get(&self, url: Url) -> Result<Page> {
        self.send(self.request(Method::GET, url).header("sec-fetch-site", "none"))
            .await
    }

    /// Sends a form that stands on `page`.
    ///
    /// # Errors
    /// When there is no answer or the action is no address.
    pub async fn submit(&self, page: &Page, form: &Form) -> Result<Page> {
        let url = page.url.join(&form.action)?;
        let origin = url.origin().ascii_serialization();
        if form.method == "post" {
            let request = self.request(Method::POST, url).form(&form.fields);
            self.send(
                request
                    .header("origin", origin)
                    .header("sec-fetch-site", "same-origin"),
            )
            .await
        } else {
            let mut url = url;
            url.query_pairs_mut().extend_pairs(&form.fields);
            self.get(url).await
        }
    }
}

/// Sends a request without cookies, as a program would.
///
/// # Errors
/// When there is no answer.
pub async fn plain(request: RequestBuilder) -> Result<Page> {
    let response = request.send().await?;
    let (url, status, headers) = (
        response.url().clone(),
        response.status().as_u16(),
        response.headers().clone(),
    );
    Ok(Page {
        url,
        status,
        headers,
        body: response.text().await?,
    })
}

/// The forms of a page.
#[must_use]
pub fn forms_of(page: &Page) -> Vec<Form> {
    forms::parse(&page.body)
}

fn keep(jar: &mut BTreeMap<String, String>, header: &str) {
    let mut parts = header.split(';').map(str::trim);
    let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
        return;
    };
    if parts.any(|attribute| attribute.eq_ignore_ascii_case("max-age=0")) {
        jar.remove(name);
    } else {
        jar.insert(name.to_owned(), value.to_owned());
    }
}
