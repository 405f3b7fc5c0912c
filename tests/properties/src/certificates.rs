//! Certificates of clients: subjects as people write them, certificates as they come, and what proxies say of them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use oidc_crds::distinguished_name::{Attribute, DistinguishedName};
use oidc_protocol::client_auth::certificate::Certificate;
use oidc_protocol::client_auth::certificate::header::certificates as of_headers;

use crate::input::Input;

/// A subject that is written by the rules is read as what it is; of two different ones neither passes for the other.
/// What is no certificate is none, and no header breaks anything.
pub fn certificates(data: &[u8]) {
    let mut input = Input::new(data);
    let values = [
        "billing", "Billing", " ", "a,b", "#41", "\\", "é", "+", "=\"<>;", "\0",
    ];
    let first: Vec<&str> = (0..1 + input.byte() % 4).map(|_| input.of(&values)).collect();
    let second: Vec<&str> = (0..1 + input.byte() % 4).map(|_| input.of(&values)).collect();
    let read = |values: &[&str]| {
        let parts: Vec<String> = values
            .iter()
            .map(|value| format!("CN={}", escaped(value)))
            .collect();
        DistinguishedName::parse(&parts.join(",")).expect("it is written by the rules")
    };
    let shown = |values: &[&str]| {
        let relatives = values.iter().rev();
        let relatives = relatives.map(|value| vec![Attribute::new("2.5.4.3", 0x0c, value.as_bytes())]);
        DistinguishedName::new(relatives.collect())
    };
    assert_eq!(read(&first), shown(&first));
    assert_eq!(
        read(&first) == shown(&second),
        first == second,
        "{first:?} {second:?}"
    );

    let words = [
        "CN=", "O=", "2.5.4.3=", "a", " ", ",", "+", "\\", "\\2c", "#", "0c0161", "\"", ";", "=", "é",
    ];
    let text = input.text(&words, 16);
    if let Ok(name) = DistinguishedName::parse(&text) {
        let longer = DistinguishedName::parse(&format!("CN=a,{text}"));
        assert!(longer.is_ok_and(|longer| longer != name), "{text}");
    }

    let rest = input.rest();
    if let Ok(certificate) = Certificate::read(rest) {
        assert_eq!(certificate.thumbprint().len(), 43);
    }
    let own = format!(":{}:", STANDARD.encode(rest));
    let chain = input.text(&[":QQ==:", ",", " ", ":", "x"], 8);
    match of_headers(&[&own], &[&chain]) {
        Ok(Some(all)) => assert_eq!(all[0], rest),
        Ok(None) => unreachable!("a header is there"),
        Err(_) => {}
    }
    assert!(of_headers(&[&own, &own], &[]).is_err());
    assert_eq!(of_headers(&[], &[&chain]), Ok(None));
}

/// A value as RFC 4514 §2.4 has it, with all escapes that it allows.
fn escaped(value: &str) -> String {
    let escape = |c: char| match c {
        '"' | '+' | ',' | ';' | '<' | '>' | ' ' | '#' | '=' | '\\' => format!("\\{c}"),
        '\0' => "\\00".to_owned(),
        c => c.to_string(),
    };
    value.chars().map(escape).collect()
}
