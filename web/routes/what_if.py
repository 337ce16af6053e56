"""What other match thresholds would have cleared, for those who choose one."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from results.what_if import WhatIf, what_if
from web.charts import interval_plot, line_plot
from web.http.dependencies import VIEWERS_ONLY, DatabaseDep
from web.http.rendering import render

router = APIRouter(include_in_schema=False, dependencies=VIEWERS_ONLY)

NIGHTS = (7, 30, 90, 365)


@router.get("/what-if")
def what_if_page(
    request: Request, database: DatabaseDep, nights: Annotated[int, Query(ge=1, le=3660)] = 30
) -> Response:
    """Show for each match threshold how much would be cleared, and how much of it people found wrong."""
    with database.reading() as connection:
        answer = what_if(connection, nights)
    context = {"answer": answer, "nights": nights, "choices": sorted({*NIGHTS, nights}), **_plots(answer)}
    return render(request, "what_if.html", context)


def _plots(answer: WhatIf | None) -> dict[str, object]:
    if answer is None or not answer.returns:
        return {"cleared_plot": None, "wrong_plot": None}
    labels = [f"{row.threshold:g}" for row in answer.rows]
    now = next((index for index, row in enumerate(answer.rows) if row.threshold == answer.match_threshold), None)
    cleared = line_plot(labels, [row.returns / answer.returns for row in answer.rows], now)
    wrong = interval_plot(labels, [row.share_wrong for row in answer.rows], now)
    return {"cleared_plot": cleared, "wrong_plot": wrong}
