//! Rules of an OidcUser.

use jiff::civil::Date;
use serde_json::{Map, Value};

use super::{Violation, Violations, claims, identity, text, uri};
use crate::resources::limits;
use crate::resources::oidc_user::{Address, OidcUser, OidcUserSpec};
use crate::user::User;

/// Judges a user.
///
/// # Errors
/// All violations, never an empty list.
pub fn validate_user(user: &OidcUser) -> Result<User, Vec<Violation>> {
    let mut violations = Violations::personal();
    let identity = identity(&user.metadata, &mut violations);
    let spec = &user.spec;

    let subject = spec.subject.as_ref().unwrap_or(&identity.name);
    if spec.subject.is_some() {
        violations.check("spec.subject", subject, subject_syntax(subject));
    }
    let username = spec.username.as_ref().unwrap_or(&identity.name);
    violations.check_optional("spec.username", spec.username.as_ref(), username_syntax);
    violations.list("spec.groups", &spec.groups, limits::GROUPS);
    for (index, group) in spec.groups.iter().enumerate() {
        violations.check(
            format!("spec.groups[{index}]"),
            group,
            text::one_line(group, limits::GROUP),
        );
    }
    if let Some(reference) = &spec.password_secret_ref
        && !text::is_dns_name(&reference.name)
    {
        violations.invalid(
            "spec.passwordSecretRef.name",
            format!("{} cannot be the name of a Secret", text::quoted(&reference.name)),
        );
    }
    claim_rules(spec, &mut violations);
    if let Some(address) = &spec.address {
        for (field, _, value) in address_members(address) {
            violations.check_optional(&format!("spec.address.{field}"), value, |value| {
                text::lines(value, limits::ADDRESS)
            });
        }
    }

    claims::of_user(&spec.claims, &mut violations);

    let good = User {
        uid: identity.uid.clone(),
        name: identity.name.clone(),
        created_at: identity.created_at,
        subject: subject.clone(),
        username: username.clone(),
        disabled: spec.disabled.unwrap_or(false),
        groups: spec.groups.clone(),
        claims: standard_claims(spec, username),
        custom_claims: spec.claims.clone(),
        sealed_password: user
            .status
            .as_ref()
            .and_then(|status| status.password.as_ref())
            .map(|password| password.sealed.clone()),
    };
    violations.or(good)
}

fn claim_rules(spec: &OidcUserSpec, violations: &mut Violations) {
    for (field, value) in [
        ("name", &spec.name),
        ("givenName", &spec.given_name),
        ("familyName", &spec.family_name),
        ("middleName", &spec.middle_name),
        ("nickname", &spec.nickname),
        ("preferredUsername", &spec.preferred_username),
        ("gender", &spec.gender),
    ] {
        violations.check_optional(&format!("spec.{field}"), value.as_ref(), |value| {
            text::claim(value, limits::CLAIM)
        });
    }
    for (field, value) in [
        ("profile", &spec.profile),
        ("picture", &spec.picture),
        ("website", &spec.website),
    ] {
        violations.check_optional(&format!("spec.{field}"), value.as_ref(), |value| {
            // what exactly is wrong would repeat a part of it
            uri::claim(value).map_err(|_| "is no URL: write it like https://example.com/me".to_owned())
        });
    }
    violations.check_optional("spec.birthdate", spec.birthdate.as_ref(), birthdate);
    violations.check_optional("spec.zoneinfo", spec.zoneinfo.as_ref(), zoneinfo);
    violations.check_optional("spec.locale", spec.locale.as_ref(), locale);
    violations.check_optional("spec.email", spec.email.as_ref(), email);
    violations.check_optional("spec.phoneNumber", spec.phone_number.as_ref(), phone);
    if spec.email_verified.is_some() && spec.email.is_none() {
        violations.invalid("spec.emailVerified", "needs email");
    }
    if spec.phone_number_verified.is_some() && spec.phone_number.is_none() {
        violations.invalid("spec.phoneNumberVerified", "needs phoneNumber");
    }
}

