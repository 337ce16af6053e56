"""The settings of the web desk, from the environment."""

import ipaddress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, HttpUrl, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from web.log import LogFormat

Role = Literal["viewer", "reviewer", "admin"]


class WebSettings(BaseSettings):
    """Settings from the environment. A field has the name of its variable, in any case; an empty variable is unset."""

    model_config = SettingsConfigDict(env_ignore_empty=True)

    results_db: str = Field(
        default="data/results.db", description="database of the results: a file or an SQLAlchemy URL"
    )
    torchserve_url: HttpUrl = Field(default=HttpUrl("http://127.0.0.1:8080"), description="address of TorchServe")
    torchserve_token_file: Path = Field(
        default=Path(".serving/inference.key"), description="file with the token of TorchServe"
    )
    media_dir: Path = Field(default=Path("data/media"), description="pictures for the desk, without EXIF")
    log_format: LogFormat = Field(default="text", description="format of the log lines: `text` or `json`")
    web_host: str = Field(
        default="127.0.0.1",
        description="address that the desk listens on; with any address but loopback it asks for a password",
    )
    web_port: int = Field(default=8000, ge=0, le=65535, description="port of the desk")
    web_dir: Path = Field(
        default=Path("data/web"),
        description="folder for the accounts, the sessions, the key of the cookies and the first password",
    )
    web_predict_token: str = Field(
        default="",
        description="bearer token that opens `POST /predict/` to programs; without it, a desk with accounts or on "
        "another address than loopback requires a session",
    )
    web_proxy_header: str = Field(
        default="",
        description="header in which a proxy names the user, such as `X-Forwarded-User`; its last entry counts",
    )
    web_proxy_addresses: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("127.0.0.1", "::1"),
        description="addresses of the proxy, separated by commas; from other addresses, that header and "
        "`X-Forwarded-For` are ignored",
    )
    web_proxy_role: Role = Field(
        default="viewer",
        description="role of a user whom the proxy names and who has no account: `viewer`, `reviewer` or `admin`",
    )
    web_secure_cookies: bool = Field(
        default=False,
        description="`true` behind HTTPS: browsers then send the session cookie over HTTPS and to this host only",
    )
    web_claim_s: int = Field(
        default=120, ge=10, description="seconds for which a photo on a screen is leased to one reviewer"
    )

    returns_webhook_url: HttpUrl | None = Field(
        default=None,
        description="if set, decisions of people are kept for the batch client, which delivers them to this URL",
    )

    @field_validator("web_proxy_addresses", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @property
    def is_loopback(self) -> bool:
        """Whether nobody but this machine can reach the desk."""
        try:
            return ipaddress.ip_address(self.web_host).is_loopback
        except ValueError:
            return self.web_host == "localhost"
