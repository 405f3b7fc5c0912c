//! Userinfo (OpenID Connect Core §5.3).

use oidc_crds::client::Client;
use oidc_crds::names::ClaimPlace;
use oidc_crds::user::User;
use serde_json::{Map, Value};

use crate::claims;
use crate::error::{ErrorCode, OAuthError};
use crate::jwt::AccessToken;
use crate::params::Params;
use crate::records::Session;

/// The bearer token of a request: in the header, or in a POST body (RFC 6750 §2.1, §2.2); never in the URL.
///
/// # Errors
/// `invalid_request` for two at once, or a header that is malformed. `Ok(None)` when there is none: the
/// answer is then a challenge without an error code (RFC 6750 §3.1).
pub fn bearer<'a>(
    authorization: Option<&'a str>,
    body: Option<&'a Params>,
) -> Result<Option<&'a str>, OAuthError> {
    let from_header = match authorization.and_then(|header| scheme(header, "bearer")) {
        Some(token) if is_b64token(token) => Some(token),
        Some(_) => {
            return Err(OAuthError::invalid_request(
                "The Authorization header is malformed.",
            ));
        }
        // Another scheme says nothing to us.
        None => None,
    };
    let from_body = body.and_then(|params| params.get("access_token"));
    // "Clients MUST NOT use more than one method to transmit the token in each request" (RFC 6750 §2).
    if from_header.is_some() && from_body.is_some() {
        return Err(OAuthError::invalid_request(
            "Send the access token in the header or in the body, not in both.",
        ));
    }
    Ok(from_header.or(from_body))
}

/// The answer. `user` is who the token's session names, as they are now.
///
/// # Errors
/// `invalid_token` when the person is gone, disabled or outside the client's groups, or the audience
/// lacks the issuer; `insufficient_scope` without `openid`.
pub fn answer(
    token: &AccessToken,
    client: &Client,
    session: &Session,
    user: Option<&User>,
    issuer: &str,
) -> Result<Map<String, Value>, OAuthError> {
    let refused = |cause: &str| {
        OAuthError::new(
            ErrorCode::InvalidToken,
            "The access token is not good here, or no longer.",
        )
        .because(cause)
    };
    if token.text("client_id") != client.client_id() {
        return Err(refused("the token is of another client"));
    }
    // "MUST validate that the resource server's own identifier is in the aud claim" (RFC 9068 §4).
    if !token.audience().contains(&issuer) {
        return Err(refused("the token is for another audience"));
    }
    let scopes: Vec<&str> = token.scopes().collect();
    if !scopes.contains(&"openid") {
        return Err(OAuthError::new(
            ErrorCode::InsufficientScope,
            "The access token needs the scope openid.",
        ));
    }
    let user = user
        .filter(|user| user.uid() == session.user_uid && user.subject() == token.text("sub"))
        .ok_or_else(|| refused("the person is gone"))?;
    if user.disabled() || !user.is_in_one_of(client.allowed_groups()) {
        return Err(refused("the person may not use this client"));
    }
    let mut answer = claims::claims_for(user, &scopes);
    let own = claims::own(client, ClaimPlace::Userinfo, &answer);
    answer.extend(own);
    Ok(answer)
}

/// Whether whoever shows an access token may: one that is bound to a certificate is good beside that certificate
/// only. `shown` is the thumbprint of the one whose key the caller holds.
///
/// # Errors
/// `invalid_token`, as RFC 8705 §3 has it.
pub fn held(token: &AccessToken, shown: Option<&str>) -> Result<(), OAuthError> {
    match token.bound_to() {
        Some(bound) if shown != Some(bound) => Err(OAuthError::new(
            ErrorCode::InvalidToken,
            "The access token is bound to a certificate: connect with it to the userinfo endpoint of mtls_endpoint_aliases.",
        )),
        _ => Ok(()),
    }
}

/// What follows a scheme; its name has no case (RFC 9110 §11.1).
fn scheme<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let (scheme, rest) = header.split_once(' ').unwrap_or((header, ""));
    scheme.eq_ignore_ascii_case(name).then(|| rest.trim_matches(' '))
}

