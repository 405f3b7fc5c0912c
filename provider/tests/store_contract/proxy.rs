//! A link to Redis that can be cut.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Passes bytes on until it is told otherwise; connections end with it.
pub struct Proxy {
    pub url: String,
    lost: Arc<AtomicUsize>,
    epoch: watch::Sender<u64>,
    stalled: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

/// A port on which nobody listens.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

impl Proxy {
    pub async fn start(target: &str, port: u16) -> Self {
        let mut url = url::Url::parse(target).unwrap();
        let upstream = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(6379));
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port)))
            .await
            .unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let lost = Arc::new(AtomicUsize::new(0));
        let (epoch, cut) = watch::channel(0);
        let (stalled, stall) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let losing = Arc::clone(&lost);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                if let Ok(server) = TcpStream::connect(&upstream).await {
                    let mut cut = cut.clone();
                    cut.mark_unchanged();
                    connections.spawn(pass(client, server, Arc::clone(&losing), cut, stall.clone()));
                }
            }
        });
        Self {
            url: url.into(),
            lost,
            epoch,
            stalled,
            _tasks: tasks,
        }
    }

    /// The connection breaks when the next reply comes, and the reply is lost.
    pub fn lose_a_reply(&self) {
        self.lost.store(1, Ordering::SeqCst);
    }

    /// Ends all connections.
    pub fn cut(&self) {
        self.epoch.send_modify(|epoch| *epoch += 1);
    }

    /// Replies wait as long as this is on, those of later connections too.
    pub fn stall(&self, on: bool) {
        self.stalled.send_replace(on);
    }
}

async fn pass(
    mut client: TcpStream,
    mut server: TcpStream,
    lost: Arc<AtomicUsize>,
    mut cut: watch::Receiver<u64>,
    mut stalled: watch::Receiver<bool>,
) {
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let replies = async {
        let mut buffer = [0; 65_536];
        while let Ok(length @ 1..) = from_server.read(&mut buffer).await {
            if lost
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
                .is_ok()
                || stalled.wait_for(|on| !on).await.is_err()
                || to_client.write_all(&buffer[..length]).await.is_err()
            {
                return;
            }
        }
    };
    tokio::select! {
        _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
        () = replies => {}
        _ = cut.changed() => {}
    }
}
