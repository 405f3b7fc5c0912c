//! What must happen now: show the login form, ask for consent, or issue.

use jiff::Timestamp;
use oidc_crds::client::Client;
use oidc_crds::names::{Consent, OFFLINE_ACCESS};
use oidc_crds::user::User;

use super::{AuthorizationRequest, Next};
use crate::error::{ErrorCode, OAuthError};
use crate::records::{ConsentRecord, Session};

/// What to do. `session` is the login of this browser with the user as it is now (`None`: deleted);
/// `just_authenticated`: this very request's login form was answered; `consent`: what is remembered for
/// this client. After a consent the caller issues without asking here again.
///
/// # Errors
/// An error to send by the [`ReturnTo`](super::ReturnTo): `login_required` and the like for
/// `prompt=none`, `access_denied` for a person who is disabled or outside `allowedGroups`.
pub fn next(
    request: &AuthorizationRequest,
    client: &Client,
    session: Option<(&Session, Option<&User>)>,
    consent: Option<&ConsentRecord>,
    just_authenticated: bool,
    now: Timestamp,
) -> Result<Next, OAuthError> {
    // A user who is gone has no session, and a re-created namesake inherits none.
    let person = session.and_then(|(session, user)| Some((session, user?)));
    let person = person.filter(|(session, user)| user.uid() == session.user_uid);
    let Some((session, user)) = person else {
        return page(request, Next::Login);
    };
    if !just_authenticated && (request.prompt.login || is_too_old(request, session, now)) {
        return page(request, Next::Login);
    }
    // "MUST NOT reply with an ID Token or Access Token for a different user, even if they have an active
    // session" (OpenID Connect Core §3.1.2.2).
    if request
        .hinted_subject
        .as_deref()
        .is_some_and(|subject| subject != user.subject())
    {
        if just_authenticated {
            return Err(OAuthError::new(
                ErrorCode::LoginRequired,
                "Another person signed in than id_token_hint names.",
            ));
        }
        return page(request, Next::Login);
    }
    if user.disabled() || !user.is_in_one_of(client.allowed_groups()) {
        return Err(OAuthError::new(
            ErrorCode::AccessDenied,
            "This person may not use this client.",
        ));
    }
    if needs_consent(request, client, consent) {
        return page(request, Next::Consent(request.scope.clone()));
    }
    Ok(Next::Issue)
}

/// "The Authorization Server MUST NOT display any authentication or consent user interface pages" with
/// `prompt=none` (OpenID Connect Core §3.1.2.1).
fn page(request: &AuthorizationRequest, page: Next) -> Result<Next, OAuthError> {
    if !request.prompt.none {
        return Ok(page);
    }
    Err(match page {
        Next::Login => OAuthError::new(
            ErrorCode::LoginRequired,
            "The person must sign in: ask without prompt=none.",
        ),
        Next::Consent(_) | Next::Issue => OAuthError::new(
            ErrorCode::ConsentRequired,
            "The person must consent: ask without prompt=none.",
        ),
    })
}

/// "If the elapsed time is greater than this value, the OP MUST attempt to actively re-authenticate"
/// (OpenID Connect Core §3.1.2.1).
fn is_too_old(request: &AuthorizationRequest, session: &Session, now: Timestamp) -> bool {
    let age = now.as_second().saturating_sub(session.auth_time.as_second());
    request
        .max_age
        .is_some_and(|most| u64::try_from(age).is_ok_and(|age| age > most || most == 0))
}

/// Whether a client does without consent; never one that anybody can pose as.
pub(super) fn skips_consent(client: &Client, redirect_uri: Option<&str>) -> bool {
    // without one in the request it is the only one
    let only = client.redirect_uris().first().map(String::as_str);
    client.consent() == Consent::Skip && !anybody_can_pose(client, redirect_uri.or(only).unwrap_or_default())
}

/// Whether any program of the person's machine can pose as this client: it has no secret, and its answers go
/// to loopback or a custom scheme (RFC 8252 §8.6).
#[must_use]
pub fn anybody_can_pose(client: &Client, redirect_uri: &str) -> bool {
    client.is_public() && !redirect_uri.starts_with("https://")
}

