import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klanten.outgoing.addresses import is_public, public_or_in

PUBLIC = ["8.8.8.8", "185.37.70.1", "2a01:7c8::1", "2606:4700::1111"]
NOT_PUBLIC = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",  # between a provider and its customers
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",  # metadata of cloud providers
    "172.16.0.1",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",  # IPv4-compatible
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:0:127.0.0.1",  # IPv4-translated
    "64:ff9b::127.0.0.1",  # NAT64
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::127.0.0.1",
    "100::1",
    "2001:0:7f00:1::",  # Teredo
    "2001:2::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",  # 6to4
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%2",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_address_is_right(address):
    assert public_or_in(())(address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_address_that_is_not_public_is_refused(address):
    assert not public_or_in(())(address)


def test_public_ipv4_address_is_right_in_ipv6_clothes():
    assert public_or_in(())("::ffff:8.8.8.8")


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "fd00::1", "8.8.8.8"])
def test_address_in_an_allowed_network_is_right(address):
    rule = public_or_in(map(ipaddress.ip_network, ("10.0.0.0/8", "fd00::/8")))
    assert rule(address)


@pytest.mark.parametrize("address", ["192.168.0.1", "::10.1.2.3", "fc00::1"])
def test_address_beside_the_allowed_networks_is_refused(address):
    rule = public_or_in(map(ipaddress.ip_network, ("10.0.0.0/8", "fd00::/8")))
    assert not rule(address)


@given(st.ip_addresses(v=4))
def test_ipv4_address_is_judged_alike_when_it_is_mapped(address):
    rule = public_or_in(())
    assert rule(f"::ffff:{address}") == rule(str(address)) == is_public(address)


@given(st.ip_addresses(v=6))
def test_no_ipv6_address_outside_global_unicast_is_public(address):
    assert not (is_public(address) and address not in ipaddress.ip_network("2000::/3"))
