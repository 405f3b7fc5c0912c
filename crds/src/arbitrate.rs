//! The only judge of rules between objects: taken ids and names. Both programs call it after `validate`.

use crate::client::Client;
use crate::secrets::installation::Installation;
use crate::user::User;
use crate::validate::Violation;

/// The objects that lose against another, by UID. Of two users with one username or subject the older
/// (creation time, then name) wins; a client id that equals a user's subject or username loses always;
/// of two clients of one id in one namespace the older wins; an audience that equals another client's
/// id loses.
#[must_use]
pub fn arbitrate(
    clients: &[&Client],
    users: &[&User],
    installation: &Installation,
) -> Vec<(String, Violation)> {
    let _ = (clients, users, installation);
    todo!()
}
