//! Each kernel against a plain reference in f64; gradients against central differences of it.

use super::emulated::{Emulated, Memory};
use crate::cuda::adapter::Job;
use crate::cuda::backend::{At, Backend, Number, Precision, bytes_of, bytes_of_ints, int};
use crate::cuda::kernels::{GROUPS, NAMES, THREADS};
use crate::cuda::linear::Table;
use lowrank::layers::Activation;
use lowrank::random::gaussian;

/// A device with some memory.
pub(super) struct Bench {
    pub device: Emulated,
}

impl Bench {
    pub fn floats(&self, numbers: &[f32]) -> Memory {
        self.device.store(&bytes_of(numbers)).unwrap()
    }
    pub fn ints(&self, numbers: &[i32]) -> Memory {
        self.device.store(&bytes_of_ints(numbers)).unwrap()
    }
    pub fn empty(&self, count: usize) -> Memory {
        self.device.allocate(4 * count).unwrap()
    }
    pub fn get(&self, memory: &Memory, count: usize) -> Vec<f32> {
        let mut out = vec![0.0; count];
        self.device.download(at(memory), &mut out).unwrap();
        out
    }
    pub fn run(&self, kernel: &'static str, grid: (usize, usize), places: &[At], numbers: &[Number]) {
        self.device.launch(kernel, grid, places, numbers).unwrap();
    }
}

pub(super) fn at(memory: &Memory) -> At {
    Emulated::at(memory)
}

/// What `run` gives with the threads in order, which must be what it gives in the reverse order.
pub(super) fn either_way(run: impl Fn(&Bench) -> Vec<f32>) -> Vec<f32> {
    let [one, other] = [false, true]
        .map(|reversed| run(&Bench { device: Emulated { precision: Precision::F32, reversed } }));
    let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&one), bits(&other), "the order of the threads matters: a race");
    one
}

pub(super) fn random(count: usize, seed: u64) -> Vec<f32> {
    let a = gaussian::<f32>(count, 1, seed, "numbers of a kernel's test");
    (0..count).map(|i| a[(i, 0)]).collect()
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|x| f64::from(*x)).collect()
}

/// Asserts that numbers agree to `tolerance` of the largest.
#[track_caller]
pub(super) fn agree(found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(1e-300, |a: f64, x| a.max(x.abs()));
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        let difference = (f64::from(*a) - b).abs();
        assert!(difference <= tolerance * largest, "number {i}: {a}, but {b}; largest {largest}");
    }
}

/// The gradient at x of <dy, f(x)>, by central differences.
fn pulled(f: impl Fn(&[f64]) -> Vec<f64>, x: &[f32], dy: &[f32]) -> Vec<f64> {
    let inner = |y: Vec<f64>| y.iter().zip(dy).map(|(y, g)| y * f64::from(*g)).sum::<f64>();
    let (mut x, h, count) = (wide(x), 1e-5, x.len());
    let derivative = |i: usize| {
        let middle = x[i];
        x[i] = middle + h;
        let up = inner(f(&x));
        x[i] = middle - h;
        let down = inner(f(&x));
        x[i] = middle;
        (up - down) / (2.0 * h)
    };
    (0..count).map(derivative).collect()
}

/// Columns of `rows` numbers become columns of `ld`, with NaN below.
fn padded(x: &[f32], rows: usize, ld: usize) -> Vec<f32> {
    x.chunks(rows).flat_map(|column| [column, &vec![f32::NAN; ld - rows]].concat()).collect()
}

fn unpadded(x: &[f32], rows: usize, ld: usize) -> Vec<f32> {
    x.chunks(ld).flat_map(|column| column[..rows].to_vec()).collect()
}

/// The error function, by a series of terms of one sign.
fn erf(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for k in 1..400 {
        term *= 2.0 * x * x / f64::from(2 * k + 1);
        sum += term;
    }
    sum * 2.0 / std::f64::consts::PI.sqrt() * (-x * x).exp()
}

