//! `cargo xtask bench`: the benches, each compared with its group's baseline.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::error::{Context, Error, Result};
use crate::{process, workspace};

/// The word in a bench's id that makes it its group's baseline.
const BASELINE: &str = "baseline";

/// What criterion measured.
#[derive(Debug, Clone, PartialEq)]
struct Measurement {
    group: String,
    /// The bench's name in its group: the function.
    function: String,
    /// The parameter, for benches over several.
    parameter: Option<String>,
    /// Nanoseconds.
    median: f64,
}

/// A measurement, and how it compares.
#[derive(Debug, PartialEq)]
struct Row {
    measurement: Measurement,
    /// Its median divided by its baseline's; `None` without a baseline.
    ratio: Option<f64>,
}

/// Runs the benches; `args` go to criterion.
pub(crate) fn command(args: &[String]) -> Result<ExitCode> {
    let began = SystemTime::now();
    // Not `--benches`: that has the library's own harness, which knows none of `args`.
    let mut command =
        workspace::cargo(&["bench", "--package", "diesel-cache", "--bench", "*", "--"]);
    command.args(args);
    let ended = process::run(command)?;
    if !ended.success() {
        return Err(Error::new(format!("cargo bench failed ({ended})")));
    }
    let folder = match env::var_os("CRITERION_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => workspace::target().join("criterion"),
    };
    // Older results of benches that have gone, or were not run, stay out.
    let rows = compare(read(&folder, began)?);
    if rows.is_empty() {
        return Err(Error::new("no bench was measured"));
    }
    print(&rows);
    Ok(ExitCode::SUCCESS)
}

fn print(rows: &[Row]) {
    let mut group = "";
    for Row { measurement, ratio } in rows {
        if measurement.group != group {
            group = &measurement.group;
            println!("\n{group}");
        }
        let ratio = ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.3}"));
        let median = duration(measurement.median);
        println!("  {:<44}{median:>12}{ratio:>10}", measurement.id());
    }
    println!("\n{}", as_json(rows));
}

fn as_json(rows: &[Row]) -> Value {
    let rows = rows.iter().map(|Row { measurement, ratio }| {
        json!({
            "group": measurement.group,
            "id": measurement.id(),
            "median_ns": measurement.median,
            "ratio": ratio,
        })
    });
    json!({ "benches": rows.collect::<Vec<_>>() })
}

impl Measurement {
    fn id(&self) -> String {
        match &self.parameter {
            Some(parameter) => format!("{}/{parameter}", self.function),
            None => self.function.clone(),
        }
    }

    fn is_baseline(&self) -> bool {
        self.function.contains(BASELINE)
    }
}

/// Each measurement with the ratio to its group's baseline: the one with the
/// same parameter, or else the one without.
fn compare(mut measurements: Vec<Measurement>) -> Vec<Row> {
    measurements.sort_by(|a, b| (&a.group, a.id()).cmp(&(&b.group, b.id())));
    let mut baselines = BTreeMap::new();
    for one in measurements.iter().filter(|one| one.is_baseline()) {
        baselines.insert((one.group.clone(), one.parameter.clone()), one.median);
    }
    let rows = measurements.into_iter().map(|measurement| {
        let group = &measurement.group;
        let same = baselines.get(&(group.clone(), measurement.parameter.clone()));
        let baseline = same.or_else(|| baselines.get(&(group.clone(), None)));
        let ratio = baseline.map(|baseline| measurement.median / baseline);
        Row { measurement, ratio }
    });
    rows.collect()
}

/// The measurements under `folder` that were written since `since`.
fn read(folder: &Path, since: SystemTime) -> Result<Vec<Measurement>> {
    let mut measurements = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        // No folder, no measurement.
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            }
        }
        let estimates = folder.join("estimates.json");
        let modified = fs::metadata(&estimates).and_then(|file| file.modified());
        let is_new = folder.ends_with("new") && modified.is_ok_and(|time| time >= since);
        if is_new {
            let names = parse(&folder.join("benchmark.json"))?;
            let measurement = measurement(&names, &parse(&estimates)?);
            let unreadable = || Error::new(format!("{}: unknown form", estimates.display()));
            measurements.push(measurement.ok_or_else(unreadable)?);
        }
    }
    Ok(measurements)
}

fn parse(path: &Path) -> Result<Value> {
    let reading = format!("reading {}", path.display());
    let text = fs::read(path).context(&reading)?;
    serde_json::from_slice(&text).context(&reading)
}

fn measurement(names: &Value, estimates: &Value) -> Option<Measurement> {
    let text = |name: &str| names[name].as_str().map(str::to_owned);
    let group = text("group_id")?;
    Some(Measurement {
        // A bench outside of any group has only the one name.
        function: text("function_id").unwrap_or_else(|| group.clone()),
        group,
        parameter: text("value_str"),
        median: estimates["median"]["point_estimate"].as_f64()?,
    })
}

fn duration(nanoseconds: f64) -> String {
    match nanoseconds {
        ns if ns < 1e3 => format!("{ns:.1} ns"),
        ns if ns < 1e6 => format!("{:.2} µs", ns / 1e3),
        ns if ns < 1e9 => format!("{:.2} ms", ns / 1e6),
        ns => format!("{:.2} s", ns / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(function: &str, parameter: Option<&str>, median: f64) -> Measurement {
        Measurement {
            group: "hit".into(),
            function: function.into(),
            parameter: parameter.map(str::to_owned),
            median,
        }
    }

    #[test]
    fn a_bench_is_compared_with_the_baseline_of_its_parameter() {
        let rows = compare(vec![
            measured("cached", Some("10"), 50.0),
            measured("cached", Some("20"), 30.0),
            measured("baseline", Some("10"), 100.0),
            measured("baseline", None, 10.0),
        ]);
        let ratios: Vec<_> = rows.iter().map(|row| row.ratio).collect();
        assert_eq!(ratios, [Some(1.0), Some(1.0), Some(0.5), Some(3.0)]);
    }

    #[test]
    fn without_a_baseline_there_is_no_ratio() {
        let rows = compare(vec![measured("cached", None, 1.0)]);
        assert_eq!(rows[0].ratio, None);
        assert_eq!(as_json(&rows)["benches"][0]["ratio"], Value::Null);
    }

    #[test]
    fn criterions_files_are_found_and_read() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("hit/diesel_baseline/new");
        fs::create_dir_all(&folder).unwrap();
        let names = r#"{"group_id":"hit","function_id":"diesel baseline","value_str":null}"#;
        fs::write(folder.join("benchmark.json"), names).unwrap();
        let estimates = r#"{"mean":{"point_estimate":9.0},"median":{"point_estimate":7.5}}"#;
        fs::write(folder.join("estimates.json"), estimates).unwrap();
        let expected = measured("diesel baseline", None, 7.5);
        let long_ago = SystemTime::UNIX_EPOCH;
        assert_eq!(read(root.path(), long_ago).unwrap(), [expected]);
        let later = SystemTime::now() + std::time::Duration::from_secs(60);
        assert_eq!(read(root.path(), later).unwrap(), []);
        assert_eq!(read(&root.path().join("none"), long_ago).unwrap(), []);
    }
}
