#!/usr/bin/env python3
"""Do the dashboards and the alert rules ask for metrics that exist?

Takes every query out of deploy/grafana/dashboards and deploy/prometheus and compares metric and label names with the
table of README.md. With --prometheus URL each query is also run there, and what it says of etcd must exist. Prints
what is unknown, and ends with 1 if anything is.
"""

import argparse
import json
import pathlib
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Given by Prometheus, our scrape configuration, or histograms, not by the program.
FROM_OUTSIDE = {"instance", "job", "service", "member", "le"}
VARIABLES = {"$__rate_interval": "1m", "$__interval": "1m", "$service": ".*"}


def readme_metrics(text):
    """{name: labels} of the table under `## Metrics`; histograms with the names that Prometheus makes of them."""
    section = text.split("\n## Metrics\n", 1)[1].split("\n## ", 1)[0]
    metrics = {}
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 3 or not cells[0].startswith("`"):
            continue
        labels = set(re.findall(r"[a-z_]+", re.sub(r"\([^)]*\)", "", cells[2]).split(";")[0]))
        for name in re.findall(r"`([a-z_]+)`", cells[0]):
            endings = ["_bucket", "_count", "_sum"] if "histogram" in cells[1] else [""]
            for ending in endings:
                metrics[f"sallyport_{name}{ending}"] = labels
    return metrics


def dashboard_queries(path):
    """(where, query) of panels, annotations and variables."""

    def walk(value, where):
        if isinstance(value, dict):
            where = value.get("title", where)
            for key, inner in value.items():
                if key == "expr":
                    yield where, inner
                elif key == "definition":
                    yield where, re.sub(r"^label_values\((.*), *\w+\)$", r"\1", inner)
                else:
                    yield from walk(inner, where)
        elif isinstance(value, list):
            for inner in value:
                yield from walk(inner, where)

    for where, query in walk(json.loads(path.read_text()), path.stem):
        yield f"{path.name}: {where}", query


def rule_queries(path):
    """(alert, query): the files are ours, so their layout is known and no YAML library is needed."""
    lines = path.read_text().splitlines()
    alert = None
    for number, line in enumerate(lines):
        if found := re.match(r" +- alert: (\w+)$", line):
            alert = found[1]
        if found := re.match(r"( +)expr: (.*)$", line):
            query, indent = found[2], len(found[1])
            if query == ">":
                block = []
                for inner in lines[number + 1 :]:
                    if inner.strip() and len(inner) - len(inner.lstrip()) <= indent:
                        break
                    block.append(inner.strip())
                query = " ".join(block)
            yield f"{path.name}: {alert}", query


def unknown_names(query, metrics):
    """Sentences about names in the query that the program does not have."""
    bare = re.sub(r'"[^"]*"', '""', query)
    for name, braces in re.findall(r"\b(sallyport_[a-z_]+)(\{[^}]*\})?", bare):
        if name not in metrics:
            yield f"no metric {name}"
            continue
        for label in re.findall(r"([a-z_]+) *(?:=~|!~|!=|=)", braces):
            if label not in metrics[name] | FROM_OUTSIDE:
                yield f"{name} has no label {label}"
    labels = set().union(*metrics.values()) | FROM_OUTSIDE | {"state"}
    for group in re.findall(r"\b(?:by|on|ignoring|without) *\(([^)]*)\)", bare):
        for label in re.findall(r"[a-z_]+", group):
            if label not in labels:
                yield f"no label {label}"


def run(prometheus, query):
    """What Prometheus has against the query, and the number of series it answers with."""
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    url = f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return None, len(json.load(answer)["data"]["result"])
    except urllib.error.HTTPError as error:
        return json.load(error).get("error", str(error)), 0


def outside_names(prometheus):
    """Every metric name that this Prometheus holds."""
    with urllib.request.urlopen(f"{prometheus}/api/v1/label/__name__/values", timeout=10) as answer:
        return set(json.load(answer)["data"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prometheus", metavar="URL", help="run the queries there, too")
    options = parser.parse_args()

    metrics = readme_metrics((ROOT / "README.md").read_text())
    queries = []
    for path in sorted((ROOT / "deploy/grafana/dashboards").glob("*.json")):
        queries += dashboard_queries(path)
    queries += rule_queries(ROOT / "deploy/prometheus/rules.yml")
    if not metrics or not queries:
        sys.exit("check-queries: found no metrics or no queries")

    scraped = outside_names(options.prometheus) if options.prometheus else None
    wrong, with_data = [], 0
    for where, query in queries:
        wrong += [f"{where}: {what}" for what in unknown_names(query, metrics)]
        if scraped is not None:
            error, series = run(options.prometheus, query)
            with_data += series > 0
            if error:
                wrong.append(f"{where}: {error}")
            for name in re.findall(r"\betcd_[a-z_]+", query):
                if name not in scraped:
                    wrong.append(f"{where}: no metric {name}")

    print("\n".join(wrong) if wrong else f"{len(queries)} queries, all names known", end="")
    print(f", {with_data} with data now" if scraped is not None and not wrong else "")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
