//! Introspection (RFC 7662): who may ask about what, and the answer.

use jiff::Timestamp;
use oidc_crds::client::Client;
use oidc_crds::user::User;
use serde_json::Value;

use crate::client_auth::AuthenticatedClient;
use crate::jwt::{AccessToken, TOKEN_USE};
use crate::records::GrantRecord;

/// Whether the caller may know of this token (RFC 7662 §4): it proved who it is, and it is the token's
/// client or the resource server of an audience of it. The issuer is everybody's audience, so nobody is
/// its resource server.
#[must_use]
pub fn may_ask(caller: &AuthenticatedClient, token: &AccessToken, issuer: &str) -> bool {
    // "the endpoint MUST also require some form of authorization" (RFC 7662 §2.1): a public client has none.
    if caller.client().is_public() {
        return false;
    }
    let client = caller.client();
    let serves = |audience: &str| {
        audience != issuer
            && client
                .resource_server_for()
                .iter()
                .any(|served| served == audience)
    };
    token.text("client_id") == client.client_id() || token.audience().into_iter().any(serves)
}

/// `{"active": false}`: the answer for anything wrong.
#[must_use]
pub fn inactive() -> Value {
    serde_json::json!({"active": false})
}

/// The answer for a good token: the facts of the JWT (RFC 7662 §2.2). `username` is the person's, if any.
#[must_use]
pub fn active(token: &AccessToken, client: &Client, username: Option<&str>) -> Value {
    let mut answer = token.claims.clone();
    answer.remove(TOKEN_USE);
    answer.insert("active".to_owned(), true.into());
    answer.insert("client_id".to_owned(), client.client_id().into());
    answer.insert("token_type".to_owned(), "Bearer".into());
    if let Some(username) = username {
        answer.insert("username".to_owned(), username.into());
    }
    Value::Object(answer)
}

/// The answer for a good refresh token (RFC 7662 §2.2), which ends at `ends` if it is not used.
#[must_use]
pub fn active_refresh(
    client: &Client,
    user: &User,
    grant: &GrantRecord,
    issuer: &str,
    ends: Timestamp,
) -> Value {
    serde_json::json!({
        "active": true,
        "client_id": client.client_id(),
        "exp": ends.as_second(),
        "iss": issuer,
        "scope": grant.scope.join(" "),
        "sub": user.subject(),
        "token_type": "refresh_token",
        "username": user.username(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{ISSUER, NOW, authenticated, client, client_with, public_client};

    fn token(audience: &Value) -> AccessToken {
        let claims = json!({
            "iss": ISSUER,
            "sub": "jdoe",
            "aud": audience,
            "client_id": "default.app",
            "iat": NOW.as_second(),
            "exp": NOW.as_second() + 900,
            "jti": "x",
            "scope": "openid email",
            "token_use": "access",
        });
        let Value::Object(claims) = claims else {
            panic!("no object");
        };
        AccessToken { claims }
    }

    fn another(resource_server_for: &[&str]) -> AuthenticatedClient {
        authenticated(&client_with(json!({
            "clientId": "another", "resourceServerFor": resource_server_for,
        })))
    }

    #[test]
    fn int_01_the_issuing_client_may_ask() {
        assert!(may_ask(&authenticated(&client()), &token(&json!(ISSUER)), ISSUER));
        assert!(!may_ask(&another(&[]), &token(&json!(ISSUER)), ISSUER));
    }

    #[test]
    fn int_01_hard_17_only_the_resource_server_of_the_audience_may_ask() {
        let api = another(&["https://api.example.com"]);
        for audience in [
            json!("https://api.example.com"),
            json!([ISSUER, "https://api.example.com"]),
        ] {
            assert!(may_ask(&api, &token(&audience), ISSUER));
            assert!(!may_ask(&another(&["https://other"]), &token(&audience), ISSUER));
        }
        for audience in [
            json!("https://api.example.com/"),
            json!(ISSUER),
            json!([]),
            Value::Null,
        ] {
            assert!(!may_ask(&api, &token(&audience), ISSUER), "{audience}");
        }
    }

    #[test]
    fn int_01_a_public_client_may_not_ask() {
        assert!(!may_ask(
            &authenticated(&public_client()),
            &token(&json!(ISSUER)),
            ISSUER
        ));
    }

    #[test]
    fn int_01_the_answer_for_anything_wrong() {
        assert_eq!(inactive(), json!({"active": false}));
    }

    #[test]
    fn int_02_the_same_facts_as_in_the_jwt() {
        assert_eq!(
            active(&token(&json!(ISSUER)), &client(), Some("jane")),
            json!({
                "active": true,
                "iss": ISSUER,
                "sub": "jdoe",
                "aud": ISSUER,
                "client_id": "default.app",
                "iat": NOW.as_second(),
                "exp": NOW.as_second() + 900,
                "jti": "x",
                "scope": "openid email",
                "token_type": "Bearer",
                "username": "jane",
            })
        );
        assert!(
            active(&token(&json!(ISSUER)), &client(), None)
                .get("username")
                .is_none()
        );
    }
}
