"""The alerts of examples/operations, by Prometheus itself, on metrics of services that run."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.operations.scenarios import MINUTES, TROUBLES, Series, run

OPERATIONS = Path(__file__).parents[2] / "examples" / "operations"
RULES, DASHBOARD = OPERATIONS / "alerts.yaml", OPERATIONS / "dashboard.json"
PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
PROMTOOL = shutil.which("promtool")

needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="needs promtool, of the package prometheus")


def promtool(*arguments: str | Path) -> str:
    ended = subprocess.run([PROMTOOL or "", *arguments], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def rules() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    return found


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def series_of(scrapes: list[Series]) -> list[dict[str, str]]:
    names = dict.fromkeys(name for scrape in scrapes for name in scrape)
    return [
        {
            "series": f"{name}{{{', '.join(f'{label}={json.dumps(text)}' for label, text in labels)}}}",
            "values": " ".join(f"{scrape[name, labels]:g}" if (name, labels) in scrape else "_" for scrape in scrapes),
        }
        for name, labels in names
    ]


@needs_promtool
def test_prometheus_accepts_the_rules() -> None:
    assert f"{len(rules())} rules found" in promtool("check", "rules", RULES)


@needs_promtool
@pytest.mark.looptime
@pytest.mark.processes
@pytest.mark.parametrize("name", TROUBLES)
async def test_each_alert_fires_in_its_trouble_and_no_other_does(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble, alerts = TROUBLES[name]
    scrapes = await run(trouble, tmp_path, monkeypatch)
    fired = "count by (alertname) (max_over_time(ALERTS{alertstate='firing'}[1h]))"
    test = {
        "interval": "1m",
        "input_series": series_of(scrapes),
        "promql_expr_test": [
            {
                "expr": fired,
                "eval_time": f"{MINUTES}m",
                "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in sorted(alerts)],
            }
        ],
    }
    file = tmp_path / "test.yaml"
    file.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]}))
    assert "SUCCESS" in promtool("test", "rules", file)


def test_every_alert_has_a_trouble_and_a_section_of_the_page() -> None:
    tried = set().union(*(alerts for _, alerts in TROUBLES.values()))
    alerts = {rule["alert"] for rule in rules()}
    assert alerts == tried
    assert alerts == set(re.findall(r"^### (Kaspi\w+)$", PAGE.read_text(), re.MULTILINE))
    assert all(rule["annotations"]["runbook"].endswith(f"#{rule['alert'].lower()}") for rule in rules())


@needs_promtool
def test_prometheus_accepts_the_queries_of_the_dashboard(tmp_path: Path) -> None:
    queries = [target["expr"] for panel in panels() for target in panel["targets"]]
    recording = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recording}]}))
    promtool("check", "rules", file)


@pytest.mark.looptime
async def test_the_dashboard_shows_metrics_that_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scrapes = await run(TROUBLES["an order is in doubt"][0], tmp_path, monkeypatch)
    exported = {name for name, _ in scrapes[-1]} | {"kaspi_delivery_wait_duration_seconds_sum"}
    queries = " ".join(target["expr"] for panel in panels() for target in panel["targets"])
    shown = set(
        re.findall(
            r"\b(?:kaspi_delivery|http_client)_\w+(?:count|sum|bucket|total|seconds|budget|events|orders)\b", queries
        )
    )
    assert shown - exported == set()
    assert {panel["id"] for panel in panels()} == set(range(1, len(panels()) + 1))
    assert all({"title", "type", "gridPos", "datasource"} <= panel.keys() for panel in panels())
