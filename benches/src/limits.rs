//! The limits of the machine, measured beside the product in the same run:
//! raw signatures (R), and the smallest HTTP answer that axum can give (H).

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::{rand::SystemRandom, rsa, signature};
use axum::{Json, Router, routing::get};
use clap::{Parser, ValueEnum};

#[derive(Parser)]
#[command(about = "Limits that benches/run compares the product with")]
enum Args {
    /// Signs a 600-byte message in a loop; prints signatures per CPU second and per second.
    Sign {
        /// What to sign with.
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
}

#[derive(Clone, Copy, ValueEnum)]
enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256 and 2048 bits.
    Rs256,
    /// ECDSA on P-256.
    Es256,
}

fn main() -> Result<()> {
    match Args::parse() {
        Args::Sign { algorithm, seconds } => sign(algorithm, Duration::from_secs_f64(seconds)),
        Args::Hello { listen } => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(hello(listen)),
    }
}

fn sign(algorithm: Algorithm, duration: Duration) -> Result<()> {
    let rng = SystemRandom::new();
    let message = [b'x'; 600];
    let mut sign_once: Box<dyn FnMut() -> Result<()>> = match algorithm {
        Algorithm::Rs256 => {
            let generated = rsa::KeyPair::generate(rsa::KeySize::Rsa2048)?;
            let key =
                rsa::KeyPair::from_pkcs8(generated.as_der()?.as_ref()).map_err(|error| anyhow!("{error}"))?;
            let mut out = vec![0; key.public_modulus_len()];
            Box::new(move || Ok(key.sign(&signature::RSA_PKCS1_SHA256, &rng, &message, &mut out)?))
        }
        Algorithm::Es256 => {
            let key = signature::EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING)?;
            Box::new(move || {
                key.sign(&rng, &message)?;
                Ok(())
            })
        }
    };
    let cpu = cpu_seconds()?;
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
    let started = std::time::Instant::now();
    let mut count = 0_u64;
    while started.elapsed() < duration {
        for _ in 0..16 {
            sign_once()?;
        }
        count += 16;
    }
    let wall = started.elapsed().as_secs_f64();
    println!(
        "{}",
        serde_json::json!({
            "per_cpu_second": count as f64 / (cpu_seconds()? - cpu).max(0.01),
            "per_second": count as f64 / wall,
        })
    );
    Ok(())
}

/// User and system time of this process, in seconds (`proc(5)`, fields 14 and 15, in ticks of 10 ms).
fn cpu_seconds() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').context("/proc/self/stat has no ')'")?;
    let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<f64>);
    let user = ticks.next().context("no utime")??;
    let system = ticks.next().context("no stime")??;
    Ok((user + system) / 100.0)
}

async fn hello(listen: SocketAddr) -> Result<()> {
    let app = Router::new().route("/", get(|| async { Json(serde_json::json!({"hello": "world"})) }));
    let listener = tokio::net::TcpListener::bind(listen).await?;
    Ok(axum::serve(listener, app).await?)
}
