"""Draws docs/pictures/report.png: the first screen of the report of a made-up run, with its funnel.

    python .ci/report_picture.py

The rows are those of the tests (tests/report/planted_run.py), so nobody's data is on the picture.
"""

import base64
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from synth_stack.decisions.figures import compute_figures  # noqa: E402
from synth_stack.report.html import render_report  # noqa: E402
from synth_stack.report.sample import collect_audit_rows  # noqa: E402
from synth_stack.report.unchecked import Unchecked  # noqa: E402
from tests.browser import open_browser, open_page  # noqa: E402
from tests.report.planted_run import plant_run  # noqa: E402

WIDTH, HEIGHT, SCALE = 1280, 1090, 0.75
GAPS = (
    Unchecked("The error of the gates themselves", "No person has judged a sample."),
    Unchecked(
        "Second defects of rejected rows", "A gate does not look at rows that an earlier one rejected."
    ),
)


def main() -> None:
    run = plant_run(1_500)
    figures = compute_figures(run.candidates, run.verdicts, run.decisions, run.self_tests[:1])
    rows = collect_audit_rows(run.candidates, run.verdicts, run.decisions)
    page = render_report(figures, rows, title="Support intents", facts={}, unchecked=GAPS)
    out = ROOT / "docs" / "pictures" / "report.png"
    with tempfile.TemporaryDirectory() as folder, open_browser(Path(folder) / "profile") as session:
        path = Path(folder) / "report.html"
        path.write_text(page, encoding="utf-8")
        size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        session.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        open_page(session, path)
        clip = {"x": 0, "y": 0, "width": WIDTH, "height": HEIGHT, "scale": SCALE}
        shot = session.execute_cdp_cmd(
            "Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True}
        )
    out.write_bytes(base64.b64decode(shot["data"]))
    print(f"{out.relative_to(ROOT)}: {out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
