//! The only judge of rules between objects: taken ids and names. Both programs call it after `validate`, by an
//! [`Arbiter`], which follows single changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::client::Client;
use crate::names::Algorithm;
use crate::resources::Reason;
use crate::secrets::installation::Installation;
use crate::user::User;
use crate::validate::Violation;
pub use arbiter::Arbiter;

mod arbiter;
#[cfg(test)]
mod model;

/// The objects that lose against another, by UID.
///
/// - Of two users with one username or subject the older (creation time, then name) wins.
/// - A client id that equals a user's subject or username loses always.
/// - One client id belongs to one namespace: the one whose grant stands first in the installation, and
///   between equals the one with the older client. Inside it the older client wins.
/// - An audience that equals another client's id loses.
/// - A client that names an algorithm with which no key signs is refused; `algorithms` are those that some key
///   signs with, `None`: not known yet.
///
/// A refused user or client takes no name or id away from others. An object that breaks several rules is listed with each.
#[must_use]
pub fn arbitrate(
    clients: &[&Client],
    users: &[&User],
    installation: &Installation,
    algorithms: Option<&BTreeSet<Algorithm>>,
) -> Vec<(String, Violation)> {
    let mut arbiter = Arbiter::new(Arc::new(installation.clone()));
    arbiter.algorithms(algorithms.cloned());
    arbiter.users(users);
    for client in clients {
        arbiter.client(None, Some(*client));
    }
    let lost = arbiter.lost();
    lost.map(|(uid, violation)| (uid.to_owned(), violation.clone()))
        .collect()
}

/// All subjects and usernames that are taken.
fn arbitrate_users<'a>(users: &[&'a User], refused: &mut Vec<(String, Violation)>) -> BTreeSet<&'a str> {
    let mut sorted = users.to_vec();
    sorted.sort_by_key(|user| (user.created_at, &user.name, &user.uid));
    let (mut subjects, mut usernames) = (BTreeMap::new(), BTreeMap::new());
    for user in sorted {
        let subject: Option<&&User> = subjects.get(user.subject());
        let username: Option<&&User> = usernames.get(user.username());
        let taken = [
            ("spec.subject", "subject", subject),
            ("spec.username", "username", username),
        ];
        let mut free = true;
        for (field, what, older) in taken {
            if let Some(older) = older {
                free = false;
                let message = format!("the older user {} has this {what}: choose another", older.name);
                refused.push((user.uid.clone(), violation(field, Reason::NameTaken, message)));
            }
        }
        if free {
            subjects.insert(user.subject(), user);
            usernames.insert(user.username(), user);
        }
    }
    subjects.into_keys().chain(usernames.into_keys()).collect()
}

