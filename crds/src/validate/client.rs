//! Rules of an OidcClient.

use std::collections::{BTreeMap, BTreeSet};

use self::granted::{audiences, consent, scopes};
use self::hosts::Hosts;
pub use self::hosts::web_hosts;
use self::redirects::{AFTER_LOGOUT, REDIRECTS, default_type, kinds, kinds_after_logout, leads_to};
use super::{Identity, Violation, Violations, claims, identity, text, uri};
use crate::client::{Authentication, Client, Links, Rare, own_grantee};
use crate::names::{AccessTokenFormat, AccessTokenType, Consent, GrantType, Pkce, ResponseType};
use crate::resources::oidc_client::{OidcClient, OidcClientSpec, Tokens};
use crate::resources::{Reason, limits};
use crate::secrets::installation::{Belongs, Installation};

mod authentication;
mod certificate;
mod granted;
mod hosts;
mod lifetimes;
mod redirects;
mod registration;
mod rotation;
mod shape;

/// Judges a client; reports every violation at once. `namespace_labels` are those of the object's
/// namespace, needed only where the installation selects namespaces by label (`None`: not known yet).
///
/// # Errors
/// All violations, never an empty list.
pub fn validate(
    client: &OidcClient,
    installation: &Installation,
    namespace_labels: Option<&BTreeMap<String, String>>,
) -> Result<Client, Vec<Violation>> {
    let mut violations = Violations::default();
    let v = &mut violations;
    let identity = identity(&client.metadata, v);
    let spec = &client.spec;

    if let Some(contested) = contested(spec, &identity, installation, namespace_labels) {
        return Err(vec![contested]);
    }
    served(&identity, installation, namespace_labels, v);
    let client_id = client_id(spec, &identity, installation, v);
    presentation(spec, installation, v);
    let redirects = leads_to(REDIRECTS, &spec.redirect_uris, v);
    let after_logout = leads_to(AFTER_LOGOUT, &spec.post_logout_redirect_uris, v);
    let application_type = spec.application_type.unwrap_or_else(|| default_type(&redirects));
    let authentication = authentication::of(spec, &identity.namespace, installation, v);
    let grant_types = grants(spec, &authentication, v);
    granted::grant_types(&grant_types, &identity.namespace, installation, v);
    let hosts = Hosts::of(client, &identity.namespace, installation);
    let redirect_uris = hosts.served(REDIRECTS, &spec.redirect_uris, &redirects, v);
    let post_logout_redirect_uris =
        hosts.served(AFTER_LOGOUT, &spec.post_logout_redirect_uris, &after_logout, v);
    kinds(spec, application_type, &redirects, &grant_types, v);
    kinds_after_logout(application_type, &after_logout, v);
    let scopes = scopes(spec, &identity.namespace, installation, v);
    if scopes.is_empty() && grant_types.contains(&GrantType::AuthorizationCode) {
        v.invalid(
            "spec.scopes",
            "is empty: the grant authorization_code needs a scope",
        );
    }
    audiences(spec, &identity.namespace, installation, v);
    consent(
        spec,
        &identity.namespace,
        &authentication,
        &redirects,
        installation,
        v,
    );
    people(spec, v);
    let secret_name = secrets(spec, &identity.name, installation, v);
    let has_secret = matches!(authentication, Authentication::Secret(_));
    let shape = shape::shape(spec, &identity.namespace, has_secret, installation, v);
    let rotation = rotation::of(spec, &authentication, installation, v);
    rotation::restarts(spec, &authentication, v);

    let tokens = spec.tokens.clone().unwrap_or_default();
    let claims = claims::of_client(&spec.claims, v);
    opaque(&tokens, v);
    certificate::bound(&tokens, &authentication, installation, v);
    let lifetimes = lifetimes::effective(&tokens, &identity.namespace, installation, v);
    let links = Links {
        logo: spec.logo_uri.clone(),
        client: spec.client_uri.clone(),
        policy: spec.policy_uri.clone(),
        tos: spec.tos_uri.clone(),
    };
    let accepts_weak = installation.accepts_weak_secrets(&identity.namespace);
    let credentials =
        registration::credentials(client, &authentication, identity.created_at, accepts_weak, v);
    let rare = Rare {
        own_grantee: (spec.client_id.as_ref()).map(|id| own_grantee(&identity.uid, id).into()),
        links,
        allowed_origins: spec.allowed_origins.clone(),
        audiences: spec.audiences.clone(),
        resource_server_for: spec.resource_server_for.clone(),
        claims,
        allowed_groups: spec.allowed_groups.clone(),
        shape,
        rotation,
        rollout_restart: spec.rollout_restart.clone(),
        registration: spec.registration.clone(),
    };
    let good = Client {
        uid: identity.uid.into(),
        namespace: identity.namespace.into(),
        name: identity.name.into(),
        created_at: identity.created_at,
        client_id: client_id.into(),
        display_name: spec.display_name.as_deref().map(Into::into),
        redirect_uris,
        post_logout_redirect_uris,
        grant_types: GrantType::ALL.map(|grant| grant_types.contains(&grant)),
        scopes,
        application_type,
        authentication,
        pkce_required: spec.pkce != Some(Pkce::Optional),
        consent: spec.consent.unwrap_or(Consent::Remember),
        id_token_alg: tokens.id_token_signed_response_alg,
        access_token_alg: tokens.access_token_signing_alg,
        access_token_type: tokens.access_token_type.unwrap_or(AccessTokenType::AtJwt),
        certificate_bound: tokens.certificate_bound == Some(true),
        access_token_format: tokens.access_token_format.unwrap_or_default(),
        id_token_claims: tokens.id_token_claims.unwrap_or_default(),
        secret_name: secret_name.into(),
        lifetimes,
        credentials: credentials.into(),
        rare: rare.boxed(),
    };
    violations.or(good)
}

