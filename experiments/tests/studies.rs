//! The experiments on decompositions and products: presets, resuming, figures from the table alone.

use lowrank_experiments::cli::draw;
use lowrank_experiments::cp_recovery::{CpRecovery, Method};
use lowrank_experiments::kronecker_speed::KroneckerSpeed;
use lowrank_experiments::lora_to_lsr::LoraToLsr;
use lowrank_experiments::lowrank_gemm::LowRankGemm;
use lowrank_experiments::rmm::{self, Rmm};
use lowrank_experiments::rsvd::Rsvd;
use lowrank_experiments::run::{Settings, csv_path, journal_path, run};
use lowrank_experiments::separation_rank::{self, Family, Form, SeparationRanks};
use lowrank_experiments::study::{Preset, Study};
use lowrank_experiments::table::Record;
use lowrank_experiments::tensor_compression::{self as tensors, TensorCompression};
use lowrank_experiments::tt_cross::{self, TtCross};
use lowrank_experiments::{journal, table};
use std::fs;
use std::path::Path;

fn settings(out: &Path, resume: bool) -> Settings {
    Settings { out: out.to_path_buf(), threads: 1, resume }
}

/// Runs a small configuration and checks its table and the figures made of it.
fn whole<S: Study>(study: S, text: &str, figures: &[&str], labels: &[&str]) -> Vec<S::Row> {
    let config = study.parse(text).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let solver = |trial: &S::Trial| study.solve(&config, trial);
    let rows = run(study, &config, &settings(folder.path(), false), &solver).unwrap();
    assert_eq!(rows.len(), study.trials(&config).len());
    assert!(rows.iter().all(|row| row.current()));
    let read = table::read(study, &csv_path(folder.path(), study)).unwrap();
    assert_eq!(table::to_csv(&read, true).unwrap(), table::to_csv(&rows, true).unwrap());

    let stems = draw(study, &read, folder.path()).unwrap();
    let names: Vec<_> = stems.iter().map(|s| s.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, figures);
    let mut all = String::new();
    for stem in &stems {
        let svg = fs::read_to_string(stem.with_extension("svg")).unwrap();
        let caption = fs::read_to_string(stem.with_extension("txt")).unwrap();
        assert!(caption.contains("2 seeds") && caption.contains("--config FILE.toml"), "{caption}");
        assert!(fs::read(stem.with_extension("png")).unwrap().starts_with(b"\x89PNG"));
        all += &svg;
    }
    for label in labels {
        assert!(all.contains(label), "{label}");
    }
    rows
}

const RMM: &str = "seeds = 2\ntimings = 1\n[[sweep]]\nfamilies = [\"gaussian\", \"sparse-5\"]\nn = [24]\nsamples = [4, 24]\n\
                   schemes = [\"uniform\", \"norms\", \"norms-without\"]\n";
const RSVD: &str = "seeds = 2\ntimings = 1\n[[sweep]]\nfamilies = [\"noisy-fast\", \"sparse-5\"]\nn = [40]\nrank = [4, 9]\n\
                    power_iterations = [0, 1]\nsketches = [\"gaussian\", \"hadamard\"]\n";
const GEMM: &str = "seeds = 2\ntimings = 1\n[[sweep]]\nfamilies = [\"fast\", \"noisy-medium\", \"sparse-10\", \
                    \"sparse-5\", \"heavy-tailed\"]\nn = [40]\nrank = [4, 20]\n\
                    [[sweep]]\nfamilies = [\"weights\"]\nrank = [4, 20]\nweights = \
                    [\"experiments/data/minilm_query.safetensors:encoder.layer.0.attention.self.query.weight:encoder.layer.0.attention.self.query.weight'\"]\n";

const SEPARATION: &str = "seeds = 2\nfamilies = [\"random\", \"blur-motion\", \"weights\"]\nside = 4\nterms = [1, 2]\n\
                          weights = [\"experiments/data/minilm_query.safetensors:encoder.layer.0.attention.self.query.weight\"]\n\
                          forms = [\"svd\", \"two\", \"three\", \"four\"]\nlargest_share = 0.9\nsweeps = 20\n";

