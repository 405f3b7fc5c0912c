use jiff::SignedDuration;
use oidc_crds::testing::SeededRng;
use serde_json::{Value, json};

use super::*;
use crate::handle::{LoginTag, family_of};
use crate::jwt::verify_access_token;
use crate::testing::{
    ISSUER, NOW, client, client_with, decode_jwt, grant, keys, ring, session, strings, user, user_with,
};

const TAG: LoginTag = LoginTag([1; 16]);

fn family() -> FamilyId {
    family_of(TAG, [7; 16])
}

struct Ask {
    client: std::sync::Arc<Client>,
    user: User,
    grant: GrantRecord,
    scope: Vec<String>,
    audience: Vec<String>,
    first: bool,
    keys: Keys,
    seed: u64,
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            client: client(),
            user: user(),
            grant: grant(),
            scope: strings(&["openid", "profile"]),
            audience: Vec::new(),
            first: true,
            keys: keys(&[Algorithm::ES256]),
            seed: 1,
        }
    }
}

impl Ask {
    fn person(&self) -> TokenResponse {
        let session = session();
        self.issue(Who::Person {
            user: &self.user,
            session: &session,
            grant: &self.grant,
            family: family(),
            first: self.first,
        })
        .unwrap()
    }

    fn issue(&self, who: Who<'_>) -> Result<TokenResponse, OAuthError> {
        let issuance = Issuance {
            issuer: ISSUER,
            client: &self.client,
            who,
            scope: &self.scope,
            audience: &self.audience,
            refresh_token: None,
            bound_to: None,
            tell_scope: false,
        };
        issue(
            &issuance,
            &self.keys,
            &ring(),
            NOW,
            &mut SeededRng::new(self.seed),
        )
    }
}

/// The claims, without those that differ each time.
fn stable(token: &str) -> Value {
    let (_, mut claims) = decode_jwt(token);
    let jti = claims.as_object_mut().unwrap().remove("jti");
    assert!(jti.is_some_and(|jti| jti.as_str().is_some_and(|jti| jti.len() >= 22)));
    claims
}

#[test]
fn jwt_03_the_claims_of_an_access_token() {
    let answer = Ask::default().person();
    let (header, _) = decode_jwt(&answer.access_token);
    assert_eq!(header["typ"], "at+jwt");
    assert_eq!(
        stable(&answer.access_token),
        json!({
            "iss": ISSUER,
            "exp": NOW.as_second() + 900,
            "aud": ISSUER,
            "sub": "jdoe",
            "client_id": "default.app",
            "iat": NOW.as_second(),
            "scope": "openid profile",
            "auth_time": NOW.as_second(),
            "acr": crate::acr::PASSWORD,
            "amr": ["pwd"],
        })
    );
}

#[test]
fn jwt_01_the_claims_of_an_id_token() {
    let answer = Ask::default().person();
    let id_token = answer.id_token.unwrap();
    let (header, _) = decode_jwt(&id_token);
    assert_eq!(header["typ"], "JWT");
    // No claims of scopes, though `profile` was granted.
    assert_eq!(
        stable(&id_token),
        json!({
            "iss": ISSUER,
            "sub": "jdoe",
            "aud": "default.app",
            "exp": NOW.as_second() + 900,
            "iat": NOW.as_second(),
            "auth_time": NOW.as_second(),
            "nonce": "nonce",
            "at_hash": at_hash(Algorithm::ES256, &answer.access_token),
            "sid": "sid",
            "acr": crate::acr::PASSWORD,
            "amr": ["pwd"],
        })
    );
}

#[test]
fn jwt_04_hard_18_an_id_token_does_not_pass_as_access_token() {
    for access_type in ["at+jwt", "JWT"] {
        let ask = Ask {
            client: client_with(json!({"tokens": {"accessTokenType": access_type}})),
            ..Ask::default()
        };
        let answer = ask.person();
        let verify = |token: &str| verify_access_token(token, &ask.keys, ISSUER, NOW);
        assert!(verify(&answer.access_token).is_some());
        assert!(verify(&answer.id_token.unwrap()).is_none());
    }
}

#[test]
fn jwt_03_access_token_type_jwt_has_token_use() {
    let ask = Ask {
        client: client_with(json!({"tokens": {"accessTokenType": "JWT"}})),
        ..Ask::default()
    };
    let (header, claims) = decode_jwt(&ask.person().access_token);
    assert_eq!(
        (&header["typ"], &claims["token_use"]),
        (&json!("JWT"), &json!("access"))
    );
}

