//! A person at a browser without scripts: fills forms in, keeps cookies.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use oidc_e2e::forms;
use reqwest::header::{COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::{Client, RequestBuilder, Response};
use url::Url;

/// A person and the cookies of their browser.
pub struct Person<'a> {
    http: &'a Client,
    cookies: BTreeMap<String, String>,
    name: &'a str,
    password: &'a str,
}

impl<'a> Person<'a> {
    /// With an empty browser.
    pub fn new(http: &'a Client, name: &'a str, password: &'a str) -> Self {
        Self {
            http,
            cookies: BTreeMap::new(),
            name,
            password,
        }
    }

    /// Signs in and agrees until the browser is sent back with a code.
    pub async fn sign_in(&mut self, address: &Url) -> Result<String> {
        let mut request = self.http.get(address.clone());
        for _ in 0..8 {
            let response = self.send(request).await?;
            let cookies = response.headers().get_all(SET_COOKIE);
            for cookie in cookies {
                let pair = cookie.to_str()?.split(';').next().unwrap_or_default();
                let (name, value) = pair.split_once('=').context("a cookie without a value")?;
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
            if response.headers().contains_key(LOCATION) {
                return code(&response);
            }
            let (status, page) = (response.status(), response.url().clone());
            let html = response.text().await?;
            ensure!(status == 200, "{page} answered {status}: {html}");
            let (action, fields) = self.fill_in(&html)?;
            request = self
                .http
                .post(page.join(&action)?)
                .header(ORIGIN, page.origin().ascii_serialization())
                .form(&fields);
        }
        bail!("the forms never end")
    }

    /// A code by the live session, without a form.
    pub async fn code(&self, address: &Url) -> Result<String> {
        let response = self.send(self.http.get(address.clone())).await?;
        code(&response)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response> {
        let cookies: Vec<_> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        Ok(request.header(COOKIE, cookies.join("; ")).send().await?)
    }

    fn fill_in(&self, html: &str) -> Result<(String, Vec<(String, String)>)> {
        let mut form = forms::parse(html)
            .into_iter()
            .next()
            .context("the page has no form")?;
        if form.has("password") {
            form.set("username", self.name);
            form.set("password", self.password);
        }
        form.press(|_, value| value == "allow");
        Ok((form.action, form.fields))
    }
}

/// The code that a redirect carries.
fn code(response: &Response) -> Result<String> {
    let location = response.headers().get(LOCATION);
    let location = location.with_context(|| format!("{} is no redirect", response.status()))?;
    parameter(&response.url().join(location.to_str()?)?, "code")
}

fn parameter(address: &Url, wanted: &str) -> Result<String> {
    let mut pairs = address.query_pairs();
    let found = pairs.find(|(name, _)| name == wanted);
    Ok(found
        .with_context(|| format!("no {wanted} in {address}"))?
        .1
        .into_owned())
}
