"""Descriptions of an API for the tests that draw requests from them."""

from typing import Any

from schemathesis import APIOperation, BaseSchema, Case
from schemathesis.core.result import Ok

AnyOperation = APIOperation[Any, Any, Any, Any]
AnyCase = Case[Any]


def operations_of(schema: BaseSchema) -> list[AnyOperation]:
    """Return all operations of a description; each must be valid."""
    operations = []
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operations.append(result.ok())
    return operations
