//! Tables of texts in files: TSV, CSV and JSON lines.
//!
//! UTF-8, with or without a byte order mark; lines end in LF or CRLF, the last one perhaps in neither. In a TSV file
//! quotes are plain characters, as in GLUE; in a CSV file they quote. In a file of JSON lines each is
//! an object; a nested one's entry is the column `outer.inner`.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The file endings that are read.
pub const ENDINGS: [&str; 4] = ["tsv", "csv", "jsonl", "txt"];

/// Names of columns that an error lists at most.
const LISTED: usize = 20;

/// A table.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its file.
    pub path: PathBuf,
    /// The names of its columns.
    pub header: Vec<String>,
    /// Its rows.
    pub rows: Vec<Row>,
}

/// A row.
#[derive(Debug, Clone)]
pub struct Row {
    /// The line where it begins, from 1.
    pub line: usize,
    /// The columns that it has, and what stands there. Objects may lack some, or each have their own: nothing is
    /// kept of what is not there.
    fields: Vec<(usize, String)>,
}

impl Row {
    /// What stands in a column, if it is there.
    pub fn get(&self, column: usize) -> Option<&str> {
        self.fields.iter().find(|(at, _)| *at == column).map(|(_, field)| field.as_str())
    }
}

impl Table {
    /// Reads a file. A TSV file that has no header (CoLA) has the columns `source`, `label`, `mark`, `sentence`: it
    /// is known by its first row, four fields of which the second is 0 or 1 and the third empty or a star.
    ///
    /// # Errors
    /// Where it cannot be read; with the line, where it is not of this form.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let text = match std::str::from_utf8(&bytes) {
            Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
            Err(error) => {
                let line = 1 + bytes[..error.valid_up_to()].iter().filter(|b| **b == b'\n').count();
                bail!("{}, line {line}: not UTF-8", path.display());
            }
        };
        let table = match path.extension().and_then(|e| e.to_str()) {
            Some("jsonl") => objects(path, text)?,
            Some("csv") => separated(path, text, b',')?,
            _ => separated(path, text, b'\t')?,
        };
        if table.rows.is_empty() {
            bail!("{}: no row", path.display());
        }
        Ok(table)
    }

    /// The place of a column.
    ///
    /// # Errors
    /// Where there is none of this name; those there are are listed.
    pub fn column(&self, name: &str) -> Result<usize> {
        self.find(name).with_context(|| {
            format!("{}: no column `{name}`; there are {}", self.path.display(), self.columns())
        })
    }

    /// The names of the columns in words, the first ones where there are many.
    pub fn columns(&self) -> String {
        let names = self.header.iter().take(LISTED).map(|name| format!("`{name}`"));
        let more = self.header.len().saturating_sub(LISTED);
        let more = (more > 0).then(|| format!("{more} more"));
        names.chain(more).collect::<Vec<_>>().join(", ")
    }

    /// The place of a column, if there is one of this name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|found| found == name)
    }

    /// What stands in a column of a row.
    ///
    /// # Errors
    /// Where the row lacks it.
    pub fn field<'a>(&self, row: &'a Row, column: usize) -> Result<&'a str> {
        row.get(column).with_context(|| format!("{}: `{}` is missing", self.place(row), self.header[column]))
    }

    /// The file and the line of a row.
    pub fn place(&self, row: &Row) -> String {
        format!("{}, line {}", self.path.display(), row.line)
    }
}

fn separated(path: &Path, text: &str, delimiter: u8) -> Result<Table> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .quoting(delimiter == b',')
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut table = Table { path: path.to_path_buf(), header: Vec::new(), rows: Vec::new() };
    for record in reader.records() {
        let record = record.with_context(|| path.display().to_string())?;
        let line = record.position().map_or(0, |at| at.line() as usize);
        let fields: Vec<String> = record.iter().map(str::to_string).collect();
        if table.header.is_empty() {
            let bare = matches!(&fields[..], [_, label, mark, _]
                if (label == "0" || label == "1") && (mark.is_empty() || mark == "*"));
            if !bare {
                table.header = fields.iter().map(|name| name.trim().to_string()).collect();
                continue;
            }
            table.header = ["source", "label", "mark", "sentence"].map(str::to_string).to_vec();
        }
        if fields.len() != table.header.len() {
            bail!(
                "{}, line {line}: {} fields, but the header has {}: is a field with the separator not quoted \
                 (CSV), or a tab within a field (TSV)?",
                path.display(),
                fields.len(),
                table.header.len()
            );
        }
        table.rows.push(Row { line, fields: fields.into_iter().enumerate().collect() });
    }
    Ok(table)
}

fn objects(path: &Path, text: &str) -> Result<Table> {
    let mut table = Table { path: path.to_path_buf(), header: Vec::new(), rows: Vec::new() };
    let mut places = HashMap::new();
    for (k, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = || format!("{}, line {}", path.display(), k + 1);
        let value: Value = serde_json::from_str(line).with_context(place)?;
        let Value::Object(object) = value else { bail!("{}: not an object", place()) };
        let mut fields = Vec::new();
        let mut put = |name: String, value: Value| {
            let column = *places.entry(name).or_insert_with_key(|name| {
                table.header.push(name.clone());
                table.header.len() - 1
            });
            match value {
                Value::Null => {}
                Value::String(text) => fields.push((column, text)),
                value => fields.push((column, value.to_string())),
            }
        };
        for (name, value) in object {
            match value {
                Value::Object(inner) => inner.into_iter().for_each(|(n, v)| put(format!("{name}.{n}"), v)),
                value => put(name, value),
            }
        }
        table.rows.push(Row { line: k + 1, fields });
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_with_ever_new_keys_take_no_more_than_the_file() {
        let line =
            |k: usize| format!("{{\"text\": \"a\", \"label\": {}, \"key {k}\": {{\"at\": 1}}}}\n", k % 2);
        let text: String = (0..2000).map(line).collect();
        let table = objects(Path::new("x.jsonl"), &text).unwrap();
        assert_eq!((table.header.len(), table.rows.len()), (2002, 2000));
        assert_eq!(table.rows.iter().map(|row| row.fields.len()).sum::<usize>(), 3 * 2000);
        let (last, column) = (&table.rows[1999], table.column("key 1999.at").unwrap());
        assert_eq!(table.field(last, column).unwrap(), "1");
        let error = table.field(&table.rows[7], column).unwrap_err().to_string();
        assert_eq!(error, "x.jsonl, line 8: `key 1999.at` is missing");
        let error = table.column("body").unwrap_err().to_string();
        assert!(error.ends_with(", 1982 more") && error.len() < 500, "{error}");
    }
}
