//! The pairs of matrices of the families, drawn from their seeds.

use crate::families::{Family, NOISE, SPARSE_DECAY, SPARSE_TERMS};
use crate::weights::{Kind, lasting, open};
use anyhow::{Result, bail};
use lowrank::faer::{Mat, Scale};
use lowrank::random::{fill_gaussian, gaussian, stream, with_spectrum};

/// One pair of matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Case {
    /// The family.
    pub family: Family,
    /// Where weights come from, in the form of [`Product`]; empty for other families.
    pub weights: &'static str,
    /// Rows and columns; 0 for weights, which have sizes of their own.
    pub n: usize,
    /// Seed of the matrices and of the method; of the method alone for weights.
    pub seed: u64,
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.family {
            Family::Weights => write!(f, "{}, seed {}", self.weights, self.seed),
            family => write!(f, "{}, n = {}, seed {}", family.name(), self.n, self.seed),
        }
    }
}

impl Case {
    /// All cases, those of a family and size one after the other; weights in place of sizes for
    /// the family of this name.
    pub fn all(families: &[Family], sizes: &[usize], weights: &[String], seeds: u64) -> Vec<Case> {
        let mut out: Vec<Case> = Vec::new();
        for &family in families {
            let places: Vec<(&'static str, usize)> = match family {
                Family::Weights => weights.iter().map(|w| (lasting(w), 0)).collect(),
                _ => sizes.iter().map(|n| ("", *n)).collect(),
            };
            for (weights, n) in places {
                out.extend((0..seeds).map(|seed| Case { family, weights, n, seed }));
            }
        }
        out
    }

    /// The case of a row, which has the sizes of weights too.
    pub fn of_row(family: Family, weights: &str, n: usize, seed: u64) -> Self {
        let n = if family == Family::Weights { 0 } else { n };
        Case { family, weights: lasting(weights), n, seed }
    }

    /// A and B.
    pub fn pair(&self) -> Result<(Mat<f64>, Mat<f64>)> {
        if self.family == Family::Weights {
            let product = Product::parse(self.weights)?;
            let file = open(product.file)?;
            let (a, b) = (file.matrix::<f64>(product.a)?, file.matrix::<f64>(product.b)?);
            return Ok((a, if product.transposed { b.transpose().to_owned() } else { b }));
        }
        Ok((self.draw(2 * self.seed), self.draw(2 * self.seed + 1)))
    }

    /// A alone.
    pub fn first(&self) -> Result<Mat<f64>> {
        if self.family == Family::Weights {
            let product = Product::parse(self.weights)?;
            return Ok(open(product.file)?.matrix(product.a)?);
        }
        Ok(self.draw(2 * self.seed))
    }

    fn draw(&self, seed: u64) -> Mat<f64> {
        let n = self.n;
        if let Some(density) = self.family.density() {
            return sparse(n, density, seed);
        }
        let Some(t) = self.family.decay() else {
            return match self.family {
                Family::HeavyTailed => with_spectrum(n, n, &pareto(n, seed), seed),
                _ => gaussian(n, n, seed, "family gaussian"),
            };
        };
        // Below 1e-16 singular values are rounding.
        let s: Vec<f64> = (0..n).map(|i| (-(i as f64) / t).exp()).take_while(|s| *s > 1e-16).collect();
        let mut a = with_spectrum(n, n, &s, seed); // (n, n)
        if self.family.noisy() {
            let level = NOISE * s.iter().map(|s| s * s).sum::<f64>().sqrt() / n as f64;
            let noise: Mat<f64> = gaussian(n, n, seed, "family noise");
            a += Scale(level) * noise;
        }
        a
    }
}

/// Decreasing roots of n independent numbers with P(x > t) = 1/t, t > 1.
fn pareto(n: usize, seed: u64) -> Vec<f64> {
    let mut draws = vec![0.0_f64; 2 * n];
    fill_gaussian(&mut stream(seed, "family pareto", 0), &mut draws);
    // Half the square of a Gaussian vector in the plane is exponentially distributed.
    let mut s: Vec<f64> = draws.chunks(2).map(|g| (0.25 * (g[0] * g[0] + g[1] * g[1])).exp()).collect();
    s.sort_by(|a, b| b.total_cmp(a));
    s
}

