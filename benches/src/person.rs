//! A person at a browser without scripts: fills forms in, keeps cookies.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
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
            if let Some(away) = moved_on(&html) {
                return parameter(&Url::parse(&away)?, "code");
            }
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
        let form = html.split("<form").nth(1).context("the page has no form")?;
        let mut fields = Vec::new();
        for tag in form.split("<input").skip(1) {
            let Some(name) = attribute(tag, "name") else {
                continue;
            };
            let value = match name.as_str() {
                "username" => self.name.to_owned(),
                "password" => self.password.to_owned(),
                _ => attribute(tag, "value").unwrap_or_default(),
            };
            fields.push((name, value));
        }
        if html.contains("value=\"allow\"") {
            fields.push(("decision".to_owned(), "allow".to_owned()));
        }
        let action = attribute(form, "action").context("the form has no action")?;
        Ok((action, fields))
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

/// Where a page that moves on by itself goes.
fn moved_on(html: &str) -> Option<String> {
    let refresh = html.split("http-equiv=\"refresh\"").nth(1)?;
    let content = attribute(refresh, "content")?;
    Some(content.split_once("url=")?.1.to_owned())
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let tag = &tag[..tag.find('>').unwrap_or(tag.len())];
    let value = tag.split(&format!(" {name}=\"")).nth(1)?;
    let value = &value[..value.find('"')?];
    Some(
        value
            .replace("&#38;", "&")
            .replace("&amp;", "&")
            .replace("&#34;", "\"")
            .replace("&quot;", "\""),
    )
}
