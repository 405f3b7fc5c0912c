//! The key set as it lies in its Secret: in the clear, or with each private key encrypted. Everything else
//! stands in the clear in both, under the same digest: phases, public halves, times.

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{KeySet, KeyState, MALFORMED, data_of, members_of, wrong};
use crate::encoding::{base64url, from_base64url};
use crate::envelope::{DataKey, EnvelopeError, KeyWrap, WrappedKey};
use crate::secrets::{Data, DataError};

/// What a Secret holds.
#[derive(Debug)]
pub enum Stored {
    /// The keys stand in the clear.
    Plain(KeySet),
    /// The private keys are encrypted.
    Sealed(SealedKeySet),
}

/// A key set whose private keys are encrypted.
#[derive(Debug)]
pub struct SealedKeySet {
    secret_name: String,
    wrapped: WrappedKey,
    /// Without private keys.
    set: KeySet,
    /// The private key of each key of the set, if it has one.
    sealed: Vec<Option<Vec<u8>>>,
}

/// The member `envelope`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    /// The Secret with the key that the data key is wrapped under.
    secret_name: String,
    /// Which key of it.
    key_id: String,
    /// base64url.
    wrapped_key: String,
}

/// The member of a set that says that it is encrypted, and how.
const ENVELOPE: &str = "envelope";
/// The member of a key in place of `jwk`; base64url.
const SEALED: &str = "sealed";

impl Stored {
    /// Reads a Secret.
    ///
    /// # Errors
    /// When it is malformed or of a later version.
    pub fn from_data(data: &Data) -> Result<Self, DataError> {
        let mut members = members_of(data)?;
        let malformed = |_| wrong(MALFORMED);
        let Some(envelope) = members.remove(ENVELOPE) else {
            let set: KeySet = serde_json::from_value(Value::Object(members)).map_err(malformed)?;
            let whole = set.keys.iter().all(|key| key.is_whole(key.jwk.is_some()));
            return if whole { Ok(Self::Plain(set)) } else { Err(lacks()) };
        };
        let envelope: Envelope = serde_json::from_value(envelope).map_err(malformed)?;
        let keys = members.get("keys").and_then(Value::as_array);
        let sealed: Option<Vec<_>> = keys.into_iter().flatten().map(sealed_of).collect();
        let sealed = sealed.ok_or_else(|| wrong(MALFORMED))?;
        let set: KeySet = serde_json::from_value(Value::Object(members)).map_err(malformed)?;
        let mut halves = set.keys.iter().zip(&sealed);
        if !halves.all(|(key, sealed)| key.jwk.is_none() && key.is_whole(sealed.is_some())) {
            return Err(lacks());
        }
        let wrapped = from_base64url(&envelope.wrapped_key).ok_or_else(|| wrong(MALFORMED))?;
        Ok(Self::Sealed(SealedKeySet {
            secret_name: envelope.secret_name,
            wrapped: WrappedKey {
                key_id: envelope.key_id,
                wrapped: wrapped.to_vec(),
            },
            set,
            sealed,
        }))
    }
}

impl SealedKeySet {
    /// The Secret with the key that it is encrypted under.
    #[must_use]
    pub fn secret_name(&self) -> &str {
        &self.secret_name
    }

    /// Whether it is encrypted under the newest key of this Secret.
    #[must_use]
    pub fn is_under(&self, secret_name: &str, keys: &impl KeyWrap) -> bool {
        self.secret_name == secret_name && keys.is_current(&self.wrapped)
    }

    /// [`KeySet::revision`].
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.set.revision
    }

    /// Whether it is this set, as far as it stands in the clear.
    #[must_use]
    pub fn shows(&self, known: &KeySet) -> bool {
        self.set == without_private(known)
    }

    /// Decrypts the private keys.
    ///
    /// # Errors
    /// When the key is not there, when something does not open, or when nobody answers.
    pub async fn open(&self, keys: &impl KeyWrap) -> Result<KeySet, EnvelopeError> {
        let key = keys.unwrap_key(&self.wrapped).await?;
        let mut set = self.set.clone();
        for (state, sealed) in set.keys.iter_mut().zip(&self.sealed) {
            if let Some(sealed) = sealed {
                let text = key.open(&place(state), sealed)?;
                // It was written by whoever has the key.
                state.jwk = Some(serde_json::from_slice(&text).map_err(|_| EnvelopeError::Altered)?);
            }
        }
        Ok(set)
    }
}