/// A sum of sparse terms of rank one with decreasing weights.
fn sparse(n: usize, density: f64, seed: u64) -> Mat<f64> {
    let entries = density * (n * n) as f64;
    let terms = SPARSE_TERMS.min(entries as usize).max(1);
    // Expected share of the entries outside of all terms: (1 - area / n^2)^terms.
    let area = (n * n) as f64 * (1.0 - (1.0 - density).powf(1.0 / terms as f64));
    let rows = (area.sqrt().round() as usize).clamp(1, n);
    let columns = ((area / rows as f64).round() as usize).clamp(1, n);
    let mut out = Mat::zeros(n, n);
    for term in 0..terms {
        let weight = (-(term as f64) / SPARSE_DECAY).exp();
        let u = sparse_unit(n, rows, seed, "family sparse rows", term as u64);
        let v = sparse_unit(n, columns, seed, "family sparse columns", term as u64);
        for &(j, y) in &v {
            for &(i, x) in &u {
                out[(i, j)] += weight * x * y;
            }
        }
    }
    out
}

/// A random unit vector with `k` nonzeros: positions and values.
fn sparse_unit(n: usize, k: usize, seed: u64, purpose: &str, index: u64) -> Vec<(usize, f64)> {
    let mut draws = vec![0.0_f64; n + k];
    fill_gaussian(&mut stream(seed, purpose, index), &mut draws);
    let (keys, values) = draws.split_at(n);
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|a, b| keys[*a].total_cmp(&keys[*b]));
    let norm = values.iter().map(|x| x * x).sum::<f64>().sqrt();
    order.into_iter().zip(values).map(|(i, x)| (i, x / norm)).collect()
}

/// The share of entries that are not zero.
pub fn nonzero_share(a: &Mat<f64>) -> f64 {
    let nonzeros: usize = a.col_iter().map(|c| c.iter().filter(|x| **x != 0.0).count()).sum();
    nonzeros as f64 / (a.nrows() * a.ncols()).max(1) as f64
}

/// A product of two weights of a file, as text: `FILE:A:B` for A B, `FILE:A:B'` for A B'.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Product<'a> {
    /// The safetensors file.
    pub file: &'a str,
    /// The name of A.
    pub a: &'a str,
    /// The name of B.
    pub b: &'a str,
    /// Whether B is transposed.
    pub transposed: bool,
}

impl<'a> Product<'a> {
    /// The product a text stands for.
    pub fn parse(text: &'a str) -> Result<Self> {
        let [file, a, b] = text.split(':').collect::<Vec<_>>()[..] else {
            bail!("`{text}` is not of the form FILE:A:B or FILE:A:B'");
        };
        let (b, transposed) = b.strip_suffix('\'').map_or((b, false), |b| (b, true));
        Ok(Product { file, a, b, transposed })
    }

    /// What the two matrices do in their network.
    pub fn kinds(&self) -> String {
        let prime = if self.transposed { "′" } else { "" };
        format!("{} × {}{prime}", Kind::of(self.a).name(), Kind::of(self.b).name())
    }
}