#[test]
fn sums_of_kronecker_products() {
    let figures = ["separation_rank_storage", "separation_rank_terms"];
    let labels = ["stored numbers", "terms s", "4 factors", "blur by a diagonal motion", "384 × 384"];
    let rows = whole(SeparationRanks, SEPARATION, &figures, &labels);
    assert!(
        rows.iter().all(|r| r.error < 1.0 && r.separation_rank == r.terms && r.condition_number < 1001.0)
    );
    let error = |form, terms| {
        let own =
            |r: &&separation_rank::Row| (r.family, r.form, r.terms) == (Family::BlurMotion, form, terms);
        rows.iter().find(own).unwrap().error
    };
    // The shifts by -3 to 3 have the norms sqrt(1), ..., sqrt(4), ..., sqrt(1), and the products of each
    // with itself are orthogonal. The diagonals are blocks of ones, with the same singular values.
    for form in [Form::Two, Form::Svd] {
        for (terms, kept) in [(1, 16.0), (2, 25.0)] {
            assert!((error(form, terms).powi(2) - (1.0 - kept / 44.0)).abs() < 1e-12);
        }
    }
    let best = SEPARATION.replace("\"svd\", ", "\"best\", ").replace(", \"weights\"]\nside", "]\nside");
    let config = SeparationRanks.parse(&best).unwrap();
    for trial in SeparationRanks.trials(&config).iter().filter(|t| t.form == Form::Best) {
        let found = SeparationRanks.solve(&config, trial).unwrap();
        let two = separation_rank::Trial { form: Form::Two, ..*trial };
        let two = SeparationRanks.solve(&config, &two).unwrap();
        assert!(found.error <= 1.005 * two.error && found.parameters <= two.parameters, "{trial}");
    }
}

const KRONECKER: &str = "seeds = 2\ntimings = 1\ndense_gigabytes = 1e-4\n[[sweep]]\nscalars = [\"f64\", \"f32\"]\n\
                         factors = 2\nn = [3, 50]\ncolumns = [2, 5]\n";

#[test]
fn kronecker_products() {
    let labels = ["rows of A", "speedup", "columns of the block"];
    let rows = whole(KroneckerSpeed, KRONECKER, &["kronecker_speed"], &labels);
    for row in &rows {
        assert!(row.seconds > 0.0 && row.gigaflops > 0.0, "{row:?}");
        assert_eq!(row.dense_seconds.is_some(), row.n == 3, "{row:?}");
        assert!(row.difference.is_none_or(|d| d < 1e-6), "{row:?}");
    }
    let error = |from: &str, to: &str| {
        format!("{:#}", KroneckerSpeed.parse(&KRONECKER.replace(from, to)).unwrap_err())
    };
    assert!(error("[3, 50]", "[3, 50000]").contains("more than"));
    assert!(error("[2, 5]", "[2, 0]").contains("at least 1"));
    assert!(error("1e-4", "nan").contains("dense_gigabytes"));
}

const RECOVERY: &str = "seeds = 2\nn = 8\nmethods = [\"plain\", \"extrapolated\", \"bounded\", \"compressed\", \"masked\"]\n\
                        [[sweep]]\nrank = [2, 3]\nnoise = [0]\ncongruence = [20]\nmissing = [0]\n\
                        [[sweep]]\nrank = [2]\nnoise = [0]\ncongruence = [20]\nmissing = [0, 30]\n";

#[test]
fn terms_found_again() {
    let labels = ["runs that fail", "number of terms", "entries missing", "from the Tucker core"];
    let figures = ["cp_recovery_failures", "cp_recovery_seconds"];
    for row in whole(CpRecovery, RECOVERY, &figures, &labels) {
        assert!(row.seconds > 0.0 && row.condition_number > 0.0, "{row:?}");
        if row.missing == 0 || row.method == Method::Masked {
            assert!(row.found() && row.error < 1e-6, "{row:?}");
        } else {
            assert!(row.error > 1e-3, "{row:?}");
        }
    }
    let error =
        |from: &str, to: &str| format!("{:#}", CpRecovery.parse(&RECOVERY.replace(from, to)).unwrap_err());
    assert!(error("[2, 3]", "[2, 9]").contains("`rank`"));
    assert!(error("[0, 30]", "[0, 100]").contains("at most 99"));
}

const COMPRESSION: &str = "seeds = 2\nfamilies = [\"scene\", \"simulated\", \"kernel\", \"newton\", \"low-rank\", \"random\"]\n\
                           forms = [\"tucker\", \"cp\", \"train\", \"quantized\"]\n\
                           scene = \"experiments/data/indian_pines_crop.npy\"\nside = 12\nchannels = 5\nterms = [2, 8]\n\
                           levels = [2, 40]\nranks = [4]\nheld_out = 0.2\nsweeps = 60\n";

