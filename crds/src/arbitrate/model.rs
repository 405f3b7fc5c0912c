//! The rules between objects said plainly, over everybody at once: what an [`Arbiter`](super::Arbiter) that
//! followed any changes must agree with.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::json;

use super::*;
use crate::client::Rare;
use crate::validate::{validate, validate_user};

/// UID → what it loses by.
type Lost = BTreeMap<String, Vec<(String, Reason)>>;

fn plainly(
    clients: &[&Client],
    users: &[&User],
    installation: &Installation,
    algorithms: Option<&BTreeSet<Algorithm>>,
) -> Lost {
    let mut lost = Lost::new();
    let mut note = |uid: &str, field: String, reason| {
        lost.entry(uid.to_owned()).or_default().push((field, reason));
    };

    let mut names = BTreeSet::new();
    let (mut subjects, mut usernames) = (BTreeSet::new(), BTreeSet::new());
    let mut by_age = users.to_vec();
    by_age.sort_by_key(|user| (user.created_at, &user.name, &user.uid));
    for user in by_age {
        let (subject, username) = (
            subjects.contains(user.subject()),
            usernames.contains(user.username()),
        );
        if subject {
            note(&user.uid, "spec.subject".to_owned(), Reason::NameTaken);
        }
        if username {
            note(&user.uid, "spec.username".to_owned(), Reason::NameTaken);
        }
        if !subject && !username {
            subjects.insert(user.subject());
            usernames.insert(user.username());
            names.extend([user.subject(), user.username()]);
        }
    }

    let mut ids: BTreeMap<&str, &Client> = BTreeMap::new();
    let mut by_right = clients.to_vec();
    by_right.sort_by_key(|client| {
        let grant = installation.grants_client_id(&client.namespace, &client.client_id);
        (
            grant.unwrap_or(usize::MAX),
            client.created_at,
            client.namespace.clone(),
            client.name.clone(),
            client.uid.clone(),
        )
    });
    for client in &by_right {
        let field = "spec.clientId".to_owned();
        if names.contains(client.client_id()) {
            note(&client.uid, field, Reason::NameTaken);
        } else if ids.contains_key(client.client_id()) {
            note(&client.uid, field, Reason::ClientIdTaken);
        } else {
            ids.insert(client.client_id(), client);
        }
    }

    for client in clients {
        let lists = [
            ("spec.audiences", client.audiences()),
            ("spec.resourceServerFor", client.resource_server_for()),
        ];
        for (field, list) in lists {
            for (index, audience) in list.iter().enumerate() {
                if ids
                    .get(audience.as_str())
                    .is_some_and(|owner| owner.uid != client.uid)
                {
                    note(&client.uid, format!("{field}[{index}]"), Reason::ClientIdTaken);
                }
            }
        }
        let named = [
            ("spec.tokens.idTokenSignedResponseAlg", client.id_token_alg()),
            ("spec.tokens.accessTokenSigningAlg", client.access_token_alg()),
        ];
        for (field, algorithm) in named {
            let missing = |algorithm| algorithms.is_some_and(|offered| !offered.contains(&algorithm));
            if algorithm.is_some_and(missing) {
                note(&client.uid, field.to_owned(), Reason::AlgorithmNotOffered);
            }
        }
    }
    lost
}

fn of<C: std::ops::Deref<Target = Client> + Clone>(arbiter: &Arbiter<C>) -> Lost {
    let mut lost = Lost::new();
    for (uid, violation) in arbiter.lost() {
        let what = (violation.field.clone(), violation.reason);
        lost.entry(uid.to_owned()).or_default().push(what);
    }
    lost
}

const GRANTS: [&str; 2] = [
    "[{namespaces: [b], clientIds: [x]}, {namespaces: ['*'], clientIds: ['*']}]",
    "[{namespaces: ['*'], clientIds: ['*']}]",
];

fn installation(grants: &str) -> Arc<Installation> {
    let text = format!(
        "release: oidc\nissuer: https://oidc.example.com\nclassName: oidc\ndefaultClass: true\n\
         namespaces: {{clusterWide: {{selector: null}}}}\njwksMaxAge: 300s\ngrants: {grants}\n"
    );
    Arc::new(Installation::parse(&text).unwrap())
}

/// What happens.
#[derive(Debug, Clone)]
enum Change {
    /// The client of this place is so now; `None`: it is gone.
    Client(usize, Option<Box<Client>>),
    /// These are the users.
    Users(Vec<User>),
    Algorithms(Option<BTreeSet<Algorithm>>),
    Installation(usize),
}

/// Few names, so that they meet often.
const NAMES: [&str; 4] = ["x", "y", "a.one", "b.one"];

