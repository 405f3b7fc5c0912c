//! `dev`: standalone. One process, a folder of manifests, nothing else; tokens and sessions in memory
//! unless a Redis is given.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use anyhow::{anyhow, bail};
use axum_server::Control;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::app::{App, Registrar};
use crate::config::{DEFAULT_MANIFESTS, Dev, Listen};
use crate::resources::folder::keys::PUBLISH_FOR;
use crate::resources::folder::registered::FolderRegistrar;
use crate::resources::folder::state::State;
use crate::resources::folder::{self, Standalone};
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::store::redis::RedisStore;
use crate::{router, server};

mod installation;

/// How long open connections may take to end: a person waits for the prompt.
const DRAIN: Duration = Duration::from_secs(2);

/// Where things are, for the greeting.
struct Places {
    manifests: PathBuf,
    state: PathBuf,
    /// Where this machine reaches the listener.
    base: String,
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// When a setting is wrong, or anything ends that never should.
pub async fn dev(settings: Dev) -> anyhow::Result<()> {
    let (listeners, port) = listen(settings.listen).map_err(|error| anyhow!("--listen: {error}"))?;
    let issuer = settings.issuer.filter(|issuer| !issuer.is_empty());
    let base = reachable(settings.listen, port, issuer.as_deref());
    let issuer = issuer.unwrap_or_else(|| default_issuer(port));
    let loopback = settings.listen.is_loopback();
    let installation = installation::read(&issuer, loopback, settings.installation.as_deref())?;
    let by_token = installation.registers_by_token();
    let redis = settings.redis.filter(|url| !url.expose().is_empty());
    let store: Arc<dyn Store> = match &redis {
        Some(url) => {
            Arc::new(RedisStore::connect(url.expose()).map_err(|error| anyhow!("REDIS_URL: {}", error.0))?)
        }
        None => Arc::new(MemoryStore::default()),
    };
    let state = State::open(&settings.state).map_err(anyhow::Error::msg)?;

    let (wake, woken) = mpsc::channel();
    let registrar = || Arc::new(FolderRegistrar::new(wake.clone())) as Arc<dyn Registrar>;
    let app = Arc::new(App {
        // whoever can reach it may register as many clients as they like, unless a token is asked for
        registrar: (loopback || settings.open_registration || by_token).then(registrar),
        loopback,
        ..App::new(installation, store)
    });
    let folder = Standalone::open(app.clone(), &settings.manifests, state).map_err(anyhow::Error::msg)?;
    let _watcher = folder::watch(settings.manifests.clone(), wake);
    let (ready, mut ended) = start(folder, woken)?;
    tokio::select! {
        biased;
        started = ready => started??,
        end = &mut ended => bail!(end?),
    }
    app.readiness.synced();
    let places = Places {
        manifests: settings.manifests,
        state: settings.state,
        base,
    };
    greet(&app, &places, redis.is_some());

    let (control, mut tasks) = (Control::new(), JoinSet::new());
    for listener in listeners {
        tasks.spawn(server::plain(
            listener,
            router::standalone(app.clone()),
            control.clone(),
        ));
    }
    tokio::select! {
        signal = crate::stop_signal() => signal?,
        end = &mut ended => bail!(end?),
        served = tasks.join_next() => {
            if let Some(served) = served {
                served??;
            }
            bail!("a listener ended");
        }
    }
    app.readiness.stopping();
    control.graceful_shutdown(Some(DRAIN));
    while let Some(served) = tasks.join_next().await {
        served??;
    }
    Ok(())
}

/// Whether the first reading is done, and why the folder's thread ended.
type Ends = (oneshot::Receiver<anyhow::Result<()>>, oneshot::Receiver<String>);

/// The folder's thread: it waits for disks and hashes, so it is none of the runtime's.
fn start(mut folder: Standalone, woken: mpsc::Receiver<folder::Wake>) -> anyhow::Result<Ends> {
    let (ready, is_ready) = oneshot::channel();
    let (end, ended) = oneshot::channel();
    let run = move || {
        let started = folder.start();
        let failed = started.is_err();
        // nobody listens any more when the process is about to end
        let _ = ready.send(started.map_err(anyhow::Error::msg));
        if !failed {
            let reason = folder.run(&woken).err();
            let _ = end.send(reason.unwrap_or_else(|| "nobody watches the folder any more".to_owned()));
        }
    };
    std::thread::Builder::new().name("folder".to_owned()).spawn(run)?;
    Ok((is_ready, ended))
}

/// Opens the listeners, and says on which port.
fn listen(listen: Listen) -> Result<(Vec<TcpListener>, u16), String> {
    let port_of = |listener: &TcpListener| {
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        Ok::<_, String>(address.port())
    };
    match listen {
        Listen::Address(address) => {
            let listener = server::bind(address)?;
            let port = port_of(&listener)?;
            Ok((vec![listener], port))
        }
        Listen::Localhost(port) => {
            let first = server::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
            let port = port_of(&first)?;
            let mut listeners = vec![first];
            let second = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
            // clients may take either address for `localhost`; some machines have no IPv6
            match TcpListener::bind(second) {
                Ok(second) => listeners.push(second),
                Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                    return Err(format!("cannot listen on {second}: the port is taken"));
                }
                Err(_) => {}
            }
            Ok((listeners, port))
        }
    }
}

