//! Which learning rate a method is judged by, which of two methods is better, and how sure that is.

use crate::form::Form;
use anyhow::{Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Test accuracies by seed.
pub type Scores = BTreeMap<u64, f64>;

/// A mean of some numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mean {
    /// The mean; NaN of none.
    pub mean: f64,
    /// Its standard error; not finite for a single number.
    pub error: f64,
    /// How many.
    pub count: usize,
}

impl Mean {
    /// The mean and its standard error.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.into_iter().collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
        Mean { mean, error: (squares / (n - 1.0) / n).sqrt(), count: values.len() }
    }
}

/// In percent, `96.1 ± 0.2`.
impl fmt::Display for Mean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1}", 100.0 * self.mean)?;
        if self.error.is_finite() { write!(f, " ± {:.1}", 100.0 * self.error) } else { Ok(()) }
    }
}

/// The learning rate with the best mean score on the development set, of the trials (rate, score), and whether it
/// is the first or the last of several tried. A rate at which a trial gave no answer is none; of equal ones
/// the smallest.
pub fn best_rate(trials: impl Iterator<Item = (u32, f64)>) -> Option<(u32, bool)> {
    let mut scores: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    trials.for_each(|(rate, score)| scores.entry(rate).or_default().push(score));
    let rates: BTreeSet<u32> = scores.keys().copied().collect();
    let means = scores.into_iter().map(|(rate, all)| (rate, Mean::of(all).mean));
    let better = |best: Option<(u32, f64)>, (rate, mean): (u32, f64)| match best {
        Some((_, b)) if mean <= b => best,
        _ => Some((rate, mean)),
    };
    let (rate, _) = means.filter(|(_, mean)| mean.is_finite()).fold(None, better)?;
    let edge = rates.first() == Some(&rate) || rates.last() == Some(&rate);
    Some((rate, edge && rates.len() > 1))
}

/// The 97.5 % quantile of Student's distribution with 1, 2, ... degrees of freedom; 2.1 beyond.
const STUDENT: [f64; 20] = [
    12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11,
    2.10, 2.09, 2.09,
];

/// What the seeds say of `name` beside another training, seed by seed since both adapt the same network: better
/// or worse only where there are three seeds and zero lies outside of the 95 % interval of the mean difference.
pub fn verdict(name: &str, own: &Scores, other: &Scores) -> String {
    let both = own.iter().filter_map(|(seed, x)| Some(100.0 * (x - other.get(seed)?)));
    let Mean { mean, error, count } = Mean::of(both);
    let reach = error * STUDENT.get(count.wrapping_sub(2)).copied().unwrap_or(2.1);
    match mean {
        _ if count == 1 => "one seed cannot tell them apart".to_string(),
        _ if count < 3 || !reach.is_finite() => format!("{count} seeds in common cannot tell them apart"),
        d if d > reach => format!("{name} is better, by {d:.1} ± {error:.1}"),
        d if d < -reach => format!("{name} is worse, by {:.1} ± {error:.1}", -d),
        d => format!("no difference that {count} seeds show ({d:+.1} ± {error:.1})"),
    }
}

/// What a row of a table says of its trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Tried {
    /// The task.
    pub task: String,
    /// The method.
    pub form: Form,
    /// The learning rate, in the table's unit.
    pub rate: u32,
    /// The seed.
    pub seed: u64,
    /// Trained numbers.
    pub trained: usize,
    /// The score on the development set; NaN where the trial gave no answer.
    pub dev: f64,
    /// On the test set.
    pub test: f64,
}

/// A method on a task at the learning rate that is best on the development set.
#[derive(Debug, Clone)]
pub struct Line<'a, R> {
    /// The task.
    pub task: String,
    /// The method.
    pub form: Form,
    /// The learning rate, in the table's unit.
    pub rate: u32,
    /// Whether it is the first or the last of several tried: others may be better.
    pub edge: bool,
    /// Trained numbers.
    pub trained: usize,
    /// The scores on the test set by seed.
    pub tests: Scores,
    /// Their mean.
    pub mean: Mean,
    /// The trials at that rate.
    pub rows: Vec<&'a R>,
}

