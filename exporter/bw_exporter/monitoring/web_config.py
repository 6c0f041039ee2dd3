"""web.yml: TLS, basic auth and headers of the private listener, in Prometheus' exporter-toolkit format.

The format: github.com/prometheus/exporter-toolkit, docs/web-configuration.md. What of it Python's ssl or
this server cannot do is refused by name, never quietly left out.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError
from pydantic_core import PydanticCustomError

from bw_exporter.config.problems import Problems
from bw_exporter.config.reading import files, yaml_strict
from bw_exporter.config.shape import Section

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gunicorn.config import Config

_Model = TypeVar("_Model", bound=BaseModel)
_HEADERS: dict[str, tuple[str, ...]] = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}
_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_CLIENT_AUTH = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_UNVERIFIED = ("RequestClientCert", "RequireAnyClientCert")
_LARGEST_PEM_BYTES = 4 << 20
_BCRYPT = re.compile(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}")


@dataclass(frozen=True, slots=True)
class Tls:
    """Certificate files are read anew for each connection, so that a renewed one needs no restart."""

    cert_file: str
    key_file: str
    client_ca_file: str | None
    verify_mode: ssl.VerifyMode
    min_version: ssl.TLSVersion
    max_version: ssl.TLSVersion

    def context(self) -> ssl.SSLContext:
        """Return a context of these files; raises OSError or ssl.SSLError when they do not fit."""
        for path in (self.cert_file, self.key_file, self.client_ca_file):
            if path:
                files.require_regular(path)  # OpenSSL would wait for a named pipe
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version, context.maximum_version = self.min_version, self.max_version
        context.load_cert_chain(self.cert_file, self.key_file)
        if self.client_ca_file:
            context.load_verify_locations(self.client_ca_file)
        context.verify_mode = self.verify_mode
        return context

    def apply(self, cfg: Config) -> None:
        """Make a gunicorn worker with these settings speak TLS."""

        def context(_cfg: Config, _default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
            return self.context()

        cfg.set("certfile", self.cert_file)
        cfg.set("ssl_context", context)


@dataclass(frozen=True, slots=True)
class WebConfig:
    """What web.yml says; empty without one. `users` are bcrypt hashes by name."""

    tls: Tls | None = None
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)


def load(path: str) -> WebConfig:
    """Read and check a web.yml. File names in it are relative to its folder. Raises ConfigError."""
    document = yaml_strict.load(path)
    problems = Problems(document)
    top = {} if document.value is None else document.value
    file = _validated(_File, top, (), problems)
    section = None
    if isinstance(top, dict) and top.get("tls_server_config") is not None:
        section = _validated(_TlsSection, top["tls_server_config"], ("tls_server_config",), problems)
    tls = _tls(section, Path(path).parent, problems) if section else None
    problems.raise_any()
    assert file is not None
    return WebConfig(tls, file.basic_auth_users, file.http_server_config.headers)


def _validated(
    model: type[_Model], value: object, path: tuple[object, ...], problems: Problems
) -> _Model | None:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems.add_invalid(path, error, model)
        return None


def _unsupported(way_out: str) -> BeforeValidator:
    def refuse(_value: object) -> object:
        raise PydanticCustomError("unsupported", f"is not supported here; {way_out}")

    return BeforeValidator(refuse)


def _client_auth(value: object) -> object:
    if value in _UNVERIFIED:
        raise PydanticCustomError(
            "client_auth", "asks for certificates without verifying them; use RequireAndVerifyClientCert"
        )
    return value


def _version(value: object) -> object:
    if value in ("TLS10", "TLS11"):
        raise PydanticCustomError("version", "is broken and not spoken any more; use TLS12 or TLS13")
    return value


def _hashes(users: dict[str, str]) -> dict[str, str]:
    for hashed in users.values():
        if not _BCRYPT.fullmatch(hashed):
            raise PydanticCustomError(
                "bcrypt", "holds something that is no bcrypt hash; `htpasswd -nBC 10 NAME` makes one"
            )
    return users


def _headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        allowed = _HEADERS.get(name)
        if allowed is None:
            raise PydanticCustomError("header", "only {names} may be set", {"names": ", ".join(_HEADERS)})
        if not value.isprintable() or not value.isascii() or (allowed and value.lower() not in allowed):
            raise PydanticCustomError(
                "header",
                "{name} may be {values}",
                {"name": name, "values": " or ".join(allowed) or "one line of ASCII"},
            )
    return headers


_INLINE = _unsupported("put it in a file and name that in cert_file, key_file or client_ca_file")
_Version = Annotated[Literal["TLS12", "TLS13"], BeforeValidator(_version)]


class _TlsSection(Section):
    cert_file: str
    key_file: str
    client_ca_file: str | None = None
    client_auth_type: Annotated[
        Literal["NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"],
        BeforeValidator(_client_auth),
    ] = "NoClientCert"
    min_version: _Version = "TLS12"
    max_version: _Version = "TLS13"
    cert: Annotated[Any, _INLINE] = None
    key: Annotated[Any, _INLINE] = None
    client_ca: Annotated[Any, _INLINE] = None
    client_allowed_sans: Annotated[Any, _unsupported("let client_ca_file be a CA of those clients only")] = (
        None
    )
    cipher_suites: Annotated[Any, _unsupported("leave it out; min_version: TLS13 has only strong ones")] = (
        None
    )
    curve_preferences: Annotated[Any, _unsupported("leave it out; OpenSSL chooses well")] = None
    prefer_server_cipher_suites: Annotated[Any, _unsupported("leave it out; it has no effect in TLS 1.3")] = (
        None
    )


def _no_http2(value: object) -> object:
    if value is True:
        raise PydanticCustomError("http2", "HTTP/2 is not spoken here; leave it out, Prometheus needs none")
    return value


class _HttpSection(Section):
    http2: Annotated[bool, BeforeValidator(_no_http2)] = False
    headers: Annotated[dict[str, str], AfterValidator(_headers)] = Field({})


class _File(Section):
    tls_server_config: Any = None
    basic_auth_users: Annotated[dict[str, str], AfterValidator(_hashes)] = Field({})
    http_server_config: _HttpSection = _HttpSection()
    rate_limit: Annotated[Any, _unsupported("let a proxy limit requests")] = None


def _tls(section: _TlsSection, folder: Path, problems: Problems) -> Tls | None:
    """Check that the files are there and belong together."""
    names = {"cert_file": section.cert_file, "key_file": section.key_file}
    if section.client_ca_file:
        names["client_ca_file"] = section.client_ca_file
    if section.client_auth_type != "NoClientCert" and not section.client_ca_file:
        problems.add(
            ("tls_server_config", "client_auth_type"),
            "needs client_ca_file: which CA clients are verified by",
        )
    if section.min_version > section.max_version:
        problems.add(("tls_server_config", "max_version"), "is below min_version; raise it")
    for name, value in names.items():
        try:
            files.read(folder / value, _LARGEST_PEM_BYTES)
        except files.UnreadableFileError as error:
            problems.add(("tls_server_config", name), f"cannot be read ({error}); correct the path")
    if problems:
        return None
    tls = Tls(
        str(folder / section.cert_file),
        str(folder / section.key_file),
        str(folder / section.client_ca_file) if section.client_ca_file else None,
        _CLIENT_AUTH[section.client_auth_type],
        _VERSIONS[section.min_version],
        _VERSIONS[section.max_version],
    )
    try:
        tls.context()
    except (OSError, ValueError):
        problems.add(
            ("tls_server_config", "cert_file"),
            "with key_file and client_ca_file makes no TLS server; give PEM files, and the certificate's key",
        )
    return tls
