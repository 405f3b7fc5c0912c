//! What a standalone installation is: the defaults, and what a file says otherwise.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use oidc_crds::secrets::installation::{
    Installation, Lifetimes, Limits, Pages, Registration, RegistrationMode, strict,
};
use serde::Deserialize;

use crate::resources::folder::registered::NAMESPACE;

/// What the file may say: members of the installation that mean something to one process on its own.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Chosen {
    lifetimes: Arc<Lifetimes>,
    limits: Limits,
    pages: Pages,
    registration: Option<ByToken>,
}

/// Registration is open on loopback and closed elsewhere, unless the file says otherwise.
#[derive(Debug, Deserialize)]
struct ByToken {
    /// The only word that there is.
    mode: TokenMode,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum TokenMode {
    /// Whoever has an initial access token may register.
    Token,
}

/// The installation; it keeps the rules that hold for every installation.
///
/// # Errors
/// One line that names the setting.
pub(super) fn read(issuer: &str, loopback: bool, file: Option<&Path>) -> anyhow::Result<Installation> {
    let installation = Installation::standalone(issuer, loopback);
    check(&installation, "--issuer (environment: ISSUER_URL)")?;
    let Some(file) = file else {
        return Ok(installation);
    };
    let setting = format!("--installation {}", file.display());
    let text = std::fs::read_to_string(file).with_context(|| setting.clone())?;
    chosen(installation, &text, &setting)
}

/// The installation with what the file's text says.
fn chosen(installation: Installation, text: &str, setting: &str) -> anyhow::Result<Installation> {
    let chosen: Option<Chosen> = strict(text).map_err(|told| anyhow!("{setting}: {told}"))?;
    let Chosen {
        lifetimes,
        limits,
        pages,
        registration,
    } = chosen.unwrap_or_default();
    let registration = registration.map(
        |ByToken {
             mode: TokenMode::Token,
         }| Registration {
            mode: RegistrationMode::Token,
            namespace: NAMESPACE.to_owned(),
            expire_unused: None,
        },
    );
    let installation = Installation {
        lifetimes,
        limits,
        pages,
        registration,
        ..installation
    };
    check(&installation, setting)?;
    Ok(installation)
}

fn check(installation: &Installation, setting: &str) -> anyhow::Result<()> {
    let text = serde_json::to_string(installation)?;
    Installation::parse(&text).map_err(|error| {
        let told = error.to_string();
        let told = told.strip_prefix("installation.yaml: ").unwrap_or(&told);
        anyhow!("{setting}: {told}")
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use oidc_crds::secrets::installation::AtSessionLimit;

    use super::*;

    const ISSUER: &str = "http://localhost:5000";

    fn of(text: &str) -> anyhow::Result<Installation> {
        chosen(
            Installation::standalone(ISSUER, true),
            text,
            "--installation my.yaml",
        )
    }

    #[test]
    fn an_issuer_that_breaks_the_rule_names_the_setting() {
        for issuer in [
            "nonsense",
            "http://example.com",
            "https://example.com/",
            "https://example.com?a=b",
        ] {
            let error = read(issuer, true, None).unwrap_err().to_string();
            assert!(
                error.contains("ISSUER_URL") && !error.contains('\n'),
                "{issuer}: {error}"
            );
        }
        for issuer in [ISSUER, "https://example.com/path"] {
            assert!(read(issuer, true, None).is_ok(), "{issuer}");
        }
    }

    #[test]
    fn the_file_changes_what_it_names_and_nothing_else() {
        let some =
            of("lifetimes: {sessionsPerUser: 2, atSessionLimit: refuse}\nlimits: {loginPerAccount: 3}")
                .unwrap();
        assert_eq!(some.lifetimes.sessions_per_user, 2);
        assert_eq!(some.lifetimes.at_session_limit, AtSessionLimit::Refuse);
        assert_eq!(some.lifetimes.access_token, Lifetimes::default().access_token);
        assert_eq!(some.limits.login_per_account, 3);
        assert!(some.grants_all && some.weak_secrets);
        let branded = of("pages: {name: Example Corp, defaultLanguage: ja}").unwrap();
        assert_eq!(branded.pages.name.as_deref(), Some("Example Corp"));
        assert!(of("registration: {mode: token}").unwrap().registers_by_token());
        for empty in ["", "# nothing\n", "{}"] {
            assert_eq!(of(empty).unwrap(), Installation::standalone(ISSUER, true));
        }
    }

    #[test]
    fn what_is_wrong_in_the_file_is_one_line_that_names_it() {
        for (text, name) in [
            ("lifetime: {}", "lifetime"),
            ("issuer: https://example.com", "issuer"),
            ("lifetimes: {sesions: 1h}", "lifetimes.sesions"),
            (
                "pages: {links: [{label: a, url: 'https://a.example', icon: x}]}",
                "pages.links[0].icon",
            ),
            ("lifetimes: {sessionsPerUser: 0}", "sessionsPerUser"),
            ("lifetimes: {session: soon}", "soon"),
            ("limits: [", "--installation my.yaml"),
            ("registration: {mode: open}", "open"),
            ("registration: {mode: token, namespace: a}", "namespace"),
            ("registration: {}", "mode"),
            ("pages: {accentColor: red}", "pages.accentColor"),
            ("pages: {logo: 'javascript:alert(1)'}", "pages.logo"),
        ] {
            let error = of(text).unwrap_err().to_string();
            let named = error.contains("--installation my.yaml") && error.contains(name);
            assert!(named && !error.contains('\n'), "{text}: {error}");
        }
        let missing = read(ISSUER, true, Some(Path::new("/nowhere/my.yaml"))).unwrap_err();
        assert!(format!("{missing:#}").contains("--installation /nowhere/my.yaml"));
    }
}
