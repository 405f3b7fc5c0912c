//! The custom resources as the API server stores them, one kind a file.

pub mod authentication;
pub mod condition;
pub mod definitions;
mod json;
pub mod limits;
pub mod oidc_class;
pub mod oidc_client;
pub mod oidc_user;
pub mod signing_key;

pub use condition::{Claim, ConditionType, Reason, merge};
pub use oidc_class::{OidcClass, OidcClassSpec};
pub use oidc_client::{OidcClient, OidcClientSpec, OidcClientStatus};
pub use oidc_user::{OidcUser, OidcUserSpec, OidcUserStatus};
pub use signing_key::{SigningKey, SigningKeySpec, SigningKeyStatus};