#[test]
fn compressed_tensors() {
    let labels = ["stored numbers", "36 × 36 × 50", "held-out entries", "prime factors"];
    let rows = whole(TensorCompression, COMPRESSION, &["tensor_compression"], &labels);
    for row in &rows {
        let held_out = row.held_out_error;
        match (row.family, row.form) {
            // As near as the noise of 1 % lets be, also where nothing was seen.
            (tensors::Family::Simulated, form) if form != tensors::Form::Quantized => {
                assert!(row.error < 0.02 && held_out.unwrap() < 0.03, "{row:?}");
            }
            (tensors::Family::Simulated, _) => assert!(held_out.unwrap() < 0.5, "{row:?}"),
            (tensors::Family::LowRank, tensors::Form::Cp) => {
                assert_eq!(row.error < 0.02, row.level == 8, "{row:?}");
            }
            (_, tensors::Form::Cp) => assert!(row.error < 1.0, "{row:?}"),
            _ => assert!(row.error <= 0.5_f64.powf(row.level as f64 / 4.0), "{row:?}"),
        }
        assert_eq!(held_out.is_some(), row.family == tensors::Family::Simulated);
    }
    let error = |from: &str, to: &str| {
        format!("{:#}", TensorCompression.parse(&COMPRESSION.replace(from, to)).unwrap_err())
    };
    assert!(error("experiments/data/indian", "data/tensors/missing").contains("scripts/fetch_tensors.sh"));
    assert!(error("held_out = 0.2", "held_out = nan").contains("held_out"));
    assert!(error("ranks = [4]", "ranks = [0]").contains("at least 1"));
}

const CROSS: &str = "seeds = 2\nmax_evaluations = 50000\n[[sweep]]\nfunctions = [\"reciprocal\", \"kink\", \
                     \"hidden-peak\", \"known-peak\", \"quantized\"]\ndigits = [2, 6]\ncheck_points = [300]\n\
                     [[sweep]]\nfunctions = [\"hidden-peak\"]\ndigits = [2, 6]\ncheck_points = [10]\n";

#[test]
fn cross_approximation() {
    let figures = ["tt_cross_error", "tt_cross_evaluations", "tt_cross_reported"];
    let labels = ["tolerance asked", "stored numbers", "largest true error seen", "1 / (1 + Σ x)"];
    for row in whole(TtCross, CROSS, &figures, &labels) {
        assert_eq!(row.peak_error.is_some(), row.function >= tt_cross::Function::Peaks);
        assert_eq!(row.missed.is_some(), row.status != "converged", "{row:?}");
        // Where no peak is hidden, what is reported is true, and what converged is as good as asked.
        let asked = 0.1f64.powi(row.digits as i32);
        if row.function != tt_cross::Function::HiddenPeak {
            assert!(row.true_error() <= 5.0 * row.reported_error, "{row:?}");
            assert!(row.reported_error <= asked || row.status != "converged", "{row:?}");
        }
    }
    let error =
        |from: &str, to: &str| format!("{:#}", TtCross.parse(&CROSS.replacen(from, to, 1)).unwrap_err());
    assert!(error("[2, 6]", "[2, 15]").contains("from 1 to 14"));
    assert!(error("[300]", "[10]").contains("in common"));
    assert!(error("[10]", "[0]").contains("at least 1"));
}

#[test]
fn sampled_products() {
    let rows = whole(Rmm, RMM, &["rmm_error", "rmm_speedup"], &["samples s", "speedup", "1/√s"]);
    for row in rows.iter().filter(|r| r.samples == 24 && r.scheme == rmm::Scheme::NormsWithout) {
        assert!(row.error < 1e-14 && row.expected == 0.0, "{row:?}"); // all terms: the product itself
    }
    assert!(rows.iter().all(|r| r.relative_error >= r.error));
}

#[test]
fn randomized_decompositions() {
    let figures = ["rsvd_error", "rsvd_sketch", "rsvd_time"];
    let rows = whole(Rsvd, RSVD, &figures, &["rank r", "error over the optimum", "seconds", "dense SVD"]);
    for row in &rows {
        assert!(row.error >= row.optimal * (1.0 - 1e-9) - 1e-14, "{row:?}");
        assert!(row.spectral_error >= row.spectral_optimal * 0.98 - 1e-14, "{row:?}");
        assert!(row.error <= 3.0 * row.optimal + 1e-14, "{row:?}");
    }
}

#[test]
fn low_rank_products() {
    let figures = [
        "lowrank_gemm_error_rank",
        "lowrank_gemm_speedup_rank",
        "lowrank_gemm_error_speedup",
        "lowrank_gemm_rank_decay",
        "lowrank_gemm_error_sparsity",
        "lowrank_gemm_neural",
    ];
    let labels = ["rank r", "speedup over the full product", "nonzeros of A, %", "query × query′", "N = 40"];
    let rows = whole(LowRankGemm, GEMM, &figures, &labels);
    let weights = rows.iter().find(|r| !r.weights.is_empty()).unwrap();
    assert_eq!(weights.n, 384);
    assert!(rows.iter().all(|r| r.rank_10_percent.is_some() == (r.error <= 0.1)));
}

