"""What a user agent server looks at before it acts on a request (RFC 3261 §8.2.1 to §8.2.3)."""

from __future__ import annotations

from msgspec import Struct

from transports.sip.tables import METHODS
from transports.sip.wire.headers import parse_value, write_list
from transports.sip.wire.message import Fields, Request
from transports.sip.wire.multipart import MULTIPARTS
from transports.sip.wire.uri import Malformed


class Abilities(Struct, frozen=True):
    """What is understood here; `content_types` are those of bodies, `offers` what an INVITE's answer has."""

    methods: tuple[str, ...]
    extensions: tuple[str, ...] = ()
    content_types: tuple[str, ...] = ("application/sdp",)
    offers: str = "application/sdp"
    schemes: tuple[str, ...] = ("sip", "sips")

    @property
    def accepted(self) -> tuple[str, ...]:
        """All types of bodies, with those that have others in them."""
        return (*self.content_types, *MULTIPARTS)


class Refusal(Struct, frozen=True):
    """The response that a request gets: its status and what it says beside what every response does."""

    status: int
    fields: Fields = ()


def inspect(request: Request, abilities: Abilities) -> Refusal | None:
    """Return why a request cannot be served, or None. ACK is never refused (RFC 3261 §17)."""
    if request.method == "ACK":
        return None
    try:
        return (
            _method(request, abilities)
            or _scheme(request, abilities)
            or _extensions(request, abilities)
            or _content(request, abilities)
            or _answer_type(request, abilities)
        )
    except Malformed:
        return Refusal(status=400)


def _method(request: Request, abilities: Abilities) -> Refusal | None:
    if request.method in abilities.methods:
        return None
    allow = (("Allow", write_list(abilities.methods)),)
    return Refusal(status=405 if request.method in METHODS else 501, fields=allow)


def _scheme(request: Request, abilities: Abilities) -> Refusal | None:
    return None if request.uri.scheme in abilities.schemes else Refusal(status=416)


def _extensions(request: Request, abilities: Abilities) -> Refusal | None:
    """Require is of no account in CANCEL (RFC 3261 §8.2.2.3)."""
    required = request.values("Require") if request.method != "CANCEL" else []
    unknown = [tag for tag in required if tag.lower() not in abilities.extensions]
    return Refusal(status=420, fields=(("Unsupported", write_list(unknown)),)) if unknown else None


def _content(request: Request, abilities: Abilities) -> Refusal | None:
    if not request.body or _is_optional(request):
        return None
    codings = [coding.lower() for coding in request.values("Content-Encoding")]
    if any(coding != "identity" for coding in codings):
        return Refusal(status=415, fields=(("Accept-Encoding", "identity"),))
    content_type = request.get("Content-Type")
    if content_type is None:
        return Refusal(status=400)
    if parse_value(content_type).value.lower() in abilities.content_types:
        return None
    return Refusal(status=415, fields=(("Accept", write_list(abilities.accepted)),))


def _is_optional(request: Request) -> bool:
    disposition = request.get("Content-Disposition")
    return (
        disposition is not None and parse_value(disposition).params.get("handling", "").lower() == "optional"
    )


def _answer_type(request: Request, abilities: Abilities) -> Refusal | None:
    """An INVITE's sender has to read what we answer with (RFC 3261 §20.1)."""
    if request.method != "INVITE" or request.get("Accept") is None:
        return None
    wanted = {parse_value(item).value.lower() for item in request.values("Accept")}
    kind = abilities.offers.partition("/")[0]
    return None if wanted & {abilities.offers, f"{kind}/*", "*/*"} else Refusal(status=406)