/// `b64token` (RFC 6750 §2.1).
fn is_b64token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    !body.is_empty()
        && body
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::testing::{ISSUER, client, client_with, session, user, user_with};

    fn form(body: &str) -> Params {
        Params::parse(body.as_bytes()).unwrap()
    }

    fn token(scope: &str) -> AccessToken {
        let claims = json!({
            "iss": ISSUER, "sub": "jdoe", "aud": [ISSUER, "https://api"], "client_id": "default.app",
            "scope": scope,
        });
        let Value::Object(claims) = claims else {
            panic!("no object");
        };
        AccessToken { claims }
    }

    fn ask(token: &AccessToken, user: Option<&User>) -> Result<Value, ErrorCode> {
        answer(token, &client(), &session(), user, ISSUER)
            .map(Value::from)
            .map_err(|error| error.code)
    }

    #[test]
    fn ui_01_the_token_comes_in_the_header_or_the_body() {
        assert_eq!(bearer(Some("Bearer a.b-c"), None), Ok(Some("a.b-c")));
        assert_eq!(bearer(Some("bearer  a=="), Some(&form("x=y"))), Ok(Some("a==")));
        assert_eq!(bearer(None, Some(&form("access_token=abc"))), Ok(Some("abc")));
        assert_eq!(bearer(None, None), Ok(None));
        assert_eq!(bearer(None, Some(&form("access_token="))), Ok(None));
        assert_eq!(bearer(Some("Basic YTpi"), None), Ok(None));
    }

    #[test]
    fn ui_01_two_at_once_or_a_malformed_header_are_invalid() {
        let body = form("access_token=a");
        let both = bearer(Some("Bearer a"), Some(&body));
        assert_eq!(both.unwrap_err().code, ErrorCode::InvalidRequest);
        for odd in [
            "Bearer",
            "Bearer ",
            "Bearer a b",
            "Bearer a\"b",
            "Bearer =",
            "Bearer a=b",
        ] {
            let error = bearer(Some(odd), None).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidRequest, "{odd}");
        }
    }

    #[test]
    fn ui_01_claims_follow_the_scopes() {
        assert_eq!(ask(&token("openid"), Some(&user())), Ok(json!({"sub": "jdoe"})));
        assert_eq!(
            ask(&token("openid email api"), Some(&user())),
            Ok(json!({"sub": "jdoe", "email": "jane@example.com", "email_verified": true}))
        );
    }

    #[test]
    fn ui_02_without_openid_the_scope_is_insufficient() {
        for scope in ["", "email", "openid2 profile"] {
            assert_eq!(
                ask(&token(scope), Some(&user())),
                Err(ErrorCode::InsufficientScope)
            );
        }
        assert_eq!(ErrorCode::InsufficientScope.status(), 403);
    }

    #[test]
    fn ui_03_the_audience_must_include_the_issuer() {
        for audience in [
            json!("https://api"),
            json!([]),
            Value::Null,
            json!("https://id.example.com/"),
        ] {
            let mut token = token("openid");
            token.claims.insert("aud".to_owned(), audience);
            assert_eq!(ask(&token, Some(&user())), Err(ErrorCode::InvalidToken));
        }
    }

    #[test]
    fn ui_03_a_person_who_is_gone_disabled_or_outside_is_refused() {
        let disabled = user_with(json!({"disabled": true}));
        let renamed = user_with(json!({"subject": "somebody-else"}));
        for user in [None, Some(&disabled), Some(&renamed)] {
            assert_eq!(ask(&token("openid"), user), Err(ErrorCode::InvalidToken));
        }
        let closed = client_with(json!({"allowedGroups": ["board"]}));
        let error = answer(&token("openid"), &closed, &session(), Some(&user()), ISSUER).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidToken);
        let old = Session {
            user_uid: "uid-of-the-old-one".to_owned(),
            ..session()
        };
        assert!(answer(&token("openid"), &client(), &old, Some(&user()), ISSUER).is_err());
    }

    #[test]
    fn mtls_01_a_bound_token_is_good_beside_its_certificate_only() {
        let mut token = token("openid");
        for shown in [None, Some("a")] {
            assert_eq!(held(&token, shown), Ok(()));
        }
        token.claims.insert("cnf".to_owned(), json!({"x5t#S256": "a"}));
        assert_eq!(held(&token, Some("a")), Ok(()));
        for shown in [None, Some("b"), Some("")] {
            assert_eq!(held(&token, shown).unwrap_err().code, ErrorCode::InvalidToken);
        }
    }

    #[test]
    fn ui_03_another_clients_token_is_refused() {
        let mut token = token("openid");
        token
            .claims
            .insert("client_id".to_owned(), json!("default.other"));
        assert_eq!(ask(&token, Some(&user())), Err(ErrorCode::InvalidToken));
    }

    proptest! {
        #[test]
        fn reading_a_header_never_panics(header in "\\PC{0,40}", token in "[A-Za-z0-9._~+/-]{1,60}={0,2}") {
            let _ = bearer(Some(&header), None);
            let header = format!("Bearer {token}");
            prop_assert_eq!(bearer(Some(&header), None), Ok(Some(token.as_str())));
        }
    }
}
