//! How long the client waits, how often it tries again, and when it stops.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// The bounds of waiting and retrying. The defaults are those of production; tests use shorter ones.
#[derive(Debug, Clone)]
pub struct Patience {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For an answer to begin, and then between one byte and the next.
    pub silence: Duration,
    /// Over how much time spent waiting for bytes the speed is taken.
    pub slow_window: Duration,
    /// The least speed over that time, in bytes a second.
    pub slow_floor: u64,
    /// How often a request is made before its failure counts, and how often a blob may stall without a new byte.
    pub attempts: u32,
    /// How often one blob may be resumed in all.
    pub resumes: u32,
    /// The first pause between two attempts; each next one may be twice as long.
    pub pause: Duration,
    /// The longest pause of our own choice.
    pub pause_max: Duration,
    /// The longest wait a registry may ask for that is waited here; beyond it the caller gets `retry_at`.
    pub retry_after_max: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            silence: Duration::from_secs(30),
            slow_window: Duration::from_secs(60),
            slow_floor: 64 << 10,
            attempts: 5,
            resumes: 100,
            pause: Duration::from_millis(500),
            pause_max: Duration::from_secs(20),
            retry_after_max: Duration::from_secs(30),
        }
    }
}

impl Patience {
    /// The pause after the `failed`th failure (from 1): doubling, and anywhere in the upper half, so that many
    /// clients that failed together do not come back together.
    pub(super) fn pause_after(&self, failed: u32) -> Duration {
        let whole = self.pause.saturating_mul(1u32.checked_shl(failed.saturating_sub(1)).unwrap_or(u32::MAX));
        whole.min(self.pause_max).mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

/// Answers that another attempt may change.
pub(super) fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

/// How long the registry asks us to wait: seconds or an HTTP date. Nonsense is no wish.
pub(super) fn wished_pause(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        // Bounded so that adding it to a time cannot overflow.
        return Some(Duration::from_secs(seconds.min(366 * 86_400)));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default().min(Duration::from_secs(366 * 86_400)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Fri, 15 May 2026 15:34:21 GMT").unwrap();
        let wish = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            wished_pause(&headers, now).map(|d| d.as_secs())
        };
        assert_eq!(wish("0"), Some(0));
        assert_eq!(wish("3600"), Some(3600));
        assert_eq!(wish("Fri, 15 May 2026 15:35:21 GMT"), Some(60));
        assert_eq!(wish("Fri, 15 May 2020 15:35:21 GMT"), Some(0));
        assert_eq!(wish("99999999999999999"), Some(366 * 86_400));
        for nonsense in ["soon", "-5", "1.5", ""] {
            assert_eq!(wish(nonsense), None, "{nonsense}");
        }
        assert_eq!(wished_pause(&HeaderMap::new(), now), None);
    }

    #[test]
    fn pauses_grow_and_are_bounded() {
        let patience = Patience::default();
        for failed in 1..80 {
            let pause = patience.pause_after(failed);
            let whole =
                Duration::from_millis(500).saturating_mul(1 << (failed - 1).min(20)).min(patience.pause_max);
            assert!(pause <= whole && pause >= whole / 2, "{failed}: {pause:?}");
        }
    }
}
