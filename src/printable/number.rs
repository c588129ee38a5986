//! Numbers as people read them, on screen and in printed pages: short, so that columns and read-outs stay narrow.

/// A number in at most seven characters: `0.0123`, `12.30`, `1.2e-5`, `3.4e12`, `NaN`, `-inf`.
pub fn short(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let magnitude = value.abs();
    if magnitude == 0.0 {
        return "0".to_owned();
    }
    if (0.001..99_999.5).contains(&magnitude) {
        let decimals = (3 - magnitude.log10().floor() as i32).clamp(0, 4) as usize;
        let text = format!("{value:.decimals$}");
        return if text.contains('.') { trimmed(&text) } else { text };
    }
    let text = format!("{value:.1e}");
    text.replace(".0e", "e")
}

/// Removes trailing zeros after the point: `0.1000` is `0.1`, `12.00` is `12`.
fn trimmed(text: &str) -> String {
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A share, 0 to 1, in percent: `8.2%`. One that is far from a share is short, too: `1.7e40%`.
pub fn percent(share: f32) -> String {
    let unit = if share.is_finite() { "%" } else { "" };
    format!("{}{unit}", points(share))
}

/// A share, or the difference of two, in points of percent: `8.2`; short where it is far from one.
pub fn points(share: f32) -> String {
    let points = f64::from(share) * 100.0;
    if points.abs() < 99_999.5 { format!("{points:.1}") } else { short(points) }
}

/// A count with thousands separators: `12,345`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A duration in milliseconds as its two largest units: `850ms`, `12s`, `3m05s`, `2h10m`, `4d03h`.
pub fn duration(ms: f64) -> String {
    if !ms.is_finite() || ms < 0.0 {
        return "-".to_owned();
    }
    if ms < 1000.0 {
        return format!("{ms:.0}ms");
    }
    let seconds = (ms / 1000.0) as u64;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_read_well() {
        let cases = [
            (0.0, "0"),
            (1.0, "1"),
            (2.345_678, "2.346"),
            (0.1, "0.1"),
            (0.012_345, "0.0123"),
            (0.001_5, "0.0015"),
            (12.3, "12.3"),
            (1234.5, "1234"),
            (600.0, "600"),
            (1.234e-5, "1.2e-5"),
            (-1.0e-9, "-1e-9"),
            (3.4e12, "3.4e12"),
            (f64::NEG_INFINITY, "-inf"),
        ];
        for (value, text) in cases {
            assert_eq!(short(value), text);
        }
        assert_eq!([percent(0.824), percent(1.0), percent(f32::NAN)], ["82.4%", "100.0%", "NaN"]);
        assert_eq!([percent(f32::MAX), percent(-2e7), percent(f32::INFINITY)], ["3.4e40%", "-2e9%", "inf"]);
        assert_eq!([points(-0.082), points(1e37)], ["-8.2", "1e39"]);
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(600), "600");
        assert_eq!(duration(185_000.0), "3m05s");
        assert_eq!(duration(f64::NAN), "-");
    }

    proptest! {
        #[test]
        fn any_single_precision_number_fits_eight_characters(bits: u32) {
            let text = short(f64::from(f32::from_bits(bits)));
            prop_assert!(text.len() <= 8, "{text}");
        }
    }
}
