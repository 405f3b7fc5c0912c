//! The envelope around the private keys: in which form the key set is written, and how the one that is there
//! is opened. Without the key for it nothing is minted, changed or overwritten.

use std::sync::PoisonError;

use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use oidc_crds::envelope::{EnvelopeError, EnvelopeKeys};
use oidc_crds::resources::Reason;
use oidc_crds::rng::SystemRng;
use oidc_crds::secrets::installation::Installation;
use oidc_crds::secrets::key_set::{KeySet, SealedKeySet, Stored};
use oidc_crds::secrets::{Data, DataError};

use super::Keys;
use crate::execute::Error;
use crate::oidc_client::data_of;

/// How the set is written: encrypted under a Secret's keys, or in the clear.
pub(super) struct Form(Option<Sealer>);

struct Sealer {
    secret_name: String,
    keys: EnvelopeKeys,
}

/// The Secret that was found, and the set in it.
pub(super) struct Found {
    pub(super) secret: Option<Secret>,
    pub(super) set: Option<Result<KeySet, DataError>>,
}

/// Why the set can be neither read nor written.
pub(super) struct Locked {
    pub(super) reason: Reason,
    pub(super) message: String,
}

impl Form {
    /// The data to write.
    pub(super) async fn data(&self, set: &KeySet) -> Result<Data, Error> {
        let Some(sealer) = &self.0 else {
            return Ok(set.to_data());
        };
        let sealed = set.seal(&sealer.secret_name, &sealer.keys, &mut SystemRng).await;
        sealed.map_err(|error| Error::Unusable(format!("the key set is not encrypted: {error}")))
    }

    /// Whether a Secret is in this form, under the newest key.
    pub(super) fn is_that_of(&self, secret: &Secret) -> bool {
        match (Stored::from_data(&data_of(secret)), &self.0) {
            (Ok(Stored::Plain(_)), None) => true,
            (Ok(Stored::Sealed(set)), Some(sealer)) => set.is_under(&sealer.secret_name, &sealer.keys),
            _ => false,
        }
    }

    /// What it is, for the log.
    pub(super) fn told(&self) -> String {
        match &self.0 {
            None => "in the clear".to_owned(),
            Some(sealer) => format!("encrypted under the Secret {}", sealer.secret_name),
        }
    }
}

impl Locked {
    fn new(reason: Reason, why: &str) -> Self {
        Self {
            reason,
            message: format!(
                "{why}. Until then no key is minted, rotated or revoked, and nothing is overwritten; the pods sign on \
                 with what they hold"
            ),
        }
    }
}

impl Keys {
    /// The form that the installation asks for, and the set that is there; it may be in another form.
    pub(super) async fn open(
        &self,
        api: &Api<Secret>,
        installation: &Installation,
        secret: Option<Secret>,
    ) -> Result<Result<(Form, Found), Locked>, Error> {
        let wanted = installation.envelope.as_ref();
        let form = match wanted {
            None => None,
            Some(envelope) => {
                let secret_name = envelope.secret_name.clone();
                match keys(api, &secret_name).await? {
                    Ok(keys) => Some(Sealer { secret_name, keys }),
                    Err(locked) => return Ok(Err(locked)),
                }
            }
        };
        let stored = secret.as_ref().map(|secret| Stored::from_data(&data_of(secret)));
        let set = match stored {
            None => None,
            Some(Err(error)) => Some(Err(error)),
            Some(Ok(Stored::Plain(set))) => Some(Ok(set)),
            Some(Ok(Stored::Sealed(sealed))) => match self.unseal(api, &sealed, form.as_ref()).await? {
                Ok(set) => Some(set),
                Err(locked) => return Ok(Err(locked)),
            },
        };
        Ok(Ok((Form(form), Found { secret, set })))
    }

    async fn unseal(
        &self,
        api: &Api<Secret>,
        sealed: &SealedKeySet,
        form: Option<&Sealer>,
    ) -> Result<Result<Result<KeySet, DataError>, Locked>, Error> {
        let name = sealed.secret_name();
        let same = form.filter(|sealer| sealer.secret_name == name);
        let opened = match same {
            Some(sealer) => sealed.open(&sealer.keys).await,
            None => match keys(api, name).await? {
                Ok(keys) => sealed.open(&keys).await,
                Err(locked) => return Ok(self.without_key(sealed, same.is_some(), locked)),
            },
        };
        Ok(match opened {
            Ok(set) => Ok(Ok(set)),
            Err(EnvelopeError::UnknownKey(id)) => {
                let why = format!(
                    "the key set is encrypted under the key {id}, which the Secret {name} does not hold: put that key \
                     back into it, beside the newer ones"
                );
                let locked = Locked::new(Reason::EnvelopeKeyInvalid, &why);
                self.without_key(sealed, same.is_some(), locked)
            }
            Err(EnvelopeError::Altered) => Ok(Err(DataError(format!(
                "{}: a private key does not open: it was edited",
                KeySet::DATA_KEY
            )))),
            Err(EnvelopeError::Unavailable(why)) => {
                return Err(Error::Unusable(format!("the key set is not decrypted: {why}")));
            }
        })
    }

    /// The key is not there. If it is not asked for any more, the set that was read or written last says the
    /// same; and if the set is another than that, but no later leader's, somebody else put it there.
    fn without_key(
        &self,
        sealed: &SealedKeySet,
        wanted: bool,
        locked: Locked,
    ) -> Result<Result<KeySet, DataError>, Locked> {
        let known = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some(known) if sealed.shows(&known) && !wanted => Ok(Ok(known)),
            Some(known) if !sealed.shows(&known) && sealed.revision() <= known.revision => {
                Ok(Err(DataError(format!(
                    "{}: is encrypted under a key that is not there",
                    KeySet::DATA_KEY
                ))))
            }
            _ => Err(locked),
        }
    }
}

async fn keys(api: &Api<Secret>, name: &str) -> Result<Result<EnvelopeKeys, Locked>, Error> {
    let found = api
        .get_opt(name)
        .await
        .map_err(Error::api(format!("get Secret {name}")))?;
    let Some(secret) = found else {
        let why = format!(
            "the Secret {name}, under whose key the private keys are encrypted, is not there: restore it, or make it"
        );
        return Ok(Err(Locked::new(Reason::EnvelopeKeyMissing, &why)));
    };
    Ok(EnvelopeKeys::from_data(&data_of(&secret)).map_err(|error| {
        let why = format!("the Secret {name}, under whose key the private keys are encrypted: {error}");
        Locked::new(Reason::EnvelopeKeyInvalid, &why)
    }))
}
