//! `scope` (RFC 6749 §3.3).

use oidc_crds::client::Client;
use oidc_crds::names::OFFLINE_ACCESS;

use crate::error::{ErrorCode, OAuthError};
use crate::params::Params;

/// The longest `scope`, in bytes: more names nothing that anybody registers.
pub const MAX_SCOPE: usize = 4096;

/// Splits a `scope` value; what is there twice counts once.
///
/// # Errors
/// `invalid_scope` for characters that no scope has, and for a value that is too long.
pub(crate) fn split(text: &str) -> Result<Vec<String>, OAuthError> {
    if text.len() > MAX_SCOPE {
        return Err(invalid("Ask for fewer scopes."));
    }
    let mut scopes: Vec<String> = Vec::new();
    for scope in text.split(' ').filter(|scope| !scope.is_empty()) {
        if !scope
            .bytes()
            .all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
        {
            return Err(invalid("A scope has a character that scopes cannot have."));
        }
        if !scopes.iter().any(|known| known == scope) {
            scopes.push(scope.to_owned());
        }
    }
    Ok(scopes)
}

/// The scopes asked for that the client may have, in order, and whether others were dropped (us: tool
/// clients ask for whatever they find).
///
/// `offline`: whether `offline_access` can be had; otherwise it is dropped, too: "unless one or both of these
/// conditions are fulfilled, then it MUST ignore the offline_access request" (OpenID Connect Core §11).
///
/// # Errors
/// `invalid_scope` when none is left, or none was asked for.
pub(super) fn requested(
    params: &Params,
    client: &Client,
    offline: bool,
) -> Result<(Vec<String>, bool), OAuthError> {
    // "If the client omits the scope parameter … the authorization server MUST either process the request
    // using a pre-defined default value or fail the request indicating an invalid scope" (RFC 6749 §3.3).
    let asked = params
        .get("scope")
        .ok_or_else(|| invalid("Send scope, for a login at least scope=openid."))?;
    let mut scopes = split(asked)?;
    let asked = scopes.len();
    scopes.retain(|scope| client.scopes().contains(scope) && (offline || scope != OFFLINE_ACCESS));
    if scopes.is_empty() {
        return Err(invalid("The client may have none of the scopes asked for."));
    }
    let changed = scopes.len() != asked;
    Ok((scopes, changed))
}

/// Those of granted scopes that the client may still have: its registration may have become narrower.
///
/// # Errors
/// `invalid_scope` when none is left.
pub(crate) fn still(granted: &[String], client: &Client) -> Result<Vec<String>, OAuthError> {
    let mut left = granted.to_vec();
    left.retain(|scope| client.scopes().contains(scope));
    if left.is_empty() {
        return Err(invalid("The client may have none of the scopes asked for."));
    }
    Ok(left)
}

/// `invalid_scope`.
pub(crate) fn invalid(description: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidScope, description)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::testing::{client_with, strings};

    fn ask(scope: &str) -> Result<(Vec<String>, bool), ErrorCode> {
        let client = client_with(json!({"scopes": ["openid", "email", "api"]}));
        let encoded: String = form_urlencoded::byte_serialize(scope.as_bytes()).collect();
        let params = Params::parse(format!("scope={encoded}").as_bytes()).unwrap();
        requested(&params, &client, true).map_err(|error| error.code)
    }

    #[test]
    fn az_08_scopes_that_the_client_may_not_have_are_dropped() {
        assert_eq!(ask("openid email"), Ok((strings(&["openid", "email"]), false)));
        assert_eq!(
            ask("api phone openid admin"),
            Ok((strings(&["api", "openid"]), true))
        );
        assert_eq!(ask("  openid   openid "), Ok((strings(&["openid"]), false)));
    }

    #[test]
    fn az_08_nothing_left_is_invalid_scope() {
        for scope in [
            "phone",
            "",
            "   ",
            "OPENID",
            "openid\u{e9}",
            "a\"b openid",
            "a\\b",
        ] {
            assert_eq!(ask(scope), Err(ErrorCode::InvalidScope), "{scope}");
        }
    }

    #[test]
    fn tok_06_offline_access_is_ignored_where_it_cannot_be_had() {
        let client = client_with(json!({"scopes": ["openid", "offline_access"]}));
        let ask = |scope: &str, offline| {
            let params = Params::parse(format!("scope={scope}").as_bytes()).unwrap();
            requested(&params, &client, offline).map_err(|error| error.code)
        };
        let both = strings(&["openid", "offline_access"]);
        assert_eq!(ask("openid+offline_access", true), Ok((both, false)));
        assert_eq!(
            ask("openid+offline_access", false),
            Ok((strings(&["openid"]), true))
        );
        assert_eq!(ask("offline_access", false), Err(ErrorCode::InvalidScope));
    }

    #[test]
    fn az_08_without_openid_this_is_plain_oauth() {
        assert_eq!(ask("api"), Ok((strings(&["api"]), false)));
    }

    #[test]
    fn a_flood_of_scopes_is_refused() {
        assert_eq!(ask(&"a ".repeat(3000)), Err(ErrorCode::InvalidScope));
    }

    proptest! {
        #[test]
        fn splitting_never_panics(text in "\\PC{0,80}") {
            if let Ok(scopes) = split(&text) {
                let again = split(&scopes.join(" ")).unwrap();
                prop_assert_eq!(again, scopes);
            }
        }
    }
}
