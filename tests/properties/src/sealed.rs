//! What we gave away and get back: opens where it was made for, and nowhere else, and not when it was changed.

use oidc_crds::seal::{Purpose, SealError};
use oidc_crds::testing::SeededRng;
use oidc_crds::uses::{Ask, Told, open_answer, open_ask, seal_answer, seal_ask};
use oidc_protocol::authorize::{AuthorizationRequest, Prompt, ResponseMode};
use oidc_protocol::end_session::PendingLogout;
use oidc_protocol::first_party::PendingPage;
use oidc_protocol::handle::{Code, Digest, FamilyId, LoginTag, RefreshToken, SessionHandle, TokenId};
use oidc_protocol::pending::{Pending, csrf_matches, csrf_token};
use oidc_protocol::records::{ConsentRecord, Session};

use crate::input::Input;
use crate::world::{NOW, OTHER_RING, RING};

const TEXTS: [&str; 6] = ["openid", "https://app.example.com/cb", "é", "\"", "\u{0}", "x"];

fn pending(input: &mut Input<'_>) -> Pending {
    let mut text = || input.text(&TEXTS, 3);
    Pending {
        request: AuthorizationRequest {
            client_uid: text(),
            client_id: text(),
            redirect_uri: Some(text()),
            response_mode: ResponseMode::FormPost,
            state: Some(text()),
            nonce: None,
            scope: vec![text(), text()],
            scope_changed: true,
            code_challenge: Some(text()),
            audience: Vec::new(),
            prompt: Prompt::default(),
            max_age: Some(1),
            login_hint: Some(text()),
            hinted_subject: None,
            language: None,
        },
        since: NOW,
        consent_for: vec![text()],
        user_uid: text(),
        authenticated: false,
    }
}

/// Forms and records.
pub fn sealed(data: &[u8]) {
    let mut input = Input::new(data);
    let mut rng = SeededRng::new(input.seed());
    let browser = Digest(input.array());
    let other = Digest(browser.0.map(|byte| byte ^ 1));
    let pending = pending(&mut input);
    let text = pending.seal(&RING, &browser, &mut rng);
    assert_eq!(Pending::unseal(&RING, &browser, &text, NOW), Ok(pending));
    assert!(Pending::unseal(&RING, &other, &text, NOW).is_err());
    assert!(Pending::unseal(&OTHER_RING, &browser, &text, NOW).is_err());
    let strange = [input.changed(&text), input.text(&[&text, "A", "=", "."], 4)];
    for strange in strange.iter().filter(|strange| **strange != text) {
        assert!(
            Pending::unseal(&RING, &browser, strange, NOW).is_err(),
            "{strange}"
        );
    }
    // a form of one kind is none of another
    assert!(PendingLogout::unseal(&RING, &browser, &text, NOW).is_err());
    assert!(PendingPage::unseal(&RING, &browser, &text, NOW).is_err());
    let csrf = csrf_token(&RING, &browser);
    assert!(csrf_matches(&RING, &browser, &csrf) && !csrf_matches(&RING, &other, &csrf));
    assert!(!csrf_matches(&RING, &browser, &input.changed(&csrf)));

    let tag = LoginTag(input.array());
    let session = Session {
        user_uid: input.text(&TEXTS, 3),
        subject: input.text(&TEXTS, 3),
        auth_time: NOW,
        amr: vec!["pwd".to_owned()],
        created_at: NOW,
    };
    let record = session.seal(&RING, tag, &mut rng);
    assert_eq!(Session::unseal(&RING, tag, &record).as_ref(), Ok(&session));
    assert_eq!(
        Session::unseal(&RING, LoginTag(tag.0.map(|b| !b)), &record),
        Err(SealError::Senseless)
    );
    assert!(Session::unseal(&RING, tag, &input.changed_bytes(&record)).is_err());
    assert!(Session::unseal(&RING, tag, data).is_err());
    let consent = ConsentRecord {
        scope: vec![input.text(&TEXTS, 2)],
        at: NOW,
    };
    let record = consent.seal(&RING, "user", "client", &mut rng);
    assert_eq!(
        ConsentRecord::unseal(&RING, "user", "client", &record),
        Ok(Some(consent))
    );
    assert_eq!(ConsentRecord::unseal(&RING, "other", "client", &record), Ok(None));
    assert!(ConsentRecord::unseal(&RING, "user", "other", &record).is_err());
    assert!(ConsentRecord::unseal(&RING, "user", "client", &input.changed_bytes(&record)).is_err());

    questions(&mut input, data);

    let purpose = input.of(&Purpose::ALL);
    let plain: Vec<u8> = data.iter().copied().take(100).collect();
    let record = RING.seal(purpose, &[b"a", b"b"], &plain, &mut rng);
    assert_eq!(
        RING.unseal(purpose, &[b"a", b"b"], &record)
            .map(|opened| opened.to_vec()),
        Ok(plain)
    );
    assert!(RING.unseal(purpose, &[b"ab"], &record).is_err());
    let different = input.of(&Purpose::ALL);
    assert!(different == purpose || RING.unseal(different, &[b"a", b"b"], &record).is_err());
}

