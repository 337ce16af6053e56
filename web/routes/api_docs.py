"""The reference of the API, from its OpenAPI description. The page loads nothing from other sites."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from web.http.rendering import render

router = APIRouter(include_in_schema=False)


@router.get("/docs")
def docs_page(request: Request) -> Response:
    """Show all operations."""
    schema: dict[str, Any] = request.app.openapi()
    operations = [
        {"method": method.upper(), "path": path, **operation}
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]
    return render(request, "docs.html", {"schema": schema, "operations": operations})
