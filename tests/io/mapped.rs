//! Matrices in npy files read in place: products, blocks, and files that are not what they claim to be.

use crate::Folder;
use lowrank::faer::{Mat, MatRef};
use lowrank::io::{MappedNpy, atomic_write, write_npy};
use lowrank::matrix::{array_view, frobenius, scaled};
use lowrank::random::{gaussian, with_spectrum};
use lowrank::svd::{Adaptive, Certificate, Randomized, adaptive, dense, randomized};
use lowrank::{Error, Operator, Result, Scalar, Status};
use std::path::PathBuf;

/// An npy file of version 1.0 whose numbers start at byte `start`.
fn npy(descr: &str, by_columns: bool, shape: &str, start: usize, data: &[u8]) -> Vec<u8> {
    let order = if by_columns { "True" } else { "False" };
    let text = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&(start as u16 - 10).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
    assert!(bytes.len() < start);
    bytes.resize(start - 1, b' ');
    bytes.push(b'\n');
    bytes.extend_from_slice(data);
    bytes
}

/// The bytes of a matrix in either order.
fn bytes<T: Scalar>(a: MatRef<'_, T>, by_columns: bool) -> Vec<u8> {
    let columns = if by_columns { a } else { a.transpose() };
    let values = (0..columns.ncols()).flat_map(|j| (0..columns.nrows()).map(move |i| columns[(i, j)]));
    values
        .flat_map(|x| match size_of::<T>() {
            4 => (x.as_f64() as f32).to_le_bytes().to_vec(),
            _ => x.as_f64().to_le_bytes().to_vec(),
        })
        .collect()
}

fn file<T: Scalar>(folder: &Folder, a: MatRef<'_, T>, by_columns: bool) -> PathBuf {
    let (descr, shape) = (format!("<f{}", size_of::<T>()), format!("{:?}", a.shape()));
    folder.with("a.npy", &npy(&descr, by_columns, &shape, 128, &bytes(a, by_columns)))
}

/// Both orders, many shapes: rows, blocks and products are those of the stored matrix. The last shape
/// makes three blocks.
#[test]
fn a_mapped_matrix_is_the_stored_one() {
    fn check<T: Scalar>(shapes: &[(usize, usize)]) {
        let folder = Folder::new(&format!("agrees_{}", T::NAME));
        for &(m, n) in shapes {
            let a = gaussian::<T>(m, n, 1, "a");
            for by_columns in [false, true] {
                let case = format!("{} {m}x{n}, by columns: {by_columns}", T::NAME);
                let mapped = MappedNpy::<T>::open(file(&folder, a.as_ref(), by_columns)).unwrap();
                assert_eq!(mapped.shape(), (m, n), "{case}");
                assert_eq!(mapped.to_dense().unwrap(), a, "{case}");
                for rows in [0..m, 0..0, m..m, m / 3..m / 2, m / 2..m] {
                    let part = mapped.rows(rows.clone()).unwrap();
                    assert_eq!(part.matrix(), a.subrows(rows.start, rows.len()), "{case} {rows:?}");
                }
                let mut seen = 0;
                for block in mapped.row_blocks() {
                    let block = block.unwrap();
                    assert_eq!(block.matrix(), a.subrows(seen, block.matrix().nrows()), "{case}");
                    seen += block.matrix().nrows();
                }
                assert_eq!(seen, m, "{case}");
                let bound = 4.0 * (m.max(n) as f64) * T::EPS * frobenius(a.as_ref());
                let close = |x: Mat<T>, y: Mat<T>| {
                    assert_eq!(x.shape(), y.shape(), "{case}");
                    assert!(frobenius((x - &y).as_ref()) <= bound * frobenius(y.as_ref()).max(1.0), "{case}");
                };
                let (b, c) = (gaussian::<T>(n, 3, 1, "b"), gaussian::<T>(m, 3, 1, "c"));
                close(mapped.apply(b.as_ref()).unwrap(), &a * &b);
                close(mapped.apply_transpose(c.as_ref()).unwrap(), a.transpose() * &c);
                let error = mapped.residual_norm(c.as_ref(), b.as_ref(), 0).unwrap().unwrap();
                let expected = frobenius((&a - &c * b.transpose()).as_ref());
                assert!((error - expected).abs() <= bound.max(expected * 1e-5), "{case}: {error} {expected}");
                let long = Mat::<T>::zeros(m.max(n) + 1, 1);
                for result in [mapped.apply(long.as_ref()), mapped.apply_transpose(long.as_ref())] {
                    assert!(matches!(result, Err(Error::Shape { argument: "b", .. })), "{case}");
                }
                let outside = [0..m + 1, m + 1..m + 2, std::ops::Range { start: 1, end: 0 }];
                for rows in outside {
                    let result = mapped.rows(rows);
                    assert!(matches!(result, Err(Error::Parameter { name: "rows", .. })), "{case}");
                }
                let turned = mapped.transpose();
                assert_eq!(turned.shape(), (n, m), "{case}");
                assert_eq!(turned.to_dense().unwrap(), a.transpose(), "{case}");
                close(turned.apply(c.as_ref()).unwrap(), a.transpose() * &c);
            }
        }
    }
    check::<f64>(&[(0, 0), (0, 4), (4, 0), (1, 1), (1, 9), (9, 1), (65, 33), (2100, 8000)]);
    check::<f32>(&[(0, 4), (5, 3), (700, 300)]);
}

