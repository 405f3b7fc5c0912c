//! Raw signatures and verifications: what no token server can beat.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::signature::{self, KeyPair as _, ParsedPublicKey, VerificationAlgorithm};
use aws_lc_rs::{rand::SystemRandom, rsa};
use clap::ValueEnum;

/// What to measure.
#[derive(Clone, Copy, ValueEnum)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256 and 2048 bits.
    Rs256,
    /// ECDSA on P-256.
    Es256,
}

/// About as long as the signed part of an access token.
const MESSAGE: [u8; 600] = [b'x'; 600];

type Loop = Box<dyn FnMut() -> Result<Vec<u8>>>;

/// A function that signs, and the public key.
fn signer(algorithm: Algorithm) -> Result<(Loop, Vec<u8>)> {
    let rng = SystemRandom::new();
    Ok(match algorithm {
        Algorithm::Rs256 => {
            let generated = rsa::KeyPair::generate(rsa::KeySize::Rsa2048)?;
            let key =
                rsa::KeyPair::from_pkcs8(generated.as_der()?.as_ref()).map_err(|error| anyhow!("{error}"))?;
            let public = key.public_key().as_ref().to_vec();
            let sign = move || {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&signature::RSA_PKCS1_SHA256, &rng, &MESSAGE, &mut signature)?;
                Ok(signature)
            };
            (Box::new(sign), public)
        }
        Algorithm::Es256 => {
            let key = signature::EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING)?;
            let public = key.public_key().as_ref().to_vec();
            (
                Box::new(move || Ok(key.sign(&rng, &MESSAGE)?.as_ref().to_vec())),
                public,
            )
        }
    })
}

/// Signs for a while; prints the rates.
pub fn sign(algorithm: Algorithm, duration: Duration) -> Result<()> {
    let (mut sign, _) = signer(algorithm)?;
    repeat(duration, || sign().map(drop))
}

/// Verifies for a while, with a key that was parsed once; prints the rates.
pub fn verify(algorithm: Algorithm, duration: Duration) -> Result<()> {
    let (mut sign, public) = signer(algorithm)?;
    let verification: &'static dyn VerificationAlgorithm = match algorithm {
        Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Es256 => &signature::ECDSA_P256_SHA256_FIXED,
    };
    let key = ParsedPublicKey::new(verification, public).map_err(|error| anyhow!("{error}"))?;
    let signature = sign()?;
    repeat(duration, || Ok(key.verify_sig(&MESSAGE, &signature)?))
}

fn repeat(duration: Duration, mut once: impl FnMut() -> Result<()>) -> Result<()> {
    let cpu = cpu_seconds()?;
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
    let started = std::time::Instant::now();
    let mut count = 0_u64;
    while started.elapsed() < duration {
        for _ in 0..16 {
            once()?;
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
