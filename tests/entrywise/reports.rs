//! Early stops, convergence and constants: the report says what happened.

use super::*;

/// Every way to stop early gives usable factors and says why.
#[test]
fn early_stops_are_named() {
    let f = ball_matrix::<f64>(90, 20, 1).to_dense().unwrap();
    let t = sinh_tensor::<f64>(&[14, 12, 10], 8, 1).to_dense().unwrap();
    for (name, method) in methods() {
        for limit in [0, 1, 3] {
            let case = format!("{name} max_iterations {limit}");
            let x = run(f.as_ref(), 6, Parameters { max_iterations: limit, ..with(&method) }, &case);
            assert_eq!((x.report.status, x.report.iterations), (Status::IterationLimit, limit), "{case}");
            let x = run_tensor(&t, 4, Parameters { max_iterations: limit, ..with(&method) }, &case);
            assert_eq!((x.report.status, x.report.iterations), (Status::IterationLimit, limit), "{case}");
        }
        let case = format!("{name} max_seconds 0");
        let x = run(f.as_ref(), 6, Parameters { max_seconds: 0.0, ..with(&method) }, &case);
        assert_eq!(x.report.status, Status::TimeLimit, "{case}");
        let x = run_tensor(&t, 4, Parameters { max_seconds: 0.0, ..with(&method) }, &case);
        assert_eq!(x.report.status, Status::TimeLimit, "{case}");

        let case = format!("{name} stopped by the callback");
        let mut seen: Vec<Progress> = Vec::new();
        let mut callback = |p: &Progress| {
            seen.push(*p);
            if seen.len() == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let x = run(f.as_ref(), 6, Parameters { callback: Some(&mut callback), ..with(&method) }, &case);
        assert_eq!((x.report.status, x.report.iterations), (Status::Interrupted, 5), "{case}");
        assert_eq!(seen.iter().map(|p| p.iteration).collect::<Vec<_>>(), [1, 2, 3, 4, 5], "{case}");
        assert!(seen.is_sorted_by(|a, b| b.error <= a.error && a.seconds <= b.seconds), "{case}");
        assert_eq!(seen[4].error, x.report.error, "{case}");
    }
}

/// `Converged` is said when the search's own test holds, and not one step earlier.
#[test]
fn converged_means_converged() {
    let f = ball_matrix::<f64>(70, 20, 2).to_dense().unwrap();
    for (name, method) in methods() {
        let whole = run(f.as_ref(), 6, with(&method), name);
        let steps = whole.report.iterations;
        assert_eq!(whole.report.status, Status::Converged, "{name}");
        for (limit, status) in [
            (steps - 1, Status::IterationLimit),
            (steps / 2, Status::IterationLimit),
            (steps + 1, Status::Converged),
        ] {
            let case = format!("{name}, {limit} of {steps} steps");
            let x = run(f.as_ref(), 6, Parameters { max_iterations: limit, ..with(&method) }, &case);
            assert_eq!(x.report.status, status, "{case}");
            assert_eq!(x.report.iterations, limit.min(steps), "{case}");
            assert!(x.report.error >= whole.report.error, "{case}");
            // The descent's shrinking depth leaves no cheap progress behind.
            let start = Start::Warm(whole.factors.clone());
            let again = run(f.as_ref(), 6, Parameters { start, ..with(&method) }, &case);
            assert!(again.report.error <= whole.report.error * (1.0 + 1e-12), "{case}");
        }
    }
}

/// A constant that makes no sense is an error.
#[test]
fn wrong_constants_are_errors() {
    let f = gaussian::<f64>(6, 5, 0, "case");
    let wrong = [
        Descent { depth: 0.0, ..Default::default() },
        Descent { depth: f64::NAN, ..Default::default() },
        Descent { shrink: 1.0, ..Default::default() },
        Descent { final_depth: 0.0, ..Default::default() },
        Descent { progress: f64::NAN, ..Default::default() },
        Descent { momentum: 1.0, ..Default::default() },
        Descent { step: 0.0, ..Default::default() },
        Descent { step: f64::NAN, ..Default::default() },
        Descent { max_step: f64::NAN, ..Default::default() },
        Descent { patience: 0, ..Default::default() },
    ];
    for constants in wrong {
        let case = format!("{constants:?}");
        let result = approximate(&f, 2, with(&Method::Descent(constants)));
        assert!(matches!(result, Err(Error::Parameter { .. })), "{case}: {result:?}");
    }
    for max_seconds in [f64::NAN, -1.0] {
        let result = approximate(&f, 2, Parameters { max_seconds, ..Default::default() });
        assert!(matches!(result, Err(Error::Parameter { name: "max_seconds", .. })), "{result:?}");
    }
}
