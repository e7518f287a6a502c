//! Block Krylov spaces and a posteriori errors.

use super::*;

/// With the same number of products, and against the dense SVD over the gallery.
#[test]
fn krylov_is_better_than_power_iterations() {
    fn check<T: Scalar>() {
        for family in gallery::families::<T>() {
            for (m, n, k) in [(120, 80, 4), (60, 150, 3), (7, 1, 1), (5, 3, 2)] {
                let a = (family.make)(m, n, 2);
                let case = format!("{} {} {m}x{n} rank {k} seed 2", T::NAME, family.name);
                let s = singular_values(wide(a.as_ref()).as_ref()).unwrap();
                let svd = krylov(&a, k, &Krylov::default()).unwrap();
                let (floor, optimal) = (g::<T>(m, n) * frobenius(a.as_ref()), tail(&s[k..]));
                let found = error(a.as_ref(), &svd);
                assert!(omega_of_svd(&svd) <= OMEGA && sorted(&svd), "{case}");
                assert!(found <= 1.05 * optimal + floor, "{case}: {found:e} against {optimal:e}");
                for (s, true_value) in svd.s.iter().zip(&s) {
                    assert!(s.as_f64() <= true_value + floor, "{case}");
                }
            }
        }
    }
    check::<f64>();
    check::<f32>();
    type Value = fn(i32) -> f64;
    let spectra: [(&str, Value); 3] = [
        ("1 - i / 600", |i| 1.0 - f64::from(i) / 600.0),
        ("i^-1/2", |i| f64::from(i + 1).powf(-0.5)),
        ("exp(-i / 60)", |i| (-f64::from(i) / 60.0).exp()),
    ];
    for (name, value) in spectra {
        let spectrum: Vec<f64> = (0..300).map(value).collect();
        let a = with_spectrum::<f64>(400, 300, &spectrum, 7);
        let k = 10;
        let worst = |svd: &Svd<f64>| -> f64 {
            svd.s.iter().zip(&spectrum).map(|(s, exact)| (exact - s) / exact).fold(0.0, f64::max)
        };
        let with = Krylov { oversampling: 5, iterations: 5, ..Default::default() };
        let space = worst(&krylov(&a, k, &with).unwrap());
        let with = Randomized { oversampling: 5, power_iterations: 5, ..Default::default() };
        let power = worst(&randomized(&a, k, &with).unwrap());
        println!("{name}: worst singular value off by {space:.2e} (Krylov), {power:.2e} (power)");
        assert!(space < 0.5 * power, "{name}: {space:e} against {power:e}");
    }
}

/// Every singular value lies within its residual of a true one.
#[test]
fn residuals_bound_the_singular_values() {
    for family in gallery::families::<f64>() {
        for scale in [0, 600, -600] {
            let a = scaled((family.make)(90, 60, 3).as_ref(), scale);
            let s = singular_values(a.as_ref()).unwrap();
            let weak = Randomized { oversampling: 2, power_iterations: 0, ..Default::default() };
            for svd in [randomized(&a, 6, &weak).unwrap(), krylov(&a, 6, &Krylov::default()).unwrap()] {
                let sparse = Csr::from_dense(a.as_ref()).unwrap();
                let (found, other) = (residuals(&a, &svd).unwrap(), residuals(&sparse, &svd).unwrap());
                let floor = g::<f64>(90, 60) * s[0];
                for ((value, r), other) in svd.s.iter().zip(&found).zip(&other) {
                    let gap = s.iter().fold(f64::INFINITY, |d, s| d.min((s - value).abs()));
                    assert!(gap <= r + floor, "{} 2^{scale}: {gap:e} {r:e}", family.name);
                    assert!((r - other).abs() <= floor, "{} 2^{scale}", family.name);
                }
            }
        }
    }
}
