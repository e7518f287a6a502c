//! The same bits on any number of threads.

use super::*;

fn threads_do_not_matter<T: Scalar>() {
    let a = gaussian::<T>(300, 700, 1, "a");
    let b = gaussian::<T>(700, 500, 2, "b");
    let (x, y) = (low_rank::<T>(900, 700, 40, 3), low_rank::<T>(700, 800, 50, 4));
    let run = || {
        let pair = [Operand::LowRank(&x), Operand::LowRank(&y)];
        let mut all = vec![dense(a.as_ref(), b.as_ref()).unwrap(), chain_dense(&pair).unwrap()];
        let z = multiply(&x, &y).unwrap();
        all.extend([z.u, z.v]);
        for (_, probabilities) in schemes(&vec![1.0; 700]) {
            for replacement in [true, false] {
                let s = Sampling { samples: 200, probabilities, replacement, seed: 9 };
                all.push(sampled(a.as_ref(), b.as_ref(), &s).unwrap().product);
            }
        }
        let method = Method::Randomized { oversampling: 10, power_iterations: 1, seed: 0 };
        let with = Factorization { rank: Rank::Fixed(20), method };
        let (f, g) = (factorize(a.as_ref(), &with).unwrap(), factorize(b.as_ref(), &with).unwrap());
        let c = two_sided(&f, &g).unwrap();
        all.extend([c.product.u, c.product.v]);
        (all, c.bound.to_bits())
    };
    same_on_any_threads(T::NAME, run);
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    threads_do_not_matter::<f64>();
    threads_do_not_matter::<f32>();
}
