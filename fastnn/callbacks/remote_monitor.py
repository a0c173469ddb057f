"""The metrics of every epoch, sent to a server."""

import json
import warnings

import numpy as np

from fastnn.callbacks.callback import Callback
from fastnn.saving import registry

TIMEOUT = 10  # seconds that training waits for an answer


@registry.register("callback")
class RemoteMonitor(Callback):
    """Sends the number and the metrics of every epoch to a server, as JSON in an HTTP POST request.

    A server that is not there, or does not answer for ten seconds, is named in a warning; training goes on.

    Parameters
    ----------
    root : str
        Address of the server: ``http://...`` or ``https://...``.
    path : str
        Where on the server, appended to `root`.
    field : str
        The field of the form that holds the JSON text.
    headers : dict of str to str, optional
        Sent with each request.
    send_as_json : bool
        Send the JSON text alone, as ``application/json``, and not in a form.
    """

    def __init__(
        self, root="http://localhost:9000", path="/publish/epoch/end/", field="data", headers=None, send_as_json=False
    ):
        if not str(root).startswith(("http://", "https://")):
            raise ValueError(f"RemoteMonitor: root must begin with 'http://' or 'https://', received {root!r:.100}")
        self.root, self.path, self.field = root, path, field
        self.headers, self.send_as_json = headers, send_as_json

    def on_epoch_end(self, epoch, logs=None):
        """Send the metrics of the epoch."""
        import http.client
        import urllib.request

        try:
            with urllib.request.urlopen(self._request(epoch, logs or {}), timeout=TIMEOUT):
                pass
        except (OSError, http.client.HTTPException) as error:  # an answer such as 404 is an OSError too
            warnings.warn(
                f"RemoteMonitor could not send epoch {epoch} to {self.root}{self.path}, is the server running? {error}",
                stacklevel=2,
            )

    def _request(self, epoch, logs):
        from urllib.parse import urlencode
        from urllib.request import Request

        sent = {name: v.item() if isinstance(v, (np.ndarray, np.generic)) else v for name, v in logs.items()}
        text = json.dumps({"epoch": epoch, **sent})
        kind = {"Content-Type": "application/json"} if self.send_as_json else {}
        body = text if self.send_as_json else urlencode({self.field: text})
        return Request(self.root + self.path, body.encode(), {**kind, **(self.headers or {})}, method="POST")
