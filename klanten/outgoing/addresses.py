"""Which addresses are public: only there may a caller of the API send us."""

import ipaddress
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from requests_hardened.ip_filter import filter_host

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Says of an address, as a socket shows it, whether we may connect to it.
AddressRule: TypeAlias = Callable[[str], bool]

#: All IPv6 unicast that IANA gives out lies in here. Outside are, besides link-local and private
#: addresses, several ways to write an IPv4 address: IPv4-compatible (::/96), translated
#: (::ffff:0:0:0/96, 64:ff9b::/96), and the site-local addresses of old (fec0::/10).
_IPV6_UNICAST: Final = ipaddress.IPv6Network("2000::/3")


def anywhere(address: str) -> bool:
    """The rule for what the operator has named."""
    return True


def public_or_in(networks: Iterable[Network]) -> AddressRule:
    """The rule for what a caller has named: public addresses, and these networks."""
    allowed = tuple(networks)

    def rule(text: str) -> bool:
        address = _plain(ipaddress.ip_address(text))
        return any(address in network for network in allowed) or is_public(address)

    return rule


def is_public(address: Address) -> bool:
    """Whether everybody may reach this address over the internet."""
    if address.version == 6 and address not in _IPV6_UNICAST:
        return False
    return address.is_global and _passes_library(address)


def _passes_library(address: Address) -> bool:
    """What `is_global` lets pass, requests-hardened knows: multicast, 6to4 and more."""
    try:
        filter_host(str(address), 0, allow_loopback=False)
    except OSError:
        return False
    return True


def _plain(address: Address) -> Address:
    """The IPv4 address of an IPv4-mapped IPv6 one: a socket connects to that."""
    return getattr(address, "ipv4_mapped", None) or address
