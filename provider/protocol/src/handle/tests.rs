use oidc_crds::testing::SeededRng;
use proptest::prelude::*;

use super::*;
use crate::testing::ring;

const CLIENT: &str = "5f0c8c1e-client";

fn tag(seed: u64) -> LoginTag {
    LoginTag::generate(&mut SeededRng::new(seed))
}

fn refresh(generation: u32) -> RefreshToken {
    RefreshToken::derive(&ring(), 1, CLIENT, tag(1), [7; 16], generation).unwrap()
}

#[test]
fn a_tag_has_22_characters() {
    assert_eq!(tag(1).to_string().len(), 22);
    assert_ne!(tag(1), tag(2));
}

#[test]
fn a_digest_is_sha_256() {
    // FIPS 180-4's example `abc`.
    assert_eq!(Digest::of("abc").0[..4], [0xba, 0x78, 0x16, 0xbf]);
}

#[test]
fn codes_and_sessions_round_trip_and_are_no_others() {
    let mut rng = SeededRng::new(3);
    let (code, session) = (
        Code::generate(tag(1), false, &mut rng),
        SessionHandle::generate(tag(1), &mut rng),
    );
    assert_eq!(Code::parse(code.expose()), Some(code.clone()));
    assert_eq!(SessionHandle::parse(session.expose()), Some(session.clone()));
    assert_eq!(Code::parse(session.expose()), None);
    assert_eq!(SessionHandle::parse(code.expose()), None);
    assert_eq!(code.digest(), Digest::of(code.expose()));
    assert_ne!(
        Code::generate(tag(1), false, &mut rng).digest(),
        code.digest(),
        "codes of one login differ"
    );
}

#[test]
fn a_code_holds_256_random_bits_and_a_cookie_only_cookie_octets() {
    let mut rng = SeededRng::new(3);
    let code = Code::generate(tag(1), false, &mut rng);
    assert_eq!(code.expose().len(), 3 + 1 + 22 + 1 + 43);
    let session = SessionHandle::generate(tag(1), &mut rng);
    // RFC 6265 §4.1.1.
    assert!(
        session
            .expose()
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    );
}

#[test]
fn only_the_canonical_text_is_read() {
    let code = Code::generate(tag(1), false, &mut SeededRng::new(3));
    let good = code.expose();
    for wrong in [
        format!("{good}="),
        format!("{good}."),
        format!("{good}A"),
        format!(" {good}"),
        good.replace("ac1", "ac2"),
        good.replace("ac1", "AC1"),
        good[..good.len() - 1].to_owned(),
        // The last character carries 2 bits that must be zero.
        format!("{}_", &good[..good.len() - 1]),
        good.replacen('.', "", 1),
        good.replacen('.', "..", 1),
        "ac1..".to_owned(),
        "A".repeat(100_000),
        String::new(),
    ] {
        assert_eq!(Code::parse(&wrong), None, "{}", &wrong[..wrong.len().min(90)]);
    }
}

#[test]
fn debug_is_redacted() {
    let mut rng = SeededRng::new(3);
    let code = Code::generate(tag(1), false, &mut rng);
    assert_eq!(format!("{code:?} {:?}", refresh(0)), "Code(…) RefreshToken(…)");
    assert_eq!(format!("{:?}", code.digest()), "Digest(…)");
    let session = SessionHandle::generate(tag(1), &mut rng);
    assert_eq!(format!("{session:?}"), "SessionHandle(…)");
}

#[test]
fn i2_a_refresh_token_is_derived_not_drawn() {
    let token = refresh(3);
    assert_eq!(token.expose(), refresh(3).expose());
    let next = token.successor(&ring(), 1, CLIENT).unwrap();
    assert_eq!(next.expose(), refresh(4).expose());
    assert_eq!(next.family(), token.family());
    assert_eq!(next.generation, 4);
    assert!(refresh(u32::MAX).successor(&ring(), 1, CLIENT).is_none());
}

#[test]
fn i2_a_ring_version_that_is_gone_derives_nothing() {
    assert!(RefreshToken::derive(&ring(), 2, CLIENT, tag(1), [7; 16], 0).is_none());
}

#[test]
fn tok_05_a_refresh_token_is_bound_to_its_client() {
    let text = refresh(0).expose();
    assert_eq!(RefreshToken::parse(&text, &ring(), CLIENT), Some(refresh(0)));
    assert!(RefreshToken::parse(&text, &ring(), "another-client").is_none());
    assert!(RefreshToken::parse(&text, &crate::testing::other_ring(), CLIENT).is_none());
}

