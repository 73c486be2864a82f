//! Reading the values of flags: durations, sizes, listeners, names. Pure. Each refusal is half a sentence that [`super::sources`]
//! completes with the flag and the place it was given at.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Where to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// Not at all.
    Off,
    /// At this address; port 0 lets the system choose.
    At(SocketAddr),
}

impl Listener {
    /// The address, unless off.
    pub const fn address(self) -> Option<SocketAddr> {
        match self {
            Self::Off => None,
            Self::At(address) => Some(address),
        }
    }
}

/// `off`, `127.0.0.1:9080`, `[::]:9080`.
pub(super) fn listener(text: &str) -> Result<Listener, String> {
    if text == "off" {
        return Ok(Listener::Off);
    }
    text.parse()
        .map(Listener::At)
        .map_err(|_| format!("`{text}` is neither `off` nor an IP address with a port"))
}

/// `500ms`, `5s`, `1m`, `1h`; whole numbers only.
pub(super) fn duration(text: &str, bounds: &RangeInclusive<Duration>) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number
        .parse()
        .map_err(|_| format!("`{text}` is not a duration such as 500ms, 5s or 1m"))?;
    let milliseconds = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        "" => return Err(format!("`{text}` lacks its unit: ms, s, m or h")),
        _ => {
            return Err(format!(
                "`{text}` has an unknown unit: ms, s, m and h are known"
            ));
        }
    };
    milliseconds
        .map(Duration::from_millis)
        .filter(|d| bounds.contains(d))
        .ok_or_else(|| {
            format!(
                "`{text}` is outside {} to {}",
                show(*bounds.start()),
                show(*bounds.end())
            )
        })
}

/// A duration as one would write it.
fn show(d: Duration) -> String {
    match d.as_millis() {
        ms if ms > 0 && ms % 3_600_000 == 0 => format!("{}h", ms / 3_600_000),
        ms if ms > 0 && ms % 60_000 == 0 => format!("{}m", ms / 60_000),
        ms if ms % 1000 == 0 => format!("{}s", ms / 1000),
        ms => format!("{ms}ms"),
    }
}

/// A count or a number of bytes: `4096`, `64KiB`, `1MiB`, `1GiB`.
pub(super) fn size(text: &str, bounds: &RangeInclusive<u64>) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number
        .parse()
        .map_err(|_| format!("`{text}` is not a number"))?;
    let factor = match unit {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => {
            return Err(format!(
                "`{text}` has an unknown unit: KiB, MiB and GiB are known"
            ));
        }
    };
    number
        .checked_mul(factor)
        .filter(|n| bounds.contains(n))
        .ok_or_else(|| format!("`{text}` is outside {} to {}", bounds.start(), bounds.end()))
}

/// A whole number without a unit.
pub(super) fn count(text: &str, bounds: &RangeInclusive<u64>) -> Result<u64, String> {
    let number: u64 = text
        .parse()
        .map_err(|_| format!("`{text}` is not a whole number"))?;
    if bounds.contains(&number) {
        Ok(number)
    } else {
        Err(format!(
            "`{text}` is outside {} to {}",
            bounds.start(),
            bounds.end()
        ))
    }
}

/// A DNS name in lower case without its trailing dot.
pub(super) fn host_name(text: &str) -> Result<String, String> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    let is_address = name.parse::<std::net::IpAddr>().is_ok();
    if name.len() <= 253 && name.split('.').all(label) && !is_address {
        Ok(name)
    } else {
        Err(format!("`{text}` is not a DNS name"))
    }
}

/// A node's id: one segment of a store key and a label.
pub(super) fn node_id(text: &str) -> Result<String, String> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if (1..=253).contains(&text.len()) && text.bytes().all(fits) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "`{text}` is not an id: letters, digits, dot, dash and underscore, at most 253"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let bounds = Duration::from_millis(100)..=Duration::from_secs(3600);
        let read = |t| duration(t, &bounds);
        assert_eq!(read("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(read("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(read("1m"), Ok(Duration::from_secs(60)));
        assert_eq!(read("1h"), Ok(Duration::from_secs(3600)));
        for (text, reason) in [
            ("5", "`5` lacks its unit: ms, s, m or h"),
            ("5 s", "`5 s` has an unknown unit: ms, s, m and h are known"),
            (
                "5sec",
                "`5sec` has an unknown unit: ms, s, m and h are known",
            ),
            (
                "1.5s",
                "`1.5s` has an unknown unit: ms, s, m and h are known",
            ),
            ("-1s", "`-1s` is not a duration such as 500ms, 5s or 1m"),
            ("", "`` is not a duration such as 500ms, 5s or 1m"),
            ("0s", "`0s` is outside 100ms to 1h"),
            ("2h", "`2h` is outside 100ms to 1h"),
            (
                "18446744073709551615h",
                "`18446744073709551615h` is outside 100ms to 1h",
            ),
        ] {
            assert_eq!(read(text), Err(reason.to_owned()), "{text}");
        }
    }

    #[test]
    fn sizes_and_counts() {
        assert_eq!(size("64KiB", &(0..=1 << 20)), Ok(65_536));
        assert_eq!(size("0", &(0..=1)), Ok(0));
        assert!(size("64K", &(0..=1 << 20)).unwrap_err().contains("KiB"));
        assert!(
            size("2MiB", &(0..=1 << 20))
                .unwrap_err()
                .contains("outside")
        );
        assert!(size("99999999999999GiB", &(0..=u64::MAX)).is_err());
        assert_eq!(count("256", &(1..=256)), Ok(256));
        assert!(count("0", &(1..=256)).is_err());
        assert!(count("two", &(1..=256)).is_err());
    }

    #[test]
    fn names() {
        assert_eq!(host_name("Test.COM."), Ok("test.com".to_owned()));
        for bad in [
            "",
            ".",
            "a..b",
            "-a.b",
            "a b",
            "127.0.0.1",
            "*.test.com",
            "ü.de",
        ] {
            assert!(host_name(bad).is_err(), "{bad}");
        }
        assert!(node_id("edge-1.example_x").is_ok());
        for bad in ["", "a/b", "a b", "ü"] {
            assert!(node_id(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn listeners() {
        assert_eq!(listener("off"), Ok(Listener::Off));
        assert_eq!(
            listener("[::1]:80").unwrap().address(),
            Some("[::1]:80".parse().unwrap())
        );
        for bad in ["9080", ":9080", "localhost:9080", "OFF", "1.2.3.4"] {
            assert!(listener(bad).is_err(), "{bad}");
        }
    }
}
