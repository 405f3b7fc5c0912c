//! What few clients have, out of the way of all the others: a pod holds thousands.

use super::CustomClaim;
use crate::names::Seconds;
use crate::resources::oidc_client::{Registration, Workload};
use crate::secrets::app::Shape;

/// What few clients have.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Rare {
    /// UID and id, of a client that has an id of its own.
    pub(crate) own_grantee: Option<Box<str>>,
    pub(crate) links: Links,
    pub(crate) allowed_origins: Vec<String>,
    pub(crate) audiences: Vec<String>,
    pub(crate) resource_server_for: Vec<String>,
    pub(crate) claims: Vec<CustomClaim>,
    pub(crate) allowed_groups: Vec<String>,
    pub(crate) shape: Option<Box<Shape>>,
    pub(crate) rotation: Option<Rotation>,
    pub(crate) rollout_restart: Vec<Workload>,
    pub(crate) registration: Option<Box<Registration>>,
}

pub(super) static NOTHING_RARE: Rare = Rare {
    own_grantee: None,
    links: Links {
        logo: None,
        client: None,
        policy: None,
        tos: None,
    },
    allowed_origins: Vec::new(),
    audiences: Vec::new(),
    resource_server_for: Vec::new(),
    claims: Vec::new(),
    allowed_groups: Vec::new(),
    shape: None,
    rotation: None,
    rollout_restart: Vec::new(),
    registration: None,
};

impl Rare {
    /// Takes no room if there is nothing.
    pub(crate) fn boxed(self) -> Option<Box<Self>> {
        (self != NOTHING_RARE).then(|| Box::new(self))
    }
}

/// When a client's generated secret is replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rotation {
    /// How old it gets; longer than the overlap.
    pub interval: Option<Seconds>,
    /// How long a replaced one is still accepted; `None`: the installation's.
    pub overlap: Option<Seconds>,
    /// Each new word replaces it once.
    pub now: Option<Box<str>>,
    /// A replaced one retires early when it was not used for so long.
    pub retire_unused: Option<Seconds>,
}

/// Addresses that the consent page shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Links {
    pub(crate) logo: Option<String>,
    pub(crate) client: Option<String>,
    pub(crate) policy: Option<String>,
    pub(crate) tos: Option<String>,
}