#[test]
fn i2_every_part_of_a_refresh_token_is_authentic() {
    let token = refresh(5);
    let text = token.expose();
    let parts: Vec<&str> = text.split('.').collect();
    let other = RefreshToken::derive(&ring(), 1, CLIENT, tag(2), [8; 16], 6)
        .unwrap()
        .expose();
    let others: Vec<&str> = other.split('.').collect();
    for position in 1..parts.len() {
        let mut forged = parts.clone();
        forged[position] = if position == 2 { "2" } else { others[position] };
        assert!(
            RefreshToken::parse(&forged.join("."), &ring(), CLIENT).is_none(),
            "part {position}"
        );
    }
    for (position, odd) in [(2, "01"), (4, "05"), (4, "+5"), (4, ""), (4, "4294967301")] {
        let mut forged = parts.clone();
        forged[position] = odd;
        assert!(
            RefreshToken::parse(&forged.join("."), &ring(), CLIENT).is_none(),
            "{odd}"
        );
    }
    assert!(RefreshToken::parse(&format!("{text}.x"), &ring(), CLIENT).is_none());
    assert!(RefreshToken::looks_like(&text));
}

#[test]
fn a_family_is_the_digest_of_its_seed() {
    let family = family_of(tag(1), [7; 16]);
    assert_eq!(family, refresh(9).family());
    assert_ne!(family.seed, [7; 16]);
    assert_ne!(family, family_of(tag(1), [8; 16]));
    assert_ne!(family, family_of(tag(2), [7; 16]));
}

#[test]
fn jwt_06_a_token_id_opens_for_its_client_only() {
    let mut rng = SeededRng::new(3);
    for id in [TokenId::Detached, TokenId::Family(family_of(tag(1), [7; 16]))] {
        let jti = id.seal(&ring(), CLIENT, &mut rng);
        assert_eq!(TokenId::unseal(&jti, &ring(), CLIENT), Some(id));
        assert_eq!(TokenId::unseal(&jti, &ring(), "another"), None);
        assert_eq!(TokenId::unseal(&jti, &crate::testing::other_ring(), CLIENT), None);
        assert_ne!(id.seal(&ring(), CLIENT, &mut rng), jti, "each jti is new");
        assert_eq!(TokenId::unseal(&format!("{jti}A"), &ring(), CLIENT), None);
        assert!(jti.len() <= MAX_JTI);
    }
}

proptest! {
    #[test]
    fn parsing_never_panics(text in "\\PC{0,120}") {
        prop_assert!(Code::parse(&text).is_none());
        prop_assert!(SessionHandle::parse(&text).is_none());
        prop_assert!(RefreshToken::parse(&text, &ring(), CLIENT).is_none());
        prop_assert!(TokenId::unseal(&text, &ring(), CLIENT).is_none());
    }

    #[test]
    fn near_misses_never_panic(text in "(ac1|s1|rt1)(\\.[A-Za-z0-9_-]{0,44}){0,6}") {
        if let Some(code) = Code::parse(&text) {
            prop_assert_eq!(code.expose(), text.as_str());
        }
        if let Some(session) = SessionHandle::parse(&text) {
            prop_assert_eq!(session.expose(), text.as_str());
        }
        prop_assert!(RefreshToken::parse(&text, &ring(), CLIENT).is_none());
    }

    #[test]
    fn fixed_lengths_read_their_own_text_only(text in "[A-Za-z0-9_-]{20,45}") {
        if let Some(bytes) = decode::<16>(&text) {
            prop_assert_eq!(encode(&bytes), text.clone());
        }
        if let Some(bytes) = decode::<32>(&text) {
            prop_assert_eq!(encode(&bytes), text);
        }
    }

    #[test]
    fn refresh_tokens_round_trip(seed: [u8; 16], tag: [u8; 16], generation: u32, client in "\\PC{0,20}") {
        let token =
            RefreshToken::derive(&ring(), 1, &client, LoginTag(tag), seed, generation).unwrap();
        prop_assert_eq!(RefreshToken::parse(&token.expose(), &ring(), &client), Some(token));
    }

    #[test]
    fn codes_round_trip(seed: u64, tag: [u8; 16]) {
        let code = Code::generate(LoginTag(tag), false, &mut SeededRng::new(seed));
        let read = Code::parse(code.expose()).unwrap();
        prop_assert_eq!(read.tag, LoginTag(tag));
        prop_assert_eq!(read, code);
    }
}
