"""The web desk's settings, from the environment."""

import ipaddress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, HttpUrl, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from web.log import LogFormat

Role = Literal["viewer", "reviewer", "admin"]


class WebSettings(BaseSettings):
    """What the environment says; the names are the variables' names, in any case. An empty one counts as unset."""

    model_config = SettingsConfigDict(env_ignore_empty=True)

    results_db: str = Field(default="data/results.db", description="results: a file or an SQLAlchemy URL")
    torchserve_url: HttpUrl = Field(default=HttpUrl("http://127.0.0.1:8080"), description="where TorchServe is found")
    torchserve_token_file: Path = Field(default=Path(".serving/inference.key"), description="the file with its token")
    media_dir: Path = Field(
        default=Path("data/media"), description="pictures without EXIF of what a person will look at"
    )
    log_format: LogFormat = Field(default="text", description="`text` or `json` lines")
    web_host: str = Field(
        default="127.0.0.1",
        description="address that the web desk listens on; another than loopback makes it ask for a password",
    )
    web_port: int = Field(default=8000, ge=0, le=65535, description="its port")
    web_dir: Path = Field(
        default=Path("data/web"), description="its accounts, its session key, and the password of the first start"
    )
    web_predict_token: str = Field(default="", description="when set, `POST /predict/` demands it as a bearer token")
    web_proxy_header: str = Field(
        default="", description="header in which a proxy in front names the user, such as `X-Forwarded-User`"
    )
    web_proxy_addresses: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("127.0.0.1", "::1"),
        description="addresses of the proxy in front, with commas; from others that header and `X-Forwarded-For` are "
        "ignored",
    )
    web_proxy_role: Role = Field(
        default="viewer", description="what such a user may do who has no account: `viewer`, `reviewer`, `admin`"
    )
    web_secure_cookies: bool = Field(
        default=False, description="`true` behind HTTPS: browsers then send the session nowhere else"
    )
    web_claim_s: int = Field(
        default=120, ge=10, description="seconds that a photo on somebody's screen is kept from other reviewers"
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
