//! The relying party: what is asked of the issuer, and what its answers are checked by.

pub(crate) mod callback;
pub(crate) mod id_token;
pub(crate) mod issuer;
pub(crate) mod request;
