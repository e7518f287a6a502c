//! Adapters in their own numbers: files, and what they are in PEFT.

use super::adapters::{METHODS, relative, samples, trained, weight};
use super::peft::Folder;
use lowrank::faer::Mat;
use lowrank::io::{AdapterFile, AdapterLayer, PeftFolder, Safetensors, write_safetensors};
use lowrank::layers::adapter::{Adapted, Lora, Method, restore};
use lowrank::ndarray::{ArrayD, array};
use lowrank::{Error, Scalar};
use std::path::Path;

/// A file with a layer for each of `methods` and a head.
fn file<T: Scalar>(methods: &[Method]) -> AdapterFile<T> {
    let mut out = AdapterFile::new("a model");
    out.task = Some("SEQ_CLS".into());
    for (k, method) in methods.iter().enumerate() {
        out.layers.insert(format!("encoder.{k}.query"), AdapterLayer::of(&trained::<T>(*method)));
    }
    out.heads.insert("classifier.bias".into(), array![T::of(0.1), T::of(-2.0)].into_dyn());
    out
}

fn layer(k: usize) -> String {
    format!("encoder.{k}.query")
}

fn low_rank(method: &Method) -> bool {
    !matches!(method, Method::KronA { .. } | Method::LoKr { .. })
}

#[test]
fn every_adapter_is_read_as_written_bit_by_bit() {
    fn check<T: Scalar>() {
        let folder = Folder::new(&format!("native_{}", T::NAME));
        std::fs::create_dir_all(&folder.0).unwrap();
        let path = folder.0.join("all.safetensors");
        let mut methods = METHODS.to_vec();
        // One term, of which the arrays are matrices.
        methods.push(Method::Lsr { terms: 1, ranks: (2, 2), shapes: None });
        methods.push(Method::KAdaptation { terms: 1, rank: 3 });
        let mut written = file::<T>(&methods);
        // A head that is named like a part of a layer.
        written.heads.insert(format!("{}.bias", layer(0)), array![T::of(3.0)].into_dyn());
        for (k, layer) in written.layers.values_mut().enumerate() {
            layer.scaling = 0.1 + k as f64 / 3.0;
        }
        written.write(&path).unwrap();
        let read = AdapterFile::<T>::read(&path).unwrap();
        assert_eq!((&read.base_model, &read.task), (&written.base_model, &written.task));
        assert_eq!(read.heads, written.heads);
        assert_eq!(read.layers.len(), methods.len());
        let (x, dy) = samples::<T>();
        for (k, method) in methods.iter().enumerate() {
            let (saved, found) = (&written.layers[&layer(k)], &read.layers[&layer(k)]);
            assert_eq!(found.adapter.parts(), saved.adapter.parts(), "{method:?}");
            assert_eq!((found.scaling, &found.magnitude), (saved.scaling, &saved.magnitude));
            // The whole layer: the same as before, SVD-LoRA's truncated weight too.
            let (a, b) = (saved.beside(weight::<T>()).unwrap(), found.beside(weight::<T>()).unwrap());
            assert_eq!(b.base(), trained::<T>(*method).base());
            assert_eq!(b.values(), trained::<T>(*method).values());
            assert_eq!(b.merged(), a.merged());
            let (before, after) = (a.step(), b.step());
            assert_eq!(after.forward(x.as_ref()).unwrap(), before.forward(x.as_ref()).unwrap());
            let gradient = |step: &lowrank::layers::adapter::Step<'_, T>| {
                step.backward(x.as_ref(), dy.as_ref()).unwrap().values
            };
            assert_eq!(gradient(&after), gradient(&before));
        }
    }
    check::<f64>();
    check::<f32>();
}

