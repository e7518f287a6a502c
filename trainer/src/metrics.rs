//! How good predictions are: accuracy, macro F1, Matthews' correlation.

use lowrank::Scalar;
use lowrank::faer::MatRef;

/// How often each class (row) was taken for each (column).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    counts: Vec<Vec<u64>>,
}

impl Confusion {
    /// Counts labels against predictions, both below `classes`; pairs that are not are left out.
    pub fn new(classes: usize, labels: &[usize], predictions: &[usize]) -> Self {
        let mut counts = vec![vec![0; classes]; classes];
        for (&label, &guess) in labels.iter().zip(predictions) {
            if let Some(count) = counts.get_mut(label).and_then(|row: &mut Vec<u64>| row.get_mut(guess)) {
                *count += 1;
            }
        }
        Self { counts }
    }

    /// For each class: how often it was right, how often it is, how often it was predicted.
    fn sums(&self) -> Vec<[f64; 3]> {
        let sums = |k: usize| {
            let is: u64 = self.counts[k].iter().sum();
            let predicted: u64 = self.counts.iter().map(|row| row[k]).sum();
            [self.counts[k][k], is, predicted].map(|x| x as f64)
        };
        (0..self.counts.len()).map(sums).collect()
    }

    /// The share of right predictions; NaN for no sample.
    pub fn accuracy(&self) -> f64 {
        let sums = self.sums();
        sums.iter().map(|s| s[0]).sum::<f64>() / sums.iter().map(|s| s[1]).sum::<f64>()
    }

    /// The mean of the classes' F1 = 2 right / (is + predicted), 0 for a class that neither is nor was
    /// predicted.
    pub fn macro_f1(&self) -> f64 {
        let f1 = |[right, is, predicted]: [f64; 3]| 2.0 * right / (is + predicted).max(1.0);
        self.sums().into_iter().map(f1).sum::<f64>() / self.counts.len() as f64
    }

    /// F1 as GLUE and SuperGLUE report it: of the second class where there are two, else the mean over the
    /// classes.
    pub fn f1(&self) -> f64 {
        match self.sums()[..] {
            [_, [right, is, predicted]] => 2.0 * right / (is + predicted).max(1.0),
            _ => self.macro_f1(),
        }
    }

    /// Matthews' correlation, for more than two classes as Gorodkin (2004) extends it; 0 where labels
    /// or predictions are all the same.
    pub fn matthews(&self) -> f64 {
        let sums = self.sums();
        let n: f64 = sums.iter().map(|s| s[1]).sum();
        let total = |f: fn(&[f64; 3]) -> f64| sums.iter().map(f).sum::<f64>();
        let covariance = n * total(|s| s[0]) - total(|s| s[1] * s[2]);
        let spread = (n * n - total(|s| s[1] * s[1])) * (n * n - total(|s| s[2] * s[2]));
        if spread > 0.0 { covariance / spread.sqrt() } else { 0.0 }
    }
}

/// A number by which an epoch is picked; the largest is the best.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Metric {
    /// The share of right predictions.
    #[default]
    Accuracy,
    /// F1: of the second class where there are two, else the mean over the classes.
    F1,
    /// Matthews' correlation.
    Matthews,
}

impl Metric {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Accuracy => "accuracy",
            Metric::F1 => "F1",
            Metric::Matthews => "Matthews",
        }
    }

    /// Its value.
    pub fn of(self, found: &Confusion) -> f64 {
        match self {
            Metric::Accuracy => found.accuracy(),
            Metric::F1 => found.f1(),
            Metric::Matthews => found.matthews(),
        }
    }
}

/// The class of the largest logit of each sample, the first of equal ones: logits (classes, N).
pub fn predictions<T: Scalar>(logits: MatRef<'_, T>) -> Vec<usize> {
    let largest = |j: usize| {
        (1..logits.nrows()).fold(0, |best, i| if logits[(i, j)] > logits[(best, j)] { i } else { best })
    };
    (0..logits.ncols()).map(largest).collect()
}