#[test]
fn lora_updates_of_weights_near_1e200_and_1e_minus_200() {
    let folder = tempfile::tempdir().unwrap();
    let w = lowrank::random::gaussian::<f64>(12, 8, 0, "a weight");
    let errors = [0, 664, -664].map(|exponent| {
        let path = folder.path().join(format!("{exponent}.safetensors"));
        let w = lowrank::matrix::array_of(lowrank::matrix::scaled(&w, exponent)).into_dyn();
        lowrank::io::write_safetensors(&path, &[("w", w.view())], &[]).unwrap();
        let weights = format!("weights = [\"{}:w\"]", path.display());
        let config = LoraToLsr.parse(&format!("seeds = 1\nroot = 2\nterms = [3]\ngaussian = []\n{weights}"));
        let config = config.unwrap();
        let row = LoraToLsr.solve(&config, &LoraToLsr.trials(&config)[0]).unwrap();
        [row.left_error, row.right_error, row.error, row.lora_error, row.left_out.unwrap()]
    });
    assert!(errors[0].iter().all(|error| (0.05..1.0).contains(error)), "{errors:?}");
    for k in 0..5 {
        assert!(errors.iter().all(|far| (far[k] - errors[0][k]).abs() < 1e-12), "{errors:?}");
    }
}

#[test]
fn a_killed_run_resumes_to_the_same_table() {
    let config = Rmm.parse(RMM).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let solver = |trial: &rmm::Trial| Rmm.solve(&config, trial);
    let untimed = |rows: &[rmm::Row]| -> String {
        let clear = |row: &rmm::Row| rmm::Row { seconds: 0.0, full_seconds: 0.0, ..row.clone() };
        table::to_csv(&rows.iter().map(clear).collect::<Vec<_>>(), true).unwrap()
    };
    let rows = run(Rmm, &config, &settings(folder.path(), false), &solver).unwrap();
    let header = journal::header(Rmm, &config, 1).unwrap();
    let text = header.clone() + &table::to_csv(&rows, false).unwrap();
    for cut in [0, header.len(), text.len() / 3, text.len() / 2, text.len() - 1] {
        fs::write(journal_path(folder.path(), Rmm), &text[..cut]).unwrap();
        let again = run(Rmm, &config, &settings(folder.path(), true), &solver).unwrap();
        assert_eq!(untimed(&again), untimed(&rows), "cut at byte {cut}");
        assert!(!journal_path(folder.path(), Rmm).exists());
        // What the journal held was not measured again.
        let kept = text[..cut].matches('\n').count().saturating_sub(1);
        assert_eq!(again[..kept], rows[..kept], "cut at byte {cut}");
    }
    let never = |_: &rmm::Trial| panic!("ran again");
    assert_eq!(run(Rmm, &config, &settings(folder.path(), true), &never).unwrap().len(), rows.len());
    // Times on other numbers of threads are not mixed, in a table or in a journal.
    let two = Settings { threads: 2, ..settings(folder.path(), true) };
    fs::write(journal_path(folder.path(), Rmm), &text[..text.len() / 2]).unwrap();
    let error = format!("{:#}", run(Rmm, &config, &two, &never).unwrap_err());
    assert!(error.contains("number of threads") && error.contains("threads 1"), "{error}");
    fs::remove_file(journal_path(folder.path(), Rmm)).unwrap();
    let again = run(Rmm, &config, &two, &solver).unwrap();
    assert!(again.iter().all(|r| r.threads == 2));
}

#[test]
fn quick_presets_are_valid_and_recognised() {
    fn check<S: Study>(study: S) {
        let config = study.preset(Preset::Quick).unwrap();
        let trials = study.trials(&config);
        assert!(study.command(&trials).ends_with("--preset quick"), "{}", study.command(&trials));
        // The paper's weights need not be here to recognise its trials.
        let paper = toml::from_str(study.text(Preset::Paper)).unwrap();
        assert!(study.command(&study.trials(&paper)).ends_with("--preset paper"));
    }
    check(Rsvd);
    check(Rmm);
    check(LowRankGemm);
    check(SeparationRanks);
    check(TtCross);
}