#[test]
fn jwt_03_groups_are_told_when_granted() {
    let asked = Ask {
        scope: strings(&["openid", "groups"]),
        ..Ask::default()
    };
    let answer = asked.person();
    assert_eq!(stable(&answer.access_token)["groups"], json!(["staff", "admins"]));
    assert!(stable(&answer.id_token.unwrap()).get("groups").is_none());
    assert!(
        stable(&Ask::default().person().access_token)
            .get("groups")
            .is_none()
    );
    let none = Ask {
        user: user_with(json!({"groups": []})),
        ..asked
    };
    assert!(stable(&none.person().access_token).get("groups").is_none());
}

#[test]
fn jwt_03_aud_is_a_text_when_there_is_one() {
    let mut ask = Ask {
        audience: strings(&["https://api.example.com"]),
        ..Ask::default()
    };
    assert_eq!(
        stable(&ask.person().access_token)["aud"],
        "https://api.example.com"
    );
    ask.audience.push(ISSUER.to_owned());
    assert_eq!(
        stable(&ask.person().access_token)["aud"],
        json!(["https://api.example.com", ISSUER])
    );
}

#[test]
fn az_08_without_openid_there_is_no_id_token() {
    let answer = Ask {
        scope: strings(&["api"]),
        ..Ask::default()
    }
    .person();
    assert!(answer.id_token.is_none());
    assert_eq!(answer.scope.as_deref(), Some("api"));
}

#[test]
fn tok_07_a_refreshed_id_token_has_no_nonce_and_keeps_the_rest() {
    let claims = |first| {
        let ask = Ask {
            first,
            ..Ask::default()
        };
        stable(&ask.person().id_token.unwrap())
    };
    let (first, later) = (claims(true), claims(false));
    assert_eq!(first["nonce"], "nonce");
    assert!(later.get("nonce").is_none());
    for name in ["iss", "sub", "aud", "auth_time", "sid"] {
        assert_eq!(first[name], later[name], "{name}");
    }
}

#[test]
fn jwt_01_no_nonce_is_invented() {
    let ask = Ask {
        grant: GrantRecord {
            nonce: None,
            ..grant()
        },
        ..Ask::default()
    };
    assert!(stable(&ask.person().id_token.unwrap()).get("nonce").is_none());
}