/// Claims with their JSON types (OpenID Connect Core §5.1).
fn standard_claims(spec: &OidcUserSpec, username: &str) -> Map<String, Value> {
    let username = username.to_owned();
    let preferred = spec.preferred_username.as_ref().unwrap_or(&username);
    let texts = [
        ("name", spec.name.as_ref()),
        ("given_name", spec.given_name.as_ref()),
        ("family_name", spec.family_name.as_ref()),
        ("middle_name", spec.middle_name.as_ref()),
        ("nickname", spec.nickname.as_ref()),
        ("preferred_username", Some(preferred)),
        ("profile", spec.profile.as_ref()),
        ("picture", spec.picture.as_ref()),
        ("website", spec.website.as_ref()),
        ("gender", spec.gender.as_ref()),
        ("birthdate", spec.birthdate.as_ref()),
        ("zoneinfo", spec.zoneinfo.as_ref()),
        ("locale", spec.locale.as_ref()),
        ("email", spec.email.as_ref()),
        ("phone_number", spec.phone_number.as_ref()),
    ];
    let switches = [
        ("email_verified", spec.email_verified),
        ("phone_number_verified", spec.phone_number_verified),
    ];
    let mut claims: Map<String, Value> = texts
        .into_iter()
        .filter_map(|(claim, value)| Some((claim.to_owned(), Value::from(value?.as_str()))))
        .collect();
    for (claim, value) in switches {
        if let Some(value) = value {
            claims.insert(claim.to_owned(), Value::from(value));
        }
    }
    if let Some(address) = &spec.address {
        let members: Map<String, Value> = address_members(address)
            .into_iter()
            .filter_map(|(_, member, value)| Some((member.to_owned(), Value::from(value?.as_str()))))
            .collect();
        if !members.is_empty() {
            claims.insert("address".to_owned(), Value::from(members));
        }
    }
    claims
}

/// Field, member of the claim (OpenID Connect Core §5.1.1), value.
fn address_members(address: &Address) -> [(&'static str, &'static str, Option<&String>); 6] {
    [
        ("formatted", "formatted", address.formatted.as_ref()),
        ("streetAddress", "street_address", address.street_address.as_ref()),
        ("locality", "locality", address.locality.as_ref()),
        ("region", "region", address.region.as_ref()),
        ("postalCode", "postal_code", address.postal_code.as_ref()),
        ("country", "country", address.country.as_ref()),
    ]
}

/// OpenID Connect Core §2: at most 255 ASCII characters.
fn subject_syntax(text: &str) -> Result<(), String> {
    text::at_most(text, limits::SUBJECT)?;
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("is not made of visible ASCII characters".into());
    }
    Ok(())
}

fn username_syntax(text: &str) -> Result<(), String> {
    text::one_line(text, limits::USERNAME)?;
    if text.trim() != text {
        return Err("begins or ends with a blank: remove it".into());
    }
    Ok(())
}

/// OpenID Connect Core §5.1: `YYYY-MM-DD`, `0000-MM-DD` or `YYYY`.
fn birthdate(text: &str) -> Result<(), String> {
    let wrong = || "is no birthday: write YYYY-MM-DD, 0000-MM-DD or YYYY".to_owned();
    let digits = |part: &str, length: usize| {
        let good = part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
        good.then(|| part.parse::<i16>().ok()).flatten().ok_or_else(wrong)
    };
    let parts: Vec<&str> = text.split('-').collect();
    match parts[..] {
        [year] => digits(year, 4).map(|_| ()),
        [year, month, day] => {
            // without a year every day of a leap year is possible
            let year = match digits(year, 4)? {
                0 => 2000,
                year => year,
            };
            let (month, day) = (digits(month, 2)?, digits(day, 2)?);
            let date = i8::try_from(month).ok().zip(i8::try_from(day).ok());
            date.and_then(|(month, day)| Date::new(year, month, day).ok())
                .map(|_| ())
                .ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}

fn zoneinfo(text: &str) -> Result<(), String> {
    let name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'+' | b'-');
    text::at_most(text, limits::LABEL)?;
    if text
        .split('/')
        .any(|part| part.is_empty() || !part.bytes().all(name))
    {
        return Err("is no time zone: write for example Europe/Paris".into());
    }
    Ok(())
}

fn locale(text: &str) -> Result<(), String> {
    text::at_most(text, limits::LABEL)?;
    let mut parts = text.split(['-', '_']);
    let language = parts.next().unwrap_or_default();
    let good = (2..=8).contains(&language.len())
        && language.bytes().all(|b| b.is_ascii_alphabetic())
        && parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()));
    if good {
        Ok(())
    } else {
        Err("is no language tag: write for example de-CH".into())
    }
}

