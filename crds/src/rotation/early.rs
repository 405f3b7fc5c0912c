//! Early retirement: a replaced secret that nobody uses any more, where the spec asks for it.

use jiff::Timestamp;

use super::Life;
use crate::client::Client;
use crate::names::Seconds;
use crate::resources::oidc_client::Credential;
use crate::time::stored;
use crate::uses::{Seen, Unused};

impl Life<'_> {
    /// Replaced secrets retire now that nobody has used for so long as the spec says, while our Secret held the
    /// current one.
    pub(super) fn retire_unused(&mut self, current: usize) {
        let wanted = self.client.rotation().and_then(|rotation| rotation.retire_unused);
        let (Some(length), Some(uses)) = (wanted, self.uses) else {
            return;
        };
        let unused: Vec<usize> = unused(&self.credentials, current, length, uses, self.now).collect();
        for known in unused {
            let known = &mut self.credentials[known];
            known.retires_at = Some(stored(self.now));
            self.unused.push(known.id.clone());
        }
    }
}

/// Whether some replaced secret of a client could retire early by what is known of its uses: worth a look.
#[must_use]
pub fn has_unused(client: &Client, credentials: &[Credential], uses: &Seen, now: Timestamp) -> bool {
    let wanted = client.rotation().and_then(|rotation| rotation.retire_unused);
    let current = credentials.iter().position(|known| known.retires_at.is_none());
    let both = wanted.zip(current);
    both.is_some_and(|(length, current)| unused(credentials, current, length, uses, now).next().is_some())
}

/// Which of the credentials are retiring and were not used for so long since the current one was made.
fn unused<'a>(
    credentials: &'a [Credential],
    current: usize,
    length: Seconds,
    uses: &'a Seen,
    now: Timestamp,
) -> impl Iterator<Item = usize> + use<'a> {
    let since = credentials[current].created_at.0;
    let asked = Unused { since, length, now };
    let is_unused = move |known: &Credential| {
        let noted = known.last_used_at.as_ref().map(|at| at.0);
        known.retires_at.is_some() && uses.is_unused(&known.id, noted, asked)
    };
    let all = credentials.iter().enumerate();
    all.filter(move |(_, known)| is_unused(known)).map(|(at, _)| at)
}
