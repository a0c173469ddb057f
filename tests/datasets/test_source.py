"""Files of data sets: order of search, downloads, and every way in which these go wrong."""

import contextlib
import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fastnn.datasets import source

CONTENT = bytes(range(256)) * 20_000  # several blocks


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT, or less, more and other bytes than that."""

    def do_GET(self):
        body = {
            "/whole": CONTENT,
            "/short": CONTENT[:1000],
            "/long": CONTENT + b"!" * (4 * source.BLOCK),
            "/other": CONTENT[::-1],
            "/cut": CONTENT[:1000],
        }.get(self.path)
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT) if self.path == "/cut" else len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # the client had enough
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def site():
    """Address of a web server on this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def remote(url):
    """Return the table row of CONTENT."""
    return source.Remote("toy", "toy.bin", url, len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


def test_download_goes_into_the_cache_once(site, empty_cache, capsys):
    with source.open_verified(remote(f"{site}/whole")) as stream:
        assert stream.read() == CONTENT
    assert [path.name for path in (empty_cache / "toy").iterdir()] == ["toy.bin"]
    assert "5.1 MB" in capsys.readouterr().out
    with source.open_verified(remote("http://127.0.0.1:9/never-asked")) as stream:
        assert stream.read() == CONTENT


@pytest.mark.parametrize("path", ["/short", "/cut", "/other", "/long"])
def test_wrong_bytes_are_thrown_away(site, empty_cache, path):
    with pytest.raises(ValueError, match=r"SHA-256 .* thrown away.*FASTNN_DATA"):
        source.open_verified(remote(site + path))
    assert list((empty_cache / "toy").iterdir()) == []


def test_too_long_a_file_is_not_read_to_its_end(site, tmp_path):
    with open(tmp_path / "part", "wb") as file, pytest.raises(ValueError, match="bytes"):
        source._fetch(remote(f"{site}/long"), file)
    assert (tmp_path / "part").stat().st_size <= len(CONTENT) + source.BLOCK


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/closed", "http://nowhere.invalid/toy.bin"])
def test_no_network(url, empty_cache):
    with pytest.raises(OSError, match=r"Connect to the internet.*FASTNN_DATA.*toy/toy\.bin"):
        source.open_verified(remote(url))
    assert list((empty_cache / "toy").iterdir()) == []


def test_not_found_on_the_server(site):
    with pytest.raises(OSError, match="404"):
        source.open_verified(remote(f"{site}/missing"))


def test_interrupted_download_leaves_nothing(site, empty_cache, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(source.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        source.open_verified(remote(f"{site}/whole"))
    assert list((empty_cache / "toy").iterdir()) == []


def test_damaged_cache_is_replaced(site, empty_cache):
    (empty_cache / "toy").mkdir(parents=True)
    (empty_cache / "toy" / "toy.bin").write_bytes(CONTENT[:-1] + b"!")
    with source.open_verified(remote(f"{site}/whole")) as stream:
        assert stream.read() == CONTENT
    assert (empty_cache / "toy" / "toy.bin").read_bytes() == CONTENT


def test_cache_which_cannot_be_made(site, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(OSError, match="FASTNN_DATA"):
        source.open_verified(remote(f"{site}/whole"))


def test_own_folder_comes_first(tmp_path, monkeypatch):
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "toy.bin").write_bytes(CONTENT)
    monkeypatch.setenv("FASTNN_DATA", str(tmp_path))
    with source.open_verified(remote("http://127.0.0.1:9/")) as stream:
        assert stream.name == str(tmp_path / "toy" / "toy.bin")


def test_wrong_file_in_the_own_folder_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "toy.bin").write_bytes(b"something else")
    monkeypatch.setenv("FASTNN_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=r"toy\.bin: SHA-256 is not .* Replace"):
        source.open_verified(remote("http://127.0.0.1:9/"))


def test_system_folder_is_used_if_intact(tmp_path):
    for name, content in (("bad", b"bad"), ("good", CONTENT)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "toy.bin").write_bytes(content)
    folders = (tmp_path / "none", tmp_path / "bad", tmp_path / "good")
    with source.open_verified(remote("http://127.0.0.1:9/"), folders) as stream:
        assert stream.name == str(tmp_path / "good" / "toy.bin")


# files of the user's own

SHA256 = hashlib.sha256(CONTENT).hexdigest()


def test_get_file_downloads_once(site, empty_cache, tmp_path):
    path = source.get_file(origin=f"{site}/whole", file_hash=SHA256)
    assert path == str(empty_cache / "datasets" / "whole")
    assert Path(path).read_bytes() == CONTENT
    assert source.get_file("whole", "http://127.0.0.1:9/never-asked", file_hash=SHA256.upper()) == path
    other = source.get_file("a.bin", f"{site}/whole", file_hash=SHA256, cache_subdir="x/y", cache_dir=tmp_path)
    assert other == str(tmp_path / "x" / "y" / "a.bin")
    with pytest.raises(OSError, match="cannot be downloaded"):
        source.get_file("whole", "http://127.0.0.1:9/asked", file_hash=SHA256, force_download=True)


@pytest.mark.parametrize("path", ["short", "long", "other", "cut"])
def test_get_file_keeps_nothing_of_another_checksum(site, empty_cache, path):
    with pytest.raises((ValueError, OSError), match=r"SHA-256|cannot be downloaded"):
        source.get_file(origin=f"{site}/{path}", file_hash=SHA256)
    assert not list((empty_cache / "datasets").iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"file_hash": None}, "give the SHA-256"),
        ({"file_hash": "d41d8cd98f00b204e9800998ecf8427e"}, "give the SHA-256"),
        ({"md5_hash": "d41d8cd98f00b204e9800998ecf8427e"}, "MD5 does not tell"),
        ({"hash_algorithm": "md5"}, "give the SHA-256"),
        ({"extract": True}, "not unpacked"),
        ({"untar": True}, "not unpacked"),
        ({"origin": "file:///etc/passwd"}, "http or https"),
        ({"origin": None}, "http or https"),
        ({"fname": "../a"}, "must not lead out"),
        ({"fname": "/etc/passwd"}, "must not lead out"),
        ({"origin": "http://127.0.0.1:9/"}, "must not lead out"),
        ({"cache_subdir": "a/../../b"}, "must not lead out"),
        ({"cache_subdir": "/etc"}, "must not lead out"),
    ],
)
def test_get_file_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        source.get_file(**{"origin": "http://127.0.0.1:9/a", "file_hash": SHA256, **arguments})
