"""The second factor of a login: codes of an authenticator app (TOTP), and recovery codes for a lost one."""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pyotp
import segno
from markupsafe import Markup
from pydantic import BaseModel, TypeAdapter, ValidationError

from web.private_files import atomic_write, locked, private_folder

ISSUER = "Refund desk"  # what the app shows
RECOVERY_CODES = 10
LONGEST_CODE = 40  # a recovery code and the spaces that a person types
_RECOVERY_BYTES = 10  # 80 random bits, so a fast hash suffices
_STEPS = (-1, 0, 1)  # of 30 s; clocks differ, and typing takes time. Source: RFC 6238, 5.2

Kind = Literal["app", "recovery"]


class SecondFactorsError(RuntimeError):
    """The file cannot be read; the message names it."""


class SecondFactor(BaseModel):
    """What the desk keeps for one account.

    Attributes:
        secret: shared with the app, base32.
        is_confirmed: the user showed once that the app knows the secret.
        last_step: time step of the last code that was accepted. It and older ones are refused: RFC 6238, 5.2.
        recovery: SHA-256 of the recovery codes that are left, hex.
    """

    secret: str
    is_confirmed: bool = False
    last_step: int = 0
    recovery: list[str] = []


_File = TypeAdapter(dict[str, SecondFactor])


class SecondFactors:
    """The second factors in ``WEB_DIR/second-factors``, by the name of the account.

    Whether an account needs one is a flag of the account, so a lost file opens no account.

    Args:
        folder: ``WEB_DIR``.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "second-factors"

    def begin(self, name: str) -> str:
        """Make a secret that waits for its confirmation, and return it."""
        secret = pyotp.random_base32()
        with self._changing() as factors:
            factors[name] = SecondFactor(secret=secret)
        return secret

    def pending_secret(self, name: str) -> str | None:
        """Return the secret that waits for its confirmation; None if there is none."""
        factor = self._read().get(name)
        return factor.secret if factor and not factor.is_confirmed else None

    def confirm(self, name: str, code: str) -> list[str] | None:
        """Confirm a new secret by a code of the app.

        Returns:
            The recovery codes, which are stored nowhere; None if the code is wrong.
        """
        with self._changing() as factors:
            factor = factors.get(name)
            step = _step_of(factor, code) if factor and not factor.is_confirmed else None
            if factor is None or step is None:
                return None
            codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
            hashes = [_hashed(code) for code in codes]
            factors[name] = SecondFactor(secret=factor.secret, is_confirmed=True, last_step=step, recovery=hashes)
            return codes

    def accept(self, name: str, code: str) -> Kind | None:
        """Check a code and use it up: it is accepted once.

        Returns:
            What it was; None if it is wrong or used.
        """
        with self._changing() as factors:
            factor = factors.get(name)
            if factor is None or not factor.is_confirmed:
                return None
            if (step := _step_of(factor, code)) is not None:
                factor.last_step = step
                return "app"
            hashed = _hashed(code)
            if used := [known for known in factor.recovery if hmac.compare_digest(known, hashed)]:
                factor.recovery = [known for known in factor.recovery if known not in used]
                return "recovery"
            return None

    def recovery_codes_left(self, name: str) -> int:
        """Return how many recovery codes an account has left."""
        factor = self._read().get(name)
        return len(factor.recovery) if factor else 0

    def remove(self, name: str) -> None:
        """Forget the second factor of an account; clear the account's flag first."""
        with self._changing() as factors:
            factors.pop(name, None)

    @contextmanager
    def _changing(self) -> Iterator[dict[str, SecondFactor]]:
        """Give the second factors to change, and write them; one process at a time."""
        private_folder(self.path.parent)
        with locked(self.path.with_name("second-factors.lock")):
            factors = self._read()
            before = _File.dump_json(factors)
            yield factors
            if (after := _File.dump_json(factors)) != before:
                atomic_write(self.path, after.decode() + "\n")

    def _read(self) -> dict[str, SecondFactor]:
        try:
            return _File.validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return {}
        except (ValidationError, OSError) as error:
            raise SecondFactorsError(f"the second factors in {self.path} cannot be read: {error}") from error


def qr_code(name: str, secret: str) -> Markup:
    """Return the QR code that an authenticator app reads, as SVG."""
    address = pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)
    drawn = segno.make(address, error="m", micro=False).svg_inline(border=4, light="#fff", dark="#000", omitsize=True)
    return Markup(drawn)  # noqa: S704  (made of numbers alone)


def _step_of(factor: SecondFactor, code: str) -> int | None:
    """Return the time step whose code this is; None if it is wrong or used up."""
    now = _now()
    app = pyotp.TOTP(factor.secret)
    typed = "".join(code.split())
    for step in (int(now) // app.interval + offset for offset in _STEPS):
        if step > factor.last_step and hmac.compare_digest(app.generate_otp(step).encode(), typed.encode()):
            return step
    return None


def _recovery_code() -> str:
    text = base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode().lower()
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def _hashed(code: str) -> str:
    typed = "".join(sign for sign in code.lower() if sign.isalnum())
    return hashlib.sha256(typed.encode()).hexdigest()


def _now() -> float:
    return time.time()
