import socket

import pytest

from archive_api.errors import TransportError
from archive_api.listening import listen


def test_connections_send_at_once() -> None:
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_taken_port_is_named() -> None:
    with listen("127.0.0.1", 0) as listener, pytest.raises(TransportError, match="to be free") as caught:
        listen("127.0.0.1", listener.getsockname()[1])
    assert caught.value.code == "port_in_use"
