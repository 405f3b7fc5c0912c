//! `refresh_token` (RFC 6749 §6, RFC 9700 §4.14, design.md I2).

use oidc_crds::user::User;

use crate::authorize::scope;
use crate::client_auth::AuthenticatedClient;
use crate::error::OAuthError;
use crate::records::{GrantRecord, Session};

/// The request; the token itself is read with [`RefreshToken::parse`](crate::handle::RefreshToken::parse).
pub struct RefreshRequest {
    /// `refresh_token`, as sent.
    pub refresh_token: String,
    /// `scope`, to narrow this access token.
    pub scope: Option<Vec<String>>,
}

/// Checks after the store rotated: still the same client; the user is there, not disabled, in the
/// client's groups (tok_10a); the scope is not wider than granted. Returns the scopes of this answer.
///
/// # Errors
/// `invalid_grant` (the caller revokes the family) or `invalid_scope` (the caller does not).
pub fn check(
    record: &GrantRecord,
    session: &Session,
    user: Option<&User>,
    request: &RefreshRequest,
    client: &AuthenticatedClient,
) -> Result<Vec<String>, OAuthError> {
    let client = client.client();
    // "the refresh token is bound to the client to which it was issued" (RFC 6749 §6).
    if record.client_uid != client.grantee() {
        return Err(OAuthError::invalid_grant(
            "The refresh token belongs to another client.",
        ));
    }
    // us, tok_10a: who may not sign in may not stay.
    let open_to = |user: &&User| {
        user.uid() == session.user_uid && !user.disabled() && user.is_in_one_of(client.allowed_groups())
    };
    if user.filter(open_to).is_none() {
        return Err(OAuthError::invalid_grant(
            "The person may no longer use this client: ask them to sign in.",
        ));
    }
    // "The requested scope MUST NOT include any scope not originally granted by the resource owner, and
    // if omitted is treated as equal to the scope originally granted" (RFC 6749 §6).
    let asked = request.scope.as_ref().unwrap_or(&record.scope);
    if !asked.iter().all(|scope| record.scope.contains(scope)) {
        return Err(scope::invalid(
            "A refresh cannot add scopes: ask the person again.",
        ));
    }
    scope::still(asked, client)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::ErrorCode;
    use crate::testing::{authenticated, client, client_with, grant, session, strings, user, user_with};

    fn refresh(
        scope: Option<&[&str]>,
        user: Option<&User>,
        client: &AuthenticatedClient,
    ) -> Result<Vec<String>, ErrorCode> {
        let request = RefreshRequest {
            refresh_token: String::new(),
            scope: scope.map(strings),
        };
        check(&grant(), &session(), user, &request, client).map_err(|error| error.code)
    }

    #[test]
    fn tok_05_hard_16_scope_may_shrink_and_never_grow() {
        let (user, client) = (user(), authenticated(&client()));
        let ask = |scope: Option<&[&str]>| refresh(scope, Some(&user), &client);
        assert_eq!(ask(None), Ok(strings(&["openid", "profile"])));
        assert_eq!(ask(Some(&["openid"])), Ok(strings(&["openid"])));
        assert_eq!(
            ask(Some(&["profile", "openid"])),
            Ok(strings(&["profile", "openid"]))
        );
        // `email` is the client's to ask for, but was not granted.
        assert_eq!(ask(Some(&["openid", "email"])), Err(ErrorCode::InvalidScope));
        assert_eq!(ask(Some(&[])), Err(ErrorCode::InvalidScope));
    }

    #[test]
    fn tok_05_a_scope_taken_from_the_client_is_not_refreshed() {
        let narrower = authenticated(&client_with(json!({"scopes": ["openid"]})));
        assert_eq!(refresh(None, Some(&user()), &narrower), Ok(strings(&["openid"])));
        let none = authenticated(&client_with(json!({"scopes": ["email"]})));
        assert_eq!(refresh(None, Some(&user()), &none), Err(ErrorCode::InvalidScope));
    }

    #[test]
    fn tok_05_a_refresh_token_is_of_one_client() {
        let record = GrantRecord {
            client_uid: "uid-of-a-namesake".to_owned(),
            ..grant()
        };
        let request = RefreshRequest {
            refresh_token: String::new(),
            scope: None,
        };
        let user = user();
        let error = check(
            &record,
            &session(),
            Some(&user),
            &request,
            &authenticated(&client()),
        )
        .unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidGrant);
    }

    #[test]
    fn tok_10a_a_user_who_is_gone_disabled_or_outside_gets_nothing() {
        let client = authenticated(&client_with(json!({"allowedGroups": ["staff"]})));
        assert!(refresh(None, Some(&user()), &client).is_ok());
        let disabled = user_with(json!({"disabled": true}));
        let outside = user_with(json!({"groups": ["visitors"]}));
        for user in [None, Some(&disabled), Some(&outside)] {
            assert_eq!(refresh(None, user, &client), Err(ErrorCode::InvalidGrant));
        }
    }

    #[test]
    fn tok_10a_a_recreated_namesake_inherits_nothing() {
        let session = Session {
            user_uid: "uid-of-the-old-one".to_owned(),
            ..session()
        };
        let request = RefreshRequest {
            refresh_token: String::new(),
            scope: None,
        };
        let error = check(
            &grant(),
            &session,
            Some(&user()),
            &request,
            &authenticated(&client()),
        )
        .unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidGrant);
    }
}