/// What is not signed has no `typ` and no algorithm.
fn opaque(tokens: &Tokens, v: &mut Violations) {
    if tokens.access_token_format != Some(AccessTokenFormat::Opaque) {
        return;
    }
    if tokens.access_token_type.is_some() {
        v.invalid(
            "spec.tokens.accessTokenType",
            "is for JWTs: remove it, or accessTokenFormat",
        );
    }
    if tokens.access_token_signing_alg.is_some() {
        v.invalid(
            "spec.tokens.accessTokenSigningAlg",
            "is for JWTs: remove it, or accessTokenFormat",
        );
    }
}

fn served(
    identity: &Identity,
    installation: &Installation,
    labels: Option<&BTreeMap<String, String>>,
    v: &mut Violations,
) {
    let message = match installation.serves(&identity.namespace, labels) {
        Some(true) => return,
        Some(false) => format!(
            "{} is not served by the installation {}: name it there",
            text::quoted(&identity.namespace),
            installation.release
        ),
        None => "is not known yet".to_owned(),
    };
    v.add(Reason::NamespaceNotServed, "metadata.namespace", message);
}

/// One installation serves a client, or none does. That is told alone: what else is wrong is for whichever the
/// client names, and all between which it must choose have to say the same.
fn contested(
    spec: &OidcClientSpec,
    identity: &Identity,
    installation: &Installation,
    labels: Option<&BTreeMap<String, String>>,
) -> Option<Violation> {
    let belongs = installation.belongs(spec.class_name.as_deref(), &identity.namespace, labels);
    let message = match belongs {
        Belongs::Here | Belongs::Elsewhere => return None,
        Belongs::Contested(classes) => format!(
            "is absent, and more than one installation is the default here: name one of {}",
            classes.join(", ")
        ),
        Belongs::Unknown => "is absent, and whose the namespace is is not known yet".to_owned(),
    };
    Some(Violation {
        field: "spec.className".to_owned(),
        reason: Reason::AmbiguousClass,
        message,
    })
}

