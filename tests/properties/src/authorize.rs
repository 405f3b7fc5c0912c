//! The authorization request: parameters, redirect URIs, PKCE, and what is a list or a number.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use form_urlencoded::Serializer;
use oidc_crds::client::Client;
use oidc_crds::names::ApplicationType;
use oidc_crds::secrets::pepper::Pepper;
use oidc_crds::testing::SeededRng;
use oidc_protocol::authorize::{AuthorizationRequest, Reply, ReturnTo, check, prove_client, recheck};
use oidc_protocol::client_auth::{Presented, authenticate};
use oidc_protocol::error::{ErrorCode, OAuthError};
use oidc_protocol::handle::{Code, Digest, LoginTag};
use oidc_protocol::params::{MAX_PARAMETERS, Params};
use oidc_protocol::records::GrantRecord;
use oidc_protocol::token::authorization_code::{CodeRequest, redeem};
use url::{Host, Url};

use crate::input::Input;
use crate::world::{CLIENTS, ISSUER, KEYS, NATIVE, NOW, WEB};

const NAMES: [&str; 8] = [
    "client_id",
    "scope",
    "state",
    "resource",
    "audience",
    "prompt",
    "x",
    "a b&=%+é",
];
const PIECES: [&str; 18] = [
    "scope",
    "resource",
    "audience",
    "client_id",
    "=",
    "=",
    "&",
    "&",
    "%",
    "%4",
    "%41",
    "%00",
    "%c3%a9",
    "%ff",
    "+",
    "a",
    ";",
    "x",
];

/// What is parsed is what the form's rules say, each parameter once; what is printed is parsed again.
pub fn parameters(data: &[u8]) {
    let mut input = Input::new(data);
    let encoded = input.text(&PIECES, 60);
    for encoded in [encoded.as_bytes(), data] {
        let Ok(params) = Params::parse(encoded) else {
            continue;
        };
        let oracle: Vec<_> = form_urlencoded::parse(encoded)
            .filter(|(_, value)| !value.is_empty())
            .collect();
        assert!(oracle.len() <= MAX_PARAMETERS);
        for (name, _) in &oracle {
            let values: Vec<_> = oracle.iter().filter(|(n, _)| n == name).map(|(_, v)| v).collect();
            assert!(params.all(name).eq(values.iter().copied()));
            assert_eq!(params.get(name), params.all(name).next());
            assert!(values.len() == 1 || name == "resource" || name == "audience");
        }
    }
    let mut sent = Vec::new();
    let mut printed = Serializer::new(String::new());
    for name in NAMES {
        if input.yes() {
            let value = input.text(&PIECES, 4);
            printed.append_pair(name, &value);
            sent.push((name, value));
        }
    }
    let params = Params::parse(printed.finish().as_bytes()).expect("it is well-formed");
    for (name, value) in &sent {
        assert_eq!(params.get(name).unwrap_or_default(), value);
    }
}

/// Parameters as if they were sent.
fn params(pairs: &[(&str, &str)]) -> Params {
    let text = Serializer::new(String::new()).extend_pairs(pairs).finish();
    Params::parse(text.as_bytes()).expect("it is well-formed")
}

fn find(id: &str) -> Option<std::sync::Arc<Client>> {
    CLIENTS.iter().find(|client| client.client_id() == id).cloned()
}

/// A URI without its port, if it is http on loopback; read by another parser than ours.
fn without_port(uri: &str) -> Option<String> {
    let url = Url::parse(uri).ok()?;
    let loopback = match url.host()? {
        Host::Ipv4(address) => address.octets() == [127, 0, 0, 1],
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(name) => name == "localhost",
    };
    let plain = url.scheme() == "http" && url.username().is_empty() && url.password().is_none();
    (loopback && plain).then_some(())?;
    let rest = &uri["http://".len()..];
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    };
    Some(format!("{host}{path}"))
}

