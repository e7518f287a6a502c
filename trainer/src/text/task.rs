//! What the columns of a table mean: the tasks of GLUE and SuperGLUE as sentences, or pairs of them, with a class.
//!
//! | task | files | first | second | class |
//! | --- | --- | --- | --- | --- |
//! | SST-2 | TSV | `sentence` | | `label` |
//! | CoLA | TSV, no header: source, label, mark, sentence | `sentence` | | `label` |
//! | MRPC | TSV | `#1 String` | `#2 String` | `Quality` |
//! | RTE | TSV; JSON lines as CB | `sentence1` | `sentence2` | `label` |
//! | CB | JSON lines | `premise` | `hypothesis` | `label` |
//! | COPA | JSON lines | `premise`, then "What was the cause?" or "What was the effect?" as `question` says | `choice1` and `choice2`, a space between | `label`, the choice |
//! | WSC | JSON lines | `text` with the word `target.span2_index`, the pronoun, between stars | `target.span1_text` | `label` |
//! | BoolQ | JSON lines | `question` | `passage` | `label` |
//! | columns | any | `text`, else `sentence`, or as named | none, or as named | `label`, or as named |
//!
//! COPA and WSC are so made plain classifications of one pair: both choices are read in one sequence, and a span is
//! named by its words.

use super::Text;
use super::table::{Row, Table};
use crate::metrics::Metric;
use anyhow::{Context, Result, bail};

/// The meaning of the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Task {
    /// Stanford sentiment: positive or negative
    #[value(name = "sst2")]
    Sst2,
    /// Linguistic acceptability
    Cola,
    /// Paraphrases
    Mrpc,
    /// Textual entailment
    Rte,
    /// Commitment: entailment, contradiction or neither
    Cb,
    /// Plausible alternatives: which of two is the cause or effect
    Copa,
    /// Winograd's schemas: what a pronoun stands for
    Wsc,
    /// Questions with yes or no
    #[value(name = "boolq")]
    BoolQ,
    /// Columns of any name
    Columns,
}

/// The names of the columns of [`Task::Columns`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    /// The text; `text`, else `sentence`, else `sentence1` where not given.
    pub text: Option<String>,
    /// The other text of a pair; `sentence2` where `text` is not given and it is there.
    pub pair: Option<String>,
    /// The class; `label` where not given.
    pub label: Option<String>,
}

impl Task {
    /// The task of a table, from its columns: those of [`Columns`] where any of them is named.
    ///
    /// # Errors
    /// Where no task has these columns; they are listed.
    pub fn recognise(table: &Table, columns: &Columns) -> Result<Self> {
        let has = |names: &[&str]| names.iter().all(|name| table.find(name).is_some());
        if *columns != Columns::default() {
            return Ok(Task::Columns);
        }
        Ok(match () {
            () if has(&["source", "label", "mark", "sentence"]) => Task::Cola,
            () if has(&["Quality", "#1 String", "#2 String"]) => Task::Mrpc,
            () if has(&["premise", "choice1", "choice2", "question"]) => Task::Copa,
            () if has(&["text", "target.span1_text", "target.span2_index"]) => Task::Wsc,
            () if has(&["question", "passage"]) => Task::BoolQ,
            () if has(&["premise", "hypothesis"]) && two_classes(table)? => Task::Rte,
            () if has(&["premise", "hypothesis"]) => Task::Cb,
            () if has(&["question", "sentence"]) || has(&["word", "sentence1"]) => bail!(
                "{}: neither QNLI nor WiC is read by itself: name the columns of the text and its pair",
                table.path.display()
            ),
            () if has(&["sentence1", "sentence2"]) => Task::Rte,
            () if has(&["text"]) || has(&["sentence"]) => Task::Columns,
            () => bail!(
                "{}: no task has its columns ({}): name those of the text and the class, or the task",
                table.path.display(),
                table.columns()
            ),
        })
    }

    /// What GLUE and SuperGLUE judge the task by.
    pub fn metric(self) -> Metric {
        match self {
            Task::Cola => Metric::Matthews,
            Task::Mrpc | Task::Cb => Metric::F1,
            _ => Metric::Accuracy,
        }
    }

