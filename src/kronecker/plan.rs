//! In which order the factors of a Kronecker product are applied, and which together; sums of products.
//!
//! A factor Mk (m_k, n_k) multiplies mode k with 2 m_k flops a number at hand and leaves m_k / n_k times
//! as many. Of two factors next to each other in the order, the first takes s m_1 and the second
//! s (m_1 / n_1) m_2 of s numbers; exchanging them pays where 1/n_1 - 1/m_1 is the larger. The order with
//! the fewest flops therefore has 1/n_k - 1/m_k increasing, and the numbers at hand first fall and then
//! rise: there are never more than at one of the ends.

use crate::matrix::{Moderate, exponent, scale_by_power_of_two};
use crate::{Result, Scalar};
use faer::{Mat, MatRef};

/// Numbers handled by one task, about: they and what is between the modes fit a core's own cache.
pub(super) const PIECE: usize = 1 << 15;
/// Neighbouring factors whose product has no longer side are multiplied out.
const SMALL: usize = 16;

/// How a sum of products is computed: one after the other, added up where they end.
pub(crate) struct Products<'a, T: Scalar> {
    pub(super) shape: (usize, usize),
    pub(super) plans: Vec<Plan<'a, T>>,
    /// 2^exponent is divided out of the factors; the sum applied to a b below 2^top is then below
    /// 2^(top + growth).
    pub(super) exponent: i32,
    pub(super) growth: i32,
}

impl<'a, T: Scalar> Products<'a, T> {
    /// The sum of `weight M1 (x) ... (x) Md` over some terms of one `shape`. O(parameters).
    pub(crate) fn new(
        shape: (usize, usize),
        terms: impl Iterator<Item = (T, Vec<MatRef<'a, T>>)>,
    ) -> Result<Self> {
        let mut plans = Vec::new();
        if shape.0 > 0 && shape.1 > 0 {
            plans = terms.map(|(weight, factors)| Plan::new(&factors, weight)).collect::<Result<_>>()?;
        }
        let exponent = plans.iter().map(|plan| plan.exponent).max().unwrap_or(0);
        plans.iter_mut().for_each(|plan| plan.settle(shape.1, exponent));
        let growth = plans.iter().map(|plan| plan.growth).max().unwrap_or(0);
        let growth = growth + (usize::BITS - plans.len().leading_zeros()) as i32;
        Ok(Self { shape, plans, exponent, growth })
    }
}

/// How one product, of no empty factors, is computed.
pub(super) struct Plan<'a, T: Scalar> {
    pub(super) stages: Vec<Stage<'a, T>>,
    /// `weight 2^exponent` is divided out of the factors, weight in [1, 2) but for its sign.
    weight: T,
    exponent: i32,
    growth: i32,
}

/// Modes that are multiplied one after the other on a few units at a time, which lie apart from each other:
/// a unit is what the modes from the first of them on hold.
pub(super) struct Stage<'a, T: Scalar> {
    pub(super) steps: Vec<Step<'a, T>>,
    /// Numbers of a unit before and after.
    pub(super) unit: (usize, usize),
    /// Numbers of a column after it.
    pub(super) numbers_after: usize,
    /// The first mode, and the sizes of all of them before it.
    first: usize,
    before: Vec<usize>,
}

/// The multiplication of one mode.
pub(super) struct Step<'a, T: Scalar> {
    pub(super) factor: Moderate<'a, T>,
    /// Product of the sizes of the modes after it.
    pub(super) right: usize,
    /// Numbers of a unit after it.
    pub(super) unit_after: usize,
}

