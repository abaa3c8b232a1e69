"""What a browser may do with a page: the headers that say so.

Each page allows what it needs and nothing else (Content Security Policy Level 3).
"""

HEADERS = {"Referrer-Policy": "no-referrer"}

Policy = dict[str, str]

READING: Policy = {
    "default-src": "'none'",
    "style-src": "'self'",
    "img-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
"""A page without scripts."""

CALLING: Policy = READING | {"script-src": "'self'", "connect-src": "'self'"}
"""A page with scripts of ours, which call this server and no other."""

TRYING: Policy = CALLING | {"require-trusted-types-for": "'script'", "trusted-types": "'none'"}
"""A page with a token in it: there, no text can become HTML or a script either."""


REDOC_STYLES = (
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",
    "'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='",
)
"""An element without a style, in which ReDoc then puts that of its scroll bars: before it can be
told of a nonce. The second one changes with its version."""


def drawing(nonce: str) -> Policy:
    """The page of ReDoc, whose script makes styles as it draws, and marks those with this nonce.

    Icons inside its styles are `data:` URLs. Its search would need a worker made from a text,
    which is not allowed: the page leaves the search out.
    """
    styles = ("'self'", f"'nonce-{nonce}'", *REDOC_STYLES)
    return CALLING | {"style-src": " ".join(styles), "img-src": "'self' data:"}


def headers(policy: Policy) -> dict[str, str]:
    """All headers of a page."""
    directives = (f"{name} {value}" for name, value in policy.items())
    return HEADERS | {"Content-Security-Policy": "; ".join(directives)}