fn violation(field: &str, reason: Reason, message: String) -> Violation {
    Violation {
        field: field.to_owned(),
        reason,
        message,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::client::Rare;
    use crate::validate::{validate, validate_user};

    const GRANTS: &str = "
        release: oidc
        issuer: https://oidc.identity.svc.cluster.local
        className: oidc
        defaultClass: true
        namespaces: {clusterWide: {selector: null}}
        jwksMaxAge: 300s
        grants:
          - {namespaces: [team-b], clientIds: [shop]}
          - {namespaces: ['*'], clientIds: ['*']}
        ";

    fn installation() -> Installation {
        Installation::parse(GRANTS).unwrap()
    }

    fn client(uid: &str, namespace: &str, minute: u8, id: Option<&str>) -> Client {
        let object = serde_json::from_value(json!({
            "metadata": {
                "name": uid, "namespace": namespace, "uid": uid,
                "creationTimestamp": format!("2026-11-25T09:{minute:02}:00Z"),
            },
            "spec": {"clientId": id, "redirectUris": ["https://a.example/cb"]},
        }))
        .unwrap();
        validate(&object, &installation(), None).unwrap()
    }

    fn user(uid: &str, minute: u8, subject: &str, username: &str) -> User {
        let object = serde_json::from_value(json!({
            "metadata": {
                "name": uid, "namespace": "identity", "uid": uid,
                "creationTimestamp": format!("2026-11-25T09:{minute:02}:00Z"),
            },
            "spec": {"subject": subject, "username": username},
        }))
        .unwrap();
        validate_user(&object).unwrap()
    }

    fn losers(clients: &[Client], users: &[User]) -> Vec<(String, Reason)> {
        let clients: Vec<&Client> = clients.iter().collect();
        let users: Vec<&User> = users.iter().collect();
        arbitrate(&clients, &users, &installation(), None)
            .into_iter()
            .map(|(uid, violation)| (uid, violation.reason))
            .collect()
    }

    fn loses(uid: &str, reason: Reason) -> Vec<(String, Reason)> {
        vec![(uid.to_owned(), reason)]
    }

    #[test]
    fn a_client_that_names_an_algorithm_without_a_key_is_refused() {
        let mut shop = client("shop", "team-a", 0, None);
        shop.id_token_alg = Some(Algorithm::ES384);
        let judge =
            |algorithms: Option<&BTreeSet<Algorithm>>| arbitrate(&[&shop], &[], &installation(), algorithms);
        assert_eq!(judge(None), [], "keys are not known yet");
        assert_eq!(judge(Some(&BTreeSet::from([Algorithm::ES384]))), []);
        let told = judge(Some(&BTreeSet::from([Algorithm::RS256, Algorithm::EdDSA])));
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].1.reason, Reason::AlgorithmNotOffered);
        assert_eq!(
            told[0].1.to_string(),
            "spec.tokens.idTokenSignedResponseAlg: no key signs with ES384: choose one of RS256, EdDSA, or ask for \
             a SigningKey"
        );
    }

    #[test]
    fn different_names_disturb_nobody() {
        let clients = [
            client("a", "team-a", 0, None),
            client("b", "team-a", 1, Some("b")),
        ];
        let users = [user("u", 0, "u", "u"), user("v", 1, "v", "v")];
        assert_eq!(losers(&clients, &users), []);
        assert_eq!(losers(&[], &[]), []);
    }

    #[test]
    fn the_older_user_wins() {
        let users = [user("young", 5, "1", "jdoe"), user("old", 1, "2", "jdoe")];
        assert_eq!(losers(&[], &users), loses("young", Reason::NameTaken));
        let users = [user("young", 5, "1", "a"), user("old", 1, "1", "b")];
        assert_eq!(losers(&[], &users), loses("young", Reason::NameTaken));
        // of the same age: by name
        let users = [user("b", 1, "1", "x"), user("a", 1, "2", "x")];
        assert_eq!(losers(&[], &users), loses("b", Reason::NameTaken));
    }

    #[test]
    fn a_refused_user_takes_no_name_away() {
        let users = [
            user("old", 1, "1", "jdoe"),
            user("refused", 2, "2", "jdoe"),
            user("young", 3, "2", "other"),
        ];
        assert_eq!(losers(&[], &users), loses("refused", Reason::NameTaken));
        let clients = [client("c", "team-a", 9, Some("3"))];
        let users = [user("old", 1, "1", "jdoe"), user("refused", 2, "3", "jdoe")];
        assert_eq!(losers(&clients, &users), loses("refused", Reason::NameTaken));
    }

    #[test]
    fn a_user_wins_against_any_client() {
        let users = [user("u", 9, "sub-1", "team-a.c")];
        assert_eq!(
            losers(&[client("c", "team-a", 0, None)], &users),
            loses("c", Reason::NameTaken)
        );
        assert_eq!(
            losers(&[client("c", "team-a", 0, Some("sub-1"))], &users),
            loses("c", Reason::NameTaken)
        );
    }

    #[test]
    fn the_older_client_of_a_namespace_wins() {
        let clients = [
            client("young", "team-a", 5, Some("x")),
            client("old", "team-a", 1, Some("x")),
        ];
        assert_eq!(losers(&clients, &[]), loses("young", Reason::ClientIdTaken));
        let clients = [
            client("b", "team-a", 1, Some("x")),
            client("a", "team-a", 1, Some("x")),
        ];
        assert_eq!(losers(&clients, &[]), loses("b", Reason::ClientIdTaken));
    }

    #[test]
    fn an_id_belongs_to_the_namespace_of_the_first_grant() {
        let clients = [
            client("squatter", "team-a", 1, Some("shop")),
            client("owner", "team-b", 5, Some("shop")),
        ];
        assert_eq!(losers(&clients, &[]), loses("squatter", Reason::ClientIdTaken));
        let clients = [
            client("old", "team-a", 1, Some("other")),
            client("young", "team-b", 5, Some("other")),
        ];
        assert_eq!(losers(&clients, &[]), loses("young", Reason::ClientIdTaken));
    }

    #[test]
    fn no_message_tells_of_another_namespace() {
        let (a, b) = (
            client("a", "team-a", 1, Some("x")),
            client("b", "team-b", 5, Some("x")),
        );
        let told = arbitrate(&[&a, &b], &[], &installation(), None);
        assert!(!told[0].1.message.contains("team-a"), "{}", told[0].1);
    }

    #[test]
    fn an_audience_is_nobodys_client_id() {
        let (mut a, b) = (
            client("a", "team-a", 9, None),
            client("b", "team-b", 1, Some("b")),
        );
        // the validator asks for a URI, which no id can be; this rule does not rely on it
        a.rare = (Rare {
            audiences: ["b".into(), "team-a.a".into()].into(),
            ..Rare::default()
        })
        .boxed();
        assert_eq!(
            losers(&[a.clone(), b.clone()], &[]),
            loses("a", Reason::ClientIdTaken)
        );
        a.rare = (Rare {
            resource_server_for: ["b".into()].into(),
            ..Rare::default()
        })
        .boxed();
        assert_eq!(losers(&[a, b], &[]), loses("a", Reason::ClientIdTaken));
    }
}