/// An answer only goes where the client registered, to the letter; of a native application's loopback address
/// the port may differ. And it arrives there, with what was to be sent and nothing else.
pub fn redirect_uris(data: &[u8]) {
    let mut input = Input::new(data);
    let words = [
        "http://127.0.0.1",
        "http://[::1]",
        "http://localhost",
        "https://app.example.com",
        "com.example.app:",
        ":",
        ":80",
        ":8000",
        ":08000",
        ":99999",
        "/cb",
        "?x=1",
        "/",
        "#",
        "@",
        "\\",
        "%2e",
        "..",
        ".evil.example",
        "HTTP",
    ];
    let client = input.of(&[0, 1]);
    let client = &CLIENTS[client];
    let asked = match input.byte() % 4 {
        0 => input.text(&words, 6),
        1 => input.changed(input_of(client, data)),
        2 => input_of(client, data).to_owned(),
        _ => input_of(client, data).replacen("/cb", &format!(":{}/cb", input.below(65_537)), 1),
    };
    let state = input.text(&["state", "&", "=", "#", "\r\n", "é"], 4);
    let mode = input.of(&["query", "fragment", "form_post", "other", ""]);
    let params = params(&[
        ("client_id", client.client_id()),
        ("redirect_uri", &asked),
        ("scope", "openid"),
        ("state", &state),
        ("response_mode", mode),
    ]);
    let Ok((found, return_to)) = prove_client(&params, find, ISSUER) else {
        assert!(!client.redirect_uris().contains(&asked), "{asked} is registered");
        return;
    };
    assert_eq!(return_to.redirect_uri(), asked);
    let same = found.redirect_uris().contains(&asked);
    let but_for_the_port = || {
        let asked = without_port(&asked);
        let mut registered = found.redirect_uris().iter();
        asked.is_some() && registered.any(|registered| without_port(registered) == asked)
    };
    let native = found.application_type() == ApplicationType::Native;
    assert!(same || native && but_for_the_port(), "{asked}");
    arrives(
        &return_to.with_code("the-code"),
        &asked,
        "code",
        "the-code",
        &state,
    );
    let error = OAuthError::new(ErrorCode::InvalidRequest, "No.");
    arrives(
        &return_to.with_error(&error),
        &asked,
        "error",
        "invalid_request",
        &state,
    );
}

fn input_of<'a>(client: &Client, data: &[u8]) -> &'a str {
    let uris = if client.name() == "web" { WEB } else { NATIVE };
    uris[usize::from(data.last().copied().unwrap_or_default()) % uris.len()]
}

fn arrives(reply: &Reply, asked: &str, name: &str, value: &str, state: &str) {
    let fields: Vec<(String, String)> = match reply {
        Reply::Redirect(address) => {
            assert!(http::HeaderValue::from_str(address).is_ok(), "{address}");
            let added = address
                .strip_prefix(asked)
                .expect("it goes where it was asked to");
            assert!(added.starts_with(['?', '&', '#']), "{address}");
            form_urlencoded::parse(&added.as_bytes()[1..])
                .into_owned()
                .collect()
        }
        Reply::Post { action, fields } => {
            assert_eq!(action, asked);
            fields.clone()
        }
    };
    let get = |wanted: &str| {
        let mut all = fields
            .iter()
            .filter(|(name, _)| name == wanted)
            .map(|(_, value)| value.as_str());
        (all.next().unwrap_or_default(), all.next())
    };
    assert_eq!(get(name), (value, None));
    assert_eq!(get("iss"), (ISSUER, None));
    assert_eq!(get("state"), (state, None));
}

/// The whole second half, as `/authorize` calls it.
fn checked(client: &Client, more: &[(&str, &str)]) -> Result<(AuthorizationRequest, ReturnTo), OAuthError> {
    let mut pairs = vec![
        ("client_id", client.client_id()),
        ("redirect_uri", &client.redirect_uris()[0]),
        ("response_type", "code"),
    ];
    pairs.extend_from_slice(more);
    let params = params(&pairs);
    let (client, return_to) = prove_client(&params, find, ISSUER)?;
    let request = check(&params, &client, &return_to, &KEYS)?;
    Ok((request, return_to))
}