fn client_id(
    spec: &OidcClientSpec,
    identity: &Identity,
    installation: &Installation,
    v: &mut Violations,
) -> String {
    let Some(id) = &spec.client_id else {
        return format!("{}.{}", identity.namespace, identity.name);
    };
    let good = v.check("spec.clientId", id, client_id_syntax(id));
    if good.is_some() && installation.grants_client_id(&identity.namespace, id).is_none() {
        let message = format!(
            "{} is not granted to the namespace {}: leave it out, or have it added to the installation's grants",
            text::quoted(id),
            identity.namespace
        );
        v.add(Reason::NotGranted, "spec.clientId", message);
    }
    id.clone()
}

/// Without a dot, since `<namespace>.<name>` has one; without a colon, since it ends the id in Basic
/// authentication (RFC 7617 §2).
fn client_id_syntax(id: &str) -> Result<(), String> {
    text::at_most(id, limits::CLIENT_ID)?;
    if id.contains('.') {
        return Err("has a dot: only computed ids have one".into());
    }
    let good = id.starts_with(|c: char| c.is_ascii_alphanumeric())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if good {
        Ok(())
    } else {
        Err("is not made of letters, digits, - and _, beginning with a letter or digit".into())
    }
}

/// What people see on the consent page.
fn presentation(spec: &OidcClientSpec, installation: &Installation, v: &mut Violations) {
    v.check_optional("spec.displayName", spec.display_name.as_ref(), |name| {
        text::display_name(name, limits::DISPLAY_NAME)
    });
    for (field, value) in [
        ("spec.logoUri", &spec.logo_uri),
        ("spec.clientUri", &spec.client_uri),
        ("spec.policyUri", &spec.policy_uri),
        ("spec.tosUri", &spec.tos_uri),
    ] {
        v.check_optional(field, value.as_ref(), |value| {
            uri::web(value, installation.weak_secrets)
        });
    }
    v.list("spec.allowedOrigins", &spec.allowed_origins, limits::LIST);
    for (index, origin) in spec.allowed_origins.iter().enumerate() {
        v.check(
            format!("spec.allowedOrigins[{index}]"),
            origin,
            uri::origin(origin),
        );
    }
}

fn grants(spec: &OidcClientSpec, authentication: &Authentication, v: &mut Violations) -> BTreeSet<GrantType> {
    let listed = spec
        .grant_types
        .clone()
        .unwrap_or_else(|| vec![GrantType::AuthorizationCode]);
    v.list("spec.grantTypes", &listed, GrantType::ALL.len());
    let grants: BTreeSet<GrantType> = listed.into_iter().collect();
    if grants.is_empty() {
        v.invalid("spec.grantTypes", "is empty: leave it out or list a grant");
    }
    let has_code = grants.contains(&GrantType::AuthorizationCode);
    if grants.contains(&GrantType::RefreshToken) && !has_code {
        v.invalid("spec.grantTypes", "refresh_token needs authorization_code");
    }
    // RFC 6749 §4.4: confidential clients only
    if grants.contains(&GrantType::ClientCredentials) && *authentication == Authentication::None {
        v.invalid(
            "spec.grantTypes",
            "client_credentials needs a client that authenticates",
        );
    }
    if let Some(types) = &spec.response_types {
        match (types[..].contains(&ResponseType::Code), has_code) {
            (false, true) => v.invalid("spec.responseTypes", "lacks code, which authorization_code needs"),
            (true, false) => v.invalid("spec.responseTypes", "code needs the grant authorization_code"),
            _ => {}
        }
        if types.len() > 1 {
            v.invalid("spec.responseTypes[1]", "is there twice: remove it");
        }
    }
    grants
}

fn people(spec: &OidcClientSpec, v: &mut Violations) {
    v.list("spec.allowedGroups", &spec.allowed_groups, limits::GROUPS);
    for (index, group) in spec.allowed_groups.iter().enumerate() {
        v.check(
            format!("spec.allowedGroups[{index}]"),
            group,
            text::one_line(group, limits::GROUP),
        );
    }
    if let Some(class) = &spec.class_name
        && !text::is_dns_label(class)
    {
        v.invalid(
            "spec.className",
            format!("{} cannot be a class", text::quoted(class)),
        );
    }
}