#[test]
fn jwt_01_two_tokens_of_one_second_differ() {
    let answers = [1, 2].map(|seed| {
        Ask {
            seed,
            ..Ask::default()
        }
        .person()
    });
    let jti = |token: &str| decode_jwt(token).1["jti"].clone();
    assert_ne!(jti(&answers[0].access_token), jti(&answers[1].access_token));
    let ids = answers.map(|answer| jti(&answer.id_token.unwrap()));
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn jwt_06_jti_finds_the_family_for_its_client_only() {
    let answer = Ask::default().person();
    let jti = decode_jwt(&answer.access_token).1["jti"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        TokenId::unseal(&jti, &ring(), client().grantee()),
        Some(TokenId::Family(family()))
    );
    assert_eq!(TokenId::unseal(&jti, &ring(), "uid-of-a-namesake"), None);
}

#[test]
fn jwt_02_algorithms_are_the_clients() {
    let ask = Ask {
        client: client_with(json!({"tokens": {
            "idTokenSignedResponseAlg": "RS256", "accessTokenSigningAlg": "EdDSA",
        }})),
        keys: keys(&Algorithm::ALL),
        ..Ask::default()
    };
    let answer = ask.person();
    let alg = |token: &str| decode_jwt(token).0["alg"].clone();
    assert_eq!(alg(&answer.access_token), "EdDSA");
    assert_eq!(alg(&answer.id_token.unwrap()), "RS256");
    assert_eq!(alg(&Ask::default().person().access_token), "ES256");
}

#[test]
fn jwt_01_at_hash_follows_the_algorithm_of_the_id_token() {
    for (alg, length) in [
        ("RS256", 22),
        ("PS256", 22),
        ("ES256", 22),
        ("ES384", 32),
        ("EdDSA", 43),
    ] {
        let ask = Ask {
            client: client_with(json!({"tokens": {"idTokenSignedResponseAlg": alg}})),
            keys: keys(&Algorithm::ALL),
            ..Ask::default()
        };
        let answer = ask.person();
        let at_hash = stable(&answer.id_token.unwrap())["at_hash"].clone();
        assert_eq!(at_hash.as_str().unwrap().len(), length, "{alg}");
    }
    // OpenID Connect Core §A.3: an RS256 ID token whose access token is this.
    assert_eq!(
        at_hash(Algorithm::RS256, "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"),
        "77QmUPtjPfzWtF2AnpK9RQ"
    );
}

#[test]
fn tok_08_client_credentials_speak_of_the_client_only() {
    let ask = Ask {
        client: client_with(json!({
            "redirectUris": [], "applicationType": "service", "grantTypes": ["client_credentials"],
        })),
        scope: strings(&["api"]),
        ..Ask::default()
    };
    let answer = ask.issue(Who::Client).unwrap();
    assert!(answer.id_token.is_none() && answer.refresh_token.is_none() && answer.scope.is_none());
    assert_eq!(
        stable(&answer.access_token),
        json!({
            "iss": ISSUER,
            "exp": NOW.as_second() + 900,
            "aud": ISSUER,
            "sub": "default.app",
            "client_id": "default.app",
            "iat": NOW.as_second(),
            "scope": "api",
        })
    );
    let jti = decode_jwt(&answer.access_token).1["jti"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        TokenId::unseal(&jti, &ring(), ask.client.grantee()),
        Some(TokenId::Detached)
    );
    // Not even if `openid` slipped through.
    let slipped = Ask {
        scope: strings(&["openid"]),
        ..ask
    };
    assert!(slipped.issue(Who::Client).unwrap().id_token.is_none());
    let bare = Ask {
        scope: Vec::new(),
        ..slipped
    };
    let answer = bare.issue(Who::Client).unwrap();
    assert!(stable(&answer.access_token).get("scope").is_none());
}

#[test]
fn jwt_05_expires_in_is_the_access_tokens_lifetime_in_seconds() {
    let answer = Ask::default().person();
    assert_eq!(answer.expires_in, 900);
    let later = |seconds| NOW + SignedDuration::from_secs(seconds);
    let verify = |now| verify_access_token(&answer.access_token, &keys(&[Algorithm::ES256]), ISSUER, now);
    assert!(verify(later(899)).is_some());
    assert!(verify(later(900)).is_none());
}

#[test]
fn mtls_01_a_bound_access_token_names_the_certificate() {
    for format in ["jwt", "opaque"] {
        let ask = Ask {
            client: client_with(json!({"tokens": {"certificateBound": true, "accessTokenFormat": format}})),
            ..Ask::default()
        };
        let issuance = |bound_to| Issuance {
            issuer: ISSUER,
            client: &ask.client,
            who: Who::Client,
            scope: &ask.scope,
            audience: &[],
            refresh_token: None,
            bound_to,
            tell_scope: false,
        };
        let token = |bound_to| {
            let issued = issue(
                &issuance(bound_to),
                &ask.keys,
                &ring(),
                NOW,
                &mut SeededRng::new(1),
            )
            .unwrap();
            match crate::token::opaque::open(&issued.access_token, &ring(), ISSUER, NOW) {
                Some((token, _)) => token,
                None => verify_access_token(&issued.access_token, &ask.keys, ISSUER, NOW).unwrap(),
            }
        };
        assert_eq!(token(Some("thumb")).claims["cnf"], json!({"x5t#S256": "thumb"}));
        assert_eq!(token(Some("thumb")).bound_to(), Some("thumb"));
        assert!(token(None).claims.get("cnf").is_none());
    }
}

#[test]
fn tok_06_the_refresh_token_is_handed_out_as_derived() {
    let ask = Ask::default();
    let token = RefreshToken::derive(&ring(), 1, ask.client.grantee(), TAG, [7; 16], 0).unwrap();
    let (user, session, grant) = (user(), session(), grant());
    let issuance = Issuance {
        issuer: ISSUER,
        client: &ask.client,
        who: Who::Person {
            user: &user,
            session: &session,
            grant: &grant,
            family: token.family(),
            first: true,
        },
        scope: &ask.scope,
        audience: &[],
        refresh_token: Some(&token),
        bound_to: None,
        tell_scope: false,
    };
    let answer = issue(&issuance, &ask.keys, &ring(), NOW, &mut SeededRng::new(1)).unwrap();
    assert_eq!(answer.refresh_token, Some(token.expose()));
}

#[test]
fn err_05_no_key_is_a_server_error() {
    let ask = Ask {
        client: client_with(json!({"tokens": {"accessTokenSigningAlg": "ES384"}})),
        ..Ask::default()
    };
    let error = ask.issue(Who::Client).err().unwrap();
    assert_eq!(error.code, ErrorCode::ServerError);
    assert!(error.cause.unwrap().contains("ES384"));
}

/// An answer to a client whose spec has these members.
fn with(spec: Value, scope: &[&str]) -> TokenResponse {
    let person = json!({
        "claims": {"organization": {"name": "Example Corp"}, "permissions": ["read", "write"]},
    });
    Ask {
        client: client_with(spec),
        user: user_with(person),
        scope: strings(scope),
        ..Ask::default()
    }
    .person()
}

#[test]
fn jwt_01_a_switch_puts_the_claims_of_scopes_into_the_id_token() {
    let spec = json!({"tokens": {"idTokenClaims": "scopes"}});
    let claims = stable(
        &with(spec.clone(), &["openid", "profile", "email", "groups"])
            .id_token
            .unwrap(),
    );
    assert_eq!(claims["sub"], "jdoe");
    assert_eq!(claims["name"], "Jane Doe");
    assert_eq!(claims["email"], "jane@example.com");
    assert_eq!(claims["groups"], json!(["staff", "admins"]));
    assert_eq!(claims["permissions"], json!(["read", "write"]));
    let claims = stable(&with(spec, &["openid"]).id_token.unwrap());
    assert_eq!((claims.get("name"), claims.get("email")), (None, None));
}

#[test]
fn jwt_01_own_claims_go_where_the_client_says() {
    let spec = json!({"claims": [
        {"name": "tenant", "value": {"id": 7, "tags": ["a", {"b": true}]}, "in": ["idToken", "accessToken"]},
        {"name": "org", "from": "organization.name", "in": ["idToken"]},
    ]});
    let answer = with(spec, &["openid", "profile"]);
    let (id, access) = (stable(&answer.id_token.unwrap()), stable(&answer.access_token));
    assert_eq!(id["tenant"], json!({"id": 7, "tags": ["a", {"b": true}]}));
    assert_eq!(access["tenant"], id["tenant"]);
    assert_eq!((&id["org"], access.get("org")), (&json!("Example Corp"), None));
    // what the person has beside comes to nobody who did not ask
    assert_eq!((id.get("permissions"), access.get("permissions")), (None, None));
}

#[test]
fn jwt_03_own_claims_of_a_client_for_itself_are_the_static_ones() {
    let ask = Ask {
        client: client_with(json!({"claims": [
            {"name": "tier", "value": 2, "in": ["accessToken"]},
            {"name": "who", "from": "sub", "in": ["accessToken"]},
        ]})),
        ..Ask::default()
    };
    let claims = stable(&ask.issue(Who::Client).unwrap().access_token);
    assert_eq!((&claims["tier"], claims.get("who")), (&json!(2), None));
    assert_eq!((claims.get("acr"), claims.get("amr")), (None, None));
}

#[test]
fn jwt_03_an_opaque_access_token_is_sealed_and_hashed_like_any() {
    let ask = Ask {
        client: client_with(json!({"tokens": {"accessTokenFormat": "opaque"}})),
        ..Ask::default()
    };
    let answer = ask.person();
    assert!(opaque::looks_like(&answer.access_token));
    let (token, uid) = opaque::open(&answer.access_token, &ring(), ISSUER, NOW).unwrap();
    assert_eq!((uid.as_str(), token.text("sub")), ("uid-app", "jdoe"));
    assert_eq!(token.text("client_id"), "default.app");
    let id = stable(&answer.id_token.unwrap());
    assert_eq!(id["at_hash"], at_hash(Algorithm::ES256, &answer.access_token));
    assert!(verify_access_token(&answer.access_token, &ask.keys, ISSUER, NOW).is_none());
}

#[test]
fn a_token_that_nobody_would_read_is_not_issued() {
    let groups: Vec<String> = (0..200).map(|number| format!("{number:0>100}")).collect();
    let ask = Ask {
        user: user_with(json!({"groups": groups})),
        scope: strings(&["groups"]),
        ..Ask::default()
    };
    let who = Who::Person {
        user: &ask.user,
        session: &session(),
        grant: &ask.grant,
        family: family(),
        first: true,
    };
    assert_eq!(
        ask.issue(who).err().map(|error| error.code),
        Some(ErrorCode::ServerError)
    );
}
