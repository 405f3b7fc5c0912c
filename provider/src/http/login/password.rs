//! The check of a password: slow on purpose, so off the reactor and at most one a core.

use oidc_crds::password;
use oidc_crds::seal::KeyRing;
use oidc_crds::user::User;
use zeroize::Zeroizing;

use crate::app::App;

/// Whether the password is right. Takes as long for an unknown user, or one without a password.
pub(super) async fn is_right(
    app: &App,
    ring: &KeyRing,
    user: Option<&User>,
    given: Zeroizing<String>,
) -> bool {
    let digest = user.and_then(|user| {
        let sealed = user.sealed_password()?;
        password::unseal(ring, user.uid(), sealed)
            .inspect_err(
                |error| tracing::warn!(user_uid = user.uid(), %error, "the password's digest does not open"),
            )
            .ok()
    });
    let exists = digest.is_some();
    let digest = Zeroizing::new(digest.unwrap_or_else(|| password::decoy().to_owned()));
    let Some(slot) = app.hashing.turn().await else {
        return false;
    };
    let verify = tokio::task::spawn_blocking(move || {
        let right = password::verify(&digest, &given);
        drop(slot);
        right
    });
    verify.await.unwrap_or(false) && exists
}
