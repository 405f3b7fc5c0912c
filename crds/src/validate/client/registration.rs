//! What a client authenticates with: the digests in status, or those that it registered itself with.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::Violations;
use crate::client::Authentication;
use crate::resources::OidcClient;
use crate::resources::oidc_client::Credential;
use crate::rotation;

/// The digests of its secrets. Who may write them into the spec does not matter: without the pepper nobody can
/// make one that a secret matches, and one that is copied is bound to the object that it was made for. Whoever
/// writes one by hand locks their own client out. A weak one is none where weak ones are not accepted (any more),
/// whether the operator comes to say so in status or not.
pub(super) fn credentials(
    object: &OidcClient,
    authentication: &Authentication,
    created_at: Timestamp,
    accepts_weak: bool,
    v: &mut Violations,
) -> Vec<Credential> {
    let Some(registration) = &object.spec.registration else {
        let known = object.status.iter().flat_map(|status| &status.credentials);
        let accepted = known.filter(|known| accepts_weak || !rotation::is_weak(known));
        return accepted.cloned().collect();
    };
    let spec = &object.spec;
    for (field, is_there) in [
        ("spec.secretRef", spec.secret_ref.is_some()),
        ("spec.rotation", spec.rotation.is_some()),
        ("spec.rolloutRestart", !spec.rollout_restart.is_empty()),
    ] {
        if is_there {
            v.invalid(
                field,
                "is not for a client that registered itself: it has the secret that it was told",
            );
        }
    }
    if !matches!(authentication, Authentication::Secret(_)) {
        return Vec::new();
    }
    let Some(digest) = &registration.secret_digest else {
        v.invalid(
            "spec.registration.secretDigest",
            "is missing: it registered without a secret; remove spec.registration and it gets one in a Secret",
        );
        return Vec::new();
    };
    vec![Credential {
        id: registration.id.clone(),
        digest: digest.clone(),
        created_at: Time(created_at),
        retires_at: None,
        last_used_at: None,
    }]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::{installation, judge, object, with};
    use crate::client::Client;
    use crate::credentials::{ClientSecret, digest, verify};
    use crate::secrets::installation::Installation;
    use crate::secrets::pepper::Pepper;
    use crate::testing::SeededRng;
    use crate::validate::validate;

    fn registered(members: Value) -> Value {
        let mut spec = with(members);
        spec["registration"] = json!({"id": "r1", "secretDigest": "p:d"});
        spec
    }

    #[test]
    fn reg_01_the_digest_of_a_registration_is_the_only_credential() {
        let client = judge(registered(json!({}))).unwrap();
        let ids: Vec<_> = client.credentials().iter().map(|known| &*known.id).collect();
        assert_eq!(ids, ["r1"]);
        assert_eq!(client.digest_scope(), "registration/team-a/shop");
        let plain = judge(with(json!({}))).unwrap();
        assert!(plain.registration().is_none() && plain.digest_scope() == plain.uid());
        let public = json!({"redirectUris": ["https://shop.example.com/callback"], "authentication": {"none": {}},
            "registration": {"id": "r1"}});
        let public = judge(public).unwrap();
        assert!(public.credentials().is_empty() && public.registration().is_some());
    }

    #[test]
    fn a_weak_secret_of_status_counts_only_where_weak_ones_are_accepted() {
        let mut object = object(with(json!({"secretRef": {"name": "mine"}})));
        let known = |id: &str| json!({"id": id, "digest": "p:d", "createdAt": "2026-11-25T09:00:00Z"});
        object.status = serde_json::from_value(json!({
            "conditions": [], "credentials": [known("ref-weak-0011223344556677"), known("ref-0011223344556677")],
        }))
        .unwrap();
        let mut installation = installation();
        let ids = |installation: &Installation| {
            let client = validate(&object, installation, None).unwrap();
            let ids = client.credentials().iter().map(|known| known.id.clone());
            ids.collect::<Vec<_>>()
        };
        assert_eq!(ids(&installation), ["ref-0011223344556677"]);
        installation.grants[0].weak_secrets = true;
        assert_eq!(ids(&installation).len(), 2);
        installation.grants[0].namespaces = vec!["team-b".to_owned()];
        assert_eq!(ids(&installation), ["ref-0011223344556677"]);
    }

    #[test]
    fn reg_01_a_digest_that_was_copied_matches_nothing() {
        let pepper = Pepper::generate(jiff::Timestamp::UNIX_EPOCH, &mut SeededRng::new(1));
        let secret = ClientSecret::new("told".to_owned());
        let told = |scope: &str| {
            let mut spec = registered(json!({}));
            spec["registration"]["secretDigest"] = digest(&pepper, scope, "r1", &secret).into();
            judge(spec).unwrap()
        };
        let matches = |client: &Client| {
            let (scope, now) = (client.digest_scope(), client.created_at());
            verify(&pepper, &scope, client.credentials(), &secret, now).is_some()
        };
        assert!(matches(&told("registration/team-a/shop")));
        for other in ["registration/team-a/other", "registration/team-b/shop", "c1"] {
            assert!(!matches(&told(other)), "{other}");
        }
    }

    #[test]
    fn reg_01_a_registration_without_its_digest_or_with_a_secret_ref_is_refused() {
        let mut without = registered(json!({}));
        without["registration"] = json!({"id": "r1"});
        for (spec, field) in [
            (without, "spec.registration.secretDigest"),
            (
                registered(json!({"secretRef": {"name": "mine"}})),
                "spec.secretRef",
            ),
            (registered(json!({"rotation": {"now": "today"}})), "spec.rotation"),
        ] {
            let violations = judge(spec).unwrap_err();
            assert_eq!(violations.len(), 1, "{violations:?}");
            assert_eq!(violations[0].field, field);
        }
    }
}