/// What the operator asks a pod, and what that answers.
fn questions(input: &mut Input<'_>, data: &[u8]) {
    let mut rng = SeededRng::new(input.seed());
    let ask = Ask {
        nonce: input.array(),
        after: i64::from_be_bytes(input.array()),
    };
    let other = Ask {
        nonce: ask.nonce.map(|byte| byte ^ 1),
        ..ask
    };
    let asked = seal_ask(&RING, "pod", ask, NOW, &mut rng);
    assert_eq!(open_ask(&RING, "pod", &asked, NOW), Some(ask));
    assert_eq!(open_ask(&RING, "another", &asked, NOW), None);
    assert_eq!(open_ask(&OTHER_RING, "pod", &asked, NOW), None);
    for strange in [input.changed(&asked), input.text(&[&asked, "A", "=", "."], 4)] {
        assert!(strange == asked || open_ask(&RING, "pod", &strange, NOW).is_none());
    }
    let told = Told {
        kept_since: i64::from_be_bytes(input.array()),
        runs: Vec::new(),
        uses: vec![(input.array(), i64::from_be_bytes(input.array()))],
    };
    let answer = seal_answer(&RING, "pod", ask, &told, &mut rng);
    assert_eq!(open_answer(&RING, "pod", ask, &answer), Some(told));
    assert_eq!(open_answer(&RING, "pod", other, &answer), None);
    assert_eq!(
        open_answer(&RING, "pod", ask, &input.changed_bytes(&answer)),
        None
    );
    assert_eq!(open_answer(&RING, "pod", ask, data), None);
}

/// Codes, session cookies, refresh tokens, ids of access tokens.
pub fn handles(data: &[u8]) {
    let mut input = Input::new(data);
    let mut rng = SeededRng::new(input.seed());
    let (tag, offline) = (LoginTag(input.array()), input.yes());
    let code = Code::generate(tag, offline, &mut rng);
    let read = Code::parse(code.expose());
    assert!(read.as_ref() == Some(&code) && code.is_offline() == offline);
    let session = SessionHandle::generate(tag, &mut rng);
    assert!(SessionHandle::parse(session.expose()) == Some(session.clone()));
    let seed = RefreshToken::seed(&mut rng);
    let client = input.text(&["uid", "é", "."], 3);
    let generation = u32::from_be_bytes(input.array());
    let refresh = RefreshToken::derive(&RING, RING.current(), &client, tag, seed, generation)
        .expect("the version is there");
    assert!(RefreshToken::parse(&refresh.expose(), &RING, &client) == Some(refresh.clone()));
    assert!(RefreshToken::parse(&refresh.expose(), &RING, &format!("{client}x")).is_none());
    assert!(RefreshToken::parse(&refresh.expose(), &OTHER_RING, &client).is_none());
    if let Some(next) = refresh.successor(&RING, RING.current(), &client) {
        assert!(next.expose() != refresh.expose() && next.family() == refresh.family());
    } else {
        assert_eq!(generation, u32::MAX);
    }
    let id = if input.yes() {
        TokenId::Detached
    } else {
        TokenId::Family(FamilyId { tag, seed })
    };
    let jti = id.seal(&RING, &client, &mut rng);
    assert_eq!(TokenId::unseal(&jti, &RING, &client), Some(id));
    assert_eq!(TokenId::unseal(&jti, &RING, &format!("{client}x")), None);

    let refresh = refresh.expose();
    let words = [
        code.expose(),
        session.expose(),
        &refresh,
        &jti,
        "ac1.",
        "ao1.",
        "s1.",
        "rt1.",
        ".",
        "A",
        "=",
        "0",
    ];
    let mut texts = vec![input.text(&words, 6)];
    for text in &words[..4] {
        texts.push(input.changed(text));
    }
    for text in &texts {
        // whatever is read was written like this, so that no two texts name the same record
        if let Some(code) = Code::parse(text) {
            assert_eq!(code.expose(), text);
        }
        if let Some(session) = SessionHandle::parse(text) {
            assert_eq!(session.expose(), text);
        }
        assert!(
            *text == refresh || RefreshToken::parse(text, &RING, &client).is_none(),
            "{text}"
        );
        assert!(
            *text == jti || TokenId::unseal(text, &RING, &client).is_none(),
            "{text}"
        );
    }
}