impl<'a, T: Scalar> Plan<'a, T> {
    fn new(factors: &[MatRef<'a, T>], weight: T) -> Result<Self> {
        let mut plan = Plan { stages: Vec::new(), weight: T::of(1.0), exponent: 0, growth: 1 };
        plan.take(weight);
        let mut modes: Vec<Mode<'a, T>> = Vec::new();
        for factor in factors {
            let mode = Mode::new(*factor, factors.len())?;
            if mode.factor.is_none() {
                plan.take(factor[(0, 0)]);
            }
            match modes.pop() {
                Some(last) => modes.extend(last.joined(mode)?),
                None => modes.push(mode),
            }
        }
        let shapes: Vec<(usize, usize)> = modes.iter().map(|mode| mode.shape).collect();
        let mut sizes: Vec<usize> = shapes.iter().map(|shape| shape.1).collect();
        for k in order(&shapes) {
            if let Some(factor) = modes[k].factor.take() {
                plan.exponent += factor.exponent;
                plan.growth += factor.top + (usize::BITS - shapes[k].1.leading_zeros()) as i32;
                plan.push(k, factor, &mut sizes);
            }
        }
        Ok(plan)
    }

    /// Divides a number out.
    fn take(&mut self, x: T) {
        let product = self.weight * scale_by_power_of_two(x, -exponent(x));
        let e = exponent(product);
        self.weight = scale_by_power_of_two(product, -e);
        self.exponent += exponent(x) + e;
    }

    /// Brings the number divided out to 2^exponent by a factor, n the columns of the product.
    fn settle(&mut self, n: usize, exponent: i32) {
        let (weight, e) = (self.weight, self.exponent - exponent);
        if weight == T::of(1.0) && e == 0 {
            return;
        }
        match self.stages.last_mut().and_then(|stage| stage.steps.last_mut()) {
            Some(step) => step.factor = step.factor.take().weighted(weight, e),
            None => {
                let factor = Moderate::one(scale_by_power_of_two(weight, e));
                let step = Step { factor, right: n, unit_after: n };
                let stage =
                    Stage { steps: vec![step], unit: (n, n), numbers_after: n, first: 0, before: vec![n] };
                self.stages.push(stage);
            }
        }
    }

    /// Adds the multiplication of mode k, to the last stage where its units stay small.
    fn push(&mut self, k: usize, factor: Moderate<'a, T>, sizes: &mut [usize]) {
        let (m, n) = factor.matrix().shape();
        let before = sizes.to_vec();
        sizes[k] = m;
        let right = sizes[k + 1..].iter().product();
        let unit = |sizes: &[usize], first: usize| sizes[first..].iter().product::<usize>();
        let step = |first| Step { factor, right, unit_after: unit(sizes, first) };
        let numbers_after = sizes.iter().product();
        if let Some(stage) = self.stages.last_mut() {
            let first = stage.first.min(k);
            let (x, out) = (unit(&stage.before, first), unit(sizes, first));
            let small =
                |step: &Step<'_, T>| step.factor.matrix().nrows() * step.factor.matrix().ncols() <= PIECE;
            if x.max(out) <= PIECE && m * n <= PIECE && stage.steps.iter().all(small) {
                // What a unit is has changed where its first mode has.
                let grown = unit(&stage.before, first) / unit(&stage.before, stage.first);
                stage.steps.iter_mut().for_each(|step| step.unit_after *= grown);
                stage.steps.push(step(first));
                (stage.unit, stage.first, stage.numbers_after) = ((x, out), first, numbers_after);
                return;
            }
        }
        let unit = (unit(&before, k), unit(sizes, k));
        self.stages.push(Stage { steps: vec![step(k)], unit, numbers_after, first: k, before });
    }
}

/// The order of fewest flops; modes that do not differ stay in theirs.
fn order(shapes: &[(usize, usize)]) -> Vec<usize> {
    let key = |k: &usize| 1.0 / shapes[*k].1 as f64 - 1.0 / shapes[*k].0 as f64;
    let mut order: Vec<usize> = (0..shapes.len()).collect();
    order.sort_by(|a, b| key(a).total_cmp(&key(b)));
    order
}

/// A mode on which plans are made: a factor, none where it is a multiple of the identity.
struct Mode<'a, T: Scalar> {
    shape: (usize, usize),
    factor: Option<Moderate<'a, T>>,
}