impl KeySet {
    /// The data to write, with each private key encrypted under a new data key that `keys` of this Secret
    /// wrap.
    ///
    /// # Errors
    /// When nobody answers who could wrap it.
    pub async fn seal(
        &self,
        secret_name: &str,
        keys: &impl KeyWrap,
        rng: &mut (impl CryptoRng + Send),
    ) -> Result<Data, EnvelopeError> {
        let key = DataKey::generate(rng);
        let wrapped = keys.wrap_key(&key, rng).await?;
        let envelope = Envelope {
            secret_name: secret_name.to_owned(),
            key_id: wrapped.key_id,
            wrapped_key: base64url(&wrapped.wrapped),
        };
        let mut members = serde_json::to_value(without_private(self)).expect("all members are JSON");
        members[ENVELOPE] = serde_json::to_value(envelope).expect("text is JSON");
        for (index, state) in self.keys.iter().enumerate() {
            if let Some(jwk) = &state.jwk {
                let text = zeroize::Zeroizing::new(serde_json::to_vec(jwk).expect("a JWK is JSON"));
                let sealed = key.seal(&place(state), &text, rng);
                members["keys"][index][SEALED] = base64url(&sealed).into();
            }
        }
        Ok(data_of(members))
    }
}

/// What a private key is bound to, so that it opens nowhere else.
fn place(state: &KeyState) -> [&[u8]; 3] {
    let algorithm = state.algorithm.as_str().as_bytes();
    [b"signing-key/v1", state.kid.as_bytes(), algorithm]
}

fn without_private(set: &KeySet) -> KeySet {
    let public = |state: &KeyState| KeyState {
        jwk: None,
        ..state.clone()
    };
    KeySet {
        keys: set.keys.iter().map(public).collect(),
        ..set.clone()
    }
}

/// The member of a key; the outer `None`: it is malformed.
fn sealed_of(key: &Value) -> Option<Option<Vec<u8>>> {
    match key.get(SEALED) {
        None => Some(None),
        Some(text) => Some(Some(from_base64url(text.as_str()?)?.to_vec())),
    }
}