fn client() -> impl Strategy<Value = Client> {
    let audiences = subsequence(NAMES.to_vec(), 0..3);
    let algorithm = proptest::option::of(select(vec![Algorithm::RS256, Algorithm::ES256]));
    (
        select(vec!["a", "b"]),
        select(vec!["one", "two"]),
        select(vec!["u1", "u2", "u3"]),
        0..3u8,
        proptest::option::of(select(vec!["x", "y"])),
        (audiences.clone(), audiences),
        (algorithm.clone(), algorithm),
        any::<bool>(),
    )
        .prop_map(|(namespace, name, uid, minute, id, audiences, algorithms, skip)| {
            let object = serde_json::from_value(json!({
                "metadata": {
                    "name": name, "namespace": namespace, "uid": format!("{namespace}-{name}-{uid}"),
                    "creationTimestamp": format!("2026-11-25T09:{minute:02}:00Z"),
                },
                "spec": {"clientId": id, "redirectUris": ["https://a.example/cb"], "displayName": skip.to_string()},
            }))
            .unwrap();
            let mut client = validate(&object, &installation(GRANTS[1]), None).unwrap();
            let owned = |all: Vec<&str>| all.into_iter().map(str::to_owned).collect();
            client.rare = (Rare {
                audiences: owned(audiences.0),
                resource_server_for: owned(audiences.1),
                ..*client.rare.unwrap_or_default()
            })
            .boxed();
            (client.id_token_alg, client.access_token_alg) = algorithms;
            client
        })
}

fn user() -> impl Strategy<Value = User> {
    (0..3u8, select(NAMES.to_vec()), select(NAMES.to_vec()), 0..100u8).prop_map(
        |(minute, subject, username, uid)| {
            let object = serde_json::from_value(json!({
                "metadata": {
                    "name": format!("user-{uid}"), "namespace": "identity", "uid": format!("user-{uid}"),
                    "creationTimestamp": format!("2026-11-25T09:{minute:02}:00Z"),
                },
                "spec": {"subject": subject, "username": username},
            }))
            .unwrap();
            validate_user(&object).unwrap()
        },
    )
}

fn change() -> impl Strategy<Value = Change> {
    let users = proptest::collection::vec(user(), 0..4).prop_map(|mut users| {
        users.dedup_by(|a, b| a.uid == b.uid);
        Change::Users(users)
    });
    let algorithms = subsequence(vec![Algorithm::RS256, Algorithm::ES256], 0..3)
        .prop_map(|all| Change::Algorithms(Some(all.into_iter().collect())));
    prop_oneof![
        10 => (0..4usize, proptest::option::weighted(0.8, client()))
            .prop_map(|(place, client)| Change::Client(place, client.map(Box::new))),
        2 => users,
        1 => algorithms,
        1 => (0..2usize).prop_map(Change::Installation),
    ]
}

proptest! {
    #[test]
    fn whatever_changed_the_arbiter_says_what_the_rules_say(changes in proptest::collection::vec(change(), 1..40)) {
        let mut rules = installation(GRANTS[0]);
        let mut arbiter: Arbiter<Arc<Client>> = Arbiter::new(rules.clone());
        let mut clients: BTreeMap<String, Arc<Client>> = BTreeMap::new();
        let mut users: Vec<User> = Vec::new();
        let mut algorithms = None;
        for change in changes {
            let (lost_before, known) = (of(&arbiter), clients.clone());
            match change {
                Change::Client(_, Some(client)) => {
                    let client: Arc<Client> = Arc::from(client);
                    // as in a cluster, there is one object of a name
                    let key = format!("{}/{}", client.namespace, client.name);
                    let old = clients.insert(key, client.clone());
                    arbiter.client(old.as_deref(), Some(client));
                }
                Change::Client(place, None) => {
                    if let Some(key) = clients.keys().nth(place).cloned() {
                        let old = clients.remove(&key);
                        arbiter.client(old.as_deref(), None);
                    }
                }
                Change::Users(all) => {
                    users = all;
                    arbiter.users(&users.iter().collect::<Vec<_>>());
                }
                Change::Algorithms(all) => {
                    algorithms.clone_from(&all);
                    arbiter.algorithms(all);
                }
                Change::Installation(which) => {
                    rules = installation(GRANTS[which]);
                    arbiter.installation(rules.clone());
                }
            }
            let all: Vec<&Client> = clients.values().map(AsRef::as_ref).collect();
            let everybody: Vec<&User> = users.iter().collect();
            let said = of(&arbiter);
            prop_assert_eq!(&said, &plainly(&all, &everybody, &rules, algorithms.as_ref()));

            let told: BTreeSet<String> =
                arbiter.take_changed_clients().iter().map(|client| client.uid().to_owned()).collect();
            for client in clients.values().filter(|client| known.values().any(|was| was.uid == client.uid)) {
                let differs = said.get(client.uid()) != lost_before.get(client.uid());
                prop_assert!(!differs || told.contains(client.uid()), "{} was not told", client.uid());
            }
        }
    }
}
