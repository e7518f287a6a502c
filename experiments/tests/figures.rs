//! Figures drawn from a table alone.

mod common;

use common::solver;
use lowrank_experiments::cli;
use lowrank_experiments::figure::Row;
use lowrank_experiments::grid::{Figure, trials};
use lowrank_experiments::run::csv_path;
use lowrank_experiments::study::{Preset, Study};
use lowrank_experiments::table;
use std::fs;

#[test]
fn every_figure_is_drawn_from_its_csv() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path();
    for figure in Figure::ALL {
        let config = figure.preset(Preset::Paper).unwrap();
        let rows: Vec<Row> = trials(&config).iter().map(|t| solver(figure, t).unwrap()).collect();
        let csv = csv_path(folder, figure);
        table::write_atomically(&csv, table::to_csv(&rows, true).unwrap().as_bytes()).unwrap();

        let read = table::read(figure, &csv).unwrap();
        assert_eq!(read, rows);
        cli::draw(figure, &read, folder).unwrap();
        let svg = fs::read_to_string(csv.with_extension("svg")).unwrap();
        for label in
            ["relative max-norm error", "f₁ = exp(−‖x − y‖²), symmetric sampling", "5 seeds", "dashed:"]
        {
            assert!(svg.contains(label), "{} lacks {label}", figure.stem());
        }
        let x_label = match figure {
            Figure::VaryingDimension => "dimension m of the points",
            Figure::VaryingSize => "size n of the n × n × n tensor",
            Figure::VaryingRank => "TT ranks (r, r)",
        };
        assert!(svg.contains(x_label), "{} lacks {x_label}", figure.stem());
        let png = fs::read(csv.with_extension("png")).unwrap();
        assert!(png.starts_with(b"\x89PNG") && png.len() > 20_000);
        let caption = fs::read_to_string(csv.with_extension("txt")).unwrap();
        assert!(caption.contains("--preset paper"), "{caption}");
    }
}

#[test]
fn a_table_of_another_figure_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.csv");
    let rows: Vec<Row> =
        trials(&common::small()).iter().map(|t| solver(Figure::VaryingRank, t).unwrap()).collect();
    fs::write(&path, table::to_csv(&rows, true).unwrap()).unwrap();
    assert!(table::read(Figure::VaryingSize, &path).is_err());
    fs::write(&path, "figure,function\nfig1,f1\n").unwrap();
    let error = table::read(Figure::VaryingRank, &path).unwrap_err();
    assert!(format!("{error:#}").contains("table.csv"), "{error:#}");
}