impl<R> Line<'_, R> {
    /// This one beside another of the same task, in a line.
    pub fn beside(&self, other: &Self) -> String {
        let Line { task, form, mean, trained, .. } = self;
        let share = 100.0 * *trained as f64 / other.trained as f64;
        let word = verdict(&form.to_string(), &self.tests, &other.tests);
        format!(
            "{task}: {form} ({mean}) beside {} ({}), {share:.0} % of its numbers: {word}\n",
            other.form, other.mean
        )
    }
}

/// The lines of a table, task by task in the order of the rows, the methods in theirs.
///
/// # Errors
/// Where no trial gave an answer.
pub fn lines<R>(rows: &[R], tried: impl Fn(&R) -> Tried) -> Result<Vec<Line<'_, R>>> {
    let all: Vec<(Tried, &R)> = rows.iter().map(|row| (tried(row), row)).collect();
    let mut tasks: Vec<&String> = Vec::new();
    all.iter().map(|(t, _)| &t.task).for_each(|task| {
        if !tasks.contains(&task) {
            tasks.push(task);
        }
    });
    let forms: BTreeSet<Form> = all.iter().map(|(t, _)| t.form).collect();
    let line = |task: &String, form| {
        let own = || all.iter().filter(move |(t, _)| (&t.task, t.form) == (task, form));
        let (rate, edge) = best_rate(own().map(|(t, _)| (t.rate, t.dev)))?;
        let at = || own().filter(move |(t, _)| t.rate == rate);
        let tests: Scores = at().map(|(t, _)| (t.seed, t.test)).collect();
        Some(Line {
            task: task.clone(),
            form,
            rate,
            edge,
            trained: at().next()?.0.trained,
            mean: Mean::of(tests.values().copied()),
            tests,
            rows: at().map(|(_, row)| *row).collect(),
        })
    };
    let pairs = tasks.into_iter().flat_map(|task| forms.iter().map(move |form| (task, *form)));
    let found: Vec<_> = pairs.filter_map(|(task, form)| line(task, form)).collect();
    if found.is_empty() { bail!("no trial gave an answer: there is nothing to show") } else { Ok(found) }
}

/// The LoRA whose number of trained numbers is nearest to that of a line, as a ratio.
pub fn nearest_lora<'a, 'b, R>(lines: &[&'b Line<'a, R>], to: &Line<'a, R>) -> Option<&'b Line<'a, R>> {
    let ratio = |line: &Line<'a, R>| (line.trained as f64 / to.trained as f64).ln().abs();
    let loras = lines.iter().copied().filter(|line| matches!(line.form, Form::Lora(_)));
    loras.min_by(|a, b| ratio(a).total_cmp(&ratio(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_need_more_than_chance() {
        let scores = |values: [f64; 3]| -> Scores { (0..).zip(values).collect() };
        let base = scores([0.90, 0.94, 0.92]);
        // Always two points above: the spread over the seeds is shared.
        assert!(verdict("A", &scores([0.919, 0.961, 0.940]), &base).starts_with("A is better, by 2.0"));
        assert!(verdict("A", &base, &scores([0.919, 0.961, 0.940])).starts_with("A is worse"));
        assert!(verdict("A", &scores([0.96, 0.94, 0.92]), &base).starts_with("no difference"));
        assert!(
            verdict("A", &scores([0.96, 0.94, 0.92]), &(0..1).map(|s| (s, 0.9)).collect())
                .contains("one seed")
        );
    }

    #[test]
    fn rates_are_chosen_among_those_that_always_train() {
        let trials = [(10, 0.5), (10, 0.7), (30, 0.9), (30, f64::NAN), (100, 0.6), (100, 0.8), (300, 0.1)];
        assert_eq!(best_rate(trials.into_iter()), Some((100, false)));
        assert_eq!(best_rate(trials[..2].iter().copied()), Some((10, false)));
        assert_eq!(best_rate(trials[..4].iter().copied().chain([(5, 0.1)])), Some((10, false)));
        assert_eq!(best_rate([(10, 0.5), (30, 0.9)].into_iter()), Some((30, true)));
        assert_eq!(best_rate([(30, f64::NAN)].into_iter()), None);
    }
}