#[test]
fn a_folder_of_peft_holds_both_forms() {
    let methods: Vec<Method> = METHODS.into_iter().filter(low_rank).collect();
    for dora in [false, true] {
        let some = |m: &&Method| matches!(m, Method::Dora { .. }) == dora;
        let methods: Vec<Method> = methods.iter().filter(some).copied().collect();
        let (written, folder) = (file::<f32>(&methods), Folder::new(&format!("both_{dora}")));
        written.write_peft(&folder.0).unwrap();
        let peft = PeftFolder::<f32>::read(&folder.0).unwrap();
        let native = AdapterFile::<f32>::read(folder.0.join(AdapterFile::<f32>::NATIVE)).unwrap();
        assert_eq!(peft.heads, written.heads);
        for (k, method) in methods.iter().enumerate() {
            let (low, own) =
                (&peft.layers[&layer(k)], native.layers[&layer(k)].beside(weight::<f32>()).unwrap());
            // The update and the layer as LoRA: the same numbers.
            assert_eq!(low.factors.to_dense(), own.adapter().delta().to_dense(), "{method:?}");
            assert_eq!((low.scaling, low.magnitude.as_deref()), (own.scaling(), own.magnitude()));
            let lora = Lora::from_factors(&low.factors).unwrap();
            let mut lora = Adapted::new(own.base().to_owned(), Box::new(lora), low.scaling).unwrap();
            if let Some(magnitude) = &low.magnitude {
                lora = lora.with_magnitude().unwrap();
                let values = [lora.adapter().parts().values(), magnitude].concat();
                lora.set_values(&values).unwrap();
            }
            assert_eq!(lora.merged(), own.merged(), "{method:?}");
        }
    }
}

#[test]
fn kronecker_products_stay_out_of_peft() {
    for method in METHODS.into_iter().filter(|m| !low_rank(m)) {
        let (written, folder) = (file::<f32>(&[METHODS[0], method]), Folder::new("kronecker"));
        let error = written.write_peft(&folder.0).unwrap_err();
        let said = error.to_string();
        assert!(matches!(error, Error::Parameter { name: "adapter", .. }), "{said}");
        assert!(said.contains("encoder.1.query") && said.contains("AdapterFile::write"), "{said}");
        assert!(!folder.0.exists());
    }
    let folder = Folder::new("nothing");
    assert!(AdapterFile::<f32>::new("m").write_peft(&folder.0).is_err());
    for scaling in [0.0, f64::NAN] {
        let mut file = file::<f32>(&METHODS[..1]);
        file.layers.get_mut(&layer(0)).unwrap().scaling = scaling;
        assert!(matches!(file.write_peft(&folder.0), Err(Error::Parameter { name: "scaling", .. })));
    }
    let mut both = file::<f32>(&METHODS[..1]);
    both.heads.insert(format!("{}.bias", layer(0)), array![3.0].into_dyn());
    assert!(matches!(both.write_peft(&folder.0), Err(Error::Parameter { name: "heads", .. })));
    let mut file = file::<f32>(&METHODS[..1]);
    file.layers.get_mut(&layer(0)).unwrap().adapter.parts_mut().values_mut()[7] = f32::INFINITY;
    assert!(matches!(file.write_peft(&folder.0), Err(Error::NonFinite { .. })));
    assert!(!folder.0.exists());
}

type Arrays = Vec<(String, ArrayD<f64>)>;
type Texts = Vec<(String, String)>;

