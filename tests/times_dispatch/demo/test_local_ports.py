import socket

from times_dispatch.demo.local_ports import free_port


def test_free_ports_are_below_those_of_outgoing_connections_and_can_be_bound() -> None:
    ports = {free_port() for _ in range(50)}
    assert len(ports) > 40
    assert max(ports) < 32_768
    for port in ports:
        with socket.socket() as server:
            server.bind(("127.0.0.1", port))
