"""The page in a real browser: it opens from a file, fits its width, and asks for nothing."""

import json
import re
import shutil
import subprocess

import pytest
from PIL import Image

SECTIONS = ["verdict", "who", "results", "published", "figures", "pictures", "how"]
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-default-apps", "--disable-extensions", "--allow-file-access-from-files"),
    "--host-resolver-rules=MAP * ~NOTFOUND",  # the browser has errands of its own
]
# The page in frames of three widths; a window may not be as narrow as a telephone.
FRAMES = """<!DOCTYPE html><title>frames</title>
{frames}
<script>
addEventListener("load", () => {{
  const told = [...document.querySelectorAll("iframe")].map((frame) => {{
    const page = frame.contentDocument, root = page.documentElement;
    const sections = [...page.querySelectorAll("main section")].map((section) => {{
      const box = section.getBoundingClientRect();
      return [section.id, box.left, box.right, box.height];
    }});
    const heading = page.querySelector("table.sortable thead button");
    heading.click();
    return {{
      width: root.clientWidth, content: root.scrollWidth, sections,
      scrolled: [...page.querySelectorAll(".scroll")]
        .filter((box) => box.scrollWidth > box.clientWidth).length,
      pictures: [...page.images].every((image) => image.naturalWidth > 0),
      sorted: heading.closest("th").getAttribute("aria-sort"),
    }};
  }});
  const shown = document.createElement("pre");
  shown.textContent = JSON.stringify(told);
  document.body.append(shown);
}});
</script>"""
WIDTHS = (1280, 400)


def browse(folder, address, *flags):
    """Standard output of one start with a profile of its own."""
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}", *flags, address]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.fixture(scope="module")
def told(page, tmp_path_factory):
    """What the browser measures of the page, by width."""
    folder = tmp_path_factory.mktemp("frames")
    frames = "".join(f'<iframe src="{page.path.as_uri()}" width="{w}" height="900"></iframe>'
                     for w in WIDTHS)  # fmt: skip
    (folder / "frames.html").write_text(FRAMES.format(frames=frames), encoding="utf-8")
    text = browse(folder, (folder / "frames.html").as_uri(), "--dump-dom")
    (shown,) = re.findall(r"<pre>(\[.*\])</pre>", text)
    return dict(zip(WIDTHS, json.loads(shown.replace("&lt;", "<")), strict=True))


@pytest.mark.parametrize("width", WIDTHS)
def test_every_section_fits_the_width(told, width):
    measured = told[width]
    # A frame has a border of 2 px within its width, or none.
    assert width - 4 <= measured["width"] <= width
    assert measured["content"] <= measured["width"]
    assert [name for name, *_ in measured["sections"]] == SECTIONS
    for name, left, right, height in measured["sections"]:
        assert 0 <= left < right <= width, name
        assert height > 60, name
    assert measured["pictures"]
    assert measured["sorted"] == "ascending"  # the script runs under the page's policy
    assert (measured["scrolled"] > 0) == (width == 400)


def requests(folder, address):
    """The addresses that a page asks for when it is opened."""
    log = folder / "log.json"
    flags = f"--log-net-log={log}", "--dump-dom"
    browse(folder, address, *flags)
    logged = json.loads(log.read_text(encoding="utf-8"))
    start = logged["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    asked = [e.get("params", {}) for e in logged["events"] if e["type"] == start]
    # What the browser asks for itself has no page as its origin.
    return {a["url"] for a in asked if a.get("initiator", "not an origin") != "not an origin"}


def test_no_request_leaves_the_page(page, tmp_path):
    assert requests(tmp_path, page.path.as_uri()) == set()
    planted = '<img src="http://127.0.0.1:9/planted.png" alt="">'
    text = page.text.replace("<main>", f"<main>{planted}")
    # Without the page's policy, which would stop it, the log shows what a page asks for.
    asking = tmp_path / "asking.html"
    asking.write_text(re.sub(r"<meta http-equiv.*?>", "", text), encoding="utf-8")
    assert requests(tmp_path, asking.as_uri()) == {"http://127.0.0.1:9/planted.png"}


def test_screenshot_and_print(page, tmp_path):
    browse(
        tmp_path, page.path.as_uri(), "--window-size=1280,900", f"--screenshot={tmp_path / 'a.png'}"
    )
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (1280, 900)
        assert len(image.convert("L").getcolors()) > 16  # letters, not an empty sheet
    browse(
        tmp_path,
        page.path.as_uri(),
        "--no-pdf-header-footer",
        f"--print-to-pdf={tmp_path / 'a.pdf'}",
    )
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
