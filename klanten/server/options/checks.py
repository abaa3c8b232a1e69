"""What waitress would not notice in the text of its options, or not tell in one line."""

from waitress.adjustments import Adjustments

from ...settings import seconds, seconds_above_zero

OURS = {
    "graceful_timeout": ("30", seconds),
    "request_timeout": ("60", seconds_above_zero),
}
"""The options that waitress does not have: their defaults, and how they are read."""
NUMBERS = {
    name: default
    for name, default in vars(Adjustments).items()
    if isinstance(default, int) and not isinstance(default, bool)
} | {"trusted_proxy_count": 1}
"""The options of waitress that are numbers, and their defaults."""
BOOLEANS = frozenset(
    name for name, default in vars(Adjustments).items() if isinstance(default, bool)
)
OCTAL = "unix_socket_perms"
HIGHEST_PORT = 65535


def check(name: str, text: str) -> None:
    """Look at one option of waitress. Raises ValueError("fault; mend")."""
    if name == "listen":
        _check_addresses(text)
    elif name == "port":
        _check_port(text)
    elif name in BOOLEANS and text.lower() not in ("true", "false"):
        raise ValueError(f"{text!r} is neither; write true or false")
    elif name in NUMBERS:
        _check_number(text, NUMBERS[name], base=8 if name == OCTAL else 10)


def _check_number(text: str, default: int, base: int) -> None:
    example = f"write for instance {default:o}" if base == 8 else f"write for instance {default}"
    try:
        number = int(text, base)
    except ValueError:
        raise ValueError(f"{text!r} is no number; {example}") from None
    # 0 would be a server that never answers, where waitress does not take it by itself
    if number < min(default, 1):
        raise ValueError(f"{text!r} is too small; {example}")


def _check_port(text: str) -> None:
    """waitress takes any number, which counts modulo 65536."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= HIGHEST_PORT):
        raise ValueError(f"{text!r} is no port of 1 to {HIGHEST_PORT}; write for instance 8080")


def _check_addresses(text: str) -> None:
    """Addresses with a port each: where there is none, waitress takes 8080."""
    if not text.split():
        raise ValueError("is empty; write for instance 127.0.0.1:8080")
    for address in text.split():
        host, _, port = address.rpartition(":")
        if not (host and port):
            raise ValueError(f"{address!r} has no port; write for instance 127.0.0.1:8080")
        _check_port(port)
        try:
            Adjustments(listen=address)
        except ValueError:
            raise ValueError(
                f"{address!r} is no address; write for instance 127.0.0.1:8080"
            ) from None
