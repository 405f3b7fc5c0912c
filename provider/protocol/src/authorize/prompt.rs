//! `prompt` and `max_age` (OpenID Connect Core §3.1.2.1).

use super::Prompt;
use crate::error::{ErrorCode, OAuthError};
use crate::jwt::verify_id_token_hint;
use crate::keys::Keys;
use crate::params::Params;

/// What `prompt` asks for.
///
/// # Errors
/// `invalid_request` for an unknown value, and for `none` beside another.
pub(super) fn prompt(params: &Params) -> Result<Prompt, OAuthError> {
    let mut prompt = Prompt::default();
    let values = || params.get("prompt").unwrap_or_default().split(' ');
    for value in values().filter(|value| !value.is_empty()) {
        match value {
            "none" => prompt.none = true,
            // The login form is where another account can be chosen.
            "login" | "select_account" => prompt.login = true,
            "consent" => prompt.consent = true,
            // Where accounts can be made, the login form says so.
            "create" => {}
            _ => {
                return Err(OAuthError::invalid_request(
                    "prompt must be none, login, consent or select_account.",
                ));
            }
        }
    }
    // "If this parameter contains none with any other value, an error is returned" (§3.1.2.1).
    if prompt.none && values().any(|value| !value.is_empty() && value != "none") {
        return Err(OAuthError::invalid_request(
            "prompt=none cannot be combined with another value.",
        ));
    }
    Ok(prompt)
}

/// `sub` of `id_token_hint`: an ID token of ours, expired or not. One that is not ours says nothing about who
/// is meant, which only a person can make up for.
///
/// # Errors
/// `login_required` for one that is not ours, with `prompt=none` (OpenID Connect Core §3.1.2.1).
pub(super) fn hinted_subject(
    params: &Params,
    prompt: Prompt,
    keys: &Keys,
    issuer: &str,
) -> Result<Option<String>, OAuthError> {
    let Some(hint) = params.get("id_token_hint") else {
        return Ok(None);
    };
    match verify_id_token_hint(hint, keys, issuer) {
        None if prompt.none => Err(OAuthError::new(
            ErrorCode::LoginRequired,
            "id_token_hint is no ID token of this issuer: ask without prompt=none.",
        )),
        hint => Ok(hint.map(|hint| hint.subject)),
    }
}

/// `max_age` in seconds.
///
/// # Errors
/// `invalid_request` when it is no number.
pub(super) fn max_age(params: &Params) -> Result<Option<u64>, OAuthError> {
    params
        .get("max_age")
        .map(|text| {
            // `u64` would also read a sign.
            let digits = text.bytes().all(|b| b.is_ascii_digit());
            text.parse()
                .ok()
                .filter(|_| digits)
                .ok_or_else(|| OAuthError::invalid_request("max_age must be a number of seconds."))
        })
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> Params {
        Params::parse(query.as_bytes()).unwrap()
    }

    fn flags(query: &str) -> (bool, bool, bool) {
        let prompt = prompt(&params(query)).unwrap();
        (prompt.none, prompt.login, prompt.consent)
    }

    #[test]
    fn az_09_each_value_of_prompt() {
        assert_eq!(flags(""), (false, false, false));
        assert_eq!(flags("prompt=none"), (true, false, false));
        assert_eq!(flags("prompt=login"), (false, true, false));
        assert_eq!(flags("prompt=consent"), (false, false, true));
        assert_eq!(flags("prompt=login+consent"), (false, true, true));
        assert_eq!(flags("prompt=select_account"), (false, true, false));
        assert_eq!(flags("prompt=create"), (false, false, false));
    }

    #[test]
    fn az_09_none_with_another_value_is_invalid() {
        for value in [
            "none+login",
            "consent+none",
            "none+create",
            "page",
            "Login",
            "none+x",
        ] {
            let error = prompt(&params(&format!("prompt={value}"))).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidRequest, "{value}");
        }
    }

    #[test]
    fn az_10_max_age_is_a_number() {
        assert_eq!(max_age(&params("")), Ok(None));
        assert_eq!(max_age(&params("max_age=0")), Ok(Some(0)));
        assert_eq!(max_age(&params("max_age=86400")), Ok(Some(86400)));
        for wrong in ["-1", "%2B1", "1.5", "x", "99999999999999999999", "1+"] {
            let error = max_age(&params(&format!("max_age={wrong}"))).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidRequest, "{wrong}");
        }
    }
}