#[test]
fn files_that_do_not_fit_are_refused() {
    let folder = Folder::new("refused");
    std::fs::create_dir_all(&folder.0).unwrap();
    let path = folder.0.join("all.safetensors");
    file::<f64>(&METHODS).write(&path).unwrap();
    let whole = Safetensors::open(&path).unwrap();
    let arrays: Arrays = whole.tensors().keys().map(|k| (k.clone(), whole.array(k).unwrap())).collect();
    let texts: Texts = whole.metadata().iter().map(|(k, t)| (k.clone(), t.clone())).collect();
    let read = |arrays: &Arrays, texts: &Texts| {
        let arrays: Vec<_> = arrays.iter().map(|(k, a)| (k.as_str(), a.view())).collect();
        let texts: Vec<_> = texts.iter().map(|(k, t)| (k.as_str(), t.as_str())).collect();
        write_safetensors(&path, &arrays, &texts).unwrap();
        AdapterFile::<f64>::read(&path)
    };
    assert!(read(&arrays, &texts).is_ok());
    let refused = |arrays: &Arrays, texts: &Texts, why: &str| match read(arrays, texts) {
        Err(Error::Format { reason, .. }) => reason,
        Err(other) => panic!("{why}: {other}"),
        Ok(_) => panic!("{why}: taken"),
    };
    for k in 0..arrays.len() {
        let name = &arrays[k].0;
        let changed = |change: &dyn Fn(&mut Arrays)| {
            let mut some = arrays.clone();
            change(&mut some);
            refused(&some, &texts, name)
        };
        changed(&|a| drop(a.remove(k)));
        changed(&|a| a[k].1.iter_mut().last().map_or((), |x| *x = f64::NAN));
        changed(&|a| a.push((format!("{name}.more"), array![1.0].into_dyn())));
        if name.ends_with("bias") {
            continue; // A head has any shape.
        }
        changed(&|a| a[k].1 = a[k].1.clone().insert_axis(lowrank::ndarray::Axis(0)));
        // With a row less it either fits no other part, or the adapter is one for another weight.
        let mut cut = arrays.clone();
        let rows = cut[k].1.shape()[0];
        cut[k].1.slice_axis_inplace(lowrank::ndarray::Axis(0), (0..rows - 1).into());
        match read(&cut, &texts) {
            Err(Error::Format { .. }) => {}
            Err(other) => panic!("{name}: {other}"),
            Ok(file) => {
                let path = name.rsplit_once('.').unwrap().0;
                let other = file.layers[path].beside(weight::<f64>());
                assert!(matches!(other, Err(Error::Shape { .. })), "{name}");
            }
        }
    }
    for (from, to) in [
        ("lora, scaling 0.5", "lora"),
        ("lora, scaling 0.5", "lora, scaling x"),
        ("lora, scaling 0.5", "lora, scaling inf"),
        ("lora, scaling 0.5", "lora, scaling 0"),
        ("lora, scaling 0.5", "vera, scaling 1"),
        ("lora, scaling 0.5", "lo-kr, scaling 1.5"),
        ("lora, scaling 0.5, magnitude", "lora, scaling 0.5"),
        ("lora, scaling 0.5", "lora, scaling 0.5, magnitude"),
        ("head", "lora, scaling 1"),
        ("lora, scaling 0.5", "head"),
        ("2", "3"),
    ] {
        let mut some = texts.clone();
        let place = some.iter().position(|(_, text)| text == from).unwrap();
        some[place].1 = to.into();
        refused(&arrays, &some, to);
    }
    // A text of version 1, and one that no version has.
    let mut some = texts.clone();
    some.push((layer(0), "lora, scaling 0.5".into()));
    assert!(refused(&arrays, &some, "a text without prefix").contains("unexpected text"));
    let none: Texts = vec![("format".into(), "pt".into())];
    assert!(refused(&arrays, &none, "another file").contains("version"));
    assert!(matches!(AdapterFile::<f64>::read(Path::new("nowhere")), Err(Error::Io { .. })));
    let error = restore::<f64>("lora", Default::default()).unwrap_err();
    assert!(matches!(error, Error::Shape { argument: "arrays", .. }), "{error}");
}