/// The SVDs are those of the stored matrix, with errors that are measured, on any number of threads.
#[test]
fn decompositions_read_in_place() {
    let folder = Folder::new("svd");
    let spectrum: Vec<f64> = (0..60).map(|i| 0.7_f64.powi(i)).collect();
    let base = with_spectrum::<f64>(300, 200, &spectrum, 3);
    for (scale, by_columns) in [(0, false), (0, true), (900, false), (-900, true)] {
        let a = scaled(base.as_ref(), scale);
        let mapped = MappedNpy::<f64>::open(file(&folder, a.as_ref(), by_columns)).unwrap();
        let best = dense(a.as_ref()).unwrap().truncate(10);
        let run = || randomized(&mapped, 10, &Randomized::default()).unwrap();
        let svd = run();
        assert!(svd.error(a.as_ref()).unwrap() <= 1.001 * best.error(a.as_ref()).unwrap(), "2^{scale}");
        for threads in [1, 2, 3, 8] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let other = pool.install(run);
            assert!(svd.u == other.u && svd.s == other.s && svd.v == other.v, "{threads} threads");
        }
        let found = adaptive(&mapped, &Adaptive { tolerance: 1e-4, ..Default::default() }).unwrap();
        assert_eq!((found.report.status, found.certificate), (Status::Converged, Certificate::Measured));
        assert!(found.svd.error(a.as_ref()).unwrap() <= 1.0001e-4 * found.norm, "2^{scale}");
    }
}

#[test]
fn bad_entries_have_their_place() {
    let folder = Folder::new("bad");
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for (i, j) in [(0, 0), (250, 1100), (499, 1199)] {
            let mut a = gaussian::<f64>(500, 1200, 1, "a");
            a[(i, j)] = bad;
            for by_columns in [false, true] {
                let mapped = MappedNpy::<f64>::open(file(&folder, a.as_ref(), by_columns)).unwrap();
                let results = [
                    mapped.apply(Mat::zeros(1200, 2).as_ref()).map(|_| ()),
                    mapped.apply_transpose(Mat::zeros(500, 2).as_ref()).map(|_| ()),
                    randomized(&mapped, 5, &Randomized::default()).map(|_| ()),
                    adaptive(&mapped, &Adaptive::default()).map(|_| ()),
                ];
                for result in results {
                    match result {
                        Err(Error::NonFinite { argument: "a", index }) => assert_eq!(index, [i, j]),
                        other => panic!("{other:?}"),
                    }
                }
            }
        }
    }
}