#[test]
fn wrong_configurations_are_explained() {
    let rmm = |from: &str, to: &str| format!("{:#}", Rmm.parse(&RMM.replace(from, to)).unwrap_err());
    assert!(rmm("[4, 24]", "[4, 25]").contains("exceeds the size 24"));
    assert!(rmm("[4, 24]", "[0, 24]").contains("contains 0"));
    assert!(rmm("[24]", "[]").contains("`n` is empty"));
    assert!(rmm("seeds = 2", "seeds = 0").contains("at least 1"));
    assert!(rmm("samples", "smaples").contains("smaples"));
    assert!(rmm("\"gaussian\", ", "\"weights\", ").contains("`weights` are needed"));
    let rsvd = |from: &str, to: &str| format!("{:#}", Rsvd.parse(&RSVD.replace(from, to)).unwrap_err());
    assert!(rsvd("[4, 9]", "[4, 4]").contains("twice"));
    assert!(rsvd("[4, 9]", "[4, 41]").contains("[[sweep]] 1"));
    let twice = format!("{RSVD}{}", &RSVD[RSVD.find("[[sweep]]").unwrap()..]);
    assert!(format!("{:#}", Rsvd.parse(&twice).unwrap_err()).contains("in common"));
    let separation = |from: &str, to: &str| {
        format!("{:#}", SeparationRanks.parse(&SEPARATION.replace(from, to)).unwrap_err())
    };
    assert!(separation("side = 4", "side = 1").contains("at least 2"));
    assert!(separation("0.9", "1.1").contains("largest_share"));
    assert!(separation("0.9", "1e-9").contains("every trial"));
    assert!(separation("query.weight", "query.wait").contains("no such tensor"));
    assert!(separation("minilm_query", "none").contains("no such file"));
    assert!(separation("[1, 2]", "[1, 1]").contains("twice"));
    let gemm = GEMM.replace("minilm_query", "none");
    assert!(format!("{:#}", LowRankGemm.parse(&gemm).unwrap_err()).contains("none.safetensors"));
    // A table of another experiment is refused.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.csv");
    let trial = Rmm.trials(&Rmm.parse(RMM).unwrap())[0];
    fs::write(&path, table::to_csv(&[Rmm.failed(&trial)], true).unwrap()).unwrap();
    assert!(table::read(Rmm, &path).unwrap()[0].error.is_nan());
    assert!(table::read(Rsvd, &path).is_err());
}

/// The captions of a configuration whose figures lack something that others have.
fn captions<S: Study>(study: S, text: &str) -> String {
    let config = study.parse(text).unwrap();
    let rows: Vec<S::Row> =
        study.trials(&config).iter().map(|t| study.solve(&config, t).unwrap_or(study.failed(t))).collect();
    let sheets = study.sheets(&rows).unwrap();
    assert!(sheets.iter().all(|(_, sheet)| !sheet.panels.is_empty()));
    sheets.iter().map(|(name, sheet)| format!("{name}: {}\n", sheet.caption)).collect()
}

#[test]
fn captions_leave_out_what_there_is_not() {
    let without = RMM.replace("\"uniform\", \"norms\", ", "").replace("sparse-5", "sparse-0.1");
    let text = captions(Rmm, &without.replace("[24]", "[24, 30]"));
    assert!(!text.contains("NaN") && !text.contains("root mean square"), "{text}");
    assert!(text.contains("n = 30") && text.contains("trials failed"), "{text}"); // A B = 0

    let weights = &GEMM[GEMM.rfind("weights = ").unwrap()..];
    let hadamard = RSVD.replace("\"gaussian\", ", "").replace("\"noisy-fast\", \"sparse-5\"", "\"weights\"");
    let text = captions(Rsvd, &hadamard.replace("n = [40]", weights.trim_end()));
    assert!(text.contains("Hadamard") && !text.contains("faster") && !text.contains("rsvd_time"), "{text}");

    let sparse = GEMM[..GEMM.rfind("[[sweep]]").unwrap()].to_string();
    let sparse = sparse.replace("\"fast\", \"noisy-medium\", ", "").replace(", \"heavy-tailed\"", "");
    let text = captions(LowRankGemm, &sparse);
    assert!(text.starts_with("lowrank_gemm_error_sparsity") && !text.contains("NaN"), "{text}");
    assert_eq!(text.matches("Made by").count(), 1, "{text}");

    // Matrices measured up to smaller ranks than others are in the list of the ranks needed too.
    let two = GEMM[..GEMM.rfind("[[sweep]]").unwrap()].to_string()
        + "[[sweep]]\nfamilies = [\"slow\"]\nn = [40]\nrank = [38]\n";
    let text = captions(LowRankGemm, &two);
    assert!(text.contains("the largest rank measured (20 to 38)") && text.contains("fast –"), "{text}");
}
