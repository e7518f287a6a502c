//! Scales: places, ticks and their labels.

/// A scale from numbers to places on the sheet: logarithmic, or linear.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    linear: bool,
}

/// A line of the grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// Its number.
    pub value: f64,
    /// Its label; none for a minor line.
    pub label: Option<String>,
}

impl Scale {
    /// The scale that takes `low..high` (positive) to `from..to`.
    pub fn new((low, high): (f64, f64), (from, to): (f64, f64)) -> Self {
        let high = if high > low { high } else { low * 1.0001 };
        Scale { low, high, from, to, linear: false }
    }

    /// The linear scale that takes `low..high` to `from..to`; its ticks are [`Scale::even_ticks`].
    pub fn linear((low, high): (f64, f64), (from, to): (f64, f64)) -> Self {
        Scale { low, high, from, to, linear: true }
    }

    /// The place of a number; not finite for what has none on a logarithmic scale.
    pub fn place(&self, x: f64) -> f64 {
        let t = match self.linear {
            true => (x - self.low) / (self.high - self.low),
            false => (x / self.low).ln() / (self.high / self.low).ln(),
        };
        self.from + t * (self.to - self.from)
    }

    /// The smallest and the largest number.
    pub fn range(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// The lines of the grid: labelled at whole decades, or at 1, 2, 5 where these fit with at
    /// least `spacing` between two; minor lines at the other multiples. A range with fewer than
    /// two of these is labelled at even steps.
    pub fn ticks(&self, spacing: f64) -> Vec<Tick> {
        if self.linear {
            return Vec::new();
        }
        let decades = (self.high / self.low).log10();
        let length = (self.to - self.from).abs();
        let fine = length / decades * 0.3 >= spacing && decades < 4.0;
        let every = (spacing / (length / decades)).ceil().max(1.0) as i32;
        let mut out = Vec::new();
        for exponent in self.low.log10().floor() as i32..=self.high.log10().ceil() as i32 {
            for digit in 1..10 {
                let value = f64::from(digit) * 10f64.powi(exponent);
                if value < self.low * (1.0 - 1e-9) || value > self.high * (1.0 + 1e-9) {
                    continue;
                }
                let label = match digit {
                    1 | 2 | 5 if fine => Some(plain(digit, exponent)),
                    1 if exponent.rem_euclid(every) == 0 => Some(power_of_ten(exponent)),
                    _ => None,
                };
                if decades <= 8.0 || digit == 1 {
                    out.push(Tick { value, label });
                }
            }
        }
        if out.iter().filter(|tick| tick.label.is_some()).count() < 2 {
            self.even_ticks(spacing)
        } else {
            out
        }
    }

    /// Labelled lines at multiples of 1, 2 or 5 times a power of ten.
    pub fn even_ticks(&self, spacing: f64) -> Vec<Tick> {
        let smallest = (self.high - self.low) * spacing / (self.to - self.from).abs();
        let exponent = smallest.log10().floor() as i32;
        let steps = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * 10f64.powi(exponent));
        let step = steps.into_iter().find(|step| *step >= smallest).unwrap_or(steps[3]);
        let places = (-step.log10().floor()).max(0.0) as usize;
        let (first, last) = ((self.low / step).ceil() as i64, (self.high / step).floor() as i64);
        let tick =
            |k: i64| Tick { value: k as f64 * step, label: Some(format!("{:.places$}", k as f64 * step)) };
        (first..=last).map(tick).collect()
    }
}

/// 10 to a whole power, with a raised exponent: `10⁻²`.
pub fn power_of_ten(exponent: i32) -> String {
    let digits = exponent.to_string();
    let raised = digits.chars().map(|c| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        _ => char::from_u32('⁰' as u32 + c.to_digit(10).unwrap_or(0)).unwrap_or(c),
    });
    format!("10{}", raised.collect::<String>())
}

/// A digit times a power of ten, written out where it is short: `0.05`, `200`, else `2·10⁻⁴`.
pub fn plain(digit: u32, exponent: i32) -> String {
    match exponent {
        -3..=-1 => {
            let places = exponent.unsigned_abs() as usize;
            format!("{:.places$}", f64::from(digit) * 10f64.powi(exponent))
        }
        0..=4 => (u64::from(digit) * 10u64.pow(exponent as u32)).to_string(),
        _ if digit == 1 => power_of_ten(exponent),
        _ => format!("{digit}·{}", power_of_ten(exponent)),
    }
}

/// A measured number with so many significant digits, never in computer notation: `0.0123`,
/// `3.4·10⁻⁷`.
pub fn number(x: f64, digits: usize) -> String {
    if x == 0.0 || !x.is_finite() {
        return x.to_string();
    }
    let scientific = format!("{:.*e}", digits - 1, x);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        let places = (digits as i32 - 1 - exponent).max(0) as usize;
        format!("{x:.places$}")
    } else {
        format!("{mantissa}·{}", power_of_ten(exponent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_labelled_readably() {
        assert_eq!(power_of_ten(-2), "10⁻²");
        assert_eq!(power_of_ten(0), "10⁰");
        assert_eq!(power_of_ten(-14), "10⁻¹⁴");
        assert_eq!(power_of_ten(3), "10³");
        assert_eq!(plain(5, -2), "0.05");
        assert_eq!(plain(1, 0), "1");
        assert_eq!(plain(2, 3), "2000");
        assert_eq!(plain(2, -4), "2·10⁻⁴");
        assert_eq!(number(0.012345, 3), "0.0123");
        assert_eq!(number(3.44e-7, 2), "3.4·10⁻⁷");
        assert_eq!(number(123.4, 2), "123");
    }

    #[test]
    fn ticks_lie_in_the_range_and_labels_thin_out() {
        let labels = |low: f64, high: f64, length: f64| -> Vec<String> {
            let scale = Scale::new((low, high), (0.0, length));
            let ticks = scale.ticks(20.0);
            assert!(ticks.iter().all(|t| t.value >= low * 0.999 && t.value <= high * 1.001));
            ticks.into_iter().filter_map(|t| t.label).collect()
        };
        assert_eq!(labels(2.0, 1024.0, 400.0), ["2", "5", "10", "20", "50", "100", "200", "500", "1000"]);
        assert_eq!(labels(0.04, 1.0, 200.0), ["0.05", "0.1", "0.2", "0.5", "1"]);
        assert_eq!(labels(1e-5, 1.0, 200.0), ["10⁻⁵", "10⁻⁴", "10⁻³", "10⁻²", "10⁻¹", "10⁰"]);
        assert_eq!(labels(1.02, 1.31, 200.0), ["1.05", "1.10", "1.15", "1.20", "1.25", "1.30"]);
        assert_eq!(labels(1e-12, 1.0, 130.0), ["10⁻¹²", "10⁻¹⁰", "10⁻⁸", "10⁻⁶", "10⁻⁴", "10⁻²", "10⁰"]);
    }

    #[test]
    fn places_are_logarithmic_or_linear() {
        let scale = Scale::new((1.0, 100.0), (0.0, 10.0));
        assert!((scale.place(10.0) - 5.0).abs() < 1e-12);
        assert!(!scale.place(0.0).is_finite() && !scale.place(-1.0).is_finite());
        let scale = Scale::linear((-0.5, 4.5), (0.0, 10.0));
        assert!((scale.place(0.0) - 1.0).abs() < 1e-12 && scale.ticks(20.0).is_empty());
    }
}
