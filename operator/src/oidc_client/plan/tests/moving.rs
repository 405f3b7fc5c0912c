//! A Secret on its way to another name, and what comes between.

use std::collections::BTreeMap;

use super::super::super::observe::known_names;
use super::*;

/// The most writes of a reconcile.
const ALL: usize = 9;

/// A client and its Secrets by name, as the API server holds them.
struct Place {
    world: World,
    client: OidcClient,
    secrets: BTreeMap<String, Secret>,
}

impl Place {
    fn ready() -> Self {
        let world = world();
        let (client, secret) = world.settle(&demo(), Target::Absent, NOW);
        Self {
            world,
            client,
            secrets: [(secret.name_any(), secret)].into(),
        }
    }

    fn rename(&mut self, name: &str) {
        self.client.spec.secret = serde_json::from_value(json!({"name": name})).expect("a shape");
    }

    fn status(&self) -> &OidcClientStatus {
        self.client.status.as_ref().expect("written")
    }

    /// Observes, plans and does at most so many writes: then another write came first, or the process ended.
    /// How many it did.
    fn reconcile(&mut self, at_most: usize) -> usize {
        let mut writes = 0;
        let mut may = || {
            writes += 1;
            writes <= at_most
        };
        self.step(&mut may);
        writes.min(at_most)
    }

    fn step(&mut self, may: &mut impl FnMut() -> bool) -> Option<()> {
        let valid = validate(&self.client, &self.world.installation, None).expect("valid");
        let name = valid.secret_name();
        let former = known_names(self.status().secret.as_ref()?).filter(|known| *known != name);
        let observed = Observed {
            target: match self.secrets.get(name) {
                None => Target::Absent,
                Some(secret) => Target::Ours(Box::new(secret.clone())),
            },
            former: former
                .filter_map(|name| self.secrets.get(name).cloned())
                .collect(),
            given: None,
            seen: Seen::default(),
        };
        let terms = self.world.terms(NOW + 10);
        let plan = plan(&self.client, &observed, Ok(&valid), &terms, &mut SystemRng);
        if let Some(status) = plan.first_status(&self.client) {
            may().then_some(())?;
            self.client.status = Some(status);
        }
        let mut applied = Applied::nothing();
        if let Some(SecretWrite::Create(secret) | SecretWrite::Replace(secret)) = &plan.secret {
            may().then_some(())?;
            let mut secret = (**secret).clone();
            secret.metadata.uid.get_or_insert_with(|| format!("of-{name}"));
            secret.metadata.resource_version = Some("9".into());
            applied = Applied::secret(&secret);
            self.secrets.insert(name.to_owned(), secret);
        }
        for former in &plan.remove {
            may().then_some(())?;
            self.secrets.remove(&former.name_any());
        }
        let outcome = plan.finish(&self.client, &applied, at(NOW + 10));
        if self.client.status.as_ref() != Some(&outcome.status) {
            may().then_some(())?;
            self.client.status = Some(outcome.status);
        }
        Some(())
    }
}

#[test]
fn a_move_that_is_broken_off_anywhere_neither_loses_nor_leaves_a_secret() {
    let writes = {
        let mut place = Place::ready();
        place.rename("second");
        place.reconcile(ALL)
    };
    assert_eq!(writes, 4, "the name, the new Secret, the old one, the end");
    for broken_off_after in 0..writes {
        // called back, gone on with, or changed once more
        for next in ["app-oidc", "second", "third"] {
            for broken_off_again in 0..=writes {
                let mut place = Place::ready();
                let value = data_of(&place.secrets["app-oidc"]);
                let credentials = place.status().credentials.clone();
                place.rename("second");
                place.reconcile(broken_off_after);
                place.rename(next);
                place.reconcile(broken_off_again);
                place.reconcile(ALL);
                let case = format!("{broken_off_after} {next} {broken_off_again}");
                assert_eq!(place.secrets.keys().collect::<Vec<_>>(), [next], "{case}");
                assert_eq!(data_of(&place.secrets[next]), value, "{case}");
                let status = place.status();
                assert_eq!(status.credentials, credentials, "{case}");
                let known = status.secret.as_ref().expect("known");
                assert_eq!((known.name.as_str(), known.moving.len()), (next, 0), "{case}");
                assert_eq!(place.reconcile(ALL), 0, "{case}");
            }
        }
    }
}

#[test]
fn names_that_cannot_be_left_are_not_added_to_without_end() {
    let mut place = Place::ready();
    for number in 0..20 {
        place.rename(&format!("name-{number}"));
        // the name and the new Secret; nothing can be removed
        place.reconcile(2);
    }
    let known = place.status().secret.clone().expect("known");
    assert_eq!(
        (known.name.as_str(), known.moving.len()),
        ("app-oidc", oidc_crds::resources::limits::SECRET_NAMES)
    );
    let conditions = &place.status().conditions;
    let ready = conditions.iter().find(|condition| condition.type_ == "Ready");
    let message = &ready.expect("told").message;
    assert!(message.contains("delete them"), "{message}");
    place.rename("app-oidc");
    place.reconcile(20);
    assert_eq!(place.secrets.len(), 1, "and all can be left later");
}

#[test]
fn what_a_write_without_an_answer_may_have_made_is_not_forgotten() {
    let mut place = Place::ready();
    place.rename("second");
    assert_eq!(place.reconcile(1), 1, "the name");
    // and the Secret was deleted by somebody
    let plan = place.world.plan(&place.client, Target::Absent, None, NOW + 10);
    assert!(matches!(plan.secret, Some(SecretWrite::Create(_))));
    let error = Error::Api {
        what: "create Secret second".into(),
        source: Box::new(kube::Error::Api(
            kube::core::Status::failure("timeout", "Timeout").boxed(),
        )),
    };
    let failed = plan.finish(&place.client, &Applied::failed(&error), at(NOW + 10));
    let known = failed.status.secret.expect("known");
    assert_eq!(known_names(&known).collect::<Vec<_>>(), ["app-oidc", "second"]);
}
