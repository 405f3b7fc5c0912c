//! A person at a browser without scripts: fills forms in, follows redirects, keeps cookies.

use std::collections::BTreeMap;

use reqwest::header::{COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use url::Url;

use crate::process::Provider;

/// A person.
pub struct Person<'a> {
    pub provider: &'a Provider,
    pub name: &'a str,
    pub password: &'a str,
    pub cookies: BTreeMap<String, String>,
    /// How many forms were filled in.
    pub forms: usize,
}

impl<'a> Person<'a> {
    pub fn new(provider: &'a Provider, name: &'a str, password: &'a str) -> Self {
        Self {
            provider,
            name,
            password,
            cookies: BTreeMap::new(),
            forms: 0,
        }
    }

    /// Goes through sign-in and consent until the browser is sent elsewhere: the address's parameters.
    pub async fn authorize(&mut self, parameters: &[(&str, &str)]) -> BTreeMap<String, String> {
        let home = Url::parse(&self.provider.url).unwrap();
        let mut address = home.join("/authorize").unwrap();
        address.query_pairs_mut().extend_pairs(parameters);
        let mut request = self.provider.http.get(address);
        for _ in 0..8 {
            let cookies: Vec<_> = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let response = request.header(COOKIE, cookies.join("; ")).send().await.unwrap();
            for cookie in response.headers().get_all(SET_COOKIE) {
                let pair = cookie.to_str().unwrap().split(';').next().unwrap();
                let (name, value) = pair.split_once('=').unwrap();
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
            if let Some(location) = response.headers().get(LOCATION) {
                let location = response.url().join(location.to_str().unwrap()).unwrap();
                if location.origin() != home.origin() {
                    return location.query_pairs().into_owned().collect();
                }
                request = self.provider.http.get(location);
                continue;
            }
            let (status, page) = (response.status(), response.url().clone());
            let html = response.text().await.unwrap();
            assert_eq!(status, 200, "{html}");
            if let Some(away) = moved_on(&html) {
                return Url::parse(&away).unwrap().query_pairs().into_owned().collect();
            }
            let (action, fields) = self.fill_in(&html);
            self.forms += 1;
            request = self
                .provider
                .http
                .post(page.join(&action).unwrap())
                .header(ORIGIN, home.origin().ascii_serialization())
                .form(&fields);
        }
        panic!("the forms never end");
    }

    fn fill_in(&self, html: &str) -> (String, Vec<(String, String)>) {
        assert!(html.contains("<form"), "no form: {html}");
        let form = html.split("<form").nth(1).unwrap();
        let mut fields = Vec::new();
        for tag in form.split("<input").skip(1) {
            let name = attribute(tag, "name").unwrap_or_default();
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
        (attribute(form, "action").unwrap_or_default(), fields)
    }
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