#[test]
fn every_kernel_is_named() {
    let source = crate::cuda::kernels::source();
    let named: Vec<&str> = source.split("\nKERNEL(").skip(1).filter_map(|t| t.split(',').next()).collect();
    assert_eq!(named, NAMES);
    assert!(source.contains(&format!("#define THREADS {THREADS}\n")));
    assert_eq!(THREADS / 32, GROUPS);
}

#[test]
fn embeddings() {
    let (d, vocabulary, tokens) = (300, 7, 5);
    let [words, places, kinds] = [vocabulary, 4, 2].map(|count| random(d * count, count as u64));
    let (ids, positions, types) = ([6, 0, 3, 3, 1], [0, 1, 2, 0, 1], [0, 0, 1, 0, 1]);
    let found = either_way(|b| {
        let tables = [&words, &places, &kinds].map(|x| b.floats(x));
        let indices = [&ids, &positions, &types].map(|x| b.ints(x));
        let out = b.empty(d * tokens);
        let inputs = tables.iter().chain(&indices).map(at);
        let places: Vec<At> = std::iter::once(at(&out)).chain(inputs).collect();
        b.run("embed", (tokens, 1), &places, &[d.into()]);
        b.get(&out, d * tokens)
    });
    let entry = |t: usize, i: usize| {
        let of = |table: &[f32], index: i32| f64::from(table[index as usize * d + i]);
        of(&words, ids[t]) + of(&places, positions[t]) + of(&kinds, types[t])
    };
    let expected: Vec<f64> =
        (0..tokens).flat_map(|t| (0..d).map(move |i| (t, i))).map(|(t, i)| entry(t, i)).collect();
    agree(&found, &expected, 1e-6);
}

fn normalised(s: &[f64], scale: &[f32], shift: &[f32], epsilon: f64) -> Vec<f64> {
    let d = scale.len();
    let column = |s: &[f64]| {
        let mean = s.iter().sum::<f64>() / d as f64;
        let variance = s.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / d as f64;
        let root = (variance + epsilon).sqrt();
        (0..d).map(|i| (s[i] - mean) / root * f64::from(scale[i]) + f64::from(shift[i])).collect::<Vec<_>>()
    };
    s.chunks(d).flat_map(column).collect()
}

#[test]
fn layer_norm_and_its_gradients() {
    // Fewer numbers than threads, and more, with a remainder.
    for (d, ld, tokens) in [(5, 5, 3), (300, 308, 4)] {
        let [y, residual, dy] = [1, 2, 3].map(|seed| random(d * tokens, seed));
        let [bias, scale, shift] = [4, 5, 6].map(|seed| random(d, seed));
        let epsilon = 1e-5_f32;
        let whole = |x: &[f32], i: usize| f64::from(x[i]);
        let s: Vec<f64> =
            (0..d * tokens).map(|i| whole(&y, i) + whole(&bias, i % d) + whole(&residual, i)).collect();
        let found = either_way(|b| {
            let [y, residual, dy, bias, scale, shift] =
                [&padded(&y, d, ld), &residual, &dy, &bias, &scale, &shift].map(|x| b.floats(x));
            let [out, statistics, copy, dscale, dshift] =
                [d * tokens, 2 * tokens, d * tokens, d, d].map(|count| b.empty(count));
            let [size, stride] = [d, ld].map(Number::from);
            let (s, t) = (at(&y), at(&statistics));
            let places = [at(&out), s, at(&bias), at(&residual), at(&scale), at(&shift), t];
            b.run("add_norm", (tokens, 1), &places, &[size, stride, Number::Float(epsilon)]);
            let (places, blocks) = ([at(&dscale), at(&dshift), s, at(&dy), t], d.div_ceil(THREADS));
            b.run("norm_parameters", (blocks, 1), &places, &[size, stride, tokens.into()]);
            b.run("norm_backward", (tokens, 1), &[s, at(&copy), at(&dy), at(&scale), t], &[size, stride]);
            let ds = unpadded(&b.get(&y, ld * tokens), d, ld);
            assert_eq!(ds, b.get(&copy, d * tokens));
            [b.get(&out, d * tokens), ds, b.get(&dscale, d), b.get(&dshift, d)].concat()
        });
        let (out, gradients) = found.split_at(d * tokens);
        let (ds, parameters) = gradients.split_at(d * tokens);
        let (dscale, dshift) = parameters.split_at(d);
        let epsilon = f64::from(epsilon);
        agree(out, &normalised(&s, &scale, &shift, epsilon), 2e-6);
        let single: Vec<f32> = s.iter().map(|x| *x as f32).collect();
        agree(ds, &pulled(|s| normalised(s, &scale, &shift, epsilon), &single, &dy), 5e-6);
        let of = |f: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
            (0..d).map(|i| (0..tokens).map(|t| whole(&dy, t * d + i) * f(t, i)).sum()).collect()
        };
        let unit = normalised(&s, &vec![1.0; d], &vec![0.0; d], epsilon);
        agree(dscale, &of(&|t, i| unit[t * d + i]), 5e-6);
        agree(dshift, &of(&|_, _| 1.0), 2e-6);
    }
}