    /// The texts and the classes of a table; no classes where it is without: no such column, or -1 in all of it.
    ///
    /// # Errors
    /// Where a column is missing (those there are are listed) or a row is bad, with file and line.
    pub fn read(self, table: &Table, columns: &Columns) -> Result<(Vec<Text>, Option<Vec<String>>)> {
        if self != Task::Columns && *columns != Columns::default() {
            bail!("--text, --pair and --label are for --task columns");
        }
        let (text, label) = match self {
            Task::Sst2 | Task::Cola => (self.plain(table, "sentence", None)?, "label"),
            Task::Mrpc => (self.plain(table, "#1 String", Some("#2 String"))?, "Quality"),
            Task::Rte if table.find("sentence1").is_some() => {
                (self.plain(table, "sentence1", Some("sentence2"))?, "label")
            }
            Task::Rte | Task::Cb => (self.plain(table, "premise", Some("hypothesis"))?, "label"),
            Task::BoolQ => (self.plain(table, "question", Some("passage"))?, "label"),
            Task::Copa => (copa(table)?, "label"),
            Task::Wsc => (wsc(table)?, "label"),
            Task::Columns => {
                let usual = ["text", "sentence", "sentence1"].into_iter().find(|n| table.find(n).is_some());
                let text = columns.text.as_deref().or(usual).unwrap_or("text");
                let pair = table.find("sentence2").map(|_| "sentence2");
                let pair = columns.pair.as_deref().or(pair.filter(|_| columns.text.is_none()));
                let label = columns.label.as_deref();
                if let Some(name) = label {
                    table.column(name)?;
                }
                (self.plain(table, text, pair)?, label.unwrap_or("label"))
            }
        };
        Ok((text, classes(table, label)?))
    }

    fn plain(self, table: &Table, first: &str, second: Option<&str>) -> Result<Vec<Text>> {
        let (first, second) = (table.column(first)?, second.map(|name| table.column(name)).transpose()?);
        let text = |row: &Row| {
            let second = second.map(|column| table.field(row, column).map(str::to_string)).transpose()?;
            Ok(Text { first: table.field(row, first)?.to_string(), second })
        };
        table.rows.iter().map(text).collect()
    }
}

/// Whether a row is of the class `not_entailment`: those of RTE, where CB has three.
fn two_classes(table: &Table) -> Result<bool> {
    let Some(column) = table.find("label") else { return Ok(false) };
    Ok(table.rows.iter().any(|row| table.field(row, column).is_ok_and(|label| label == "not_entailment")))
}

fn classes(table: &Table, name: &str) -> Result<Option<Vec<String>>> {
    let Some(column) = table.find(name) else { return Ok(None) };
    if table.rows.iter().all(|row| row.get(column).is_none_or(|label| label == "-1")) {
        return Ok(None);
    }
    let class = |row: &Row| match table.field(row, column)?.trim() {
        "" => bail!("{}: the class (`{name}`) is empty", table.place(row)),
        class => Ok(class.to_string()),
    };
    table.rows.iter().map(class).collect::<Result<_>>().map(Some)
}

fn copa(table: &Table) -> Result<Vec<Text>> {
    let [premise, one, two, question] =
        ["premise", "choice1", "choice2", "question"].map(|n| table.column(n));
    let (premise, one, two, question) = (premise?, one?, two?, question?);
    let text = |row: &Row| {
        let asked = match table.field(row, question)? {
            asked @ ("cause" | "effect") => format!("What was the {asked}?"),
            other => bail!("{}: the question is `{other}`, not cause or effect", table.place(row)),
        };
        Ok(Text {
            first: format!("{} {asked}", table.field(row, premise)?),
            second: Some(format!("{} {}", table.field(row, one)?, table.field(row, two)?)),
        })
    };
    table.rows.iter().map(text).collect()
}

fn wsc(table: &Table) -> Result<Vec<Text>> {
    let [text, noun, at] = ["text", "target.span1_text", "target.span2_index"].map(|n| table.column(n));
    let (text, noun, at) = (text?, noun?, at?);
    let marked = |row: &Row| {
        let at: usize = table.field(row, at)?.parse().with_context(|| table.place(row))?;
        let mut words: Vec<String> = table.field(row, text)?.split_whitespace().map(str::to_string).collect();
        let count = words.len();
        match words.get_mut(at) {
            Some(word) => *word = format!("*{word}*"),
            None => bail!("{}: word {at} (from 0) of {count} is the pronoun", table.place(row)),
        }
        Ok(Text { first: words.join(" "), second: Some(table.field(row, noun)?.to_string()) })
    };
    table.rows.iter().map(marked).collect()
}
