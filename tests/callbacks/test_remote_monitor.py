"""What arrives at a server, and what happens when there is none."""

import http.server
import json
import threading
from urllib.parse import parse_qs

import numpy as np
import pytest

from fastnn.callbacks import RemoteMonitor

LOGS = {"loss": np.float32(0.5), "accuracy": 1, "rate": np.array(0.25)}


@pytest.fixture
def server():
    """A server that keeps what it is sent, and answers with the first of its statuses."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self.server.received.append((self.path, dict(self.headers), body))
            self.send_response(self.server.status)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.received, server.status = [], 200
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        server.root = f"http://127.0.0.1:{server.server_port}"
        yield server
        server.shutdown()
        thread.join()


def test_epochs_arrive_as_a_form(server, model):
    model.fit([RemoteMonitor(server.root, headers={"X-Run": "7"})], LOGS, {"loss": 0.25})
    (path, headers, body), (_, _, second) = server.received
    assert path == "/publish/epoch/end/"
    assert (headers["X-Run"], headers["Content-Type"]) == ("7", "application/x-www-form-urlencoded")
    assert json.loads(parse_qs(body)["data"][0]) == {"epoch": 0, "loss": 0.5, "accuracy": 1, "rate": 0.25}
    assert json.loads(parse_qs(second)["data"][0]) == {"epoch": 1, "loss": 0.25}


def test_epochs_arrive_as_json(server, model):
    model.fit([RemoteMonitor(server.root, "/here", send_as_json=True)], LOGS)
    ((path, headers, body),) = server.received
    assert (path, headers["Content-Type"]) == ("/here", "application/json")
    assert json.loads(body) == {"epoch": 0, "loss": 0.5, "accuracy": 1, "rate": 0.25}


def test_an_answer_that_is_an_error_is_a_warning(server, model):
    server.status = 404
    with pytest.warns(UserWarning, match=r"could not send epoch 0 to http://127.*HTTP Error 404"):
        model.fit([RemoteMonitor(server.root)], LOGS)


def test_without_a_server_training_goes_on(server, model):
    server.server_close()
    with pytest.warns(UserWarning, match="is the server running"):
        history = model.fit([RemoteMonitor(server.root)], LOGS, LOGS)
    assert history.epoch == [0, 1]


@pytest.mark.parametrize("root", ["localhost:9000", "file:///tmp/x", "ftp://host", None])
def test_only_web_servers(root):
    with pytest.raises(ValueError, match="root must begin with"):
        RemoteMonitor(root)
