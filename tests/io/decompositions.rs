//! Every decomposition through a file and back, and files that hold something else.

use crate::spoil::spoiled;
use crate::{Folder, counting, is_format};
use lowrank::faer::Mat;
use lowrank::io::{Decomposition, NpyArray, load, read_npz, read_npz_as, save, write_npz};
use lowrank::kronecker::Kronecker;
use lowrank::ndarray::{Array1, ArrayD, ArrayViewD, IxDyn};
use lowrank::random::gaussian;
use lowrank::svd::{Svd, dense};
use lowrank::tensor::Cp;
use lowrank::tensor::train::TrainOperator;
use lowrank::{Error, LowRank, Result, Scalar, Separated, TensorTrain, Tucker};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn matrix<T: Scalar>(m: usize, n: usize, seed: u64) -> Mat<T> {
    gaussian(m, n, seed, "io")
}

fn tucker<T: Scalar>() -> Tucker<T> {
    Tucker::new(counting(&[2, 4, 3]), vec![Some(matrix(5, 2, 1)), None, Some(matrix(3, 3, 2))]).unwrap()
}

fn separated<T: Scalar>() -> Separated<T> {
    let shapes = vec![(2, 3), (4, 1), (1, 2)];
    let modes = vec![matrix(6, 3, 3), matrix(4, 3, 4), matrix(2, 3, 5)];
    Separated::new(shapes, vec![T::of(-2.0), T::of(0.3), T::of(7e-20)], modes).unwrap()
}

fn cp<T: Scalar>() -> Cp<T> {
    Cp::new(vec![T::of(3.0), T::of(-5.0)], vec![matrix(4, 2, 13), matrix(3, 2, 14), matrix(2, 2, 15)])
        .unwrap()
}

fn operator<T: Scalar>() -> TrainOperator<T> {
    let train = TensorTrain::random(&[6, 4, 5], &[2, 3], 6).unwrap();
    TrainOperator::new(train, vec![2, 4, 1], vec![3, 1, 5]).unwrap()
}

/// A file of each kind, as `<kind>.npz`.
fn files<T: Scalar>(folder: &Folder) -> Vec<PathBuf> {
    fn kept<D: Decomposition + PartialEq + std::fmt::Debug>(folder: &Folder, x: D) -> PathBuf {
        let path = folder.file(&format!("{}.npz", D::KIND));
        save(&path, &x).unwrap();
        assert_eq!(load::<D>(&path).unwrap(), x);
        path
    }
    /// The types that cannot be compared.
    fn kept_parts<D: Decomposition>(folder: &Folder, x: D) -> PathBuf {
        let path = folder.file(&format!("{}.npz", D::KIND));
        save(&path, &x).unwrap();
        let back = load::<D>(&path).unwrap();
        for ((name, a), (other, b)) in x.parts().iter().zip(&back.parts()) {
            assert_eq!((name, a), (other, b));
        }
        path
    }
    vec![
        kept_parts(folder, LowRank { u: matrix::<T>(4, 2, 7), v: matrix(3, 2, 8) }),
        kept_parts(folder, dense(matrix::<T>(4, 3, 9).as_ref()).unwrap()),
        kept(folder, Kronecker::new(vec![matrix::<T>(2, 3, 10), matrix(1, 4, 11)]).unwrap()),
        kept(folder, separated::<T>()),
        kept(folder, tucker::<T>()),
        kept(folder, TensorTrain::<T>::random(&[3, 4, 5, 2], &[2, 3, 2], 12).unwrap()),
        kept(folder, operator::<T>()),
        kept(folder, cp::<T>()),
    ]
}

/// Loads a file as the kind of this place in [`files`].
fn load_as<T: Scalar>(kind: usize, path: &Path) -> Result<()> {
    match kind {
        0 => load::<LowRank<T>>(path).map(drop),
        1 => load::<Svd<T>>(path).map(drop),
        2 => load::<Kronecker<T>>(path).map(drop),
        3 => load::<Separated<T>>(path).map(drop),
        4 => load::<Tucker<T>>(path).map(drop),
        5 => load::<TensorTrain<T>>(path).map(drop),
        6 => load::<TrainOperator<T>>(path).map(drop),
        _ => load::<Cp<T>>(path).map(drop),
    }
}

