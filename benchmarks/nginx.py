"""A provider that is never the bottleneck: an nginx that answers every push with the same accepted JSON."""

import shutil
import socket
import time
from pathlib import Path

import trustme

from times_dispatch.demo.local_ports import free_port
from times_dispatch.demo.processes import Process, ProcessFailed, clean_environment

HOW_TO_INSTALL = (
    "nginx is not on the PATH; install it (Debian, Ubuntu: apt-get install nginx-light; macOS: brew install nginx)"
)
ACCEPTED = (
    '{"transactionId": 205538399, "state": "SUBMIT_ACCEPTED", "statusCode": 200, '
    '"description": "Message accepted successfully", "pdu": 1}'
)
_READY_WITHIN_S = 5.0
_CONFIG = """
worker_processes 1;
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; multi_accept on; }}
http {{
    {log}
    keepalive_requests {keepalive_requests};
    keepalive_timeout 75;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096{ssl};
        location / {{ default_type application/json; return 200 '{answer}'; }}
    }}
}}
"""


class NginxMissing(Exception):
    """There is no nginx on the PATH; the message says how to install nginx."""


class Nginx:
    """A context manager that runs one nginx process with its files in *folder*."""

    def __init__(self, folder: Path, *, is_tls: bool = False, keepalive_requests: int = 1_000_000_000) -> None:
        """Find nginx; raise NginxMissing if there is no nginx.

        Args:
            folder: the folder of nginx's files.
            is_tls: whether nginx speaks TLS 1.3, with a certificate that is made for this run.
            keepalive_requests: the number of requests after which nginx closes a connection.
        """
        self.ca_file: Path | None = None
        """The CA of the certificate; None without TLS."""
        self._certificate = folder / "server.pem"
        if is_tls:
            self.ca_file = folder / "ca.pem"
            ca = trustme.CA()
            ca.cert_pem.write_to_path(self.ca_file)
            ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(self._certificate)
        self._connections = folder / "connections.log"
        self._keepalive_requests = keepalive_requests
        executable = shutil.which("nginx", path=f"{clean_environment().get('PATH', '')}:/usr/sbin:/usr/local/sbin")
        if executable is None:
            raise NginxMissing(HOW_TO_INSTALL)
        self._port = free_port()
        self._folder = folder
        config = folder / "nginx.conf"
        command = [executable, "-p", str(folder), "-c", str(config), "-e", str(folder / "error.log")]
        self._config = config
        self.process = Process("nginx", command, environment=clean_environment(), folder=folder)

    @property
    def url(self) -> str:
        """The URL for pushes."""
        return f"http{'s' if self.ca_file else ''}://127.0.0.1:{self._port}/ct/api/v1/message"

    def connections(self) -> tuple[int, int]:
        """Return the number of TLS connections with a request, and the number of these that resumed a session."""
        reused = self._connections.read_text("ascii").split()
        return len(reused), reused.count("r")

    def _config_text(self) -> str:
        ssl = (
            f" ssl; ssl_protocols TLSv1.3; ssl_certificate {self._certificate}; ssl_certificate_key {self._certificate}"
        )
        log = (
            "map $connection_requests $is_first { 1 1; default 0; } log_format reused $ssl_session_reused; "
            f"access_log {self._connections} reused if=$is_first;"
        )
        return _CONFIG.format(
            folder=self._folder,
            port=self._port,
            answer=ACCEPTED,
            ssl=ssl if self.ca_file else "",
            log=log if self.ca_file else "access_log off;",
            keepalive_requests=self._keepalive_requests,
        )

    def __enter__(self) -> "Nginx":
        self._config.write_text(self._config_text(), "utf-8")
        self.process.start()
        until = time.monotonic() + _READY_WITHIN_S
        while True:
            self.process.check()
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            except OSError:
                if time.monotonic() > until:
                    self.process.stop()
                    raise ProcessFailed(f"nginx does not listen:\n{self.process.log_tail()}") from None
                time.sleep(0.02)
            else:
                return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()
