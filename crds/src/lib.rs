//! What operator and provider of oidc-operator must agree on. Pure: no runtime, no I/O, no clock.
//!
//! | module | what |
//! |---|---|
//! | [`resources`] | the custom resources as the API server stores them; conditions and reasons |
//! | [`guard`] | objects that may not be readable as their kind, told without a value |
//! | [`names`], [`language`] | closed vocabularies, durations, labels and annotations; languages of pages |
//! | [`validate`], [`client`], [`user`] | the only validator, and what it makes of a good object |
//! | [`arbitrate`] | rules between objects |
//! | [`routes`] | hosts of Ingresses and HTTPRoutes |
//! | [`secrets`] | what the operator writes and the pods read, one Secret or ConfigMap a file |
//! | [`credentials`], [`password`], [`seal`], [`jwk`] | secrets, digests, seals and keys |
//! | [`distinguished_name`] | subjects of certificates |
//! | [`registration`] | what a client gets that a program registers |
//! | [`envelope`] | how private keys lie in the key-set Secret when they are encrypted; the seam for a KMS |
//! | [`rng`], [`testing`] | the system's randomness, and one that repeats for tests |
//! | [`rotation`], [`schedule`] | the life of credentials and of signing keys as pure functions |
//! | [`uses`] | which credential was used last when, and how much of that is known |
//!
//! To add a field: its kind in `resources/` with the CEL rule beside it, its rule in `validate.rs`, its
//! accessor in `client.rs`, then its reader; `just crds` writes the chart's copy, which a test compares.

pub mod arbitrate;
pub mod cidr;
pub mod client;
pub mod credentials;
pub mod distinguished_name;
mod encoding;
pub mod envelope;
pub mod guard;
pub mod jwk;
pub mod language;
pub mod names;
pub mod password;
pub mod registration;
pub mod resources;
pub mod rng;
pub mod rotation;
pub mod routes;
pub mod schedule;
pub mod seal;
pub mod secrets;
pub mod testing;
mod time;
pub mod user;
pub mod uses;
pub mod validate;