#[test]
fn decompositions_return_bit_by_bit() {
    fn check<T: Scalar>() {
        let folder = Folder::new(&format!("kinds_{}", T::NAME));
        for (kind, path) in files::<T>(&folder).iter().enumerate() {
            let single = |a: &NpyArray| matches!(a, NpyArray::F32(_));
            assert!(read_npz(path).unwrap().values().all(|a| single(a) == (T::NAME == "f32")), "{path:?}");
            load_as::<T>(kind, path).unwrap();
            for other in (0..8).filter(|other| *other != kind) {
                is_format(load_as::<T>(other, path));
            }
        }
        // Without terms, with empty modes, of order 1.
        let path = folder.file("x.npz");
        let none = Separated::<T>::zeros(vec![(2, 3), (1, 1)]).unwrap();
        save(&path, &none).unwrap();
        assert_eq!(load::<Separated<T>>(&path).unwrap(), none);
        let empty = Kronecker::new(vec![Mat::<T>::zeros(0, 3), matrix(2, 1, 1)]).unwrap();
        save(&path, &empty).unwrap();
        assert_eq!(load::<Kronecker<T>>(&path).unwrap(), empty);
        let line = Tucker::new(counting::<T>(&[4]), vec![None]).unwrap();
        save(&path, &line).unwrap();
        assert_eq!(load::<Tucker<T>>(&path).unwrap(), line);
    }
    check::<f32>();
    check::<f64>();
    // From one precision to the other.
    let folder = Folder::new("kinds_rounded");
    let path = folder.file("x.npz");
    let (x, y) = (operator::<f64>(), operator::<f32>());
    save(&path, &x).unwrap();
    assert_eq!(load::<TrainOperator<f32>>(&path).unwrap(), y);
    save(&path, &y).unwrap();
    let wide = load::<TrainOperator<f64>>(&path).unwrap();
    assert_eq!(wide.train().cores()[1], y.train().cores()[1].mapv(f64::from));
    let single = separated::<f32>();
    save(&path, &single).unwrap();
    let wide = load::<Separated<f64>>(&path).unwrap();
    for (mode, wide) in single.modes().iter().zip(wide.modes()) {
        let nearer = Mat::from_fn(mode.nrows(), 3, |i, k| f64::from(mode[(i, k)]) - wide[(i, k)]);
        assert!(nearer.norm_max() <= 2.0 * f64::from(f32::EPSILON));
        assert!((0..3).all(|k| (wide.col(k).norm_l2() - 1.0).abs() <= 1e-15));
    }
}

#[test]
fn the_arrays_are_those_documented() {
    let folder = Folder::new("layout");
    files::<f64>(&folder);
    let arrays = |kind: &str| read_npz_as::<f64>(folder.file(&format!("{kind}.npz"))).unwrap();
    let sums = arrays("separated");
    assert_eq!(sums["lowrank_separated"], Array1::<f64>::ones(1).into_dyn());
    let x = separated::<f64>();
    for (k, (m, n)) in [(0, (2, 3)), (1, (4, 1)), (2, (1, 2))] {
        for (at, entry) in sums[&format!("mode_{k}")].indexed_iter() {
            assert!(at[1] < m && at[2] < n);
            assert_eq!(*entry, x.factor(at[0], k)[(at[1], at[2])]);
        }
    }
    let (cores, x) = (arrays("train_operator"), operator::<f64>());
    assert_eq!(cores["core_0"].shape(), [1, 2, 3, 2]);
    assert_eq!(cores["core_0"][[0, 1, 2, 1]], x.train().cores()[0][(0, 5, 1)]);
    assert_eq!(
        arrays("tucker").keys().collect::<Vec<_>>(),
        ["core", "factor_0", "factor_2", "lowrank_tucker"]
    );
}

