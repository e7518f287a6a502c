//! Measuring: medians of seconds, spectral norms, and what is computed once for many trials.

use anyhow::Result;
use lowrank::faer::MatRef;
use lowrank::svd::{Krylov, krylov};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Tasks shorter than this are repeated up to ten times as often as asked for.
const ENOUGH: f64 = 0.03;

/// The median wall-clock seconds of each task: in every repetition the tasks run in turn, so that
/// a disturbance of the machine meets them alike. Short tasks are repeated more often.
pub fn median_seconds<const N: usize>(
    repetitions: usize,
    mut tasks: [&mut dyn FnMut() -> Result<()>; N],
) -> Result<[f64; N]> {
    let (start, repetitions) = (Instant::now(), repetitions.max(1));
    let mut seconds: Vec<[f64; N]> = Vec::new();
    while seconds.len() < repetitions
        || seconds.len() < 10 * repetitions && start.elapsed().as_secs_f64() < ENOUGH
    {
        let mut repetition = [0.0; N];
        for (task, seconds) in tasks.iter_mut().zip(&mut repetition) {
            let clock = Instant::now();
            task()?;
            *seconds = clock.elapsed().as_secs_f64();
        }
        seconds.push(repetition);
    }
    Ok(std::array::from_fn(|k| median(seconds.iter().map(|r| r[k]).collect())))
}

/// The median of some numbers; NaN of none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        k => (values[(k - 1) / 2] + values[k / 2]) / 2.0,
    }
}

/// The largest resident memory of this process so far, in bytes, where the system tells.
pub fn peak_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024.0)
}

/// |A|_2 by eight steps of a block Krylov method: never above it, and within about a percent for
/// the flattest spectra.
pub fn spectral_norm(a: MatRef<'_, f64>) -> Result<f64> {
    let rank = a.nrows().min(a.ncols()).min(1);
    let svd = krylov(&a, rank, &Krylov { iterations: 8, ..Default::default() })?;
    Ok(svd.s.first().copied().unwrap_or(0.0))
}

/// The value computed last, for the trials with the same key that come one after the other.
pub struct Latest<K, V>(Mutex<Option<(K, Arc<V>)>>);

impl<K: PartialEq, V> Latest<K, V> {
    /// None yet.
    pub const fn new() -> Self {
        Latest(Mutex::new(None))
    }

    /// The value of a key, computed unless it is the latest.
    pub fn get(&self, key: K, make: impl FnOnce() -> Result<V>) -> Result<Arc<V>> {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, value)) = &*latest
            && *known == key
        {
            return Ok(value.clone());
        }
        *latest = None; // its memory is free before the next is made
        let value = Arc::new(make()?);
        *latest = Some((key, value.clone()));
        Ok(value)
    }
}

impl<K: PartialEq, V> Default for Latest<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lowrank::random::with_spectrum;

    #[test]
    fn medians_and_repetitions() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        let (mut first, mut second) = (0, 0);
        let seconds = median_seconds(
            3,
            [
                &mut || {
                    first += 1;
                    Ok(())
                },
                &mut || {
                    second += 1;
                    Ok(())
                },
            ],
        );
        assert!(seconds.unwrap().iter().all(|s| *s >= 0.0));
        assert_eq!(first, second);
        assert!((3..=30).contains(&first));
    }

    #[test]
    fn spectral_norms_of_flat_and_steep_spectra() {
        for spectrum in [vec![2.0; 70], (0..70).map(|i| 2.0 - 0.01 * f64::from(i)).collect(), vec![2.0, 0.1]]
        {
            let norm = spectral_norm(with_spectrum::<f64>(90, 80, &spectrum, 1).as_ref()).unwrap();
            assert!(norm <= 2.0 + 1e-12 && norm > 1.98, "{norm}");
        }
    }

    #[test]
    fn the_latest_value_is_kept() {
        let latest = Latest::new();
        let calls = std::cell::Cell::new(0);
        let get = |key: u32| {
            let make = || {
                calls.set(calls.get() + 1);
                Ok(key * 10)
            };
            *latest.get(key, make).unwrap()
        };
        assert_eq!((get(1), get(1), get(2), get(1)), (10, 10, 20, 10));
        assert_eq!(calls.get(), 3);
    }
}
