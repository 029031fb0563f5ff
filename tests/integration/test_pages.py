"""The pages as they are served: language, encodings, what a browser may keep, and nothing from elsewhere."""

import gzip
import re
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from cambist.gateway import page, web
from cambist.site import Site

INDEX = '<!doctype html><html lang="en"><head><title>Cambist</title></head></html>'
SCRIPT = b"export const answer = 42;" * 40


def client(site: Site) -> TestClient:
    routes = [Route(path, handler, methods=["GET"]) for path, handler in web.routes(site).items()]
    return TestClient(Starlette(routes=routes))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    """As the build leaves it."""
    folder = tmp_path_factory.mktemp("dist")
    (folder / "assets").mkdir()
    (folder / "index.html").write_text(INDEX)
    (folder / "manifest.webmanifest").write_text("{}")
    (folder / "assets" / "index-Ab1.js").write_bytes(SCRIPT)
    (folder / "assets" / "index-Ab1.js.gz").write_bytes(gzip.compress(SCRIPT))
    (folder / "assets" / "index-Ab1.js.br").write_bytes(b"stands for brotli")
    return client(Site(folder))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    """As it is without npm."""
    return client(Site(tmp_path_factory.mktemp("empty")))


LANGUAGES = [
    ("en-US,en;q=0.9", "", "en"),
    ("zh-CN,zh;q=0.9,en;q=0.8", "", "zh-CN"),
    ("en;q=0.5,zh;q=0.8", "", "zh-CN"),
    ("fr", "", "en"),
    ("", "", "en"),
    ("en", "?lang=zh", "zh-CN"),
    ("zh", "?lang=en", "en"),
    ("zh;q=x,en", "?lang=<script>", "en"),
]


@pytest.mark.parametrize("kind", ["built", "plain"])
@pytest.mark.parametrize(("accepted", "query", "language"), LANGUAGES)
def test_a_page_speaks_the_readers_language(request, kind, accepted, query, language):
    pages: TestClient = request.getfixturevalue(kind)
    response = pages.get(f"/{query}", headers={"Accept-Language": accepted})
    assert response.status_code == 200
    assert re.findall('<html lang="(.*?)"', response.text) == [language]
    assert "{{" not in response.text


def test_a_chosen_language_is_remembered(built):
    cookie = built.get("/?lang=zh").headers["set-cookie"].split(";")[0]
    again = built.get("/", headers={"Accept-Language": "en", "Cookie": cookie})
    assert '<html lang="zh-CN">' in again.text


@pytest.mark.parametrize("path", ["/trade/ETPBTC", "/wallet/deposit", "/account/security", "/sign-up"])
def test_every_place_of_the_exchange_is_the_one_page(built, path):
    assert built.get(f"{path}?lang=en").text == INDEX


@pytest.mark.parametrize("kind", ["built", "plain"])
def test_nothing_inline_runs_and_nobody_frames_a_page(request, kind):
    headers = request.getfixturevalue(kind).get("/").headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("accepted", "encoding", "content"),
    [
        ("br, gzip", "br", b"stands for brotli"),
        ("gzip", "gzip", SCRIPT),
        ("gzip, br;q=0", "gzip", SCRIPT),
        ("identity", None, SCRIPT),
        ("", None, SCRIPT),
    ],
)
def test_a_script_comes_in_the_encoding_that_is_accepted(built, accepted, encoding, content):
    with built.stream("GET", "/assets/index-Ab1.js", headers={"Accept-Encoding": accepted}) as response:
        raw = b"".join(response.iter_raw())
    assert response.headers.get("content-encoding") == encoding
    assert (gzip.decompress(raw) if encoding == "gzip" else raw) == content
    assert response.headers["content-type"].startswith("text/javascript")
    assert response.headers["vary"] == "accept-encoding"


def test_only_what_has_a_hash_in_its_name_is_kept_for_long(built):
    assert "immutable" in built.get("/assets/index-Ab1.js").headers["cache-control"]
    for path in ("/", "/manifest.webmanifest"):
        assert built.get(path).headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["/assets/index-Ab2.js", "/assets/..%2findex.html", "/assets/%2e%2e/index.html", "/index.html.br"]
)
def test_what_the_build_did_not_make_is_not_there(built, path):
    assert built.get(path).status_code == 404


def test_the_plain_page_says_what_is_missing_and_loads_nothing_from_elsewhere(plain):
    response = plain.get("/", headers={"Accept-Language": "en"})
    assert "npm was missing" in response.text
    loaded = re.findall(r'<(?:script|link)[^>]*(?:src|href)="([^"]*)"', response.text)
    assert "/page.js" in loaded and "/page.css" in loaded
    modules = [f"/{file.name}" for file in Path(page.__file__).parent.glob("*.js")]
    for link in {*loaded, *modules} - {"data:,"}:
        file = plain.get(link)
        assert file.status_code == 200
        assert "://" not in file.text.replace("'ws://'", "").replace("'wss://'", "")
