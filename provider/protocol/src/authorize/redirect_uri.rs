//! `redirect_uri`: compared as a string, exactly (RFC 9700 §2.1); for native applications the port of a
//! loopback address may differ (RFC 8252 §7.3).

use oidc_crds::client::Client;
use oidc_crds::names::ApplicationType;

use crate::error::OAuthError;

/// Loopback addresses as redirect URIs begin with them.
const LOOPBACK: [&str; 3] = ["http://127.0.0.1", "http://[::1]", "http://localhost"];

/// Where an answer may go.
///
/// # Errors
/// `invalid_request`, for our own page: nothing is proven yet.
pub(super) fn proven(asked: Option<&str>, client: &Client, openid: bool) -> Result<String, OAuthError> {
    let Some(asked) = asked else {
        return match client.redirect_uris() {
            // "redirect_uri REQUIRED" (OpenID Connect Core §3.1.2.1); plain OAuth: "if only one is
            // registered" it may be left out (RFC 6749 §3.1.2.3).
            [one] if !openid => Ok(one.clone()),
            _ => Err(OAuthError::invalid_request(
                "The parameter redirect_uri is missing.",
            )),
        };
    };
    let native = client.application_type() == ApplicationType::Native;
    let fits =
        |registered: &String| registered == asked || (native && differ_in_port_only(registered, asked));
    if client.redirect_uris().iter().any(fits) {
        Ok(asked.to_owned())
    } else {
        Err(OAuthError::invalid_request(
            "redirect_uri is not registered for this client: it must be the same to the letter.",
        ))
    }
}

/// "The authorization server MUST allow any port to be specified at the time of the request for loopback
/// IP redirect URIs" (RFC 8252 §7.3); us: for `localhost` as well.
fn differ_in_port_only(registered: &str, asked: &str) -> bool {
    LOOPBACK.iter().any(|base| {
        let rests = registered.strip_prefix(base).zip(asked.strip_prefix(base));
        rests.is_some_and(
            |(registered, asked)| match (without_port(registered), without_port(asked)) {
                (Some(registered), Some(asked)) => registered == asked,
                _ => false,
            },
        )
    })
}