#[test]
fn files_of_other_contents_are_refused() {
    let folder = Folder::new("contents");
    let path = folder.file("x.npz");
    let write = |arrays: &BTreeMap<String, ArrayD<f64>>| {
        let views: Vec<(&str, ArrayViewD<'_, f64>)> =
            arrays.iter().map(|(name, a)| (name.as_str(), a.view())).collect();
        write_npz(&path, &views).unwrap();
    };
    let refused = |kind: usize, what: &str| {
        let error = load_as::<f64>(kind, &path).expect_err(what);
        error.to_string()
    };
    for (kind, file) in files::<f64>(&folder).iter().enumerate() {
        let good = read_npz_as::<f64>(file).unwrap();
        let header = good.keys().find(|name| name.starts_with("lowrank_")).unwrap().clone();
        for version in [vec![2.0], vec![], vec![1.0, 1.0], vec![f64::NAN]] {
            let mut arrays = good.clone();
            arrays.insert(header.clone(), Array1::from(version).into_dyn());
            write(&arrays);
            assert!(refused(kind, &header).contains("version"), "{header}");
        }
        let mut arrays = good.clone();
        arrays.remove(&header);
        write(&arrays);
        assert!(refused(kind, &header).contains("names its kind"));
        let mut arrays = good.clone();
        arrays.insert("more".into(), counting(&[2]));
        write(&arrays);
        assert!(refused(kind, &header).contains("`more` is no part"));
        for name in good.keys().filter(|name| **name != header) {
            let what = format!("{header}, {name}");
            // What is left without them is a decomposition as well.
            let optional = match header.as_str() {
                "lowrank_tucker" => name != "core",
                "lowrank_kronecker" => name == "factor_1",
                "lowrank_separated" | "lowrank_cp" => name.ends_with("_2"),
                _ => false,
            };
            let mut arrays = good.clone();
            arrays.remove(name);
            write(&arrays);
            assert!(optional || !refused(kind, &what).is_empty());
            let array = &good[name];
            for mode in 0..array.ndim() {
                // One more in a mode that another array has too.
                let last = mode + 1 == array.ndim();
                let shared = match header.as_str() {
                    "lowrank_kronecker" => false,
                    "lowrank_separated" => mode == 0,
                    "lowrank_tucker" if name == "core" => mode != 1,
                    "lowrank_tensor_train" | "lowrank_train_operator" => mode == 0 || last,
                    _ => last,
                };
                if shared {
                    let mut shape = array.shape().to_vec();
                    shape[mode] += 1;
                    arrays.insert(name.clone(), counting(&shape));
                    write(&arrays);
                    assert!(!refused(kind, &what).is_empty());
                }
            }
            arrays.insert(name.clone(), array.clone().insert_axis(lowrank::ndarray::Axis(0)));
            write(&arrays);
            assert!(!refused(kind, &what).is_empty());
            for bad in [f64::NAN, f64::INFINITY] {
                let mut spoiled = array.clone();
                *spoiled.iter_mut().last().unwrap() = bad;
                arrays.insert(name.clone(), spoiled);
                write(&arrays);
                assert!(refused(kind, &what).contains("non-finite"), "{what}");
            }
            // Sizes that no file pays for: there are no numbers.
            for empty in (0..array.ndim()).filter(|_| array.ndim() > 1) {
                let mut shape = vec![1; array.ndim()];
                (shape[empty], shape[usize::from(empty == 0)]) = (0, 1 << 62);
                arrays.insert(name.clone(), ArrayD::from_shape_vec(IxDyn(&shape), vec![]).unwrap());
                write(&arrays);
                assert!(refused(kind, &what).contains("but no numbers"), "{what}");
            }
        }
    }
    // Terms in any order, of any sign, as by hand.
    let mut arrays = read_npz_as::<f64>(folder.file("separated.npz")).unwrap();
    arrays.insert("lambda".into(), Array1::from(vec![3.0, 0.0, -4.0]).into_dyn());
    write(&arrays);
    let x = load::<Separated<f64>>(&path).unwrap();
    assert!((x.lambda()[0] - 4.0).abs() + (x.lambda()[1] - 3.0).abs() <= 1e-14 && x.separation_rank() == 2);
}

#[test]
fn damaged_files_are_refused() {
    let folder = Folder::new("damaged");
    let path = folder.file("x.npz");
    for (kind, file) in files::<f32>(&folder).iter().enumerate() {
        let whole = std::fs::read(file).unwrap();
        for end in 0..whole.len() {
            std::fs::write(&path, &whole[..end]).unwrap();
            is_format(load_as::<f32>(kind, &path));
        }
        for bytes in spoiled(&whole, whole.len(), b"0123456789(),'<>", 300) {
            std::fs::write(&path, bytes).unwrap();
            let _ = (load_as::<f32>(kind, &path), load_as::<f64>(kind, &path));
        }
    }
    // A failed write leaves the old file.
    save(&path, &tucker::<f64>()).unwrap();
    let modes = vec![1; 65];
    let many = Tucker::<f64>::new(ArrayD::ones(IxDyn(&modes)), vec![None; 65]).unwrap();
    assert!(matches!(save(&path, &many), Err(Error::Shape { .. })));
    assert_eq!(load::<Tucker<f64>>(&path).unwrap(), tucker());
    assert!(matches!(load::<Tucker<f64>>(folder.file("missing")), Err(Error::Io { .. })));
}
