import pytest

from cab_core.errors import RefusedError
from cab_core.safety.urls import parse_url

#: Spellings that lead, or may lead, into the operator's own network or machine.
UNSAFE = [
    "http://127.0.0.1/",
    "http://127.0.0.1:6379/",
    "https://localhost/x.json",
    "http://LOCALHOST./",
    "http://api.localhost/",
    "http://[::1]/",
    "http://[::]/",
    "http://0.0.0.0/",
    "http://0/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b::10.0.0.1]/",
    "http://[64:ff9b:1::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fec0::1]/",
    "http://[fd00:ec2::254]/",
    "http://[ff02::1]/",
    "http://10.0.0.5/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.64.0.1/",
    "http://100.100.100.200/",
    "http://224.0.0.1/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://192.0.2.1/",
    "http://198.18.0.1/",
    "http://１２７.0.0.1/",
    "http://127。0。0。1/",
    "http://ⓛocalhost/",
    "http://%31%32%37.0.0.1/",
    "http://example.com@127.0.0.1/",
    "http://127.0.0.1#@example.com/",
    "http://127.0.0.1\\@example.com/",
    "http://user:secret@example.com/",
    "http://exa mple.com/",
    "http://exam\tple.com/",
    "http://example.com/\r\nHost: localhost",
    "http:///etc/passwd",
    "http:example.com",
    "http://example.com:0/",
    "http://example.com:99999/",
    "http://example.com:/",
    "http://[::1/",
    "http://.example.com/",
    "http://" + "a" * 64 + ".com/",
    "http://example.com/" + "a" * 2048,
    "ftp://example.com/",
    "gopher://127.0.0.1:6379/_",
    "javascript:alert(1)",
    "data:application/json,{}",
    "//example.com/",
    "example.com/dxy.json",
    "",
    "file://server/share.json",
    "file:relative.json",
    "file:///etc/passwd?x",
    "file:///tmp/a%00b",
]


@pytest.mark.parametrize("url", UNSAFE)
def test_unsafe_spellings_are_refused(url):
    with pytest.raises(RefusedError) as caught:
        parse_url(url, where="REGIME_DXY_URL")
    assert caught.value.where == "REGIME_DXY_URL"
    assert caught.value.fix
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "authority", "target"),
    [
        ("https://example.com/dxy.json?key=1", "example.com", "/dxy.json?key=1"),
        ("HTTPS://Example.COM.:443", "example.com", "/"),
        ("http://example.com:8080/a%20b#part", "example.com:8080", "/a%20b"),
        ("https://8.8.8.8/", "8.8.8.8", "/"),
        ("https://[2606:4700::1111]:8443/", "[2606:4700::1111]:8443", "/"),
        ("https://[64:ff9b::8.8.8.8]/", "[64:ff9b::8.8.8.8]", "/"),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", "/"),
    ],
)
def test_public_spellings_pass(url, authority, target):
    found = parse_url(url)
    assert (found.authority, found.target, found.trusted) == (authority, target, False)


def test_what_is_shown_holds_neither_path_nor_query():
    found = parse_url("https://example.com:8443/v1/KEY/x?token=KEY")
    assert "KEY" not in f"{found} {found!r}"
    assert str(found) == "https://example.com:8443/…"


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://127.0.0.1:1/", "127.0.0.1"),
        ("http://LocalHost/", "localhost"),
        ("http://[::1]/", "[::1]"),
        ("http://index.lan/", "INDEX.lan."),
    ],
)
def test_listed_hosts_pass(url, allowed):
    assert parse_url(url, allow_hosts=[allowed]).trusted
    if "index" not in url:
        with pytest.raises(RefusedError, match="public"):
            parse_url(url, allow_hosts=["other.lan"])


@pytest.mark.parametrize("url", ["http://127.1/", "http://2130706433/", "http://user@127.0.0.1/"])
def test_a_listed_host_needs_its_plain_spelling(url):
    with pytest.raises(RefusedError):
        parse_url(url, allow_hosts=["127.0.0.1", "127.1", "2130706433"])


def test_a_file_is_named_by_its_absolute_path():
    assert parse_url("file:///srv/macro%20data/dxy.json").target == "/srv/macro data/dxy.json"
    assert parse_url("file://localhost/srv/dxy.json").target == "/srv/dxy.json"
