"""The application: the services that requests use, the routes, and the middleware around them."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.middleware.sessions import SessionMiddleware

from results.database import Database, is_missing
from web import log
from web.auth.accounts import Accounts
from web.auth.api_tokens import ApiTokens
from web.auth.login_attempts import LoginAttempts
from web.auth.second_factors import SecondFactors
from web.auth.sessions import SESSION_SECONDS, Sessions
from web.auth.users import Authenticator, session_key
from web.categories import Categories
from web.http.error_handlers import install_handlers
from web.http.middleware import BodyLimit, install_security
from web.http.preferences import ReadersLanguage
from web.http.rendering import STATIC
from web.http.upload_slots import UploadSlots
from web.inference import Service
from web.pictures import Pictures
from web.routes import (
    account,
    api_docs,
    audit,
    login,
    morning,
    people,
    photos,
    predict,
    preferences,
    returns_api,
    returns_pages,
    review,
    review_returns,
    runs,
    search,
    second_factor,
    statistics,
    upload,
    what_if,
)
from web.settings import WebSettings

logger = logging.getLogger(__name__)

_ROUTES = (
    predict,
    upload,
    login,
    account,
    preferences,
    second_factor,
    people,
    audit,
    morning,
    review_returns,
    review,
    returns_pages,
    photos,
    runs,
    statistics,
    what_if,
    search,
    returns_api,
    api_docs,
)
DESCRIPTION = """Classifies photos of returned items. `POST /predict/` is for other programs. The review desk's own
pages use the rest: it needs a session, and the header `X-CSRF-Token` with the token of the page."""


def create_app(settings: WebSettings) -> FastAPI:
    """Build the application.

    Args:
        settings: from the environment.

    Raises:
        ResultsError: the results cannot be opened.
        AccountsError: the accounts cannot be read.
        SessionsError: the sessions cannot be opened.
        OSError: ``WEB_DIR`` cannot be written.
    """
    accounts = Accounts(settings.web_dir)
    accounts.require()
    sessions = Sessions(settings.web_dir)
    service = Service(str(settings.torchserve_url), settings.torchserve_token_file)
    if is_missing(settings.results_db):
        logger.warning("RESULTS_DB names no results yet: the desk creates them, empty, at %s", settings.results_db)
    database = Database(settings.results_db, records_events=settings.returns_webhook_url is not None)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()
        sessions.close()
        database.close()

    app = FastAPI(
        title="Refund classifier",
        version="1",
        description=DESCRIPTION,
        docs_url=None,  # FastAPI's own page loads its scripts from elsewhere; ours is web/routes/api_docs.py
        redoc_url=None,
        lifespan=lifespan,
    )
    authenticator = Authenticator(settings, accounts, sessions)
    app.state.settings = settings
    app.state.database = database
    app.state.service = service
    app.state.counted_runs = statistics.CountedRuns(database)
    app.state.categories = Categories(service, database)
    app.state.pictures = Pictures(settings.media_dir)
    app.state.authenticator = authenticator
    app.state.login_attempts = LoginAttempts()
    app.state.second_factors = SecondFactors(settings.web_dir)
    app.state.api_tokens = ApiTokens(settings.web_dir)
    for module in _ROUTES:
        app.include_router(module.router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    install_handlers(app)
    app.add_middleware(ReadersLanguage)
    app.add_middleware(BodyLimit)
    app.add_middleware(UploadSlots, authenticator=authenticator, token=settings.web_predict_token)
    app.add_middleware(
        SessionMiddleware,
        secret_key=session_key(settings.web_dir),
        session_cookie=f"{'__Host-' * settings.web_secure_cookies}refund_desk",
        max_age=SESSION_SECONDS,
        https_only=settings.web_secure_cookies,
    )
    install_security(app, authenticator)
    return app


def create_from_environment() -> FastAPI:
    """Build the application from the environment; ``python -m web serve --reload`` calls it in each new process."""
    settings = WebSettings()
    log.configure(settings.log_format)
    return create_app(settings)
