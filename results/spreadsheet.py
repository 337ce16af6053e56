"""What a CSV file needs so that a spreadsheet opens it as it is meant."""

import re

# Without it Excel takes UTF-8 for the code page of the machine and garbles every name that is not plain English.
BYTE_ORDER_MARK = "\ufeff"
# What a spreadsheet runs as a formula: at the beginning of a text, or behind what some spreadsheet takes for the end of
# a cell. Excel separates at ``;`` in most of Europe, and quotation marks within such a cell protect nothing.
# Source: OWASP, CSV Injection.
_FORMULA = re.compile(r"(?:(?<=[;|\t\r\n])|\A)(?=\s*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20])")


def escape_formula(value: object) -> object:
    """Return a value with an apostrophe before what a spreadsheet would run as a formula; a file name can be one."""
    return _FORMULA.sub("'", value) if isinstance(value, str) else value
