"""The HTML page: what stands in it, and that a browser shows it without a network."""

import hashlib
import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from dismo_core.errors import DisMoError
from dismo_core.gaussians4d import animated_glb, html_viewer
from dismo_core.gaussians4d.viewer import VIEWER


def test_the_viewer_is_the_published_one():
    about = json.loads((VIEWER.parent / "version.json").read_text())
    assert hashlib.sha256(VIEWER.read_bytes()).hexdigest() == about["sha256"]
    assert (VIEWER.parent / "LICENSE").read_text().strip().startswith("Apache License")


def test_files_that_are_no_models(tmp_path):
    (tmp_path / "x.glb").write_bytes(b"no")
    for name, named in (("x.glb", "not a GLB"), ("y.glb", "no file")):
        with pytest.raises(DisMoError, match=named):
            html_viewer(tmp_path / "p.html", tmp_path / name)
    assert not (tmp_path / "p.html").exists()


def test_names_cannot_break_out_of_the_page(fish4d, tmp_path):
    animated_glb(tmp_path / "x.glb", fish4d)
    html_viewer(tmp_path / "p.html", tmp_path / "x.glb", title='"><script>alert(1)</script>')
    page = (tmp_path / "p.html").read_text("utf-8")
    assert "<script>alert" not in page and page.count("</script") == 1


def test_a_browser_shows_it_offline(fish4d, tmp_path):
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if chromium is None:
        pytest.skip("there is no Chromium here; CHROMIUM names one")
    html_viewer(tmp_path / "fish.html", fish4d)
    with playwright.sync_playwright() as run:
        browser = run.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
        )
        page = browser.new_context(offline=True, viewport={"width": 320, "height": 240}).new_page()
        errors, asked = [], []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: asked.append(request.url.partition(":")[0]))
        page.goto(f"file://{tmp_path}/fish.html")
        viewer = "document.querySelector('model-viewer')"
        for _ in range(120):
            if page.evaluate(f"{viewer}.loaded === true"):
                break
            page.wait_for_timeout(500)
        assert page.evaluate(f"{viewer}.availableAnimations") == ["clip"]
        assert page.evaluate(f"{viewer}.duration") == pytest.approx(13 / 8)
        assert page.evaluate(f"{viewer}.paused") is False
        for _ in range(40):
            page.screenshot(path=tmp_path / "page.png")
            shot = np.asarray(Image.open(tmp_path / "page.png").convert("RGB")).astype(int)
            orange = (shot[..., 0] - shot[..., 2] > 90).mean()
            if orange > 0.02:
                break
            page.wait_for_timeout(500)
        browser.close()
    assert orange > 0.02 and not errors
    assert set(asked) <= {"file", "data", "blob"}
