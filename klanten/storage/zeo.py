"""What a client of a ZEO server needs beyond what its URI can say."""

from typing import Any

from ZEO.ClientStorage import ClientStorage


def keep_fresh(storage: ClientStorage) -> None:
    """Let each transaction see all that was committed before it, also by other processes.

    A ZEO client hears of the commits of others a moment later. Whoever was answered 201 by one
    process would get a 404 from the next; asking the server once in a transaction prevents that.
    """
    storage.server_sync = True
    storage.sync = storage.ping


def number_anew(storage: ClientStorage) -> None:
    """Forget the numbers for new objects (oids) whenever the client finds its server again.

    A client takes a hundred of them at a time. A server that was killed only knows of those in
    its file, and gives the others to the next client that asks: two would store different objects
    under one number.
    """
    notify_connected = storage.notify_connected

    def forget(connection: Any, info: dict[str, Any]) -> None:
        storage._oids.clear()
        notify_connected(connection, info)

    storage.notify_connected = forget


def disconnect(storage: ClientStorage) -> None:
    """Break with the server: whatever waits for it fails, and the client looks for it anew.

    ZEO itself waits for an answer without limit, since that of a pack may take hours. What is
    done here is what ZEO does when it can't tell how a commit ended.
    """
    client = storage._server.client

    def break_off() -> None:
        protocol = client.protocol
        if protocol is not None:
            protocol.close()
        client.disconnected(protocol)

    storage._server.loop.call_soon_threadsafe(break_off)