/// Layers and heads may have any name, those of the file's own texts too; and files of version 1 are read.
#[test]
fn names_do_not_collide_with_the_texts_of_the_file() {
    let folder = Folder::new("names");
    std::fs::create_dir_all(&folder.0).unwrap();
    let path = folder.0.join("all.safetensors");
    let names = ["base model", "lowrank adapters", "path:task", "path:", "task", "head"];
    let mut written = AdapterFile::<f64>::new("a model");
    for task in [None, Some("SEQ_CLS".to_string())] {
        written.task = task;
        for (name, method) in names.iter().zip(METHODS) {
            written.layers.insert(name.to_string(), AdapterLayer::of(&trained(method)));
        }
        written.heads.insert("format".into(), array![0.1, -2.0].into_dyn());
        written.write(&path).unwrap();
        let read = AdapterFile::<f64>::read(&path).unwrap();
        assert_eq!((&read.base_model, &read.task), (&written.base_model, &written.task));
        assert_eq!((&read.heads, read.layers.len()), (&written.heads, names.len()));
        for (name, layer) in &written.layers {
            assert_eq!(read.layers[name].adapter.parts(), layer.adapter.parts(), "{name}");
        }
    }
    let new = file::<f64>(&METHODS);
    new.write(&path).unwrap();
    let whole = Safetensors::open(&path).unwrap();
    let arrays: Arrays = whole.tensors().keys().map(|k| (k.clone(), whole.array(k).unwrap())).collect();
    let arrays: Vec<_> = arrays.iter().map(|(k, a)| (k.as_str(), a.view())).collect();
    let old = |(name, text): (&String, &String)| match name.strip_prefix("path:") {
        Some(path) => (path.to_string(), text.clone()),
        None => (name.clone(), text.replace('2', "1")),
    };
    let texts: Texts = whole.metadata().iter().map(old).collect();
    let texts: Vec<_> = texts.iter().map(|(k, t)| (k.as_str(), t.as_str())).collect();
    assert!(texts.contains(&("lowrank adapters", "1")));
    write_safetensors(&path, &arrays, &texts).unwrap();
    let read = AdapterFile::<f64>::read(&path).unwrap();
    assert_eq!((&read.task, &read.heads, read.layers.len()), (&new.task, &new.heads, METHODS.len()));
    for (name, layer) in &new.layers {
        assert_eq!(read.layers[name].adapter.parts(), layer.adapter.parts(), "{name}");
    }
}

#[test]
fn to_unmerge_is_to_take_the_base() {
    let (x, dy) = samples::<f32>();
    for method in METHODS {
        let start = method.adapt(weight::<f32>(), 0.5, 1).unwrap();
        let mut layer = trained::<f32>(method);
        for _ in 0..3 {
            let gradient = layer.step().backward(x.as_ref(), dy.as_ref()).unwrap().values;
            layer.values_mut().zip(&gradient).for_each(|(v, g)| *v -= 1e-2 * g);
            assert_ne!(layer.merged(), start.base());
            assert_eq!(layer.base(), start.base(), "{method:?}");
        }
    }
}

/// Half a unit in the last of bf16's 8 digits is up to 2^-8 of a number: what the documentation of `merged` says.
#[test]
fn a_merged_weight_in_bf16_loses_small_updates() {
    let bf16 = |x: f32| {
        let bits = x.to_bits();
        f32::from_bits((bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff_0000)
    };
    let rounded = |m: &Mat<f32>| Mat::from_fn(m.nrows(), m.ncols(), |i, j| bf16(m[(i, j)]));
    let base = rounded(&lowrank::random::gaussian::<f32>(64, 64, 0, "w"));
    let mut layer = Method::Lora { rank: 2 }.adapt(base.as_ref(), 1.0, 0).unwrap();
    let noise = lowrank::random::gaussian::<f32>(layer.parameters(), 1, 1, "training");
    layer.set_values(&noise.col_as_slice(0).iter().map(|x| x * 0.02).collect::<Vec<_>>()).unwrap();
    let x = lowrank::random::gaussian::<f32>(64, 50, 2, "x");
    let merged = layer.merged();
    let stored = rounded(&merged);
    for j in 0..64 {
        for i in 0..64 {
            assert!((stored[(i, j)] - merged[(i, j)]).abs() <= merged[(i, j)].abs() / 256.0);
        }
    }
    let y = layer.step().forward(x.as_ref()).unwrap();
    let exact = relative((&merged * &x).as_ref(), y.as_ref());
    let off = relative((&stored * &x).as_ref(), y.as_ref());
    assert!(exact < 1e-6 && (1e-4..4e-3).contains(&off), "{exact} {off}");
    // Of the update itself, not of the weight, most is gone.
    let kept = &stored - &base;
    let update = layer.adapter().delta().to_dense();
    let lost = relative(kept.as_ref(), update.as_ref());
    assert!(lost > 0.2, "{lost}");
}