#[test]
fn norms_of_large_means_keep_their_digits() {
    let d = 384;
    let y: Vec<f32> = random(d, 1).iter().map(|x| 4096.0 + (x * 64.0).round() / 64.0).collect();
    let found = either_way(|b| {
        let [y, scale, shift] = [&y, &vec![1.0; d], &vec![0.0; d]].map(|x| b.floats(x));
        let [out, statistics] = [d, 2].map(|count| b.empty(count));
        let [out_at, y, scale, shift, statistics] = [&out, &y, &scale, &shift, &statistics].map(at);
        let places = [out_at, y, At::NULL, At::NULL, scale, shift, statistics];
        b.run("add_norm", (1, 1), &places, &[d.into(), d.into(), Number::Float(1e-12)]);
        b.get(&out, d)
    });
    agree(&found, &normalised(&wide(&y), &vec![1.0; d], &vec![0.0; d], 1e-12), 2e-4);
}

#[test]
fn activations_and_their_gradients() {
    let (m, ld, tokens) = (300, 304, 3);
    let [z, dy] = [1, 2].map(|seed| random(m * tokens, seed).iter().map(|x| 2.0 * x).collect::<Vec<f32>>());
    let bias = random(m, 3);
    let biased = |z: &[f64]| -> Vec<f64> { (0..z.len()).map(|i| z[i] + f64::from(bias[i % m])).collect() };
    let gate = |z: &[f64], kind: usize| -> Vec<f64> {
        let of = |x: f64| match kind {
            0 => 0.5 * x * (1.0 + erf(x / 2f64.sqrt())),
            1 => Activation::Gelu.apply(x),
            _ => x.max(0.0),
        };
        biased(z).into_iter().map(of).collect()
    };
    let tanh = |z: &[f64]| -> Vec<f64> { biased(z).iter().map(|x| x.tanh()).collect() };
    let found = either_way(|b| {
        let [two, three] = [0; 2].map(|_| b.floats(&padded(&z, m, ld)));
        let [dy, bias, sums] = [b.floats(&dy), b.floats(&bias), b.empty(m)];
        let sizes = [m, ld].map(Number::from);
        let grid = (tokens, 1);
        let mut found = Vec::new();
        for kind in [0, 1, 2] {
            let (one, out, kind) =
                (b.floats(&padded(&z, m, ld)), b.empty(m * tokens), [sizes[0], sizes[1], Number::Int(kind)]);
            b.run("gate", grid, &[at(&out), at(&one), at(&bias)], &kind);
            b.run("gate_backward", grid, &[at(&one), at(&dy), at(&bias)], &kind);
            found.extend(b.get(&out, m * tokens));
            found.extend(unpadded(&b.get(&one, ld * tokens), m, ld));
        }
        b.run("bias_tanh", grid, &[at(&two), at(&bias)], &sizes);
        let after = b.get(&two, ld * tokens);
        b.run("tanh_backward", grid, &[at(&two), at(&dy)], &sizes);
        b.run("add_bias", grid, &[at(&three), at(&bias)], &sizes);
        let rows = [m, ld, tokens].map(Number::from);
        b.run("row_sums", (m.div_ceil(THREADS), 1), &[at(&sums), at(&three)], &rows);
        let rest = [after, b.get(&two, ld * tokens), b.get(&three, ld * tokens)];
        found.extend(rest.map(|x| unpadded(&x, m, ld)).concat());
        [found, b.get(&sums, m)].concat()
    });
    let parts: Vec<&[f32]> = found.chunks(m * tokens).collect();
    let x = wide(&z);
    for kind in [0, 1, 2] {
        agree(parts[2 * kind], &gate(&x, kind), 1e-6);
        agree(parts[2 * kind + 1], &pulled(|z| gate(z, kind), &z, &dy), 2e-6);
    }
    agree(parts[6], &tanh(&x), 1e-6);
    agree(parts[7], &pulled(tanh, &z, &dy), 2e-6);
    agree(parts[8], &biased(&x), 1e-6);
    let sums: Vec<f64> = (0..m).map(|i| (0..tokens).map(|t| biased(&x)[t * m + i]).sum()).collect();
    agree(parts[9], &sums, 1e-6);
}