fn lacks() -> DataError {
    wrong("has a key that lacks what its phase needs")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::tests::{key, set};
    use super::*;
    use crate::envelope::EnvelopeKeys;
    use crate::names::Algorithm;
    use crate::resources::signing_key::Phase;
    use crate::testing::{SeededRng, ready};

    fn keys(versions: &[(&str, u64)]) -> EnvelopeKeys {
        let data = versions.iter().map(|(name, seed)| {
            let key = DataKey::generate(&mut SeededRng::new(*seed));
            ((*name).to_owned(), key.as_bytes().to_vec())
        });
        EnvelopeKeys::from_data(&data.collect()).unwrap()
    }

    fn seal(set: &KeySet, keys: &EnvelopeKeys) -> Data {
        ready(set.seal("oidc-envelope", keys, &mut SeededRng::new(5))).unwrap()
    }

    fn sealed(data: &Data) -> SealedKeySet {
        match Stored::from_data(data).unwrap() {
            Stored::Sealed(sealed) => sealed,
            Stored::Plain(_) => panic!("it stands in the clear"),
        }
    }

    fn some() -> KeySet {
        let gone = KeyState {
            jwk: None,
            ..key(Algorithm::EdDSA, Phase::Removed)
        };
        set(vec![
            gone,
            key(Algorithm::ES256, Phase::Active),
            key(Algorithm::ES256, Phase::Published),
            key(Algorithm::EdDSA, Phase::Retiring),
        ])
    }

    fn json_of(data: &Data) -> Value {
        serde_json::from_slice(&data[KeySet::DATA_KEY]).unwrap()
    }

    /// As if it had been written as it is.
    fn edited(data: &Data, edit: impl FnOnce(&mut Value)) -> Data {
        let mut json = json_of(data);
        json.as_object_mut().unwrap().remove(KeySet::DIGEST);
        edit(&mut json);
        data_of(json)
    }

    #[test]
    fn what_is_sealed_opens_and_says_the_same() {
        let (set, keys) = (some(), keys(&[("v1", 1)]));
        let data = seal(&set, &keys);
        let sealed = sealed(&data);
        let opened = ready(sealed.open(&keys)).unwrap();
        assert_eq!(opened, set);
        assert_eq!(opened.acknowledgement(), set.acknowledgement());
        assert_eq!(opened.to_data(), set.to_data());
        assert!(sealed.shows(&set) && sealed.revision() == 7);
        assert_eq!(sealed.secret_name(), "oidc-envelope");
        assert!(!sealed.shows(&some()));
        let error = KeySet::from_data(&data).unwrap_err().to_string();
        assert_eq!(error, "key-set.json: its private keys are encrypted");
    }

    #[test]
    fn no_private_member_stands_in_the_clear() {
        let set = some();
        let text = String::from_utf8(seal(&set, &keys(&[("v1", 1)]))[KeySet::DATA_KEY].clone()).unwrap();
        let mut canaries = 0;
        for state in set.keys.iter().filter(|state| state.jwk.is_some()) {
            let jwk = serde_json::to_value(&state.jwk).unwrap();
            let d = jwk["d"].as_str().unwrap();
            assert!(!text.contains(d) && !text.contains("\"d\""));
            canaries += 1;
        }
        assert_eq!(canaries, 3);
        assert!(!text.contains("jwk"));
    }

    #[test]
    fn each_write_has_a_data_key_of_its_own() {
        let (set, keys) = (some(), keys(&[("v1", 1)]));
        let rng = &mut SeededRng::new(5);
        let [one, two] = [(); 2].map(|()| json_of(&ready(set.seal("a", &keys, rng)).unwrap()));
        assert_ne!(one["envelope"]["wrappedKey"], two["envelope"]["wrappedKey"]);
        assert_ne!(one["keys"][1]["sealed"], two["keys"][1]["sealed"]);
        // the data key of one write opens nothing of another
        let mixed = edited(&ready(set.seal("a", &keys, rng)).unwrap(), |json| {
            json["envelope"] = one["envelope"].clone();
        });
        assert_eq!(
            ready(sealed(&mixed).open(&keys)).unwrap_err(),
            EnvelopeError::Altered
        );
    }

    #[test]
    fn a_moved_or_renamed_value_does_not_open() {
        let (set, keys) = (some(), keys(&[("v1", 1)]));
        let data = seal(&set, &keys);
        let good = json_of(&data);
        for edit in [
            (|json, good| json["keys"][2]["sealed"] = good["keys"][1]["sealed"].clone())
                as fn(&mut Value, &Value),
            |json, good| json["keys"][2]["kid"] = good["keys"][1]["kid"].clone(),
            |json, _| json["keys"][1]["algorithm"] = json!("ES384"),
            |json, _| json["envelope"]["wrappedKey"] = json!("AAAA"),
            |json, good| json["envelope"]["wrappedKey"] = good["keys"][1]["sealed"].clone(),
        ] {
            let moved = sealed(&edited(&data, |json| edit(json, &good)));
            assert_eq!(ready(moved.open(&keys)).unwrap_err(), EnvelopeError::Altered);
        }
    }

    #[test]
    fn an_edit_by_hand_is_noticed_in_a_sealed_set_too() {
        let data = seal(&some(), &keys(&[("v1", 1)]));
        let text = String::from_utf8(data[KeySet::DATA_KEY].clone()).unwrap();
        let edit = text.replacen("Active", "Retiring", 1).into_bytes();
        let error = Stored::from_data(&Data::from([(KeySet::DATA_KEY.to_owned(), edit)])).unwrap_err();
        assert!(error.to_string().contains("edited by hand"), "{error}");
    }

    #[test]
    fn the_newest_key_of_the_right_secret_is_the_one_to_be_under() {
        let (one, both) = (keys(&[("v1", 1)]), keys(&[("v1", 1), ("v2", 2)]));
        let old = sealed(&seal(&some(), &one));
        assert!(old.is_under("oidc-envelope", &one));
        assert!(!old.is_under("other", &one) && !old.is_under("oidc-envelope", &both));
        assert!(ready(old.open(&both)).is_ok());
        let gone = ready(old.open(&keys(&[("v2", 2)]))).unwrap_err();
        assert!(matches!(gone, EnvelopeError::UnknownKey(_)));
    }

    #[test]
    fn malformed_data_is_refused_without_showing_it() {
        let data = seal(&some(), &keys(&[("v1", 1)]));
        for edit in [
            (|json| json["envelope"] = json!("canary")) as fn(&mut Value),
            |json| json["envelope"]["keyId"] = json!(["canary"]),
            |json| json["envelope"]["wrappedKey"] = json!("canary!"),
            |json| json["keys"][1]["sealed"] = json!("canary!"),
            |json| json["keys"][1]["sealed"] = Value::Null,
            |json| drop(json["keys"][1].as_object_mut().unwrap().remove("sealed")),
            // half in the clear is neither
            |json| json["keys"][1]["jwk"] = json!({"d": "canary"}),
            |json| json["keys"] = json!("canary"),
            |json| drop(json.as_object_mut().unwrap().remove("envelope")),
        ] {
            let error = Stored::from_data(&edited(&data, edit)).unwrap_err().to_string();
            assert!(
                error.starts_with("key-set.json") && !error.contains("canary"),
                "{error}"
            );
        }
    }

    #[test]
    fn debug_shows_no_private_key() {
        let set = some();
        let d = serde_json::to_value(&set).unwrap()["keys"][1]["jwk"]["d"].clone();
        let stored = Stored::from_data(&set.to_data()).unwrap();
        assert!(!format!("{stored:?}").contains(d.as_str().unwrap()));
    }

    /// A KMS: it is far away and does not always answer.
    struct Remote {
        keys: EnvelopeKeys,
        answers: std::sync::atomic::AtomicBool,
    }

    impl KeyWrap for Remote {
        async fn wrap_key<R: CryptoRng + Send>(
            &self,
            key: &DataKey,
            rng: &mut R,
        ) -> Result<WrappedKey, EnvelopeError> {
            self.answer()?;
            self.keys.wrap_key(key, rng).await
        }

        async fn unwrap_key(&self, wrapped: &WrappedKey) -> Result<DataKey, EnvelopeError> {
            self.answer()?;
            self.keys.unwrap_key(wrapped).await
        }

        fn is_current(&self, wrapped: &WrappedKey) -> bool {
            self.keys.is_current(wrapped)
        }
    }

    impl Remote {
        /// Every second time.
        fn answer(&self) -> Result<(), EnvelopeError> {
            let up = self.answers.fetch_xor(true, std::sync::atomic::Ordering::Relaxed);
            up.then_some(())
                .ok_or_else(|| EnvelopeError::Unavailable("no answer".to_owned()))
        }
    }

    #[test]
    fn whoever_wraps_may_fail_and_is_asked_again() {
        let kms = Remote {
            keys: keys(&[("v1", 1)]),
            answers: false.into(),
        };
        let (set, rng) = (some(), &mut SeededRng::new(1));
        let failed = Err(EnvelopeError::Unavailable("no answer".to_owned()));
        assert_eq!(ready(set.seal("kms", &kms, rng)), failed);
        let sealed = sealed(&ready(set.seal("kms", &kms, rng)).unwrap());
        assert!(ready(sealed.open(&kms)).is_err());
        assert_eq!(ready(sealed.open(&kms)).unwrap(), set);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn any_set_opens_as_it_was_sealed(
            phases in proptest::collection::vec(
                prop_oneof![Just(Phase::Published), Just(Phase::Active), Just(Phase::Retiring), Just(Phase::Removed)],
                0..6,
            ),
            revision: u64,
            seed: u64,
        ) {
            let states = phases.into_iter().map(|phase| {
                let mut state = key(Algorithm::EdDSA, phase);
                if phase == Phase::Removed {
                    state.jwk = None;
                }
                state
            });
            let set = KeySet { revision, ..set(states.collect()) };
            let keys = keys(&[("v3", seed)]);
            let data = ready(set.seal("oidc-envelope", &keys, &mut SeededRng::new(seed))).unwrap();
            let sealed = sealed(&data);
            prop_assert!(sealed.shows(&set));
            prop_assert_eq!(ready(sealed.open(&keys)).unwrap(), set);
        }
    }
}