/// The verifier and challenge of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Where curl on this machine reaches the listener: the issuer, unless that was not chosen and names an
/// address which the listener does not have.
fn reachable(listen: Listen, port: u16, issuer: Option<&str>) -> String {
    match (issuer, listen) {
        (Some(issuer), _) => issuer.to_owned(),
        (None, Listen::Address(address))
            if !address.ip().is_unspecified()
                && address.ip() != Ipv4Addr::LOCALHOST
                && address.ip() != Ipv6Addr::LOCALHOST =>
        {
            format!("http://{}", SocketAddr::new(address.ip(), port))
        }
        (None, _) => default_issuer(port),
    }
}

fn default_issuer(port: u16) -> String {
    format!("http://localhost:{port}")
}

/// What there is of the demo.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Demo {
    /// Other manifests are served.
    Absent,
    /// Its credentials are accepted.
    Open,
    /// Its credentials are refused, because others can reach the listener.
    Refused,
}

impl Demo {
    fn of(app: &App, manifests: &Path) -> Self {
        if manifests != Path::new(DEFAULT_MANIFESTS) || app.clients.get("client123").is_none() {
            Self::Absent
        } else if app.loopback {
            Self::Open
        } else {
            Self::Refused
        }
    }
}

/// What to try: only what works on this listener.
fn to_try(base: &str, demo: Demo) -> String {
    let documents =
        format!("Try:\n  curl {base}/.well-known/openid-configuration\n  curl {base}/jwks.json\n");
    let more = match demo {
        Demo::Absent => String::new(),
        Demo::Refused => {
            "The demo's secret and password are known to everybody, so they are refused on a listener \
                          that others can reach.\n"
                .to_owned()
        }
        Demo::Open => format!(
            "  curl -u client123:secret456 -d grant_type=client_credentials {base}/token\n\
             Sign in as jdoe with the password `password`:\n  \
             {base}/authorize?response_type=code&client_id=client123&redirect_uri=http://localhost:8080/callback\
             &scope=openid%20profile%20email&state=random123&code_challenge={CHALLENGE}&code_challenge_method=S256\n\
             and redeem the code that the browser is sent back with:\n  \
             curl -u client123:secret456 -d grant_type=authorization_code \
             -d redirect_uri=http://localhost:8080/callback -d code_verifier={VERIFIER} -d code=CODE {base}/token\n"
        ),
    };
    documents + &more
}

/// Says where everything is and what to try.
#[expect(clippy::print_stdout, reason = "the person who runs it reads this")]
fn greet(app: &App, places: &Places, redis: bool) {
    let installation = app.installation.load();
    println!(
        "oidc-provider serves {} from {}, with its state in {}",
        installation.issuer,
        places.manifests.display(),
        places.state.display()
    );
    if redis {
        println!("Codes, sessions and tokens are kept in Redis.");
    } else {
        println!("Codes, sessions and tokens are kept in memory: all are lost when this process ends.");
    }
    println!(
        "A new signing key is published for {PUBLISH_FOR} before it signs, verifiers may cache the keys for \
         {}: short, for trying out.\n",
        installation.jwks_max_age
    );
    if app.registration().is_none() {
        println!(
            "POST /register is closed, since others can reach this listener: --open-registration opens it."
        );
    }
    println!("{}", to_try(&places.base, Demo::of(app, &places.manifests)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_works_on_the_listener_is_printed() {
        let open = to_try("http://localhost:5000", Demo::Open);
        assert!(open.contains("secret456") && open.contains("Sign in as jdoe"));
        let refused = to_try("http://localhost:5000", Demo::Refused);
        assert!(refused.contains("curl http://localhost:5000/jwks.json") && refused.contains("refused"));
        let absent = to_try("http://localhost:5000", Demo::Absent);
        for told in [refused, absent] {
            assert!(!told.contains("client123") && !told.contains("jdoe"), "{told}");
        }
        for (listen, base) in [
            ("localhost:0", "http://localhost:5000"),
            ("127.0.0.1:0", "http://localhost:5000"),
            ("0.0.0.0:0", "http://localhost:5000"),
            ("[::]:0", "http://localhost:5000"),
            ("192.0.2.7:0", "http://192.0.2.7:5000"),
            ("[2001:db8::7]:0", "http://[2001:db8::7]:5000"),
        ] {
            let listen: Listen = listen.parse().unwrap();
            assert_eq!(reachable(listen, 5000, None), base);
            assert_eq!(
                reachable(listen, 5000, Some("https://a.example.com")),
                "https://a.example.com"
            );
        }
    }

    #[test]
    fn a_taken_port_is_named() {
        let (listeners, port) = listen(Listen::Localhost(0)).unwrap();
        let error = listen(Listen::Localhost(port)).unwrap_err();
        assert!(
            error.contains(&port.to_string()) && error.contains("taken"),
            "{error}"
        );
        drop(listeners);
    }
}