impl<'a, T: Scalar> Mode<'a, T> {
    /// One of `count` factors.
    fn new(factor: MatRef<'a, T>, count: usize) -> Result<Self> {
        let (m, n) = factor.shape();
        let x = factor[(0, 0)];
        let unit = |i: usize, j: usize| if i == j { x } else { T::of(0.0) };
        let identity = m == n && (0..n).all(|j| (0..m).all(|i| factor[(i, j)] == unit(i, j)));
        let factor = if identity { None } else { Some(Moderate::one_of(count + 1, "factors", factor)?) };
        Ok(Mode { shape: (m, n), factor })
    }

    /// This and the mode after it, as one where both are small.
    fn joined(self, next: Self) -> Result<impl Iterator<Item = Self>> {
        let ((m, n), (p, q)) = (self.shape, next.shape);
        let modes = match (&self.factor, &next.factor) {
            (Some(a), Some(b)) if (m * p).max(n * q) <= SMALL => {
                let (x, y) = (a.matrix(), b.matrix());
                let both = Mat::from_fn(m * p, n * q, |i, j| x[(i / p, j / q)] * y[(i % p, j % q)]);
                let factor = Some(Moderate::of(both, a.exponent + b.exponent)?);
                [Some(Mode { shape: (m * p, n * q), factor }), None]
            }
            _ => [Some(self), Some(next)],
        };
        Ok(modes.into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flops(shapes: &[(usize, usize)], order: &[usize]) -> (f64, usize) {
        let mut sizes: Vec<usize> = shapes.iter().map(|shape| shape.1).collect();
        let (mut flops, mut most) = (0.0, 0);
        for &k in order {
            flops += 2.0 * (shapes[k].0 * sizes.iter().product::<usize>()) as f64;
            sizes[k] = shapes[k].0;
            most = most.max(sizes.iter().product());
        }
        (flops, most)
    }

    /// All orders of 0..n.
    fn orders(n: usize) -> Vec<Vec<usize>> {
        if n == 0 {
            return vec![Vec::new()];
        }
        let with = |shorter: Vec<usize>| {
            (0..n).map(move |at| {
                let mut longer = shorter.clone();
                longer.insert(at, n - 1);
                longer
            })
        };
        orders(n - 1).into_iter().flat_map(with).collect()
    }

    #[test]
    fn no_order_takes_fewer_flops() {
        let side = |seed: usize| 1 + (seed * 7919 + 3 * seed * seed) % 13;
        for seed in 0..200 {
            let d = 1 + seed % 5;
            let shapes: Vec<_> = (0..d).map(|k| (side(17 * seed + k), side(5 * seed + 31 * k + 2))).collect();
            let (found, most) = flops(&shapes, &order(&shapes));
            let best = orders(d).iter().map(|order| flops(&shapes, order).0).fold(f64::INFINITY, f64::min);
            assert!(found <= best, "{shapes:?}: {found} {best}");
            let (m, n): (Vec<_>, Vec<_>) = shapes.iter().copied().unzip();
            assert!(most <= m.iter().product::<usize>().max(n.iter().product()), "{shapes:?}");
        }
    }

    #[test]
    fn modes_of_small_slabs_are_taken_together() {
        let stages = |shapes: &[(usize, usize)]| {
            let factors: Vec<Mat<f64>> = shapes.iter().map(|&(m, n)| Mat::full(m, n, 1.0)).collect();
            let plan = Plan::new(&factors.iter().map(|f| f.as_ref()).collect::<Vec<_>>(), 1.0).unwrap();
            plan.stages.iter().map(|s| (s.steps.len(), s.unit)).collect::<Vec<_>>()
        };
        assert_eq!(stages(&[(64, 64); 3]), [(1, (1 << 18, 1 << 18)), (2, (4096, 4096))]);
        assert_eq!(stages(&[(32, 32); 4]), [(1, (1 << 20, 1 << 20)), (3, (1 << 15, 1 << 15))]);
        assert_eq!(stages(&[(512, 512); 2]), [(1, (1 << 18, 1 << 18)), (1, (512, 512))]);
        assert_eq!(stages(&[(4, 4); 4]), [(2, (256, 256))]);
        assert_eq!(stages(&[(20, 30), (30, 20)]), [(2, (600, 600))]);
    }
}