#[test]
fn sizes_from_two_to_the_31_on_are_refused() {
    let said = |error: anyhow::Error| {
        let text = format!("{error:#}");
        assert!(text.contains("2147483648") && text.contains("2^31 - 1"), "{text}");
    };
    let (large, b) = (1_usize << 31, Emulated { precision: Precision::F32, reversed: false });
    said(b.launch("add_bias", (0, 1), &[At::NULL; 2], &[large.into(), Number::Int(1)]).unwrap_err());
    assert_eq!(int(large - 1).unwrap(), i32::MAX);
    said(Job::whole((1 << 16, 1 << 15), 0).unwrap_err());
    said(Job::whole((4, 4), large - 16).unwrap_err());
    assert!(Job::whole((4, 4), large - 17).is_ok());
    said(Table { count: large - 1, ..Table::default() }.copy((1, 1), At::NULL, 1, false).unwrap_err());
}

#[test]
fn bf16_is_the_nearest() {
    let mut numbers = random(1000, 1);
    numbers.extend([0.0, -0.0, 1.0, 257.0 / 256.0, 259.0 / 256.0, f32::INFINITY, -3.3e38, 1e-40, f32::NAN]);
    let (m, columns) = (numbers.len(), 1);
    let words = either_way(|b| {
        let (x, out) = (b.floats(&numbers), b.empty(m.div_ceil(2)));
        b.run("narrow", (columns, 1), &[at(&out), at(&x)], &[m.into(), m.into()]);
        b.get(&out, m.div_ceil(2))
    });
    let halves = words.iter().flat_map(|x| [x.to_bits() & 0xffff, x.to_bits() >> 16]);
    for (x, half) in numbers.iter().zip(halves) {
        let found = f32::from_bits(half << 16);
        if x.is_nan() {
            assert!(found.is_nan());
            continue;
        }
        // The nearest of the neighbours, and of two equally near ones the even one.
        let low = f32::from_bits(x.to_bits() & 0xffff_0000);
        let high = f32::from_bits((x.to_bits() & 0xffff_0000) + 0x1_0000);
        let (below, above) =
            ((f64::from(*x) - f64::from(low)).abs(), (f64::from(high) - f64::from(*x)).abs());
        let even = low.to_bits() & 0x1_0000 == 0;
        let expected = if low == *x || below < above || (below == above && even) { low } else { high };
        assert_eq!(found.to_bits(), expected.to_bits(), "{x}");
    }
}
