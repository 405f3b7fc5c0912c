//! How well a person proved who they are: `acr` (OpenID Connect Core §2), from the methods in `amr`.

/// A password, over a connection that nobody else reads (OASIS SAML 2.0 authentication contexts §3.4.2): the
/// name that most relying parties know.
pub const PASSWORD: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport";

/// All that are reached here, weakest first: `acr_values_supported`.
pub const ALL: [&str; 1] = [PASSWORD];

/// The class that a login's methods (RFC 8176) reach. `None` for methods that reach no class: an `acr` is
/// never empty.
#[must_use]
pub fn of(amr: &[String]) -> Option<&'static str> {
    amr.iter().any(|method| method == "pwd").then_some(PASSWORD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jwt_01_acr_says_what_amr_reaches_and_is_never_empty() {
        assert_eq!(of(&["pwd".to_owned()]), Some(PASSWORD));
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["unknown".to_owned()]), None);
        assert!(ALL.iter().all(|acr| !acr.is_empty()));
    }
}