fn needs_consent(request: &AuthorizationRequest, client: &Client, consent: Option<&ConsentRecord>) -> bool {
    if request.prompt.consent || client.consent() == Consent::Required {
        return true;
    }
    if skips_consent(client, request.redirect_uri.as_deref()) {
        return false;
    }
    // "The Authorization Server MUST always obtain consent to returning a Refresh Token that enables offline
    // access … A previously saved user consent is not always sufficient" (OpenID Connect Core §11).
    if request.scope.iter().any(|scope| scope == OFFLINE_ACCESS) {
        return true;
    }
    let agreed = consent.map_or(&[][..], |record| &record.scope);
    !request.scope.iter().all(|scope| agreed.contains(scope))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use serde_json::json;

    use super::*;
    use crate::authorize::Prompt;
    use crate::testing::{NOW, client, client_with, request, session, strings, user, user_with};

    struct Ask {
        request: AuthorizationRequest,
        client: std::sync::Arc<Client>,
        user: Option<User>,
        signed_in: bool,
        consent: Option<Vec<String>>,
        just_authenticated: bool,
        after: i64,
    }

    impl Default for Ask {
        fn default() -> Self {
            Self {
                request: request(),
                client: client(),
                user: Some(user()),
                signed_in: true,
                consent: Some(request().scope),
                just_authenticated: false,
                after: 5,
            }
        }
    }

    impl Ask {
        fn next(&self) -> Result<Next, ErrorCode> {
            let session = session();
            let consent = self.consent.clone().map(|scope| ConsentRecord { scope, at: NOW });
            next(
                &self.request,
                &self.client,
                self.signed_in.then_some((&session, self.user.as_ref())),
                consent.as_ref(),
                self.just_authenticated,
                NOW + SignedDuration::from_secs(self.after),
            )
            .map_err(|error| error.code)
        }

        fn prompt(mut self, none: bool, login: bool, consent: bool) -> Self {
            self.request.prompt = Prompt { none, login, consent };
            self
        }
    }

    fn all_scopes() -> Next {
        Next::Consent(request().scope)
    }

    #[test]
    fn a_session_with_consent_issues() {
        assert_eq!(Ask::default().next(), Ok(Next::Issue));
    }

    #[test]
    fn without_a_session_the_form_is_shown() {
        let nobody = || Ask {
            signed_in: false,
            ..Ask::default()
        };
        assert_eq!(nobody().next(), Ok(Next::Login));
        assert_eq!(
            nobody().prompt(true, false, false).next(),
            Err(ErrorCode::LoginRequired)
        );
    }

    #[test]
    fn a_deleted_user_or_a_namesake_has_no_session() {
        let gone = || Ask {
            user: None,
            ..Ask::default()
        };
        assert_eq!(gone().next(), Ok(Next::Login));
        assert_eq!(
            gone().prompt(true, false, false).next(),
            Err(ErrorCode::LoginRequired)
        );
        let mut record = session();
        record.user_uid = "uid-of-the-old-one".to_owned();
        let user = user();
        let decided = next(
            &request(),
            &client(),
            Some((&record, Some(&user))),
            None,
            true,
            NOW,
        );
        assert_eq!(decided, Ok(Next::Login));
    }

    #[test]
    fn az_09_login_forces_authentication_once() {
        let again = Ask::default().prompt(false, true, false);
        assert_eq!(again.next(), Ok(Next::Login));
        let done = Ask {
            just_authenticated: true,
            ..again
        };
        assert_eq!(done.next(), Ok(Next::Issue));
    }

    #[test]
    fn az_09_none_never_shows_a_page() {
        let none = || Ask::default().prompt(true, false, false);
        assert_eq!(none().next(), Ok(Next::Issue));
        let mut unasked = none();
        unasked.consent = None;
        assert_eq!(unasked.next(), Err(ErrorCode::ConsentRequired));
        let mut always = none();
        always.client = client_with(json!({"consent": "required"}));
        assert_eq!(always.next(), Err(ErrorCode::ConsentRequired));
        let mut old = none();
        old.request.max_age = Some(4);
        assert_eq!(old.next(), Err(ErrorCode::LoginRequired));
    }

    #[test]
    fn az_09_a_person_who_is_disabled_or_outside_gets_access_denied() {
        let disabled = || Ask {
            user: Some(user_with(json!({"disabled": true}))),
            ..Ask::default()
        };
        let outside = || Ask {
            client: client_with(json!({"allowedGroups": ["board"]})),
            ..Ask::default()
        };
        for prompt in [(false, false, false), (true, false, false), (false, false, true)] {
            let (none, login, consent) = prompt;
            for ask in [disabled(), outside()] {
                assert_eq!(
                    ask.prompt(none, login, consent).next(),
                    Err(ErrorCode::AccessDenied)
                );
            }
        }
        // Another person may sign in instead; whoever it is, is judged then.
        assert_eq!(outside().prompt(false, true, false).next(), Ok(Next::Login));
        let mut answered = outside().prompt(false, true, false);
        answered.just_authenticated = true;
        assert_eq!(answered.next(), Err(ErrorCode::AccessDenied));
        let inside = Ask {
            client: client_with(json!({"allowedGroups": ["board", "staff"]})),
            ..Ask::default()
        };
        assert_eq!(inside.next(), Ok(Next::Issue));
    }

    #[test]
    fn az_10_max_age_forces_authentication_when_the_session_is_older() {
        for (max_age, after, expected) in [
            (5, 5, Next::Issue),
            (4, 5, Next::Login),
            (0, 0, Next::Login),
            (0, 5, Next::Login),
            (10_000, 5, Next::Issue),
            // Another pod's clock was ahead.
            (1, -3, Next::Issue),
        ] {
            let mut ask = Ask {
                after,
                ..Ask::default()
            };
            ask.request.max_age = Some(max_age);
            assert_eq!(ask.next(), Ok(expected), "{max_age} {after}");
            ask.just_authenticated = true;
            assert_eq!(ask.next(), Ok(Next::Issue), "{max_age} {after}");
        }
    }

    #[test]
    fn az_18_a_new_scope_asks_again_for_all() {
        for known in [
            None,
            Some(strings(&["openid"])),
            Some(strings(&["profile", "email"])),
        ] {
            let ask = Ask {
                consent: known,
                ..Ask::default()
            };
            assert_eq!(ask.next(), Ok(all_scopes()));
        }
        let wider = Ask {
            consent: Some(strings(&["profile", "email", "openid"])),
            ..Ask::default()
        };
        assert_eq!(wider.next(), Ok(Next::Issue));
    }

    #[test]
    fn az_11_a_hint_of_another_user_never_gets_an_answer() {
        let hinted = |subject: &str| {
            let mut ask = Ask::default();
            ask.request.hinted_subject = Some(subject.to_owned());
            ask
        };
        assert_eq!(hinted("jdoe").next(), Ok(Next::Issue));
        assert_eq!(hinted("jdoe").prompt(true, false, false).next(), Ok(Next::Issue));
        assert_eq!(hinted("erin").next(), Ok(Next::Login));
        assert_eq!(
            hinted("erin").prompt(true, false, false).next(),
            Err(ErrorCode::LoginRequired)
        );
        let mut answered = hinted("erin");
        answered.just_authenticated = true;
        assert_eq!(answered.next(), Err(ErrorCode::LoginRequired));
    }

    #[test]
    fn tok_06_offline_access_is_always_asked_for() {
        let mut ask = Ask::default();
        ask.request.scope.push("offline_access".to_owned());
        ask.consent = Some(ask.request.scope.clone());
        assert_eq!(ask.next(), Ok(Next::Consent(ask.request.scope.clone())));
        ask.client = client_with(json!({"consent": "skip"}));
        assert_eq!(ask.next(), Ok(Next::Issue));
    }

    #[test]
    fn az_18_skip_never_applies_where_anybody_can_pose_as_the_client() {
        let skip = |spec: serde_json::Value| Ask {
            client: client_with(spec),
            consent: None,
            ..Ask::default()
        };
        assert_eq!(skip(json!({"consent": "skip"})).next(), Ok(Next::Issue));
        let asked = skip(json!({"consent": "skip"})).prompt(false, false, true);
        assert_eq!(asked.next(), Ok(all_scopes()));
        let public = json!({"consent": "skip", "authentication": {"none": {}}});
        assert_eq!(skip(public.clone()).next(), Ok(Next::Issue));
        let mut local = skip(public);
        for uri in ["http://127.0.0.1:4000/cb", "com.example.app:/cb"] {
            local.request.redirect_uri = Some(uri.to_owned());
            assert_eq!(local.next(), Ok(all_scopes()), "{uri}");
        }
    }

    #[test]
    fn az_18_some_clients_and_prompts_always_ask() {
        let always = Ask {
            client: client_with(json!({"consent": "required"})),
            ..Ask::default()
        };
        assert_eq!(always.next(), Ok(all_scopes()));
        assert_eq!(Ask::default().prompt(false, false, true).next(), Ok(all_scopes()));
    }
}
