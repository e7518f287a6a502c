//! Least-squares fits of the reference rates to measured errors.

/// The line y = a + b x of least squares; none for fewer than two different x.
pub fn line(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let n = points.len() as f64;
    let (sx, sy) = points.iter().fold((0.0, 0.0), |s, p| (s.0 + p.0, s.1 + p.1));
    let (mx, my) = (sx / n, sy / n);
    let (sxx, sxy) =
        points.iter().fold((0.0, 0.0), |s, p| (s.0 + (p.0 - mx) * (p.0 - mx), s.1 + (p.0 - mx) * (p.1 - my)));
    (points.len() >= 2 && sxx > 1e-12).then(|| (my - sxy / sxx * mx, sxy / sxx))
}

/// A fitted law c g(x) h(x)^p with its two constants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Power {
    /// The factor c.
    pub factor: f64,
    /// The exponent p.
    pub exponent: f64,
}

/// Fits error = c x^p.
pub fn power(points: &[(f64, f64)]) -> Option<Power> {
    scaled(points, |_| 1.0, |x| x)
}

/// Fits error = c log(n - r)^p over n, for fixed r.
pub fn polylog(points: &[(f64, f64)], rank: f64) -> Option<Power> {
    scaled(points, |_| 1.0, |n| (n - rank).ln())
}

/// Fits error = c r^(-1/2) (n - r)^p over r, for fixed n.
pub fn rank_decay(points: &[(f64, f64)], n: f64) -> Option<Power> {
    scaled(points, |r| r.powf(-0.5), |r| n - r)
}

/// Fits y = c g(x) h(x)^p in logarithms, over the points where all is positive.
fn scaled(points: &[(f64, f64)], g: impl Fn(f64) -> f64, h: impl Fn(f64) -> f64) -> Option<Power> {
    let logs: Vec<(f64, f64)> = points
        .iter()
        .map(|&(x, y)| (h(x).ln(), (y / g(x)).ln()))
        .filter(|p| p.0.is_finite() && p.1.is_finite())
        .collect();
    line(&logs).map(|(a, b)| Power { factor: a.exp(), exponent: b })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(found: Option<Power>, factor: f64, exponent: f64) {
        let found = found.unwrap();
        assert!((found.factor / factor - 1.0).abs() < 1e-9, "{found:?}");
        assert!((found.exponent - exponent).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn known_exponents_are_recovered() {
        let sample = |f: &dyn Fn(f64) -> f64| -> Vec<(f64, f64)> {
            [40.0, 64.0, 128.0, 512.0, 1000.0].iter().map(|&x| (x, f(x))).collect()
        };
        check(power(&sample(&|x| 3.0 * x.powf(-0.4))), 3.0, -0.4);
        check(polylog(&sample(&|n| 0.02 * (n - 32.0).ln().powf(2.5)), 32.0), 0.02, 2.5);
        check(rank_decay(&sample(&|r| 0.1 * r.powf(-0.5) * (1024.0 - r).powf(0.7)), 1024.0), 0.1, 0.7);
    }

    #[test]
    fn unusable_points_are_left_out() {
        let mut points: Vec<(f64, f64)> = (1..5).map(|i| (f64::from(i), 2.0 * f64::from(i))).collect();
        points.extend([(7.0, 0.0), (8.0, f64::NAN)]);
        check(power(&points), 2.0, 1.0);
        assert_eq!(power(&points[..1]), None);
        assert_eq!(polylog(&[(33.0, 1.0), (32.0, 1.0)], 32.0), None);
    }
}