/// What follows host and port; `None` if what follows the host is neither port nor path nor query.
fn without_port(rest: &str) -> Option<&str> {
    let after_host = match rest.strip_prefix(':') {
        None => rest,
        Some(port_and_path) => {
            let end = port_and_path.find(|c: char| !c.is_ascii_digit());
            let (port, path) = port_and_path.split_at(end.unwrap_or(port_and_path.len()));
            let good = !port.starts_with('0') && port.parse::<u16>().is_ok();
            good.then_some(path)?
        }
    };
    matches!(after_host.as_bytes().first(), None | Some(b'/' | b'?')).then_some(after_host)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::testing::{REDIRECT, client, client_with};

    fn native(uris: &[&str]) -> Arc<Client> {
        client_with(json!({"applicationType": "native", "redirectUris": uris}))
    }

    fn fits(client: &Client, asked: &str) -> bool {
        let proven = proven(Some(asked), client, true);
        if let Ok(proven) = &proven {
            assert_eq!(proven, asked);
        }
        proven.is_ok()
    }

    #[test]
    fn az_02_hard_03_redirect_uri_is_compared_exactly() {
        assert!(fits(&client(), REDIRECT));
        for wrong in [
            "https://app.example.com/cb/",
            "https://app.example.com/cb?x=1",
            "https://app.example.com/cb#",
            "https://app.example.com/CB",
            "https://APP.example.com/cb",
            "HTTPS://app.example.com/cb",
            "https://app.example.com:443/cb",
            "https://app.example.com./cb",
            "https://app.example.com/x/../cb",
            "https://app.example.com/%63b",
            "https://app.example.com/cb%2e",
            "https://app.example.com\\@evil.example/cb",
            "https://app.example.com@evil.example/cb",
            "https://evil.example/https://app.example.com/cb",
            "https://app.example.com.evil.example/cb",
            "https://app.example.com/cb\r\nX: y",
            "http://app.example.com/cb",
            "https://app.example.com/c\u{431}",
            "//app.example.com/cb",
            " https://app.example.com/cb",
            "javascript:alert(1)",
        ] {
            assert!(!fits(&client(), wrong), "{wrong}");
        }
    }

    #[test]
    fn az_02_a_query_belongs_to_the_uri() {
        let client = client_with(json!({"redirectUris": ["https://a.example/cb?tenant=1"]}));
        assert!(fits(&client, "https://a.example/cb?tenant=1"));
        assert!(!fits(&client, "https://a.example/cb?tenant=2"));
        assert!(!fits(&client, "https://a.example/cb"));
    }

    #[test]
    fn az_02_a_native_loopback_address_may_differ_in_port() {
        for base in ["http://127.0.0.1", "http://[::1]", "http://localhost"] {
            let client = native(&[&format!("{base}/cb"), &format!("{base}:8080/with?q=1")]);
            for good in ["/cb", ":1/cb", ":49152/cb", "/with?q=1", ":65535/with?q=1"] {
                assert!(fits(&client, &format!("{base}{good}")), "{base}{good}");
            }
            for wrong in [
                ":/cb",
                ":0/cb",
                ":080/cb",
                ":65536/cb",
                ":99999999999/cb",
                ":1:2/cb",
                &":1".repeat(30_000),
                ":1@evil.example/cb",
                ":1.evil.example/cb",
                ".evil.example/cb",
                "@evil.example/cb",
                ":+1/cb",
                ":1/cb/",
                ":1/cb#f",
                ":1",
                "",
                ":1/with?q=2",
            ] {
                assert!(!fits(&client, &format!("{base}{wrong}")), "{base}{wrong}");
            }
            assert!(!fits(&client, "http://127.0.0.2:1/cb"));
            assert!(!fits(&client, &format!("{base}:1/cb").replace("http:", "https:")));
        }
    }

    #[test]
    fn az_02_loopback_names_are_not_each_other() {
        let client = native(&["http://127.0.0.1/cb"]);
        assert!(!fits(&client, "http://localhost:1/cb"));
        assert!(!fits(&client, "http://[::1]:1/cb"));
    }

    #[test]
    fn az_02_ports_are_exact_for_web_clients_and_other_hosts() {
        let web = client_with(json!({
            "applicationType": "web", "redirectUris": ["http://localhost:8080/cb"],
        }));
        assert!(fits(&web, "http://localhost:8080/cb"));
        assert!(!fits(&web, "http://localhost:8081/cb"));
        let https = native(&["https://app.example.com/cb"]);
        assert!(!fits(&https, "https://app.example.com:8443/cb"));
    }

    #[test]
    fn az_03_custom_schemes_match_exactly() {
        let client = native(&["com.yourapp://callback", "com.example.app:/cb"]);
        assert!(fits(&client, "com.yourapp://callback"));
        assert!(fits(&client, "com.example.app:/cb"));
        assert!(!fits(&client, "com.yourapp://callback:1"));
        assert!(!fits(&client, "com.yourapp://callback/x"));
    }

    #[test]
    fn az_02_required_for_openid_and_when_several_are_registered() {
        assert!(proven(None, &client(), true).is_err());
        assert_eq!(proven(None, &client(), false).unwrap(), REDIRECT);
        let two = client_with(json!({"redirectUris": [REDIRECT, "https://b.example/cb"]}));
        assert!(proven(None, &two, false).is_err());
        let none = client_with(json!({
            "redirectUris": [], "applicationType": "service", "grantTypes": ["client_credentials"],
        }));
        assert!(proven(None, &none, false).is_err());
        assert!(proven(Some(REDIRECT), &none, false).is_err());
    }

    proptest! {
        #[test]
        fn what_fits_differs_in_digits_only(asked in "http://(127\\.0\\.0\\.1|localhost)[:0-9a-z/@.?#\\\\]{0,12}") {
            let client = native(&["http://127.0.0.1/cb"]);
            if fits(&client, &asked) {
                let url = url::Url::parse(&asked).unwrap();
                prop_assert_eq!(url.host_str(), Some("127.0.0.1"));
                prop_assert_eq!(url.path(), "/cb");
                prop_assert!(url.query().is_none() && url.fragment().is_none());
                prop_assert!(url.username().is_empty());
            }
        }
    }
}