/// The name of the Secret that the operator writes.
fn secrets(spec: &OidcClientSpec, name: &str, installation: &Installation, v: &mut Violations) -> String {
    let written = spec.secret.as_ref().and_then(|secret| secret.name.as_ref());
    let secret_name = written.cloned().unwrap_or_else(|| format!("{name}-oidc"));
    if !text::is_dns_name(&secret_name) {
        v.invalid(
            "spec.secret.name",
            format!(
                "{} cannot be the name of a Secret: choose another",
                text::quoted(&secret_name)
            ),
        );
    }
    if installation.own_secrets().contains(&secret_name) {
        v.invalid(
            "spec.secret.name",
            format!(
                "{} is a Secret of the installation itself: choose another",
                text::quoted(&secret_name)
            ),
        );
    }
    if let Some(reference) = &spec.secret_ref {
        if !text::is_dns_name(&reference.name) {
            v.invalid(
                "spec.secretRef.name",
                format!("{} cannot be the name of a Secret", text::quoted(&reference.name)),
            );
        }
        if installation.own_secrets().contains(&reference.name) {
            // its content would be copied into a Secret of the application
            v.invalid(
                "spec.secretRef.name",
                format!(
                    "{} is a Secret of the installation itself: choose another",
                    text::quoted(&reference.name)
                ),
            );
        }
        if reference.name == secret_name {
            v.invalid(
                "spec.secretRef.name",
                format!(
                    "{} is the Secret that the operator writes: choose another in spec.secret.name",
                    text::quoted(&secret_name)
                ),
            );
        }
        if let Some(key) = &reference.key
            && !text::is_data_key(key)
        {
            v.invalid(
                "spec.secretRef.key",
                format!("{} cannot be a key of a Secret", text::quoted(key)),
            );
        }
    }
    secret_name
}

#[cfg(test)]
mod tests {
    use crate::names::ApplicationType;
    use serde_json::{Value, json};

    use super::*;

    pub(super) fn object(spec: Value) -> OidcClient {
        serde_json::from_value(json!({
            "metadata": {
                "name": "shop", "namespace": "team-a", "uid": "c1",
                "creationTimestamp": "2026-11-25T09:00:00Z"
            },
            "spec": spec,
        }))
        .unwrap()
    }