#[test]
fn files_that_cannot_be_read_in_place_are_refused() {
    let folder = Folder::new("refused");
    let refused = |bytes: &[u8], words: &str| match MappedNpy::<f64>::open(folder.with("a.npy", bytes)) {
        Err(Error::Format { reason, .. }) => assert!(reason.contains(words), "{reason}"),
        other => panic!("{other:?}"),
    };
    let data = [0; 48];
    refused(&npy("<f4", false, "(3, 4)", 128, &data), "use read_npy_as");
    refused(&npy("<i8", false, "(3, 2)", 128, &data), "8-byte integers");
    refused(&npy(">f8", false, "(3, 2)", 128, &data), "big-endian");
    refused(&npy("<f2", false, "(6, 4)", 128, &data), "2-byte floats");
    refused(&npy("<f8", false, "(6,)", 128, &data), "a matrix is needed");
    refused(&npy("<f8", false, "(1, 2, 3)", 128, &data), "a matrix is needed");
    refused(&npy("<f8", false, "()", 128, &data[..8]), "a matrix is needed");
    refused(&npy("<f8", false, "(3, 2)", 124, &data), "save again with numpy.save");
    refused(&npy("<f8", false, "(3, 2)", 128, &data[1..]), "needs 48 bytes");
    refused(&npy("<f8", false, "(3, 2)", 128, &[0; 49]), "needs 48 bytes");
    for shape in
        ["(1000000, 1000000)", "(18446744073709551615, 18446744073709551615)", "(4611686018427387904, 8)"]
    {
        refused(&npy("<f8", false, shape, 128, &data), "bytes of data");
    }
    // A multiple of the size is enough.
    assert!(MappedNpy::<f64>::open(folder.with("a.npy", &npy("<f8", true, "(3, 2)", 96, &data))).is_ok());
    let single = folder.with("a.npy", &npy("<f4", false, "(3, 4)", 100, &data));
    assert_eq!(MappedNpy::<f32>::open(single).unwrap().to_dense().unwrap(), Mat::<f32>::zeros(3, 4));
    // No numbers at all, and more rows or columns of them than the file has bytes.
    for shape in ["(0, 18446744073709551615)", "(9223372036854775807, 0)", "(1000, 0)"] {
        refused(&npy("<f8", false, shape, 128, &[]), "without numbers");
    }
    let empty = folder.with("a.npy", &npy("<f8", false, "(0, 100)", 128, &[]));
    assert_eq!(MappedNpy::<f64>::open(empty).unwrap().rows(0..0).unwrap().matrix().shape(), (0, 100));
    for path in [folder.0.clone(), folder.0.join("missing")] {
        assert!(matches!(MappedNpy::<f64>::open(&path), Err(Error::Io { .. })));
    }
    let whole = npy("<f8", false, "(3, 2)", 128, &data);
    for end in 0..whole.len() {
        refused(&whole[..end], "");
    }
}

/// A file that changed its length is an error, not the end of the program; one replaced is still there.
#[test]
fn files_that_change_are_noticed() {
    let folder = Folder::new("changes");
    let path = folder.0.join("a.npy");
    let a = gaussian::<f64>(300, 40, 1, "a");
    let open = || {
        write_npy(&path, array_view(a.as_ref()).into_dyn()).unwrap();
        MappedNpy::<f64>::open(&path).unwrap()
    };
    let mapped = open();
    atomic_write(&path, |writer| writer.write_all(b"another")).unwrap();
    assert_eq!(mapped.to_dense().unwrap(), a);
    for length in [0, 100, 128 + 300 * 40 * 8 - 1, 200_000] {
        let mapped = open();
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length).unwrap();
        let results: [Result<()>; 3] = [
            mapped.rows(0..1).map(|_| ()),
            mapped.apply(Mat::zeros(40, 1).as_ref()).map(|_| ()),
            randomized(&mapped, 3, &Randomized::default()).map(|_| ()),
        ];
        for result in results {
            let Err(Error::Format { reason, .. }) = result else { panic!("{length}: {result:?}") };
            assert!(reason.contains("when opened"), "{reason}");
        }
    }
}