/// A code is redeemed only with the text whose SHA-256 the request named, 43 to 128 unreserved characters of it.
pub fn pkce(data: &[u8]) {
    let mut input = Input::new(data);
    let words = [
        "abcdefghijklmnopqrstuvwxyz",
        "0123456789",
        "-._~",
        "A",
        "é",
        " ",
        "=",
        "+",
        "/",
    ];
    let verifier = input.text(&words, 8);
    let hash = URL_SAFE_NO_PAD.encode(Digest::of(&verifier).0);
    let challenge = match input.byte() % 4 {
        0 => input.text(&words, 5),
        1 => input.changed(&hash),
        2 => verifier.clone(),
        _ => hash.clone(),
    };
    let method = input.of(&["S256", "S256", "S256", "plain", "s256", ""]);
    let client = &CLIENTS[0];
    let asked = [
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", method),
        ("scope", "openid"),
    ];
    let Ok((request, _)) = checked(client, &asked) else {
        assert!(challenge != hash || method != "S256");
        return;
    };
    assert_eq!(method, "S256");
    assert_eq!(request.code_challenge.as_deref(), Some(challenge.as_str()));
    let decoded = URL_SAFE_NO_PAD.decode(&challenge).expect("it is base64url");
    assert_eq!(decoded.len(), 32);

    let presented =
        Presented::read(None, &params(&[("client_id", client.client_id())])).expect("it names a client");
    let pepper = Pepper::generate(NOW, &mut SeededRng::new(1));
    let authenticated = authenticate(Some(client), &presented, &pepper, NOW).expect("it is public");
    let record = GrantRecord::new(&request, client, String::new(), NOW);
    for given in [Some(verifier.clone()), Some(input.changed(&verifier)), None] {
        let code = CodeRequest {
            code: Code::generate(LoginTag([1; 16]), false, &mut SeededRng::new(1)),
            redirect_uri: request.redirect_uri.clone(),
            code_verifier: given.clone(),
        };
        let good = given.as_ref().is_some_and(|given| {
            let unreserved = given
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
            let fits = URL_SAFE_NO_PAD.encode(Digest::of(given).0) == challenge;
            (43..=128).contains(&given.len()) && unreserved && fits
        });
        assert_eq!(redeem(&record, &code, &authenticated, NOW).is_ok(), good);
    }
}

/// `scope`, `prompt`, `max_age`, `resource`: what is granted is what was asked for and may be had, each once.
pub fn lists(data: &[u8]) {
    let mut input = Input::new(data);
    let words = [
        "openid",
        " ",
        " ",
        "profile",
        "email",
        "offline_access",
        "admin",
        "none",
        "login",
        "consent",
        "\"",
        "é",
        "1",
    ];
    let scope = input.text(&words, 10);
    let prompt = input.text(
        &["none", "login", "consent", "select_account", "create", " ", "x"],
        4,
    );
    let max_age = input.text(&["0", "1", "999999999999", "-", "+", ".", " "], 3);
    let resource = input.text(
        &["https://api.example.com", "https://id.example.com", "#", "x"],
        2,
    );
    let client = input.of(&[0, 1]);
    let client = &CLIENTS[client];
    let asked = [
        ("scope", scope.as_str()),
        ("prompt", &prompt),
        ("max_age", &max_age),
        ("resource", &resource),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
    ];
    let Ok((request, return_to)) = checked(client, &asked) else {
        return;
    };
    let each: BTreeSet<_> = request.scope.iter().collect();
    assert_eq!(each.len(), request.scope.len());
    assert!(!each.is_empty());
    for granted in &request.scope {
        assert!(scope.split(' ').any(|asked| asked == granted) && client.scopes().contains(granted));
    }
    let prompts: BTreeSet<_> = prompt.split(' ').filter(|value| !value.is_empty()).collect();
    assert_eq!(request.prompt.none, prompts.contains("none"));
    assert!(!request.prompt.none || prompts.len() == 1);
    assert_eq!(request.prompt.consent, prompts.contains("consent"));
    assert_eq!(
        request.prompt.login,
        prompts.contains("login") || prompts.contains("select_account")
    );
    let age = (!max_age.is_empty()).then_some(max_age);
    assert_eq!(
        request.max_age.map(|age| age.to_string()),
        age.map(|age| digits(&age))
    );
    let may = |audience: &String| client.audiences().contains(audience) || audience == ISSUER;
    assert!(request.audience.iter().all(may), "{:?}", request.audience);
    assert_eq!(
        recheck(&request, client, ISSUER),
        Ok(return_to),
        "what was accepted stays so"
    );
}

/// A number without leading zeros.
fn digits(text: &str) -> String {
    let short = text.trim_start_matches('0');
    if short.is_empty() { "0" } else { short }.to_owned()
}