/// The shape of RFC 5322's addr-spec, without its comments and quotes.
fn email(text: &str) -> Result<(), String> {
    text::one_line(text, limits::EMAIL)?;
    let good = text.split_once('@').is_some_and(|(local, domain)| {
        (1..=64).contains(&local.len())
            && !domain.is_empty()
            && !domain.contains('@')
            && !domain.starts_with('.')
            && !domain.ends_with('.')
            && !text.contains(char::is_whitespace)
    });
    if good {
        Ok(())
    } else {
        Err("is no e-mail address".into())
    }
}

/// E.164, written readably, with an extension if need be (OpenID Connect Core §5.1; RFC 3966 §3).
fn phone(text: &str) -> Result<(), String> {
    let (number, extension) = text
        .split_once(";ext=")
        .map_or((text, None), |(n, e)| (n, Some(e)));
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    let good = number.starts_with('+')
        && number[1..].starts_with(|c: char| matches!(c, '1'..='9'))
        && number.len() <= 32
        && number[1..]
            .chars()
            .all(|c| c.is_ascii_digit() || " ().-".contains(c))
        && (5..=15).contains(&digits)
        && extension.is_none_or(|e| (1..=10).contains(&e.len()) && e.bytes().all(|b| b.is_ascii_digit()));
    if good {
        Ok(())
    } else {
        Err("is no phone number: write it like +41 44 668 18 00".into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn user(spec: Value) -> OidcUser {
        serde_json::from_value(json!({
            "metadata": {
                "name": "jdoe", "namespace": "identity", "uid": "u1",
                "creationTimestamp": "2026-11-25T09:00:00Z"
            },
            "spec": spec,
            "status": {"password": {"sealed": "c2VhbGVk", "fingerprint": "s1/7"}},
        }))
        .unwrap()
    }

    fn fields(spec: Value) -> Vec<String> {
        let violations = validate_user(&user(spec)).err().unwrap_or_default();
        violations.into_iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn names_default_to_the_objects() {
        let jdoe = validate_user(&user(json!({}))).unwrap();
        assert_eq!(
            (jdoe.subject(), jdoe.username(), jdoe.uid()),
            ("jdoe", "jdoe", "u1")
        );
        assert_eq!(
            Value::from(jdoe.claims().clone()),
            json!({"preferred_username": "jdoe"})
        );
        assert_eq!(jdoe.sealed_password(), Some("c2VhbGVk"));
        assert!(!jdoe.disabled());
        let jdoe = validate_user(&user(json!({"subject": "user-123", "username": "john"}))).unwrap();
        assert_eq!((jdoe.subject(), jdoe.username()), ("user-123", "john"));
        assert_eq!(jdoe.claims()["preferred_username"], "john");
    }

    #[test]
    fn claims_have_the_types_of_core_5_1() {
        let spec = json!({
            "username": "john", "preferredUsername": "johnny", "name": "John Doe", "givenName": "John",
            "familyName": "Doe", "middleName": "M.", "nickname": "jo", "gender": "male",
            "profile": "https://example.com/jdoe", "picture": "https://example.com/jdoe.png",
            "website": "http://jdoe.example", "birthdate": "1970-02-28", "zoneinfo": "Europe/Zurich",
            "locale": "de-CH", "email": "jdoe@example.com", "emailVerified": true,
            "phoneNumber": "+41 44 668 18 00", "phoneNumberVerified": false,
            "groups": ["developers"], "disabled": true,
            "address": {"formatted": "Way 1\nTown", "streetAddress": "Way 1", "locality": "Town",
                        "region": "R", "postalCode": "1234", "country": "CH"},
        });
        let user = validate_user(&user(spec)).unwrap();
        assert!(user.disabled());
        assert_eq!(user.groups(), ["developers"]);
        assert_eq!(
            Value::from(user.claims().clone()),
            json!({
                "preferred_username": "johnny", "name": "John Doe", "given_name": "John",
                "family_name": "Doe", "middle_name": "M.", "nickname": "jo", "gender": "male",
                "profile": "https://example.com/jdoe", "picture": "https://example.com/jdoe.png",
                "website": "http://jdoe.example", "birthdate": "1970-02-28", "zoneinfo": "Europe/Zurich",
                "locale": "de-CH", "email": "jdoe@example.com", "email_verified": true,
                "phone_number": "+41 44 668 18 00", "phone_number_verified": false,
                "address": {"formatted": "Way 1\nTown", "street_address": "Way 1", "locality": "Town",
                            "region": "R", "postal_code": "1234", "country": "CH"},
            })
        );
    }

    #[test]
    fn i9_what_is_wrong_is_told_without_personal_values() {
        let spec = json!({
            "subject": "canary canary", "username": " canary", "groups": ["canary\n"], "name": "canary\n",
            "picture": "canary:canary", "website": "https://CANARY.example/canary", "birthdate": "canary",
            "zoneinfo": "canary//", "locale": "canary canary", "email": "canary", "phoneNumber": "canary",
            "passwordSecretRef": {"name": "pw"}, "address": {"country": "canary\u{1b}"},
        });
        let violations = validate_user(&user(spec)).unwrap_err();
        assert_eq!(violations.len(), 12, "{violations:?}");
        for violation in violations {
            let told = violation.to_string().to_ascii_lowercase();
            assert!(!told.contains("canary"), "{told}");
        }
    }

    #[test]
    fn all_violations_are_told_at_once() {
        assert_eq!(
            fields(json!({
                "subject": "a b", "username": " x", "groups": ["a", "a", ""], "name": "a\nb",
                "passwordSecretRef": {"name": "No"}, "picture": "javascript:alert(1)",
                "birthdate": "1970-02-30", "zoneinfo": "Europe//Paris", "locale": "german language",
                "email": "jdoe", "phoneNumber": "044", "address": {"country": "\u{1b}"},
            })),
            [
                "spec.subject",
                "spec.username",
                "spec.groups[1]",
                "spec.groups[2]",
                "spec.passwordSecretRef.name",
                "spec.name",
                "spec.picture",
                "spec.birthdate",
                "spec.zoneinfo",
                "spec.locale",
                "spec.email",
                "spec.phoneNumber",
                "spec.address.country",
            ]
        );
        assert_eq!(
            fields(json!({"emailVerified": true, "phoneNumberVerified": true})),
            ["spec.emailVerified", "spec.phoneNumberVerified"]
        );
        let nobody = OidcUser::new("jdoe", OidcUserSpec::default());
        let told = validate_user(&nobody).unwrap_err();
        let told: Vec<&str> = told.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(
            told,
            ["metadata.uid", "metadata.namespace", "metadata.creationTimestamp"]
        );
    }

    #[test]
    fn birthdays_are_days() {
        for good in ["1970-01-01", "0000-02-29", "1970", "0000-12-31"] {
            assert_eq!(birthdate(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "70-01-01",
            "1970-1-1",
            "1970-13-01",
            "1971-02-29",
            "1970-01",
            "+970",
            "1970-01-01-01",
        ] {
            assert!(birthdate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn contact_data_have_their_shape() {
        for good in ["a@b", "jdoe@example.com", "j.d+x@example.com"] {
            assert_eq!(email(good), Ok(()), "{good}");
        }
        for bad in ["", "@", "a@", "@b", "a@b@c", "a b@c", "a@b c", "a@.b", "a\n@b"] {
            assert!(email(bad).is_err(), "{bad}");
        }
        for good in ["+41446681800", "+1 (425) 555-1212", "+1 (604) 555-1234;ext=5678"] {
            assert_eq!(phone(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "+",
            "044 668 18 00",
            "+0441234567",
            "+1",
            "+1555123456789012345",
            "+1555123x",
            "+15551234;ext=",
            "+é12345",
        ] {
            assert!(phone(bad).is_err(), "{bad}");
        }
        for good in ["de", "de-CH", "zh_Hant", "en-US-x-private"] {
            assert_eq!(locale(good), Ok(()), "{good}");
        }
        for bad in ["", "d", "-de", "de-", "1234"] {
            assert!(locale(bad).is_err(), "{bad}");
        }
    }
}
