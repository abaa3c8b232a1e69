"""The signature of a JSON Web Token with an agreed secret: HS256 (RFC 7515, RFC 7518 3.2)."""

from typing import Final

from jwt import PyJWS
from jwt.algorithms import HMACAlgorithm

HS256: Final = "HS256"


class _AgreedSecret(HMACAlgorithm):
    """HS256 with whatever text was agreed on: its length was judged when the file was read.

    PyJWT would warn at each token about a short secret, and refuse one that looks like a public
    key. That guards services which also take public keys; here there are none.
    """

    def prepare_key(self, key: str | bytes) -> bytes:
        return key.encode() if isinstance(key, str) else key

    def check_key_length(self, key: bytes) -> None:
        return None


JWS: Final = PyJWS(algorithms=[])
"""Signs and verifies. Knows no other algorithm, so that the header of a token can't choose one."""
JWS.register_algorithm(HS256, _AgreedSecret(HMACAlgorithm.SHA256))