    pub(super) fn installation() -> Installation {
        Installation::parse(
            "
            release: oidc
            issuer: https://oidc.identity.svc.cluster.local
            className: oidc
            defaultClass: true
            namespaces: {watch: [team-a, team-b]}
            jwksMaxAge: 300s
            lifetimes: {accessToken: 5m}
            outbound: {hosts: [keys.example.com]}
            mtls: {url: https://oidc.identity.svc.cluster.local:8443, ca: {configMap: client-ca}}
            grants:
              - namespaces: [team-a]
                scopes: [orders.read]
                audiences: [https://orders.example.com]
                resourceServerFor: [https://orders.example.com]
                clientIds: [shop-*]
                lifetimes: {accessToken: 10m}
                serviceAccountNamespaces: [ci]
            ",
        )
        .unwrap()
    }

    pub(super) fn judge(spec: Value) -> Result<Client, Vec<Violation>> {
        validate(&object(spec), &installation(), None)
    }

    fn fields(spec: Value) -> Vec<String> {
        let violations = judge(spec).err().unwrap_or_default();
        violations.into_iter().map(|violation| violation.field).collect()
    }

    /// `members` beside a good redirect URI.
    pub(super) fn with(members: Value) -> Value {
        let mut spec = json!({"redirectUris": ["https://shop.example.com/callback"]});
        for (key, value) in members.as_object().unwrap() {
            spec[key] = value.clone();
        }
        spec
    }

    #[test]
    fn defaults_are_safe() {
        let client = judge(with(json!({}))).unwrap();
        assert_eq!(client.client_id(), "team-a.shop");
        assert_eq!(client.display_name(), "team-a.shop");
        assert_eq!(client.uid(), "c1");
        assert_eq!(client.scopes(), ["openid", "profile", "email"]);
        assert_eq!(
            client.grant_types().collect::<Vec<_>>(),
            [GrantType::AuthorizationCode]
        );
        assert_eq!(*client.authentication(), Authentication::Secret(None));
        assert!(client.pkce_required() && !client.is_public());
        assert_eq!(client.consent(), Consent::Remember);
        assert_eq!(client.application_type(), ApplicationType::Web);
        assert_eq!(client.access_token_type(), AccessTokenType::AtJwt);
        assert_eq!(client.secret_name(), "shop-oidc");
        assert_eq!(client.lifetimes(), &*installation().lifetimes);
        assert_eq!(client.lifetimes().access_token.0, 300);
    }

    #[test]
    fn credentials_come_from_status() {
        let mut object = object(with(json!({})));
        object.status = Some(
            serde_json::from_value(json!({
                "clientId": "somebody.else",
                "credentials": [{"id": "a", "digest": "1:x", "createdAt": "2026-11-25T09:00:00Z"}],
            }))
            .unwrap(),
        );
        let client = validate(&object, &installation(), None).unwrap();
        assert_eq!(client.credentials().len(), 1);
        // the id is computed, never taken from status
        assert_eq!(client.client_id(), "team-a.shop");
    }

    #[test]
    fn only_an_object_of_the_api_server_is_good() {
        let mut client = object(with(json!({})));
        client.metadata.uid = None;
        client.metadata.namespace = None;
        client.metadata.creation_timestamp = None;
        let told = validate(&client, &installation(), None).unwrap_err();
        let told: Vec<_> = told.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(
            told,
            [
                "metadata.uid",
                "metadata.namespace",
                "metadata.creationTimestamp",
                "metadata.namespace"
            ]
        );
        let mut client = object(with(json!({})));
        client.metadata.deletion_timestamp = client.metadata.creation_timestamp.clone();
        assert_eq!(validate(&client, &installation(), None).unwrap_err().len(), 1);
    }

    #[test]
    fn namespaces_must_be_served() {
        let mut client = object(with(json!({})));
        client.metadata.namespace = Some("team-c".into());
        let told = validate(&client, &installation(), None).unwrap_err();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].reason, Reason::NamespaceNotServed);
    }

    #[test]
    fn homographs_are_no_names() {
        for (field, spec) in [
            ("spec.clientId", json!({"clientId": "sh\u{43e}p"})),
            ("spec.displayName", json!({"displayName": "Sh\u{43e}p"})),
            (
                "spec.redirectUris[0]",
                json!({"redirectUris": ["https://sh\u{43e}p.example.com/cb"]}),
            ),
            ("spec.scopes[1]", json!({"scopes": ["openid", "\u{430}dmin"]})),
        ] {
            let told = fields(with(spec));
            assert!(told.contains(&field.to_owned()), "{field}: {told:?}");
        }
    }

    #[test]
    fn all_violations_are_told_at_once() {
        let spec = json!({
            "clientId": "a.b", "displayName": "Shop\u{202e}", "logoUri": "http://shop.example.com/logo",
            "redirectUris": ["https://shop.example.com/*", "http://shop.example.com/cb"],
            "allowedOrigins": ["https://shop.example.com/"],
            "grantTypes": ["refresh_token", "client_credentials"],
            "scopes": ["openid", "openid", "a b", "admin"],
            "audiences": ["orders"], "resourceServerFor": ["https://billing.example.com"],
            "authentication": {"none": {}}, "pkce": "optional", "secretRef": {"name": "Mine", "key": "a/b"},
            "allowedGroups": [""], "className": "A", "secret": {"name": "oidc-key-set"},
        });
        assert_eq!(
            fields(spec),
            [
                "spec.clientId",
                "spec.displayName",
                "spec.logoUri",
                "spec.allowedOrigins[0]",
                "spec.redirectUris[0]",
                "spec.redirectUris[1]",
                "spec.pkce",
                "spec.secretRef",
                "spec.grantTypes",
                "spec.grantTypes",
                "spec.scopes[1]",
                "spec.scopes[2]",
                "spec.scopes[3]",
                "spec.audiences[0]",
                "spec.resourceServerFor[0]",
                "spec.allowedGroups[0]",
                "spec.className",
                "spec.secret.name",
                "spec.secretRef.name",
                "spec.secretRef.key",
            ]
        );
    }

    #[test]
    fn custom_ids_need_a_grant_and_have_no_dot() {
        assert_eq!(
            judge(with(json!({"clientId": "shop-1"}))).unwrap().client_id(),
            "shop-1"
        );
        let told = judge(with(json!({"clientId": "other"}))).unwrap_err();
        assert_eq!((told.len(), told[0].reason), (1, Reason::NotGranted));
        for bad in [
            "",
            "a.b",
            "a b",
            "a:b",
            "-a",
            "ä",
            "a\n",
            "shop-*",
            &"x".repeat(129),
        ] {
            let told = judge(with(json!({"clientId": bad}))).unwrap_err();
            assert_eq!((told.len(), told[0].reason), (1, Reason::Invalid), "{bad}");
        }
    }

    #[test]
    fn az_02_a_code_needs_a_redirect_uri() {
        assert_eq!(fields(json!({})), ["spec.redirectUris"]);
        assert_eq!(fields(json!({"grantTypes": ["client_credentials"]})), [""; 0]);
        let twice = json!({"redirectUris": ["https://a.example/cb", "https://a.example/cb"]});
        assert_eq!(fields(twice), ["spec.redirectUris[1]"]);
        let many: Vec<String> = (0..65).map(|n| format!("https://a.example/{n}")).collect();
        assert_eq!(fields(json!({"redirectUris": many})), ["spec.redirectUris"]);
    }

    #[test]
    fn az_03_custom_schemes_are_for_native_applications() {
        let mobile = json!({"redirectUris": ["com.example.app:/cb"]});
        assert_eq!(judge(mobile).unwrap().application_type(), ApplicationType::Native);
        let loopback = json!({"redirectUris": ["http://localhost:8080/cb", "com.example.app:/cb"]});
        assert_eq!(
            judge(loopback).unwrap().application_type(),
            ApplicationType::Native
        );
        let mixed = json!({"redirectUris": ["https://a.example/cb", "com.example.app:/cb"]});
        assert_eq!(fields(mixed), ["spec.redirectUris[1]"]);
        let stated = json!({"redirectUris": ["https://a.example/cb", "com.example.app:/cb"], "applicationType": "native"});
        assert_eq!(judge(stated).unwrap().application_type(), ApplicationType::Native);
        let web = json!({"redirectUris": ["com.example.app:/cb"], "applicationType": "web"});
        assert_eq!(fields(web), ["spec.redirectUris[0]"]);
    }

    #[test]
    fn out_01_targets_after_signing_out_follow_the_rules_of_redirect_uris() {
        let after = |uris: serde_json::Value| with(json!({"postLogoutRedirectUris": uris}));
        let good = after(json!(["https://a.example/bye", "http://localhost:3000/"]));
        assert_eq!(
            judge(good).unwrap().post_logout_redirect_uris(),
            ["https://a.example/bye", "http://localhost:3000/"]
        );
        for bad in [
            "https://a.example/*",
            "https://a.example/#x",
            "https://a.example/../x",
            "https://user@a.example/",
            "http://a.example/",
            "javascript:alert(1)",
            "//a.example/",
            "/bye",
            "com.example.app:/bye",
        ] {
            assert_eq!(
                fields(after(json!([bad]))),
                ["spec.postLogoutRedirectUris[0]"],
                "{bad}"
            );
        }
        let twice = after(json!(["https://a.example/", "https://a.example/"]));
        assert_eq!(fields(twice), ["spec.postLogoutRedirectUris[1]"]);
        let native = json!({"redirectUris": ["com.example.app:/cb"],
            "postLogoutRedirectUris": ["com.example.app:/bye"]});
        assert_eq!(fields(native), [""; 0]);
        let service = json!({"applicationType": "service", "grantTypes": ["client_credentials"],
            "postLogoutRedirectUris": ["https://a.example/"]});
        assert_eq!(fields(service), ["spec.postLogoutRedirectUris"]);
    }

    #[test]
    fn az_04_response_types_agree_with_grants() {
        assert_eq!(fields(with(json!({"responseTypes": ["code"]}))), [""; 0]);
        assert_eq!(fields(with(json!({"responseTypes": []}))), ["spec.responseTypes"]);
        assert_eq!(
            fields(json!({"responseTypes": ["code"], "grantTypes": ["client_credentials"]})),
            ["spec.responseTypes"]
        );
    }

    #[test]
    fn az_06_pkce_is_required_for_public_clients() {
        let public = judge(with(json!({"authentication": {"none": {}}}))).unwrap();
        assert!(public.is_public() && public.pkce_required());
        assert_eq!(
            fields(with(json!({"authentication": {"none": {}}, "pkce": "optional"}))),
            ["spec.pkce"]
        );
        assert!(!judge(with(json!({"pkce": "optional"}))).unwrap().pkce_required());
    }

    #[test]
    fn ca_01_exactly_one_method() {
        for bad in [json!({}), json!({"none": {}, "clientSecret": {}})] {
            assert_eq!(
                fields(with(json!({"authentication": bad}))),
                ["spec.authentication"]
            );
        }
        let post = with(json!({"authentication": {"clientSecret": {"method": "client_secret_post"}}}));
        assert_eq!(
            *judge(post).unwrap().authentication(),
            Authentication::Secret(Some(crate::names::SecretMethod::ClientSecretPost))
        );
    }

    #[test]
    fn tok_08_client_credentials_are_for_confidential_clients() {
        let public = with(
            json!({"authentication": {"none": {}}, "grantTypes": ["authorization_code", "client_credentials"]}),
        );
        assert_eq!(fields(public), ["spec.grantTypes"]);
        let service = json!({"applicationType": "service", "grantTypes": ["client_credentials"]});
        assert_eq!(fields(service), [""; 0]);
        assert_eq!(
            fields(with(json!({"applicationType": "service"}))),
            ["spec.grantTypes", "spec.redirectUris"]
        );
    }

    #[test]
    fn scopes_and_audiences_need_grants() {
        let granted = with(json!({
            "scopes": ["openid", "profile", "email", "address", "phone", "groups", "orders.read"],
            "audiences": ["https://orders.example.com"],
            "resourceServerFor": ["https://orders.example.com"],
        }));
        assert_eq!(fields(granted.clone()), [""; 0]);
        let mut elsewhere = object(granted);
        elsewhere.metadata.namespace = Some("team-b".into());
        let told = validate(&elsewhere, &installation(), None).unwrap_err();
        assert_eq!(told.len(), 3);
        assert!(
            told.iter()
                .all(|violation| violation.reason == Reason::NotGranted)
        );
        let everything = Installation::standalone("http://localhost:5000", true);
        let spec = with(
            json!({"scopes": ["x"], "audiences": ["urn:x"], "resourceServerFor": ["urn:x"], "clientId": "x"}),
        );
        assert!(validate(&object(spec), &everything, None).is_ok());
        assert_eq!(
            fields(with(json!({"scopes": ["openid", "offline_access"]}))),
            [""; 0]
        );
        assert_eq!(fields(with(json!({"scopes": []}))), ["spec.scopes"]);
    }

    #[test]
    fn az_18_skipping_consent_needs_a_grant_and_is_not_for_local_public_clients() {
        let skip = |more: serde_json::Value| {
            let mut spec = with(json!({"consent": "skip"}));
            spec.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            object(spec)
        };
        let told = validate(&skip(json!({})), &installation(), None).unwrap_err();
        assert_eq!(
            (told.len(), told[0].field.as_str(), told[0].reason),
            (1, "spec.consent", Reason::NotGranted)
        );
        let mut granted = installation();
        granted.grants[0].consent_skip = true;
        let judge = |more: serde_json::Value| validate(&skip(more), &granted, None);
        assert_eq!(judge(json!({})).unwrap().consent(), Consent::Skip);
        let public = json!({"none": {}});
        assert!(judge(json!({"authentication": public})).is_ok());
        for uri in ["http://localhost:8080/cb", "com.example.app:/cb"] {
            let local = json!({"authentication": public, "redirectUris": [uri]});
            let told = judge(local).unwrap_err();
            assert_eq!(
                (told[0].field.as_str(), told[0].reason),
                ("spec.consent", Reason::Invalid)
            );
            assert!(judge(json!({"redirectUris": [uri]})).is_ok(), "it has a secret");
        }
    }

    #[test]
    fn nobody_is_the_resource_server_for_the_issuer() {
        let issuer = "http://localhost:5000";
        let spec = with(json!({"resourceServerFor": [issuer]}));
        let told = validate(&object(spec), &Installation::standalone(issuer, true), None).unwrap_err();
        assert_eq!(told[0].field, "spec.resourceServerFor[0]");
    }

    #[test]
    fn secrets_keep_apart() {
        assert_eq!(fields(with(json!({"secretRef": {"name": "mine"}}))), [""; 0]);
        assert_eq!(
            fields(with(json!({"secretRef": {"name": "shop-oidc"}}))),
            ["spec.secretRef.name"]
        );
        assert_eq!(
            fields(with(json!({"secret": {"name": "oidc-pepper"}}))),
            ["spec.secret.name"]
        );
        // nobody reads the signing keys out of an application's Secret
        assert_eq!(
            fields(with(
                json!({"secretRef": {"name": "oidc-key-set", "key": "key-set.json"}})
            )),
            ["spec.secretRef.name"]
        );
        assert_eq!(
            judge(with(json!({"secret": {"name": "mine"}})))
                .unwrap()
                .secret_name(),
            "mine"
        );
        let mut long = object(with(json!({})));
        long.metadata.name = Some("x".repeat(250));
        assert_eq!(
            validate(&long, &installation(), None).unwrap_err()[0].field,
            "spec.secret.name"
        );
    }

    #[test]
    fn addresses_for_people_are_https() {
        let logo = json!({"logoUri": "http://localhost:3000/logo.png"});
        assert_eq!(fields(with(logo.clone())), ["spec.logoUri"]);
        let standalone = Installation::standalone("http://localhost:5000", true);
        assert!(validate(&object(with(logo)), &standalone, None).is_ok());
        assert_eq!(
            fields(with(json!({"policyUri": "javascript:alert(1)"}))),
            ["spec.policyUri"]
        );
    }

    #[test]
    fn jwt_03_an_opaque_token_has_nothing_of_a_jwt() {
        assert_eq!(
            fields(with(json!({"tokens": {
                "accessTokenFormat": "opaque", "accessTokenType": "JWT", "accessTokenSigningAlg": "ES256",
            }}))),
            ["spec.tokens.accessTokenType", "spec.tokens.accessTokenSigningAlg"]
        );
        let client = judge(with(json!({"tokens": {"accessTokenFormat": "opaque"}}))).unwrap();
        assert_eq!(client.access_token_format(), AccessTokenFormat::Opaque);
    }

    #[test]
    fn hard_no_client_mints_groups() {
        let claims = json!([
            {"name": "groups", "value": ["system:masters"], "in": ["idToken"]},
            {"name": "tenant", "value": 1, "in": ["idToken"]},
        ]);
        assert_eq!(fields(with(json!({"claims": claims}))), ["spec.claims[0].name"]);
    }
}
