//! Prometheus text, parsed.

use std::collections::BTreeMap;

/// One sample.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Name with its prefix.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Value.
    pub value: f64,
}

/// A scrape.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Every sample.
    pub samples: Vec<Sample>,
    /// Type of each family.
    pub types: BTreeMap<String, String>,
}

impl Metrics {
    /// Parses the text format; panics where it is malformed.
    pub fn parse(text: &str) -> Self {
        let mut metrics = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a name and a type");
                metrics.types.insert(name.to_owned(), kind.to_owned());
            } else if !line.starts_with('#') {
                metrics.samples.push(sample(line));
            }
        }
        metrics
    }

    /// Sum of the samples of `sallyport_{name}` that carry these labels.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(name, labels)
            .iter()
            .map(|sample| sample.value)
            .sum()
    }

    /// The samples of `sallyport_{name}` that carry these labels.
    pub fn matching(&self, name: &str, labels: &[(&str, &str)]) -> Vec<&Sample> {
        let name = format!("sallyport_{name}");
        let fits = |sample: &&Sample| {
            sample.name == name
                && labels
                    .iter()
                    .all(|(key, value)| sample.labels.get(*key).is_some_and(|v| v == value))
        };
        self.samples.iter().filter(fits).collect()
    }
}

fn sample(line: &str) -> Sample {
    let (series, value) = line
        .rsplit_once(' ')
        .unwrap_or_else(|| panic!("no value: {line}"));
    let value = match value {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        number => number
            .parse()
            .unwrap_or_else(|_| panic!("no number: {line}")),
    };
    let Some((name, labels)) = series.split_once('{') else {
        return Sample {
            name: series.to_owned(),
            labels: BTreeMap::new(),
            value,
        };
    };
    let labels = labels
        .trim_end_matches('}')
        .split("\",")
        .filter(|label| !label.is_empty());
    let labels = labels
        .map(|label| {
            label
                .split_once("=\"")
                .unwrap_or_else(|| panic!("malformed labels: {line}"))
        })
        .map(|(key, value)| (key.to_owned(), value.trim_end_matches('"').to_owned()))
        .collect();
    Sample {
        name: name.to_owned(),
        labels,
        value,
    }
}
