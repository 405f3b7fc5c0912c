//! The system's randomness, for the shells of both programs: pure code takes `&mut impl CryptoRng`.

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};

/// The system's randomness, by way of AWS-LC. It has no state; make one wherever one is needed.
///
/// # Panics
/// When the system has no randomness: nothing could be made safely then.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRng;

impl TryRng for SystemRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        aws_lc_rs::rand::fill(bytes).expect("the system gives no randomness");
        Ok(())
    }
}

impl TryCryptoRng for SystemRng {}

#[cfg(test)]
mod tests {
    use rand_core::Rng;

    use super::*;

    #[test]
    fn draws_differ() {
        let (mut one, mut two) = ([0; 32], [0; 32]);
        SystemRng.fill_bytes(&mut one);
        SystemRng.fill_bytes(&mut two);
        assert_ne!(one, two);
        assert_ne!(SystemRng.next_u64(), SystemRng.next_u64());
    }
}
