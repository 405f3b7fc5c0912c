//! `kubectl oidc registration-token`: makes an initial access token, with which programs register themselves.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{Api, PostParams};
use oidc_crds::credentials::ClientSecret;
use oidc_crds::names::Seconds;
use oidc_crds::rng::SystemRng;
use oidc_crds::secrets::Data;
use oidc_crds::secrets::registration_tokens::RegistrationTokens;
use serde::Serialize;
use serde_json::json;

use crate::access::{Cluster, Sight, told};
use crate::installation::{Which, find};
use crate::output::Output;

/// `registration-token`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Its name, which the clients carry that it makes; one that is there already is refused.
    name: String,
    /// How many clients it may make.
    #[arg(long, default_value_t = 1)]
    uses: u32,
    /// How long it is good, like 7d.
    #[arg(long, value_name = "DURATION", default_value = "7d")]
    lasts: Seconds,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    namespace: String,
    secret: String,
    name: String,
    token: String,
    uses: u32,
    expires_at: Timestamp,
}

/// Runs the command.
pub(crate) async fn run(
    cluster: &Cluster,
    which: &Which,
    arguments: Arguments,
    now: Timestamp,
) -> Result<()> {
    let found = match find(cluster, which, None).await? {
        Sight::Seen(found) => found,
        Sight::Hidden(right) => bail!("the installation is not known: you have no right to {right}"),
    };
    let token = ClientSecret::generate(&mut SystemRng);
    let answer = Answer {
        namespace: found.namespace.clone(),
        secret: found.config.registration_tokens_secret(),
        name: arguments.name,
        token: token.expose().to_owned(),
        uses: arguments.uses,
        expires_at: end(now, arguments.lasts)?,
    };
    let value = value(&answer)?;
    add(cluster, &answer, value).await?;
    if !found.config.registers_by_token() {
        eprintln!(
            "no program is asked for it yet: registration.mode of {} is not token (docs/clients.md)",
            found.name()
        );
    }
    eprintln!(
        "registration token {} in the Secret {}/{}: {} times until {}",
        answer.name, answer.namespace, answer.secret, answer.uses, answer.expires_at
    );
    arguments.output.print(&answer, || format!("{}\n", answer.token))
}

fn end(now: Timestamp, lasts: Seconds) -> Result<Timestamp> {
    let seconds = i64::try_from(lasts.0)?;
    let end = now.checked_add(SignedDuration::from_secs(seconds))?;
    Ok(Timestamp::from_second(end.as_second())?)
}

/// What stands in the Secret, if the pods will take it.
fn value(answer: &Answer) -> Result<ByteString> {
    let value = json!({"token": answer.token, "uses": answer.uses, "expiresAt": answer.expires_at});
    let value = value.to_string().into_bytes();
    let (_, refused) = RegistrationTokens::from_data(&Data::from([(answer.name.clone(), value.clone())]));
    match refused.first() {
        None => Ok(ByteString(value)),
        Some(why) => bail!("{why}"),
    }
}

/// Writes it into the Secret, which is made if need be. Another's edit in between is not undone.
async fn add(cluster: &Cluster, answer: &Answer, value: ByteString) -> Result<()> {
    let (namespace, name) = (&answer.namespace, &answer.secret);
    let api: Api<Secret> = cluster.api(namespace);
    let doing = |verb: &str| format!("{verb} the Secret {namespace}/{name}");
    let known = api.get_opt(name).await;
    let known = known.map_err(|error| told(error, &doing("get")))?;
    let parameters = PostParams {
        field_manager: Some("kubectl-oidc".to_owned()),
        ..PostParams::default()
    };
    let Some(mut secret) = known else {
        let secret = Secret {
            metadata: kube::core::ObjectMeta {
                name: Some(name.clone()),
                ..Default::default()
            },
            data: Some(BTreeMap::from([(answer.name.clone(), value)])),
            ..Secret::default()
        };
        let made = api.create(&parameters, &secret).await;
        return made.map(drop).map_err(|error| told(error, &doing("create")));
    };
    let data = secret.data.get_or_insert_default();
    if data.contains_key(&answer.name) {
        bail!(
            "the Secret {namespace}/{name} has a token {} already: choose another name, since uses are counted by it",
            answer.name
        );
    }
    data.insert(answer.name.clone(), value);
    let put = api.replace(&secret.name_any(), &parameters, &secret).await;
    put.map(drop).map_err(|error| told(error, &doing("update")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 500_000_000);

    fn answer(name: &str, uses: u32) -> Answer {
        Answer {
            namespace: "idp".to_owned(),
            secret: "oidc-registration-tokens".to_owned(),
            name: name.to_owned(),
            token: ClientSecret::generate(&mut SystemRng).expose().to_owned(),
            uses,
            expires_at: end(NOW, Seconds(7 * 86400)).unwrap(),
        }
    }

    #[test]
    fn reg_01_what_is_written_is_what_pods_take() {
        let answer = answer("ci", 10);
        let value = value(&answer).unwrap();
        let (tokens, refused) = RegistrationTokens::from_data(&Data::from([("ci".to_owned(), value.0)]));
        assert!(refused.is_empty());
        let token = tokens.find(&answer.token).unwrap();
        assert_eq!((token.name(), token.uses()), ("ci", 10));
        assert_eq!(token.expires_at().as_second(), NOW.as_second() + 7 * 86400);
        assert_eq!(token.expires_at().subsec_nanosecond(), 0);
    }

    #[test]
    fn what_pods_would_refuse_is_not_written() {
        for (name, uses, why) in [("-ci", 1, "a name"), ("ci", 0, "uses"), ("ci", 10_001, "uses")] {
            let answer = answer(name, uses);
            let told = value(&answer).unwrap_err().to_string();
            assert!(told.contains(why) && !told.contains(&answer.token), "{told}");
        }
        assert!(end(NOW, Seconds(u64::MAX)).is_err());
    }
}