/// The smallest size of A (m, k) and B (k, p); an error where there is no such product.
pub fn smallest_size(weights: &str) -> Result<usize> {
    let product = Product::parse(weights)?;
    let file = open(product.file)?;
    let shape = |name: &str| match file.tensors().get(name).map(|t| t.shape()) {
        Some(&[m, n]) => Ok((m, n)),
        Some(shape) => bail!("{name} in {} has the shape {shape:?}: a matrix is needed", product.file),
        None => bail!("{} has no tensor {name}", product.file),
    };
    let ((m, k), (rows, columns)) = (shape(product.a)?, shape(product.b)?);
    let (inner, p) = if product.transposed { (columns, rows) } else { (rows, columns) };
    if k != inner {
        bail!("`{weights}`: A has {k} columns and B, as used, {inner} rows");
    }
    Ok(m.min(k).min(p))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lowrank::matrix::frobenius;
    use lowrank::svd::singular_values;

    fn first(family: Family, n: usize, seed: u64) -> Mat<f64> {
        Case { family, weights: "", n, seed }.first().unwrap()
    }

    #[test]
    fn spectra_are_as_promised() {
        for family in [Family::Fast, Family::Medium, Family::Slow] {
            let t = family.decay().unwrap();
            let s = singular_values(first(family, 80, 3).as_ref()).unwrap();
            for (i, s) in s.iter().enumerate() {
                assert!((s - (-(i as f64) / t).exp()).abs() < 1e-14, "{family:?} {i}: {s}");
            }
        }
        let (clean, noisy) = (first(Family::Medium, 90, 1), first(Family::NoisyMedium, 90, 1));
        let noise = frobenius((&noisy - &clean).as_ref()) / frobenius(clean.as_ref());
        assert!((noise / NOISE - 1.0).abs() < 0.05, "{noise}");
    }

    #[test]
    fn heavy_tails_have_the_promised_law() {
        // P(s^2 > x) = 1/x: among 40 x 250 numbers 100 exceed 100, give or take 10.
        let all: Vec<f64> = (0..40).flat_map(|seed| pareto(250, seed)).map(|s| s * s).collect();
        assert!(all.iter().all(|x| *x >= 1.0));
        for level in [2.0, 10.0, 100.0] {
            let (count, mean) = (all.iter().filter(|x| **x > level).count() as f64, 1e4 / level);
            assert!((count - mean).abs() < 5.0 * mean.sqrt(), "{level}: {count}");
        }
        let s = singular_values(first(Family::HeavyTailed, 60, 2).as_ref()).unwrap();
        for (s, expected) in s.iter().zip(pareto(60, 4)) {
            assert!((s / expected - 1.0).abs() < 1e-10, "{s} {expected}");
        }
    }

    #[test]
    fn sparse_matrices_have_the_promised_density_and_rank() {
        for family in [Family::Sparse10, Family::Sparse5, Family::Sparse1, Family::SparseTenth] {
            let expected = family.density().unwrap();
            let found: f64 = (0..4).map(|seed| nonzero_share(&first(family, 512, seed))).sum::<f64>() / 4.0;
            assert!((found / expected - 1.0).abs() < 0.1, "{family:?}: {found}");
        }
        let s = singular_values(first(Family::Sparse5, 200, 0).as_ref()).unwrap();
        assert!(s[SPARSE_TERMS] < 1e-13 && s[0] > 0.7, "{s:?}");
        // Sizes too small for so many terms have fewer.
        assert!(nonzero_share(&first(Family::SparseTenth, 64, 0)) <= 0.001);
    }

    #[test]
    fn the_two_matrices_and_the_seeds_differ() {
        for family in [Family::Gaussian, Family::Fast, Family::Sparse5, Family::HeavyTailed] {
            let case = Case { family, weights: "", n: 40, seed: 0 };
            let (a, b) = case.pair().unwrap();
            assert_eq!(a, case.first().unwrap());
            assert!(a != b && b != Case { seed: 1, ..case }.first().unwrap());
        }
    }

    const QUERY: &str = "encoder.layer.0.attention.self.query.weight";

    #[test]
    fn weights_are_read_and_multiplied() {
        let text = format!("experiments/data/minilm_query.safetensors:{QUERY}:{QUERY}'");
        let product = Product::parse(&text).unwrap();
        assert_eq!((product.b, product.transposed, product.kinds()), (QUERY, true, "query × query′".into()));
        assert_eq!(smallest_size(&text).unwrap(), 384);
        let cases = Case::all(&[Family::Weights, Family::Fast], &[20, 30], &[text], 2);
        let sizes: Vec<usize> = cases.iter().map(|c| c.n).collect();
        assert_eq!(sizes, [0, 0, 20, 20, 30, 30]);
        let (a, b) = cases[0].pair().unwrap();
        assert_eq!((a.transpose().to_owned(), a.shape()), (b, (384, 384)));
    }

    #[test]
    fn wrong_weights_are_explained() {
        let error = |text: &str| format!("{:#}", smallest_size(text).unwrap_err());
        let file = "experiments/data/minilm_query.safetensors";
        assert!(error("query").contains("FILE:A:B"));
        assert!(error("none.safetensors:a:b").contains("none.safetensors"));
        assert!(error(&format!("{file}:{QUERY}:b")).contains("no tensor b"));
    }
}
