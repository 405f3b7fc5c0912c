//! A person at a browser without scripts: fills forms in, follows redirects, keeps cookies.

use std::collections::BTreeMap;

use oidc_e2e::forms;
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
        let form = forms::parse(html).into_iter().next();
        let mut form = form.unwrap_or_else(|| panic!("no form: {html}"));
        if form.has("password") {
            form.set("username", self.name);
            form.set("password", self.password);
        }
        form.press(|_, value| value == "allow");
        (form.action, form.fields)
    }
}
