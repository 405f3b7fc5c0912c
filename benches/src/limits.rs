//! What `benches/run` needs beside the product: the limits of the machine, measured in the same run (raw
//! signatures, raw verifications, the smallest HTTP answer that axum can give), and the codes and tokens that
//! its load spends.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use axum::{Json, Router, routing::get};
use clap::Parser;

use crate::signatures::Algorithm;
use crate::stock::Stock;
use crate::tokens::Endpoint;

mod person;
mod signatures;
mod stock;
mod tokens;

#[derive(Parser)]
#[command(about = "Limits that benches/run compares the product with, and the stock of its load")]
enum Args {
    /// Signs a 600-byte message in a loop; prints signatures per CPU second and per second.
    Sign {
        /// What to sign with.
        algorithm: Algorithm,
        /// How long, in seconds.
        #[arg(default_value_t = 1.0)]
        seconds: f64,
    },
    /// Verifies a signature of a 600-byte message in a loop, with a parsed key; prints the same.
    Verify {
        /// What to verify.
        algorithm: Algorithm,
        /// How long, in seconds.
        #[arg(default_value_t = 1.0)]
        seconds: f64,
    },
    /// Answers every GET / with a small JSON document.
    Hello {
        /// Where to listen.
        listen: SocketAddr,
    },
    /// Signs a person in once, collects codes and refresh tokens into files, and checks a sample of all
    /// tokens: signatures, issuer, client, introspection, userinfo.
    Stock {
        /// The provider.
        #[arg(long)]
        issuer: String,
        /// Id of a client of `benches/manifests`.
        #[arg(long)]
        client: String,
        /// Its secret.
        #[arg(long)]
        secret: String,
        /// The algorithm of all its tokens.
        #[arg(long)]
        algorithm: String,
        /// How many codes to leave unused.
        #[arg(long, default_value_t = 0)]
        codes: usize,
        /// How many refresh tokens to leave unused.
        #[arg(long, default_value_t = 0)]
        refresh_tokens: usize,
        /// Where to write `codes`, `refresh_tokens` and `access_token`, a value a line.
        #[arg(long)]
        folder: PathBuf,
    },
    /// Asks a token endpoint for a few tokens by client_credentials and checks their signatures and claims.
    Sample {
        /// The token endpoint.
        #[arg(long)]
        token: String,
        /// The keys.
        #[arg(long)]
        jwks: String,
        /// Id of a client.
        #[arg(long)]
        client: String,
        /// Its secret.
        #[arg(long)]
        secret: String,
        /// The algorithm that the tokens must have.
        #[arg(long)]
        algorithm: String,
        /// More parameters, `name=value`.
        parameters: Vec<String>,
    },
}

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match Args::parse() {
        Args::Sign { algorithm, seconds } => signatures::sign(algorithm, Duration::from_secs_f64(seconds)),
        Args::Verify { algorithm, seconds } => {
            signatures::verify(algorithm, Duration::from_secs_f64(seconds))
        }
        Args::Hello { listen } => runtime.block_on(hello(listen)),
        Args::Stock {
            issuer,
            client,
            secret,
            algorithm,
            codes,
            refresh_tokens,
            folder,
        } => {
            let endpoint = Endpoint::new(&format!("{issuer}/token"), &client, &secret, &algorithm)?;
            let stock = Stock { issuer, endpoint };
            runtime.block_on(stock.fill(codes, refresh_tokens, &folder))
        }
        Args::Sample {
            token,
            jwks,
            client,
            secret,
            algorithm,
            parameters,
        } => {
            let endpoint = Endpoint::new(&token, &client, &secret, &algorithm)?;
            runtime.block_on(endpoint.sample(&jwks, &parameters))
        }
    }
}

async fn hello(listen: SocketAddr) -> Result<()> {
    let app = Router::new().route("/", get(|| async { Json(serde_json::json!({"hello": "world"})) }));
    let listener = tokio::net::TcpListener::bind(listen).await?;
    Ok(axum::serve(listener, app).await?)
}
